"""Transactions on SQLite, and what becomes of the driver's errors."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from msc_builders import ManualClock, a_commit, a_trade, an_entry
from sqlalchemy import make_url, text
from sqlalchemy.exc import InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from msc_authority.adapters.sql import SqlStore, open_store
from msc_authority.adapters.sql.engine import Database, WriteLock
from msc_authority.adapters.sql.errors import store_errors
from msc_authority.ports.store import StoreError, StoreUnavailable


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    found = Database(sqlite_url, busy_timeout_s=0)
    with found.write(WriteLock.SCHEMA) as connection:
        connection.execute(text("CREATE TABLE t (n INTEGER)"))
    yield found
    found.close()


def numbers(database: Database) -> list[int]:
    with database.read() as connection:
        return list(connection.scalars(text("SELECT n FROM t")))


@pytest.mark.parametrize(
    ("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 5000)]
)
def test_every_connection_is_durable_and_strict(
    sqlite_store: SqlStore, sqlite_url: str, pragma: str, value: object
) -> None:
    database = Database(sqlite_url)

    with database.read() as connection:
        assert connection.scalar(text(f"PRAGMA {pragma}")) == value
    database.close()


def test_a_writing_transaction_has_the_lock_before_it_writes(database: Database) -> None:
    with (
        database.write(WriteLock.JOURNAL),
        pytest.raises(StoreUnavailable, match="locked"),
        database.write(WriteLock.JOURNAL),
    ):
        pytest.fail("two writers at once")


def test_a_reader_sees_one_state_from_its_first_query_to_its_last(database: Database) -> None:
    with database.read() as reading:
        assert reading.scalar(text("SELECT count(*) FROM t")) == 0
        with database.write(WriteLock.JOURNAL) as writing:
            writing.execute(text("INSERT INTO t VALUES (1)"))

        assert reading.scalar(text("SELECT count(*) FROM t")) == 0
    assert numbers(database) == [1]


def test_an_exception_takes_back_all_of_its_transaction_tables_too(database: Database) -> None:
    with contextlib.suppress(KeyError), database.write(WriteLock.SCHEMA) as connection:
        connection.execute(text("INSERT INTO t VALUES (1)"))
        connection.execute(text("CREATE TABLE u (n INTEGER)"))
        raise KeyError

    assert numbers(database) == []
    with database.read() as connection:
        assert connection.scalar(text("SELECT count(*) FROM sqlite_master WHERE name = 'u'")) == 0


def test_a_locked_store_is_unavailable_and_works_again_afterwards(sqlite_url: str, clock: ManualClock) -> None:
    with open_store(sqlite_url, clock, busy_timeout_s=0) as store:
        with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable, match="database is locked") as refused:
                store.journal.record([a_trade()])
            assert isinstance(refused.value.__cause__, sqlite3.OperationalError)
            assert store.journal.newest_fact_at() is None
            other.execute("ROLLBACK")

        assert store.journal.record([a_trade()]).accepted == 1


def test_an_error_that_will_not_pass_is_no_unavailability(sql_store: SqlStore) -> None:
    sql_store.evaluations.commit(a_commit("same"), sql_store.evaluations.load())

    with pytest.raises(StoreError, match=r"(?i)unique") as refused:
        sql_store.evaluations.record_failure(an_entry("same", verdict=None, failure="x"))

    assert type(refused.value) is StoreError
    assert isinstance(refused.value.__cause__, sqlite3.IntegrityError | psycopg.IntegrityError)


def test_a_commit_that_fails_late_leaves_nothing_behind(sql_store: SqlStore) -> None:
    sql_store.evaluations.commit(a_commit("same"), sql_store.evaluations.load())
    state = sql_store.evaluations.load()

    with pytest.raises(StoreError):
        sql_store.evaluations.commit(a_commit("same", controller=b"other"), state)

    assert sql_store.evaluations.load() == state
    assert len(sql_store.policies.revisions(None, 5)) == 1


def test_a_damaged_file_is_told_from_a_busy_one(sqlite_url: str, clock: ManualClock) -> None:
    open_store(sqlite_url, clock).close()
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    file.write_bytes(file.read_bytes()[:4096] + b"\xff" * 8192)

    with pytest.raises(StoreError) as refused, open_store(sqlite_url, clock) as store:
        store.evaluations.load()

    assert type(refused.value) is StoreError


@pytest.mark.parametrize(
    ("driver_says", "raised"),
    [
        (OperationalError("SELECT 1", {}, Exception("password hunter2 failed")), StoreUnavailable),
        (InterfaceError("SELECT 1", {}, Exception("closed by hunter2")), StoreUnavailable),
        (ProgrammingError("SELECT 1", {}, Exception("no column hunter2")), StoreError),
        (PoolTimeoutError("no connection free, hunter2"), StoreUnavailable),
    ],
)
def test_errors_are_ours_with_the_drivers_as_cause_and_never_show_the_password(
    driver_says: Exception, raised: type[StoreError]
) -> None:
    url = make_url("postgresql+psycopg://msc:hunter2@db/msc")

    with pytest.raises(StoreError) as ours, store_errors(url):
        raise driver_says

    assert type(ours.value) is raised
    assert str(ours.value).startswith("database postgresql+psycopg://msc:***@db/msc: ")
    assert "hunter2" not in str(ours.value)
    assert ours.value.__cause__ is getattr(driver_says, "orig", driver_says)
