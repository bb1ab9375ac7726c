"""What every log of execution reports tells its readers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msc_builders import ManualClock, Store, a_trade, an_equity_point, an_execution, at

from msc_authority.adapters.sql import SqlStore, open_store
from msc_authority.core.facts import Execution, Side
from msc_authority.ports.journal import ExecutionLog, JournalledExecution

LATER_THAN_ALL = datetime(2100, 1, 1, tzinfo=UTC)


def pages(log: ExecutionLog, after: int, limit: int) -> Iterator[list[JournalledExecution]]:
    while page := log.executions_after(after, limit):
        yield page
        after = page[-1].sequence


def test_an_empty_log_has_nothing_to_tell(store: Store) -> None:
    assert store.executions.end() == 0
    assert store.executions.executions_after(0, 10) == []
    assert store.executions.last_sequence_before(at(0)) == 0


def test_a_report_is_told_exactly_as_it_was_recorded(store: Store) -> None:
    full = an_execution(
        status="BLOCKED",
        side=Side.SELL,
        quantity=Decimal("0.000000000000000001"),
        price=None,
        reduce_only=True,
        confidence=None,
        at=at(0).replace(microsecond=1),
        reason="TRADING_HALTED",
        detail_json='{"text":"trading is halted – nothing opens"}',
    )
    store.journal.record([full])

    (told,) = store.executions.executions_after(0, 10)

    assert told.execution == full
    assert type(told.execution.reduce_only) is bool
    assert told.execution.at.utcoffset() == timedelta(0)


def test_reports_come_in_the_order_of_arrival_whatever_their_instants(store: Store) -> None:
    store.journal.record([an_execution("second", at=at(5)), an_execution("first", at=at(1))])
    store.journal.record([an_execution("late", at=at(-60))])

    told = store.executions.executions_after(0, 10)

    assert [report.execution.event_id for report in told] == ["second", "first", "late"]
    assert [report.sequence for report in told] == sorted({report.sequence for report in told})
    assert told[0].sequence >= 1
    assert store.executions.end() == told[-1].sequence


def test_facts_of_other_kinds_are_not_among_the_reports(store: Store) -> None:
    store.journal.record([a_trade(), an_execution(), an_equity_point()])

    (told,) = store.executions.executions_after(0, 10)

    assert told.execution == an_execution()


def test_a_report_sent_again_is_told_once(store: Store) -> None:
    store.journal.record([an_execution("E-1")])
    store.journal.record([an_execution("E-1"), an_execution("E-2")])

    assert [report.execution.event_id for report in store.executions.executions_after(0, 10)] == ["E-1", "E-2"]


def test_pages_follow_each_other_without_gap_or_overlap(store: Store) -> None:
    names = [f"E-{number:02}" for number in range(25)]
    for name in names:
        store.journal.record([an_execution(name), an_execution(name)])

    read = list(pages(store.executions, 0, 10))

    assert [len(page) for page in read] == [10, 10, 5]
    assert [report.execution.event_id for page in read for report in page] == names


def test_what_arrives_between_two_pages_is_on_the_next_one(store: Store) -> None:
    store.journal.record([an_execution("E-1"), an_execution("E-2")])
    end = store.executions.end()
    assert store.executions.executions_after(end, 10) == []

    store.journal.record([an_execution("old", at=at(-600))])

    assert [report.execution.event_id for report in store.executions.executions_after(end, 10)] == ["old"]


def test_reading_from_before_an_instant_misses_nothing_since_then(store: Store) -> None:
    store.journal.record([an_execution(f"E-{minute}", at=at(minute)) for minute in range(10)])
    store.journal.record([an_execution("late", at=at(-60))])

    start = store.executions.last_sequence_before(at(7))

    told = store.executions.executions_after(start, 10)
    assert [report.execution.event_id for report in told] == ["E-7", "E-8", "E-9", "late"]


def test_nothing_lies_before_the_earliest_and_everything_before_what_is_to_come(store: Store) -> None:
    store.journal.record([an_execution("E-1"), an_execution("E-2", at=at(1))])

    assert store.executions.last_sequence_before(at(0)) == 0
    assert store.executions.last_sequence_before(LATER_THAN_ALL) == store.executions.end()


def test_an_instant_of_another_time_zone_is_the_same_instant(store: Store) -> None:
    store.journal.record([an_execution("E-1"), an_execution("E-2", at=at(1)), an_execution("E-3", at=at(2))])
    tokyo = at(2).astimezone(timezone(timedelta(hours=9)))

    assert store.executions.last_sequence_before(tokyo) == store.executions.last_sequence_before(at(2))
    (told,) = store.executions.executions_after(store.executions.last_sequence_before(tokyo), 10)
    assert told.execution.event_id == "E-3"


@pytest.mark.parametrize("minutes", [-1, 0, 3.5, 9, 10])
def test_what_arrived_earlier_all_happened_before_the_instant(store: Store, minutes: float) -> None:
    order = [4, 1, 9, 0, 7, 2]
    store.journal.record([an_execution(f"E-{minute}", at=at(minute)) for minute in order])

    start = store.executions.last_sequence_before(at(minutes))

    reports = store.executions.executions_after(0, 100)
    assert all(report.execution.at < at(minutes) for report in reports if report.sequence <= start)


def test_a_store_opened_again_goes_on_where_it_was(sqlite_url: str, clock: ManualClock) -> None:
    with closing(open_store(sqlite_url, clock)) as before:
        before.journal.record([an_execution("E-1")])
        end = before.executions.end()

    with closing(open_store(sqlite_url, clock)) as after:
        after.journal.record([an_execution("E-2")])
        (told,) = after.executions.executions_after(end, 10)

    assert told.execution.event_id == "E-2"


ARRIVALS = st.lists(st.integers(0, 30), max_size=20)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrivals=ARRIVALS, since=st.integers(0, 31))
def test_whatever_the_order_of_arrival_reading_on_finds_all_since_an_instant(
    sql_store: SqlStore, arrivals: list[int], since: int
) -> None:
    fresh, end = uuid4().hex, sql_store.executions.end()
    facts: list[Execution] = [an_execution(f"{fresh}-{n}", at=at(minute)) for n, minute in enumerate(arrivals)]
    sql_store.journal.record([replace(fact) for fact in facts])

    start = max(end, sql_store.executions.last_sequence_before(at(since)))
    told = [report.execution for report in sql_store.executions.executions_after(start, 100)]

    assert {fact.event_id for fact in facts if fact.at >= at(since)} <= {each.event_id for each in told}
