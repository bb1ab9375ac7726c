"""PolicyAuthority.WatchPolicy on the wire: opens a watch, and writes what it says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Self

import grpc

from msc_authority.app.broker import Broker, Ending, Watcher
from msc_authority.app.clients import ClientInfo, ClientStatus, WatchEnd
from msc_authority.app.fleet import Fleet
from msc_authority.app.permits import current_permit
from msc_authority.app.timing import Uniform
from msc_authority.ports.clock import Clock
from msc_authority.rpc.errors import EpochSuperseded, ReplicaBehind, SlowConsumer, refusal_of
from msc_authority.rpc.frames import Frames
from msc_authority.rpc.interceptors import abort
from msc_authority.rpc.mapping.basics import seconds_of
from msc_authority.rpc.mapping.fleet import client_of, status_of
from msc_authority.rpc.mapping.policies import ref_of
from msc_authority.rpc.outlet import Outlet
from msc_authority.rpc.watch import Held, StreamIdentity, Watch, heartbeat_interval
from msc_policy import v1 as pb

if TYPE_CHECKING:
    from msc_authority.rpc.calls import Context

ABORT_WITHIN_S = 1.0
_ENDS: Mapping[Ending | None, WatchEnd] = {
    Ending.DRAINING: WatchEnd.DRAINING,
    Ending.REBALANCE: WatchEnd.REBALANCE,
    Ending.AUTH_EXPIRED: WatchEnd.AUTH_EXPIRED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchMaker:
    """Makes watches that look at one broker."""

    broker: Broker
    frames: Frames
    clock: Clock
    uniform: Uniform
    new_id: Callable[[], str]
    server_id: str

    def make(self, watcher: Watcher, *, heartbeat_s: float, held: Held | None) -> Watch:
        """Returns the watch of a slot."""
        return Watch(
            broker=self.broker,
            watcher=watcher,
            frames=self.frames,
            clock=self.clock,
            uniform=self.uniform,
            identity=StreamIdentity(stream_id=self.new_id(), server_id=self.server_id, heartbeat_s=heartbeat_s),
            held=held,
        )


class WatchService:
    """Serves watches to callers."""

    def __init__(self, *, maker: WatchMaker, fleet: Fleet, clock: Clock, heartbeat_s: float) -> None:
        self._maker, self._fleet, self._clock, self._heartbeat_s = maker, fleet, clock, heartbeat_s

    async def watch_policy(self, request: pb.WatchPolicyRequest, context: Context) -> None:
        """Writes a watch until it or its caller ends."""
        client = client_of(request.client) if request.HasField("client") else None
        with self._maker.broker.watch() as watcher, _Noted(self._fleet, watcher) as noted:
            if permit := current_permit():
                permit.when_lost(partial(watcher.end, Ending.AUTH_EXPIRED))
            writing = self._begun(request, client, watcher, noted, context)
            # A watch lasts; what it was opened with need not.
            del request, client
            try:
                await writing
            except asyncio.CancelledError:
                if watcher.ending is Ending.SLOW_CONSUMER:
                    await _end_slow(context)
                raise

    def _begun(
        self,
        request: pb.WatchPolicyRequest,
        client: ClientInfo | None,
        watcher: Watcher,
        noted: _Noted,
        context: Context,
    ) -> Awaitable[None]:
        watch = self._maker.make(watcher, heartbeat_s=self._interval(request), held=_held(request))
        first = watch.first()
        if client is not None:
            noted.opened(client, status_of(request.status) if request.HasField("status") else None)
        return Outlet(watch, watcher, context.write, self._clock).serve(first)

    def _interval(self, request: pb.WatchPolicyRequest) -> float:
        wish_s = seconds_of(request.heartbeat_interval) if request.HasField("heartbeat_interval") else None
        return heartbeat_interval(wish_s, self._heartbeat_s)


class _Noted:
    """A watch in the fleet's books: which client's it is, and how it ended."""

    __slots__ = ("_fleet", "_instance_id", "_watcher")

    def __init__(self, fleet: Fleet, watcher: Watcher) -> None:
        self._fleet, self._watcher = fleet, watcher
        self._instance_id: str | None = None

    def opened(self, client: ClientInfo, status: ClientStatus | None) -> None:
        self._fleet.watch_opened(client, status)
        self._instance_id = client.instance_id

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if self._instance_id is not None:
            self._fleet.watch_closed(self._instance_id)
        ended = self._watcher.ending
        cause = _broken_by(error, self._watcher) if error else _ENDS.get(ended, WatchEnd.MAX_AGE)
        self._fleet.watch_ended(cause)


def _held(request: pb.WatchPolicyRequest) -> Held | None:
    # Version 0 is "no policy": whoever holds that holds nothing.
    if not request.known.version:
        return None
    return Held(ref=ref_of(request.known), etag=request.known.etag)


def _broken_by(error: BaseException, watcher: Watcher) -> WatchEnd:
    if watcher.ending is Ending.SLOW_CONSUMER:
        return WatchEnd.SLOW_CONSUMER
    # gRPC cancels when the caller has gone; a write may find out first.
    if isinstance(error, (asyncio.CancelledError, grpc.aio.InternalError)):
        return WatchEnd.CALLER
    return WatchEnd.REFUSED if isinstance(error, (ReplicaBehind, EpochSuperseded)) else WatchEnd.FAILED


async def _end_slow(context: Context) -> None:
    # A goodbye would wait behind the write that is stuck; a status reaches the caller should it ever read on. It must
    # not hold the slot until then, hence the limit.
    refusal = refusal_of(SlowConsumer("nothing was read for 10 s"))
    task = asyncio.current_task()
    if refusal is None or task is None:
        return
    task.uncancel()
    try:
        async with asyncio.timeout(ABORT_WITHIN_S):
            await abort(context, refusal)
    except TimeoutError:
        return
