"""A watch for a host in the authority's own process: the bytes of the wire, without a wire."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from msc_authority.app.broker import Watcher
from msc_authority.rpc.watch import Watch
from msc_authority.rpc.watch_service import WatchMaker

_log = logging.getLogger(__name__)

Callback = Callable[[bytes], None]


OPEN_WITHIN_S = 5.0


class _Subscription:
    """Delivers a watch to a callback until either ends."""

    def __init__(self, watcher: Watcher, watch: Watch, callback: Callback, loop: asyncio.AbstractEventLoop) -> None:
        self._watcher, self._watch, self._callback, self._loop = watcher, watch, callback, loop
        self._open = True

    def begin(self) -> None:
        self._deliver(self._watch.first())
        # Not at once: whoever publishes does not wait for a subscriber.
        self._watcher.on_wake(lambda: self._loop.call_soon(self._look))
        self._look()

    def close(self) -> None:
        self._open = False
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._release)

    def _look(self) -> None:
        while self._open and (frame := self._watch.due()) is not None:
            self._deliver(frame)
        if self._watch.over:
            self._release()

    def _deliver(self, frame: bytes) -> None:
        try:
            self._callback(frame)
        except Exception:
            _log.exception("A local subscriber failed")

    def _release(self) -> None:
        self._open = False
        self._watcher.leave()


class LocalPolicyFeed:
    """Delivers serialized WatchPolicyResponse messages to callbacks. Any thread may subscribe.

    The first message comes before `subscribe` returns. All come on the authority's event loop, so a callback must be
    quick. What a callback raises is logged and goes no further.
    """

    def __init__(self, maker: WatchMaker, *, heartbeat_s: float, loop: asyncio.AbstractEventLoop) -> None:
        """`loop` is the authority's."""
        self._maker, self._heartbeat_s, self._loop = maker, heartbeat_s, loop

    def subscribe(self, callback: Callable[[bytes], None]) -> Callable[[], None]:
        """Calls `callback` at once with the current policy, then with each later one and each heartbeat.

        Returns what ends the subscription; twice is fine.

        Raises:
            Draining: the authority is stopping.
        """
        if _running_loop() is self._loop:
            return self._open(callback)
        return asyncio.run_coroutine_threadsafe(self._opened(callback), self._loop).result(OPEN_WITHIN_S)

    async def _opened(self, callback: Callback) -> Callable[[], None]:
        return self._open(callback)

    def _open(self, callback: Callback) -> Callable[[], None]:
        watcher = self._maker.broker.watch()
        watch = self._maker.make(watcher, heartbeat_s=self._heartbeat_s, held=None)
        subscription = _Subscription(watcher, watch, callback, self._loop)
        subscription.begin()
        return subscription.close


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
