"""What an authority stands on: each alert comes true through the real component, fires once, and is resolved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TypeVar

from msc_builders import START
from msc_doors import Door, a_door, shown
from msc_live import ManualTime
from msc_watched import CALM_S, FIRING, RESOLVED, Watched, is_raised, is_resolved, watched

from msc_authority.adapters.memory_cache import MemoryPolicyCache
from msc_authority.adapters.memory_replicas import MemoryLease
from msc_authority.app.access import Role, TokenMissing
from msc_authority.app.alerts.conditions_of_production import MAX_REFUSED_RECENTLY
from msc_authority.app.alerts.values import Severity
from msc_authority.app.cache_keeper import CacheKeeper
from msc_authority.app.leadership import Leadership
from msc_authority.app.observation import Standing
from msc_authority.app.production import CacheSigns, Production, UpkeepSigns
from msc_authority.app.recent import RECENT_S
from msc_authority.app.retention import KindPlan, Pruner
from msc_authority.app.upkeep import Upkeep
from msc_authority.app.work import Worker
from msc_authority.core.audit_chain import Anchor, AuditRow, chained
from msc_authority.ports.cache import CacheError, CacheFault
from msc_authority.ports.replicas import LeaseState
from msc_authority.ports.store import StoreUnavailable

T = TypeVar("T")
TTL_S = 5.0


class Inline(Worker):
    """Calls at once, on the event loop's thread."""

    async def run(self, call: Callable[[], T]) -> T:
        return call()


@dataclass
class AbsentLease(MemoryLease):
    """A lease that cannot be had while it is away."""

    clock: ManualTime
    away: bool = False

    def __post_init__(self) -> None:
        super().__init__(self.clock)

    def acquire_or_renew(self, holder: str, address: str, ttl_s: float) -> LeaseState:
        if self.away:
            raise StoreUnavailable("connection refused")
        return super().acquire_or_renew(holder, address, ttl_s)


def a_leadership(scene: Watched, lease: AbsentLease, holder: str = "one") -> Leadership:
    leadership = Leadership(
        lease=lease,
        events=scene.told.bus,
        clock=scene.time,
        timer=scene.time,
        worker=Inline(threads=1, name="lease"),
        holder=holder,
        ttl_s=TTL_S,
    )
    leadership.stands_at(f"{holder}:7443")
    return leadership


def standing_of(leadership: Leadership) -> Standing:
    return Standing(leading=leadership.leading, leaderless_s=leadership.leaderless_s)


async def test_a_minute_without_a_leader_is_told_until_somebody_leads() -> None:
    async with watched() as scene:
        lease = AbsentLease(scene.time)
        leadership = a_leadership(scene, lease)
        scene.stands = lambda: standing_of(leadership)
        await leadership.attend()
        lease.away = True
        await scene.time.advance(TTL_S + 55.0)
        assert scene.states("NO_LEADER") == []
        await scene.time.advance(3.0)

        alert = await is_raised(scene, "NO_LEADER")
        assert alert.severity is Severity.WARNING
        assert alert.text.startswith("No authority has led for ")

        lease.away = False
        for _ in range(6):
            await leadership.attend()
            await scene.time.advance(2.0)
        await is_resolved(scene, "NO_LEADER", after_s=0.0)


async def test_whoever_follows_a_leader_that_renews_finds_nothing() -> None:
    async with watched() as scene:
        lease = AbsentLease(scene.time)
        leader, follower = a_leadership(scene, lease), a_leadership(scene, lease, "two")
        scene.stands = lambda: standing_of(follower)
        for _ in range(50):
            await leader.attend()
            await follower.attend()
            assert (leader.lease_age_s, follower.leaderless_s) == (0.0, 0.0)
            await scene.time.advance(2.0)
        assert scene.states("NO_LEADER") == []


async def test_a_cache_that_is_away_for_five_minutes_is_told_with_what_it_said_until_it_is_back() -> None:
    async with watched() as scene:
        cache = MemoryPolicyCache(scene.time)
        keeper = CacheKeeper(
            cache=cache,
            broker=scene.broker,
            worker=Inline(threads=1, name="cache"),
            events=scene.told.bus,
            clock=scene.time,
            timer=scene.time,
            on_newer=lambda _: None,
        )
        scene.stands_on = lambda: Production(cache=keeper.signs())
        await keeper.turn()
        cache.error = CacheError("it wants another password", CacheFault.DENIED)
        await keeper.turn()
        await scene.time.advance(299.0)
        await keeper.turn()

        alert = await is_raised(scene, "CACHE_UNAVAILABLE")
        assert alert.severity is Severity.WARNING
        assert alert.text == "The cache has not been usable for 5 min: it wants another password"

        cache.error = None
        await scene.evaluate()
        await keeper.turn()
        await is_resolved(scene, "CACHE_UNAVAILABLE")
        assert keeper.signs().recoveries == 1


async def test_where_there_is_no_cache_none_is_missed() -> None:
    async with watched() as scene:
        scene.stands_on = lambda: Production(cache=None)
        await scene.time.advance(3600.0)
        assert scene.states("CACHE_UNAVAILABLE") == []
        scene.stands_on = lambda: Production(cache=CacheSigns())
        await scene.time.advance(3600.0)
        assert scene.states("CACHE_UNAVAILABLE") == []


async def test_many_refusals_within_five_minutes_are_told_with_their_reason_until_they_end() -> None:
    async with watched() as scene:
        with a_door(scene.time) as door:
            scene.stands_on = lambda: Production(door=door.admission.tally())
            for _ in range(MAX_REFUSED_RECENTLY):
                await knocks(door)
            await scene.time.advance(CALM_S)
            assert scene.states("ACCESS_REFUSED") == []
            await knocks(door)

            alert = await is_raised(scene, "ACCESS_REFUSED")
            assert alert.severity is Severity.WARNING
            assert alert.text == "21 requests were refused within 5 min; most since the start: TOKEN_MISSING"

            await scene.time.advance(RECENT_S)
            await is_resolved(scene, "ACCESS_REFUSED")
            assert scene.states("ACCESS_REFUSED") == [FIRING, RESOLVED]


async def knocks(door: Door) -> None:
    with suppress(TokenMissing):
        await door.admission.admit(shown(), Role.READER, "/GetPolicy")


@dataclass
class Log:
    """An audit log of which a row may be changed by hand."""

    rows: list[AuditRow] = field(default_factory=list)

    def rows_after(self, sequence: int | None) -> Iterator[AuditRow]:
        return iter(self.rows)


class NothingOld(Pruner):
    """Has nothing to prune."""

    def __init__(self) -> None:
        pass

    def prepare(self, actor: str) -> tuple[KindPlan, ...]:
        return ()


def three_rows() -> list[AuditRow]:
    rows: list[AuditRow] = []
    for number in range(3):
        last = Anchor(rows[-1].sequence, rows[-1].hash) if rows else None
        at = START + timedelta(minutes=number)
        rows.append(chained(last, at=at, actor="ops", action="drill", target="x", detail={}))
    return rows


async def test_an_audit_log_that_does_not_hold_is_told_with_its_row_until_it_holds_again() -> None:
    async with watched() as scene:
        log = Log(three_rows())
        upkeep = Upkeep(
            pruner=NothingOld(),
            audit=log,  # type: ignore[arg-type]  # what is read of one
            clock=scene.time,
            timer=scene.time,
            worker=Inline(threads=1, name="upkeep"),
            leading=lambda: True,
            stopping=lambda: False,
        )
        scene.stands_on = lambda: Production(upkeep=upkeep.signs())
        assert await upkeep.once()
        assert upkeep.signs() == UpkeepSigns(rounds=1, done_ago_s=0.0, audit_rows=3)
        kept = log.rows[1]
        log.rows[1] = replace(kept, actor="nobody")
        await upkeep.once()

        alert = await is_raised(scene, "AUDIT_BROKEN")
        assert alert.severity is Severity.CRITICAL
        assert alert.text.startswith("The audit log does not hold at row 2 ")

        log.rows[1] = kept
        await upkeep.once()
        await is_resolved(scene, "AUDIT_BROKEN")
