"""Calls the host back: off the reader's thread, one at a time, the newest value only."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from msc_client._clock import Clock
from msc_client.config import ClientConfig
from msc_client.view import PolicyView

Callback = Callable[[PolicyView], None]

_log = logging.getLogger("msc_client")
_NS = 1_000_000_000


class Dispatcher:
    """One slot, one thread. A value that is replaced before its turn is never seen."""

    def __init__(self, *, config: ClientConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._condition = threading.Condition()
        self._callbacks: dict[object, Callback] = {}
        self._pending: PolicyView | None = None
        self._closed = False
        self._thread: threading.Thread | None = None
        self.errors = 0

    def subscribe(self, callback: Callback) -> Callable[[], None]:
        """Calls `callback` with each new value from now on. Returns what ends that; ending it twice is fine."""
        key = object()
        with self._condition:
            self._callbacks[key] = callback

        def unsubscribe() -> None:
            with self._condition:
                self._callbacks.pop(key, None)

        return unsubscribe

    def put(self, view: PolicyView) -> None:
        """Has the callbacks called with this value, unless a newer one comes first."""
        with self._condition:
            self._pending = view
            self._condition.notify_all()

    def start(self) -> None:
        """Starts the thread."""
        self._thread = threading.Thread(target=self._run, name="policy-callback", daemon=True)
        self._thread.start()

    def close(self, timeout_s: float) -> None:
        """Delivers what is pending and ends the thread; a callback that hangs is left behind."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    def after_fork(self) -> None:
        """Makes the same callbacks usable in a forked child: a new lock, no thread yet."""
        self._condition = threading.Condition()
        self._pending, self._thread = None, None

    def guarded(self, callback: Callback) -> Callback:
        """Returns a callback that never raises: what it raises is logged and counted, and slowness is logged."""

        def call(view: PolicyView) -> None:
            self._call(callback, view)

        return call

    def _run(self) -> None:
        while (view := self._next()) is not None:
            with self._condition:
                callbacks = list(self._callbacks.values())
            for callback in callbacks:
                self._call(callback, view)

    def _next(self) -> PolicyView | None:
        with self._condition:
            while self._pending is None and not self._closed:
                self._condition.wait()
            view, self._pending = self._pending, None
            return view

    def _call(self, callback: Callback, view: PolicyView) -> None:
        began_ns = self._clock.monotonic_ns()
        try:
            callback(view)
        except BaseException:
            # Not even SystemExit from a host's callback may end the thread that all callbacks share.
            self.errors += 1
            _log.exception("callback %r failed", callback, extra={"msc_event": "callback_failed"})
        took_s = (self._clock.monotonic_ns() - began_ns) / _NS
        if took_s > self._config.slow_callback_s:
            _log.warning("callback %r took %.1f s", callback, took_s, extra={"msc_event": "callback_slow"})
