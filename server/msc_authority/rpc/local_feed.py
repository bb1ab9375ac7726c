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
    def __init__(self, callback: Callback) -> None:
        self._callback = callback
        self.open = True

    def deliver(self, frame: bytes) -> None:
        if not self.open:
            return
        try:
            self._callback(frame)
        except Exception:
            _log.exception("A local subscriber failed")


class LocalPolicyFeed:
    """Delivers serialized WatchPolicyResponse messages to callbacks. Any thread may subscribe.

    The first message comes before `subscribe` returns. All come on the authority's event loop, so a callback must be
    quick. What a callback raises is logged and goes no further.
    """

    def __init__(self, maker: WatchMaker, *, heartbeat_s: float, loop: asyncio.AbstractEventLoop) -> None:
        """`loop` is the authority's."""
        self._maker, self._heartbeat_s, self._loop = maker, heartbeat_s, loop
        self._tasks: set[asyncio.Task[None]] = set()

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
        subscription = _Subscription(callback)
        subscription.deliver(watch.first())
        task = self._loop.create_task(_pump(watcher, watch, subscription))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return lambda: self._close(subscription, task)

    def _close(self, subscription: _Subscription, task: asyncio.Task[None]) -> None:
        subscription.open = False
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(task.cancel)


async def _pump(watcher: Watcher, watch: Watch, subscription: _Subscription) -> None:
    with watcher:
        while (frame := await watch.next()) is not None:
            subscription.deliver(frame)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
