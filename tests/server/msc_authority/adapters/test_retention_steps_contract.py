"""Pruning, step by step: what the store refuses, writes down, and leaves whole."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from msc_builders import (
    ManualClock,
    Store,
    a_commit,
    a_trade,
    a_transition,
    a_verdict,
    an_entry,
    an_execution,
)
from msc_live import ManualTime
from msc_pruned import (
    ALL,
    CONFIG,
    DAYS,
    NOW,
    day,
    evaluate,
    left,
    lived,
    prune,
    pruner,
    reading_of,
)
from msc_traced import a_tracer

from msc_authority.adapters.memory import MemoryJournal
from msc_authority.app.trace import EquityTrace
from msc_authority.core.ledger import Ledger
from msc_authority.ports.journal import LedgerCheckpoint
from msc_authority.ports.store import StaleState
from msc_authority.ports.upkeep import Kept, PruneOrder


@pytest.fixture
def store(fresh_store: Store, clock: ManualClock) -> Store:
    """200 days of facts, evaluated now, with a rewind point of yesterday."""
    return lived(fresh_store, clock)


def test_a_floor_that_misses_something_is_refused(store: Store, clock: ManualClock) -> None:
    journal = MemoryJournal()
    journal.record(ALL)
    ledger = Ledger.empty(CONFIG)
    ledger.fold(row for row in journal.evidence_after(None, journal.end()) if row.at <= day(100))
    floor = LedgerCheckpoint(watermark=day(100), cursor=store.journal.end(), payload=ledger.encode())
    store.journal.record([a_trade("late", closed_at=day(30), opened_at=day(29))])

    with pytest.raises(StaleState, match="arrived meanwhile"):
        store.retention.raise_floor(floor, NOW, "ops")

    assert store.journal.floor() is None


@pytest.mark.parametrize("instant", [day(DAYS - 0.9), NOW + timedelta(days=1)])
def test_a_floor_above_what_evaluations_fold_on_from_is_refused(store: Store, instant: datetime) -> None:
    floor = LedgerCheckpoint(watermark=instant, cursor=store.journal.end(), payload=b"{}")

    with pytest.raises(StaleState, match="may have to fold on from before"):
        store.retention.raise_floor(floor, NOW, "ops")


def test_a_floor_never_comes_down(store: Store, clock: ManualClock) -> None:
    prune(store, clock)
    floor = LedgerCheckpoint(watermark=day(5), cursor=store.journal.end(), payload=b"{}")

    with pytest.raises(StaleState, match="never comes down"):
        store.retention.raise_floor(floor, NOW, "ops")


def test_evidence_above_the_floor_cannot_go(store: Store, clock: ManualClock) -> None:
    prune(store, clock)

    for kind in (Kept.TRADES, Kept.EQUITY):
        with pytest.raises(StaleState, match="later than the journal's floor"):
            store.retention.allow(PruneOrder(kind=kind, upto=day(150), rows=1), NOW, "ops")


def test_evaluations_that_published_or_moved_a_strategy_stay(fresh_store: Store, clock: ManualClock) -> None:
    store = fresh_store
    evaluate(store, day(1), "published", publish=True)
    evaluate(store, day(2), "nothing")
    moved = an_entry(
        "moved", started_at=day(3), verdict=a_verdict(as_of=day(3), transitions=(a_transition("RANGE_002"),))
    )
    checkpoint = reading_of(store, day(3)).checkpoint(day(3))
    store.evaluations.commit(a_commit(entry=moved, publish=None, checkpoint=checkpoint), store.evaluations.load())
    store.evaluations.record_failure(an_entry("failed", started_at=day(4), verdict=None, failure="x"))
    evaluate(store, day(5), "newest")
    clock.instant = NOW

    plans = prune(store, clock)

    assert plans[Kept.EVALUATIONS].rows == 2
    assert [entry.evaluation_id for entry in store.log.page(None, 9)] == ["newest", "moved", "published"]
    assert store.policies.head().policy is not None


def test_each_removal_is_in_the_audit_log_before_it_begins(store: Store, clock: ManualClock) -> None:
    pruner(store, clock).prepare("ops")

    lines = [(row.action, row.target, row.actor) for row in store.audit.page(None, 4)]

    assert sorted(lines) == [
        ("prune", "equity", "ops"),
        ("prune", "executions", "ops"),
        ("prune", "trades", "ops"),
        ("raise_floor", f"journal up to {day(DAYS - 90.5):%Y-%m-%dT%H:%M:%S.%f}Z", "ops"),
    ]
    assert left(store) == (2 * DAYS, DAYS)


def test_a_removal_that_was_cut_short_goes_on(store: Store, clock: ManualClock) -> None:
    pruner(store, clock).prepare("ops")

    gone = [store.retention.prune(Kept.EXECUTIONS, 50) for _ in range(5)]

    assert gone == [50, 50, 50, 20, 0]
    assert left(store)[1] == DAYS - 170


def test_whoever_follows_reports_goes_on_behind_those_that_went(store: Store, clock: ManualClock) -> None:
    end = store.executions.end()
    prune(store, clock)
    store.journal.record([an_execution("E-new", at=NOW)])

    assert [each.execution.event_id for each in store.executions.executions_after(end, 10)] == ["E-new"]
    assert store.executions.end() == end + 1


async def test_what_is_drawn_is_what_it_was_before_anything_went(store: Store, clock: ManualClock) -> None:
    before = await trace_of(store)
    prune(store, clock)

    assert await trace_of(store) == before
    assert before.points


async def trace_of(store: Store) -> EquityTrace:
    time = ManualTime()
    time.leap((NOW - time.now()).total_seconds())
    async with a_tracer(store.journal, time) as tracer:
        assert await tracer.refresh()
        return tracer.trace
