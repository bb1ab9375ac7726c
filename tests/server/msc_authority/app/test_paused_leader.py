"""A leader that is stopped in the middle of an evaluation, and goes on when another has long taken over."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import pytest
from msc_builders import a_trade
from msc_live import ManualTime, Told

from msc_authority.adapters.memory import MemoryJournal, MemoryStore
from msc_authority.app.evaluate import Evaluator
from msc_authority.app.leadership import Leadership, NotLeader
from msc_authority.app.work import Worker
from msc_authority.core.config import DecisionConfig
from msc_authority.ports.store import Fenced

T = TypeVar("T")
TTL_S = 5.0


class Inline(Worker):
    async def run(self, call: Callable[[], T]) -> T:
        return call()


class StoppingJournal(MemoryJournal):
    """Stops whoever reads it, once, for as long as `pause` takes."""

    pause: Callable[[], None] | None = None

    def newest_fact_at(self) -> datetime | None:
        pause, self.pause = self.pause, None
        if pause is not None:
            pause()
        return super().newest_fact_at()


class Replica:
    """One process: its leadership, and the evaluator that asks it for the term."""

    def __init__(self, name: str, store: MemoryStore, time: ManualTime) -> None:
        ids = itertools.count(1)
        self.leadership = Leadership(
            lease=store.lease,
            events=Told().bus,
            clock=time,
            timer=time,
            worker=Inline(threads=1, name="lease"),
            holder=name,
            ttl_s=TTL_S,
        )
        self.leadership.stands_at(f"{name}:7443")
        self.evaluator = Evaluator(
            store=store.evaluations,
            journal=store.journal,
            log=store.log,
            clock=time,
            config=DecisionConfig(),
            valid_for_s=3600.0,
            new_id=lambda: f"{name}-{next(ids)}",
            term=self.leadership.term,
        )


@pytest.fixture
def time() -> ManualTime:
    return ManualTime()


@pytest.fixture
def store(time: ManualTime) -> MemoryStore:
    store = MemoryStore(time)
    store.journal = StoppingJournal()
    store.journal.record([a_trade("T-1")])
    return store


async def test_what_it_decided_before_is_refused_and_what_the_new_one_decided_stays(
    time: ManualTime, store: MemoryStore
) -> None:
    old, new = Replica("old", store, time), Replica("new", store, time)
    await old.leadership.attend()

    def stopped() -> None:
        time.leap(60.0)
        assert store.lease.acquire_or_renew("new", "new:7443", TTL_S).held

    assert isinstance(store.journal, StoppingJournal)
    store.journal.pause = stopped
    with pytest.raises(Fenced) as caught:
        old.evaluator.evaluate(trigger="schedule")
    await new.leadership.attend()
    outcome = new.evaluator.evaluate(trigger="start")

    assert caught.value.term == 1
    assert [entry.evaluation_id for entry in store.log.page(None, 10)] == [outcome.entry.evaluation_id]
    assert store.policies.head() == outcome.head
    assert not old.leadership.leading


async def test_also_when_the_new_one_has_committed_nothing_yet(time: ManualTime, store: MemoryStore) -> None:
    old = Replica("old", store, time)
    await old.leadership.attend()
    assert isinstance(store.journal, StoppingJournal)

    def stopped() -> None:
        time.leap(60.0)
        assert store.lease.acquire_or_renew("new", "new:7443", TTL_S).held

    store.journal.pause = stopped
    with pytest.raises(Fenced):
        old.evaluator.evaluate(trigger="schedule")

    assert store.log.page(None, 10) == []
    assert store.evaluations.load().generation == 0


async def test_one_that_knows_that_it_does_not_lead_begins_nothing(time: ManualTime, store: MemoryStore) -> None:
    old = Replica("old", store, time)
    await old.leadership.attend()
    time.leap(60.0)

    with pytest.raises(NotLeader):
        old.evaluator.evaluate(trigger="schedule")

    assert store.log.page(None, 10) == []


async def test_one_that_slept_and_that_nobody_replaced_may_finish_what_it_began(
    time: ManualTime, store: MemoryStore
) -> None:
    old = Replica("old", store, time)
    await old.leadership.attend()
    assert isinstance(store.journal, StoppingJournal)
    store.journal.pause = lambda: time.leap(60.0)

    assert old.evaluator.evaluate(trigger="schedule").head.ref.version == 1
