"""One of several leads: how a replica begins to, how it ceases to in time, and what it says about it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import pytest
from msc_live import ManualTime, Told, settle

from msc_authority.adapters.memory_replicas import MemoryLease
from msc_authority.app.events import LeadershipCause, LeadershipChanged, log_event
from msc_authority.app.leadership import Leadership, NotLeader, SoleLeader
from msc_authority.app.work import Worker
from msc_authority.ports.replicas import LeaseState
from msc_authority.ports.store import StoreUnavailable

T = TypeVar("T")

TTL_S = 5.0
C = LeadershipCause


class Inline(Worker):
    """Calls at once, on the event loop's thread."""

    async def run(self, call: Callable[[], T]) -> T:
        return call()


@dataclass
class TroubledLease:
    """A lease in memory that may be away, or answer late."""

    time: ManualTime
    lease: MemoryLease = field(init=False)
    away: bool = False
    answer_takes_s: float = 0.0

    def __post_init__(self) -> None:
        self.lease = MemoryLease(self.time)

    def acquire_or_renew(self, holder: str, address: str, ttl_s: float) -> LeaseState:
        if self.away:
            raise StoreUnavailable("connection refused")
        state = self.lease.acquire_or_renew(holder, address, ttl_s)
        self.time.leap(self.answer_takes_s)
        return state

    def release(self, term: int) -> None:
        if self.away:
            raise StoreUnavailable("connection refused")
        self.lease.release(term)


@dataclass
class Two:
    """Two replicas on one lease; each is moved by its own `attend`."""

    time: ManualTime = field(default_factory=ManualTime)
    told: dict[str, Told] = field(default_factory=lambda: {"one": Told(), "two": Told()})

    def __post_init__(self) -> None:
        self.lease = TroubledLease(self.time)
        self.one, self.two = self._replica("one"), self._replica("two")

    def _replica(self, name: str) -> Leadership:
        leadership = Leadership(
            lease=self.lease,
            events=self.told[name].bus,
            clock=self.time,
            timer=self.time,
            worker=Inline(threads=1, name="lease"),
            holder=name,
            ttl_s=TTL_S,
        )
        leadership.stands_at(f"{name}:7443")
        return leadership

    def causes(self, name: str) -> list[LeadershipCause]:
        return [event.cause for event in self.told[name].events if isinstance(event, LeadershipChanged)]


def leads(replica: Leadership) -> bool:
    return replica.leading


async def test_alone_it_leads_from_the_first_answer_on() -> None:
    scene = Two()
    assert not leads(scene.one)

    await scene.one.attend()

    assert leads(scene.one)
    assert scene.one.term() == 1
    assert scene.one.leader_address == "one:7443"
    assert scene.causes("one") == [C.BEGAN]


async def test_one_that_renews_leads_on_and_says_it_once() -> None:
    scene = Two()
    for _ in range(20):
        await scene.one.attend()
        await scene.time.advance(TTL_S / 3)

    assert leads(scene.one)
    assert scene.causes("one") == [C.BEGAN]
    assert scene.one.transitions == {C.BEGAN: 1}


async def test_the_other_follows_and_knows_where_the_leader_is() -> None:
    scene = Two()
    await scene.one.attend()
    await scene.two.attend()
    await scene.two.attend()

    assert not leads(scene.two)
    assert scene.two.leader_address == "one:7443"
    with pytest.raises(NotLeader, match="one:7443 leads"):
        scene.two.term()
    assert scene.causes("two") == [C.FOLLOWS]


async def test_one_that_cannot_renew_steps_down_by_its_own_clock_before_another_may_lead() -> None:
    scene = Two()
    await scene.one.attend()
    scene.lease.away = True
    await scene.time.advance(TTL_S * 0.9 - 0.01)
    await scene.one.attend()
    assert leads(scene.one)
    await scene.time.advance(0.02)

    assert not leads(scene.one)
    assert scene.causes("one") == [C.BEGAN, C.NOT_RENEWED]
    scene.lease.away = False
    await scene.two.attend()
    assert not leads(scene.two), "the store still keeps the lease for the first"


async def test_when_the_lease_is_over_the_other_leads_in_the_next_term() -> None:
    scene = Two()
    await scene.one.attend()
    await scene.time.advance(TTL_S)
    await scene.two.attend()

    assert leads(scene.two)
    assert scene.two.term() == 2
    assert not leads(scene.one)


async def test_one_that_slept_through_its_lease_does_not_lead_when_it_wakes() -> None:
    scene = Two()
    await scene.one.attend()
    scene.time.leap(60.0)

    assert not leads(scene.one)
    with pytest.raises(NotLeader):
        scene.one.term()

    await scene.two.attend()
    await scene.one.attend()
    assert leads(scene.two)
    assert not leads(scene.one)
    assert scene.causes("one")[:2] == [C.BEGAN, C.TAKEN_OVER]


async def test_one_that_slept_alone_says_that_it_did_not_lead_and_leads_again() -> None:
    scene = Two()
    await scene.one.attend()
    scene.time.leap(60.0)
    await scene.one.attend()

    assert leads(scene.one)
    assert scene.causes("one") == [C.BEGAN, C.NOT_RENEWED, C.BEGAN]


async def test_an_answer_that_comes_after_the_lease_is_over_is_no_lease() -> None:
    scene = Two()
    scene.lease.answer_takes_s = TTL_S
    await scene.one.attend()

    assert not leads(scene.one)
    assert scene.causes("one") == []


async def test_given_back_another_leads_at_once() -> None:
    scene = Two()
    await scene.one.attend()
    await scene.two.attend()
    await scene.one.give_back()
    await scene.one.give_back()
    await scene.two.attend()

    assert leads(scene.two)
    assert scene.causes("one") == [C.BEGAN, C.STOPPING]
    assert scene.causes("two") == [C.FOLLOWS, C.BEGAN]


async def test_it_stops_also_where_the_store_is_away(caplog: pytest.LogCaptureFixture) -> None:
    scene = Two()
    await scene.one.attend()
    scene.lease.away = True
    await scene.one.give_back()

    assert not leads(scene.one)
    assert "could not be given back" in caplog.text


async def test_one_whose_commit_was_refused_leads_no_longer() -> None:
    scene = Two()
    await scene.one.attend()
    scene.one.fenced(7)
    assert leads(scene.one), "that was another term"

    scene.one.fenced(1)

    assert not leads(scene.one)
    assert scene.causes("one") == [C.BEGAN, C.FENCED]


async def test_a_refusal_of_what_was_begun_before_is_told_as_well(caplog: pytest.LogCaptureFixture) -> None:
    scene = Two()
    await scene.one.attend()
    await scene.one.give_back()

    scene.one.fenced(1)

    assert scene.causes("one") == [C.BEGAN, C.STOPPING]
    assert "The store refused what was begun in term 1" in caplog.text


async def test_a_store_that_is_away_is_said_once_and_so_is_its_return(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    scene = Two()
    scene.lease.away = True
    for _ in range(3):
        await scene.one.attend()
    scene.lease.away = False
    for _ in range(3):
        await scene.one.attend()

    lines = [record.message for record in caplog.records if "lease" in record.message]
    assert lines == ["The lease cannot be asked for: connection refused", "The lease can be asked for again"]


async def test_it_asks_on_its_own_and_takes_over_as_soon_as_the_lease_is_over() -> None:
    scene = Two()
    await scene.one.attend()
    task = asyncio.create_task(scene.two.run())
    await scene.time.advance(TTL_S - 0.1)
    assert not leads(scene.two)
    await scene.time.advance(0.2)
    assert leads(scene.two)
    await scene.time.advance(10 * TTL_S)
    assert leads(scene.two)
    assert scene.causes("two") == [C.FOLLOWS, C.BEGAN]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_whoever_waits_for_a_change_hears_of_it() -> None:
    scene = Two()
    heard = asyncio.create_task(scene.one.changes())
    await settle()
    heard_too_early = heard.done()

    await scene.one.attend()
    await settle()

    assert (heard_too_early, heard.done()) == (False, True)


def test_each_transition_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for cause in LeadershipCause:
        log_event(LeadershipChanged(cause=cause, term=3, address="one:7443", text="why"))

    lines = [(record.levelname, record.message) for record in caplog.records]
    assert lines == [
        ("INFO", "Leading from now on, in term 3"),
        ("INFO", "Following the leader at one:7443, in term 3"),
        ("INFO", "No longer leading in term 3: why"),
        ("WARNING", "No longer leading in term 3: why"),
        ("WARNING", "No longer leading in term 3: why"),
        ("WARNING", "No longer leading in term 3: why"),
    ]


def test_who_has_a_store_alone_leads_without_asking() -> None:
    sole = SoleLeader()
    sole.fenced(None)

    assert sole.leading
    assert sole.term() is None
