"""Pruning: what is old goes, and no evaluation ever decides anything else than it would with the whole journal."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from msc_builders import (
    ManualClock,
    Store,
    a_trade,
)
from msc_pruned import (
    ALL,
    CONFIG,
    DAYS,
    KEEP,
    NOW,
    OTHER,
    day,
    evaluate,
    facts_of,
    left,
    lived,
    prune,
    pruner,
    reading_of,
    whole,
)

from msc_authority.app.ledger import JournalPruned, read_ledger
from msc_authority.app.retention import KeepDays, Pruner
from msc_authority.core.facts import Fact, happened_at
from msc_authority.ports.journal import LedgerCheckpoint
from msc_authority.ports.store import StaleState
from msc_authority.ports.upkeep import Kept


@pytest.fixture
def store(fresh_store: Store, clock: ManualClock) -> Store:
    """200 days of facts, evaluated now, with a rewind point of yesterday."""
    return lived(fresh_store, clock)


def test_what_is_older_than_its_days_goes(store: Store, clock: ManualClock) -> None:
    plans = prune(store, clock)

    newest = day(DAYS - 0.5)
    assert {kind: plan.upto for kind, plan in plans.items()} == {
        Kept.EXECUTIONS: newest - timedelta(days=30),
        Kept.TRADES: newest - timedelta(days=90),
        Kept.EQUITY: newest - timedelta(days=90),
        Kept.EVALUATIONS: NOW - timedelta(days=30),
    }
    assert (plans[Kept.TRADES].rows, plans[Kept.EQUITY].rows, plans[Kept.EXECUTIONS].rows) == (110, 110, 170)
    assert left(store) == (2 * DAYS - 220, DAYS - 170)
    assert all(not plan.held_back for plan in plans.values())


def test_a_plan_changes_nothing(store: Store, clock: ManualClock) -> None:
    before, rows = left(store), store.audit.page(None, 1)

    plans = pruner(store, clock).plan()

    assert sum(plan.rows for plan in plans) == 390
    assert left(store) == before
    assert store.audit.page(None, 1) == rows
    assert store.journal.floor() is None


def test_nothing_goes_where_everything_is_kept_for_ever(store: Store, clock: ManualClock) -> None:
    before = left(store)

    plans = prune(store, clock, KeepDays())

    assert all(plan.upto is None for plan in plans.values())
    assert left(store) == before
    assert store.journal.floor() is None


def test_the_next_evaluation_is_as_with_the_whole_journal(store: Store, clock: ManualClock) -> None:
    prune(store, clock)
    new = facts_of(DAYS)
    store.journal.record(new)

    assert reading_of(store, day(DAYS + 1)).ledger.encode() == whole(ALL + new, day(DAYS + 1))


def test_a_late_fact_is_folded_from_the_floor_as_from_the_beginning(store: Store, clock: ManualClock) -> None:
    prune(store, clock)
    late: list[Fact] = [a_trade("late", closed_at=day(150.2), opened_at=day(150), net_pnl=Decimal(-40))]

    outcome = store.journal.record(late)

    assert outcome.accepted == 1
    assert reading_of(store, NOW).ledger.encode() == whole(ALL + late, NOW)


def test_a_ledger_that_is_lost_is_folded_from_the_floor(store: Store, clock: ManualClock) -> None:
    prune(store, clock)

    reading = read_ledger(checkpoint=None, store=store.evaluations, journal=store.journal, config=CONFIG, as_of=NOW)

    assert reading.ledger.encode() == whole(ALL, NOW)


def test_pruning_day_by_day_is_as_pruning_once(store: Store, clock: ManualClock) -> None:
    facts = list(ALL)
    for number in range(DAYS, DAYS + 5):
        facts += facts_of(number)
        store.journal.record(facts_of(number))
        clock.instant = day(number + 1)
        evaluate(store, clock.instant, f"day-{number}")
        prune(store, clock)

    reading = read_ledger(
        checkpoint=None, store=store.evaluations, journal=store.journal, config=CONFIG, as_of=clock.instant
    )
    floor = store.journal.floor()
    assert floor is not None
    assert floor.watermark == day(DAYS + 4.5 - 90)
    assert reading.ledger.encode() == whole(facts, clock.instant)


def test_facts_of_a_time_that_was_pruned_are_refused(store: Store, clock: ManualClock) -> None:
    prune(store, clock)
    again, unknown = facts_of(20), a_trade("new", closed_at=day(20), opened_at=day(19))

    outcome = store.journal.record([*again, unknown])

    assert (outcome.accepted, outcome.duplicates) == (0, 0)
    assert [(row.id, row.field, row.code) for row in outcome.refused] == [
        ("T-20", "closed_at", "TOO_OLD"),
        (f"main@{day(20.5):%Y-%m-%dT%H:%M:%S.%f}Z", "at", "TOO_OLD"),
        ("E-20", "at", "TOO_OLD"),
        ("new", "closed_at", "TOO_OLD"),
    ]
    assert "none of that time is taken any more" in outcome.refused[0].reason


def test_an_old_fact_that_is_still_there_is_known_again(store: Store, clock: ManualClock) -> None:
    prune(store, clock, KeepDays(trades=0, equity=90))
    trade, other = facts_of(20)[0], a_trade("T-21", closed_at=day(21), net_pnl=Decimal(99))

    outcome = store.journal.record([trade, other])

    assert outcome.duplicates == 1
    assert [(row.index, row.id, row.code) for row in outcome.refused] == [(1, "T-21", "ID_CONFLICT")]


def test_one_kind_may_be_kept_longer_than_the_other(store: Store, clock: ManualClock) -> None:
    plans = prune(store, clock, KeepDays(trades=150, equity=90))

    assert (plans[Kept.TRADES].rows, plans[Kept.EQUITY].rows) == (50, 110)
    assert read_ledger(
        checkpoint=None, store=store.evaluations, journal=store.journal, config=CONFIG, as_of=NOW
    ).ledger.encode() == whole(ALL, NOW)


def test_nothing_goes_that_an_evaluation_may_fold_on_from(fresh_store: Store, clock: ManualClock) -> None:
    fresh_store.journal.record(ALL)
    evaluate(fresh_store, day(60), "long-ago")
    clock.instant = NOW

    plans = prune(fresh_store, clock)

    assert plans[Kept.TRADES].upto == plans[Kept.EQUITY].upto == day(60)
    assert "may have to fold on from" in plans[Kept.TRADES].held_back
    assert reading_of(fresh_store, NOW).ledger.encode() == whole(ALL, NOW)


def test_evidence_stays_until_it_was_evaluated(fresh_store: Store, clock: ManualClock) -> None:
    fresh_store.journal.record(ALL)
    clock.instant = NOW

    plans = prune(fresh_store, clock)

    assert plans[Kept.TRADES].held_back == "nothing was evaluated yet"
    assert left(fresh_store) == (2 * DAYS, DAYS - 170)


def test_a_store_at_rest_loses_nothing_more(store: Store, clock: ManualClock) -> None:
    prune(store, clock)
    before = left(store)
    clock.instant = day(DAYS + 1000)

    plans = prune(store, clock, replace(KEEP, evaluations=0))

    assert [plan.rows for plan in plans.values()] == [0, 0, 0, 0]
    assert left(store) == before


def test_an_evaluation_before_the_floor_is_not_made(store: Store, clock: ManualClock) -> None:
    prune(store, clock)

    with pytest.raises(JournalPruned, match="set the clock"):
        reading_of(store, day(50))


def test_other_numbers_are_not_folded_from_half_a_journal(store: Store, clock: ManualClock) -> None:
    prune(store, clock)

    with pytest.raises(JournalPruned, match=r"rows up to 2026-.* were pruned.*msc prune --start-anew"):
        reading_of(store, NOW, OTHER)


def test_other_numbers_are_folded_from_a_whole_journal(store: Store) -> None:
    assert reading_of(store, NOW, OTHER).ledger.encode() == whole(ALL, NOW, OTHER)


def test_a_person_may_have_what_is_left_count_alone(store: Store, clock: ManualClock) -> None:
    prune(store, clock)

    since = pruner(store, clock, config=OTHER).start_anew("ops")

    recent = [fact for fact in ALL if happened_at(fact) > since]
    assert since == day(DAYS - 90.5)
    assert reading_of(store, NOW, OTHER).ledger.encode() == whole(recent, NOW, OTHER)
    assert store.audit.page(None, 1)[0].action == "raise_floor"


def test_there_is_nothing_to_start_anew_where_nothing_was_pruned(store: Store, clock: ManualClock) -> None:
    with pytest.raises(JournalPruned, match="nothing was pruned"):
        pruner(store, clock).start_anew("ops")


def test_who_has_other_numbers_than_the_evaluations_prunes_no_evidence(store: Store, clock: ManualClock) -> None:
    its = pruner(store, clock, config=OTHER)

    plans = {plan.kind: plan for plan in its.prepare("ops")}

    assert "other numbers" in plans[Kept.TRADES].held_back
    assert plans[Kept.TRADES].rows == plans[Kept.EQUITY].rows == 0
    assert plans[Kept.EXECUTIONS].rows == 170
    assert store.journal.floor() is None


class Interrupted:
    """The retention of a store, before which something late arrives a few times."""

    def __init__(self, store: Store, times: int) -> None:
        self._store, self._times = store, times
        its = store.retention
        self.earliest_base, self.pruned_up_to, self.count = its.earliest_base, its.pruned_up_to, its.count
        self.allow, self.prune = its.allow, its.prune

    def raise_floor(self, floor: LedgerCheckpoint, now: datetime, actor: str) -> None:
        if self._times:
            self._times -= 1
            self._store.journal.record([a_trade(f"late-{self._times}", closed_at=day(30.2), opened_at=day(30))])
        self._store.retention.raise_floor(floor, now, actor)


@pytest.mark.parametrize(("times", "goes"), [(2, True), (3, False)])
def test_what_arrives_while_the_floor_is_folded_is_in_it(
    store: Store, clock: ManualClock, times: int, goes: bool
) -> None:
    its = Pruner(
        journal=store.journal,
        evaluations=store.evaluations,
        retention=Interrupted(store, times),
        clock=clock,
        config=CONFIG,
        keep=KEEP,
    )
    late: list[Fact] = [a_trade(f"late-{number}", closed_at=day(30.2), opened_at=day(30)) for number in range(times)]

    if goes:
        its.prepare("ops")
    else:
        with pytest.raises(StaleState, match="arrived meanwhile"):
            its.prepare("ops")

    assert (store.journal.floor() is not None) is goes
    assert reading_of(store, NOW).ledger.encode() == whole(ALL + late, NOW)
