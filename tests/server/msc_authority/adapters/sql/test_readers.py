"""Readers while others write: whole states, in order, and lists that neither lose nor repeat."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from msc_builders import START, a_commit, a_content, a_ranking, a_trade, a_verdict, an_entry, at

from msc_authority.adapters.commits import REWIND_POINTS_KEPT
from msc_authority.adapters.sql import SqlStore
from msc_authority.core.policy import RiskMode
from msc_authority.ports.journal import JournalCursor, LedgerCheckpoint

COMMITS = 25
MODES = (RiskMode.DEFENSIVE, RiskMode.NORMAL)


def commit_number(store: SqlStore, number: int) -> None:
    content = a_content(MODES[number % 2], author=f"author-{number}")
    verdict = a_verdict(content, as_of=at(number), strategies=(a_ranking(f"S{number}"),))
    commit = a_commit(
        entry=an_entry(f"eval-{number}", verdict=verdict, started_at=at(number)),
        publish=content,
        controller=f"controller-{number}".encode(),
    )
    store.evaluations.commit(commit, store.evaluations.load())


@contextmanager
def readers_of(read: Callable[[], None], count: int = 2) -> Iterator[None]:
    """Reads again and again on threads of their own; what goes wrong there fails the test."""
    stop, problems = threading.Event(), list[BaseException]()
    began = threading.Barrier(count + 1)

    def reading() -> None:
        began.wait()
        try:
            while not stop.is_set():
                read()
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=reading) for _ in range(count)]
    for thread in threads:
        thread.start()
    began.wait()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert problems == []


def test_a_reader_finds_state_and_head_of_one_and_the_same_commit(sql_store: SqlStore) -> None:
    commit_number(sql_store, 1)
    seen: list[int] = []

    def read() -> None:
        state = sql_store.evaluations.load()
        policy = state.head.policy
        assert policy is not None
        assert state.generation == state.head.ref.version
        assert state.controller == f"controller-{state.generation}".encode()
        assert policy.content.author == f"author-{state.generation}"
        assert state.head.evaluated_at == at(state.generation)
        seen.append(state.generation)

    with readers_of(read, count=1):
        for number in range(2, COMMITS + 1):
            commit_number(sql_store, number)

    assert seen == sorted(seen)
    assert sql_store.evaluations.load().generation == COMMITS


def test_a_reader_finds_a_ranking_whole_and_of_the_evaluation_it_belongs_to(sql_store: SqlStore) -> None:
    commit_number(sql_store, 1)

    def read() -> None:
        [ranking], as_of = sql_store.log.strategies()
        assert as_of is not None
        assert ranking.strategy_id == f"S{(as_of - START) // timedelta(minutes=1)}"

    with readers_of(read):
        for number in range(2, COMMITS + 1):
            commit_number(sql_store, number)


def test_versions_read_in_a_row_never_go_back_and_etags_stand_for_their_content(sql_store: SqlStore) -> None:
    commit_number(sql_store, 1)
    etags: dict[int, str] = {}

    def read() -> None:
        policy = sql_store.policies.head().policy
        assert policy is not None
        assert etags.setdefault(policy.ref.version, policy.etag) == policy.etag
        again = sql_store.policies.revision(policy.ref.version)
        assert again == policy

    with readers_of(read):
        for number in range(2, COMMITS + 1):
            commit_number(sql_store, number)

    assert len({*etags.values()}) == len(etags)


@pytest.mark.parametrize("size", [1, 7, 100])
def test_the_log_walked_while_it_grows_holds_every_older_entry_once(size: int, sql_store: SqlStore) -> None:
    for number in range(1, 21):
        commit_number(sql_store, number)
    seen: list[str] = []
    before: int | None = None
    later = iter(range(21, 200))
    while page := sql_store.log.page(before, size):
        seen += [entry.evaluation_id for entry in page]
        before = page[-1].sequence
        commit_number(sql_store, next(later))

    assert seen == [f"eval-{number}" for number in range(20, 0, -1)]


def test_failures_stand_in_the_log_between_successes_and_move_neither_state_nor_ranking(sql_store: SqlStore) -> None:
    commit_number(sql_store, 1)
    before = sql_store.evaluations.load()
    for number in range(3):
        failed = an_entry(f"fail-{number}", verdict=None, failure="ValueError: no NAV", started_at=at(10 + number))
        sql_store.evaluations.record_failure(failed)

    assert sql_store.evaluations.load() == before
    assert [one.strategy_id for one in sql_store.log.strategies()[0]] == ["S1"]
    assert [entry.evaluation_id for entry in sql_store.log.page(None, 10)] == ["fail-2", "fail-1", "fail-0", "eval-1"]
    latest, failure = sql_store.log.latest(), sql_store.log.latest_failure()
    assert latest is not None
    assert failure is not None
    assert (latest.evaluation_id, failure.evaluation_id) == ("eval-1", "fail-2")


@pytest.mark.parametrize(("limit", "count"), [(0, 0), (1, 1), (5, 5), (10_000, 5)])
def test_a_page_is_as_long_as_asked_for_or_as_there_is(limit: int, count: int, sql_store: SqlStore) -> None:
    for number in range(1, 6):
        commit_number(sql_store, number)

    assert len(sql_store.log.page(None, limit)) == count
    assert len(sql_store.policies.revisions(None, limit)) == count


def test_rewind_points_are_the_newest_forty_even_when_they_come_out_of_order(sql_store: SqlStore) -> None:
    days = [*range(0, 60, 2), *range(1, 60, 2)]
    for number, day in enumerate(days):
        checkpoint = LedgerCheckpoint(
            watermark=START + timedelta(days=day),
            cursor=JournalCursor(trades=number, equity=number),
            payload=f"day-{day}".encode(),
        )
        commit = replace(a_commit(f"eval-{number}"), checkpoint=checkpoint, keep_as_rewind_point=True, publish=None)
        sql_store.evaluations.commit(commit, sql_store.evaluations.load())

    kept: list[bytes] = []
    before = START + timedelta(days=100)
    while (point := sql_store.evaluations.rewind_point(before)) is not None:
        kept.append(point.payload)
        before = point.watermark
    assert kept == [f"day-{day}".encode() for day in range(59, 59 - REWIND_POINTS_KEPT, -1)]


def test_evidence_being_read_is_that_of_its_cursor_however_much_arrives_meanwhile(sql_store: SqlStore) -> None:
    sql_store.journal.record([a_trade(f"T-{number:02}", closed_at=at(number)) for number in range(20)])
    reading = sql_store.journal.evidence_after(None, sql_store.journal.end())
    first = next(reading)

    sql_store.journal.record([a_trade(f"L-{number:02}", closed_at=at(number)) for number in range(20)])

    assert [row.id for row in (first, *reading)] == [f"T-{number:02}" for number in range(20)]
    assert len(list(sql_store.journal.evidence_after(None, sql_store.journal.end()))) == 40
