"""Several writers and readers at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from msc_builders import a_commit, a_trade, at

from msc_authority.adapters.sql import SqlStore
from msc_authority.ports.journal import JournalCursor, RecordOutcome
from msc_authority.ports.store import StaleState

WRITERS = 4


def together(work: Callable[[int], object]) -> list[object]:
    """Runs `work` on all writers, all started in the same moment."""
    start = threading.Barrier(WRITERS)

    def one(number: int) -> object:
        start.wait()
        return work(number)

    with ThreadPoolExecutor(WRITERS) as pool:
        return list(pool.map(one, range(WRITERS)))


def test_of_evaluations_that_started_from_one_state_exactly_one_is_committed(sql_store: SqlStore) -> None:
    state = sql_store.evaluations.load()

    def commit(number: int) -> object:
        try:
            return sql_store.evaluations.commit(a_commit(f"eval-{number}"), state).ref.version
        except StaleState:
            return "stale"

    assert sorted(together(commit), key=str) == [1, *["stale"] * (WRITERS - 1)]
    assert len(sql_store.log.page(None, 10)) == 1


def test_evaluations_that_try_again_all_get_a_version_of_their_own(sql_store: SqlStore) -> None:
    def commit(number: int) -> object:
        while True:
            try:
                state = sql_store.evaluations.load()
                return sql_store.evaluations.commit(a_commit(f"eval-{number}"), state).ref.version
            except StaleState:
                continue

    versions = together(commit)

    assert sorted(versions, key=str) == list(range(1, WRITERS + 1))


def test_a_fact_sent_by_all_is_accepted_from_one(sql_store: SqlStore) -> None:
    outcomes = together(lambda _: sql_store.journal.record([a_trade(str(n)) for n in range(50)]))

    assert all(isinstance(outcome, RecordOutcome) for outcome in outcomes)
    accepted = sorted(outcome.accepted for outcome in outcomes if isinstance(outcome, RecordOutcome))
    assert accepted == [0] * (WRITERS - 1) + [50]


def test_a_reader_that_follows_the_cursor_misses_nothing_while_others_write(sql_store: SqlStore) -> None:
    journal = sql_store.journal
    seen: set[str] = set()
    cursor = JournalCursor()
    done = threading.Event()

    def record(number: int) -> None:
        for batch in range(10):
            journal.record([a_trade(f"{number}-{batch}-{n}", closed_at=at(n)) for n in range(5)])

    def write() -> None:
        together(record)
        done.set()

    writing = threading.Thread(target=write)
    writing.start()
    while True:
        last_round = done.is_set()
        end = journal.end()
        known = {each.id for each in journal.evidence_after(None, cursor)}
        assert known <= seen
        seen |= {each.id for each in journal.evidence_after(None, end)}
        cursor = end
        if last_round:
            break
    writing.join()

    assert len(seen) == WRITERS * 10 * 5
