"""A policy source in the authority's own process, on the authority's own feed: what it sees, and how it ages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msc_builders import a_content
from msc_served import served

from msc_authority.adapters.memory import MemoryStore
from msc_authority.compose.parts import Machine, Running
from msc_authority.compose.running import running
from msc_authority.core.policy import RiskMode as Mode
from msc_authority.settings import Settings
from msc_client import ClientConfig, ConnectionState, LocalPolicySource, PolicySource, Ref, RiskMode, Role, Tier
from msc_client.testing import ManualClock
from msc_policy import v1 as pb

DEADLINE_S = 20.0
LOOPS = 3
"""Schedule, confirmation and pulse: each waits for time when it has nothing to do."""

CONFIG = ClientConfig(local_pause_s=1e9)


class AuthorityTime:
    """The authority's clock and timer, moved by hand on its own event loop."""

    def __init__(self) -> None:
        self.elapsed_s = 0.0
        self._timers: list[tuple[float, Callable[[], None]]] = []

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.elapsed_s)

    def monotonic(self) -> float:
        return 1000.0 + self.elapsed_s

    @property
    def waiting(self) -> int:
        return len(self._timers)

    def after(self, delay_s: float, callback: Callable[[], None]) -> Callable[[], None]:
        entry = (self.elapsed_s + max(0.0, delay_s), callback)
        self._timers.append(entry)
        return lambda: self._timers.remove(entry) if entry in self._timers else None

    def advance(self, seconds: float) -> None:
        self.elapsed_s += seconds
        for entry in sorted((entry for entry in self._timers if entry[0] <= self.elapsed_s), key=lambda due: due[0]):
            if entry in self._timers:
                self._timers.remove(entry)
                entry[1]()


@dataclass
class Scene:
    """An authority with its own evaluator, and a source beside it. Each has a clock of its own."""

    authority: Running
    time: AuthorityTime
    source: LocalPolicySource
    clock: ManualClock
    watchers: int = 1

    async def pass_time(self, seconds: float) -> None:
        """Lets both clocks go on in seconds, as one machine would; whoever works is waited for."""
        for _ in range(round(seconds)):
            self.time.advance(1.0)
            self.clock.advance(1.0)
            await self.until(lambda: self.time.waiting >= LOOPS + self.watchers)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():  # noqa: ASYNC110 -- what is waited for happens in other threads
                await asyncio.sleep(0.005)


@asynccontextmanager
async def scene(state_dir: Path | None = None) -> AsyncIterator[Scene]:
    time, clock = AuthorityTime(), ManualClock()
    machine = Machine(clock=time, timer=time, uniform=lambda low, high: low, new_id=iter_ids())
    settings = Settings(grpc_host="127.0.0.1", grpc_port=0)
    async with running(settings, MemoryStore(time), machine) as authority:
        source = LocalPolicySource(
            authority.feed, role=Role.RISK_GUARD, name="beside", config=CONFIG, state_dir=state_dir, clock=clock
        )
        told = Scene(authority, time, source, clock)
        await asyncio.to_thread(source.start, 0)
        await told.until(lambda: source.current().ref is not None)
        try:
            yield told
        finally:
            await asyncio.to_thread(source.close)


def iter_ids() -> Callable[[], str]:
    numbers = iter(range(1_000_000))
    return lambda: f"id-{next(numbers)}"


def test_a_source_beside_the_authority_reads_its_first_policy_without_a_network() -> None:
    async def main() -> None:
        async with scene() as told:
            view = told.source.current()
            assert view.tier is Tier.FRESH
            assert view.ref is not None
            assert view.ref.version == 1
            assert told.source.status().target == "local"
            assert view.policy.risk_mode in RiskMode

    asyncio.run(main())


def test_both_ways_to_the_same_authority_show_the_same_policy() -> None:
    async def main() -> None:
        async with scene() as told:
            remote = PolicySource(told.authority.address, role=Role.OTHER, name="remote", state_dir=None)
            view = await asyncio.to_thread(remote.start, DEADLINE_S)
            await asyncio.to_thread(remote.close)
            assert (view.policy, view.ref) == (told.source.current().policy, told.source.current().ref)

    asyncio.run(main())


def test_heartbeats_keep_it_fresh_and_their_absence_lets_it_age() -> None:
    async def main() -> None:
        async with scene() as told:
            await told.pass_time(60)
            assert told.source.current().tier is Tier.FRESH
            assert told.source.status().counters.watchdog_timeouts == 0
            # Only the client's clock goes on: for it, the authority stands still.
            told.clock.advance(30.5)
            assert told.source.current().tier is Tier.STALE
            told.clock.advance(900)
            assert told.source.current().tier is Tier.SAFE_EXPIRED

    asyncio.run(main())


def test_closing_ends_the_subscription_and_the_value_goes_on_by_age(tmp_path: Path) -> None:
    async def main() -> Ref | None:
        async with scene(tmp_path) as told:
            ref = told.source.current().ref
            await asyncio.to_thread(told.source.close)
            told.watchers = 0
            await told.pass_time(10)
            assert told.source.status().connection is ConnectionState.CLOSED
            assert told.source.status().age_s is not None
            assert told.source.current().ref == ref
            return ref

    ref = asyncio.run(main())
    assert ref is not None
    [kept] = tmp_path.iterdir()
    assert f'"version": {ref.version}' in kept.read_text()


def test_an_authority_that_stops_is_an_authority_that_is_away() -> None:
    async def main() -> Scene:
        async with scene() as told:
            pass
        return told

    told = asyncio.run(main())
    assert told.source.current().tier is Tier.FRESH
    told.clock.advance(31)
    assert told.source.current().tier is Tier.STALE


def test_what_the_feed_delivers_is_what_the_wire_would() -> None:
    async def main() -> list[str | None]:
        async with scene() as told:
            frames: list[bytes] = []
            end = told.authority.feed.subscribe(frames.append)
            told.watchers = 2
            await told.pass_time(12)
            end()
            told.watchers = 1
            count = len(frames)
            await told.pass_time(12)
            assert len(frames) == count
            return [pb.WatchPolicyResponse.FromString(frame).WhichOneof("event") for frame in frames]

    events = asyncio.run(main())
    assert events[0] == "snapshot"
    assert set(events[1:]) == {"heartbeat"}


def test_before_the_first_policy_it_is_safe_and_then_follows_each_commit() -> None:
    async def main() -> list[tuple[Tier, int]]:
        async with served() as told:
            source = LocalPolicySource(
                told.authority.feed, role=Role.OTHER, name="l", config=CONFIG, state_dir=None, clock=ManualClock()
            )
            await asyncio.to_thread(source.start, 0)
            seen = [(source.current().tier, source.current().policy.ref.version)]
            for mode in (Mode.NORMAL, Mode.AGGRESSIVE):
                head = await told.publish(replace(a_content(), risk_mode=mode))
                view = await asyncio.to_thread(source.wait_for_ref, Ref(head.ref.epoch, head.ref.version), DEADLINE_S)
                assert view.policy.risk_mode.name == mode.name
                seen.append((view.tier, view.policy.ref.version))
            await asyncio.to_thread(source.close)
            return seen

    assert asyncio.run(main()) == [(Tier.SAFE_NONE, 0), (Tier.FRESH, 1), (Tier.FRESH, 2)]
