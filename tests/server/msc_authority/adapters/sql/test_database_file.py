"""An SQLite file that is moved, deleted or replaced while it is open: said at once, and nothing is lost in it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from msc_builders import ManualClock, a_commit, a_trade

from msc_authority.adapters.sql import SqlStore, open_store
from msc_authority.adapters.sql.engine import Database, WriteLock
from msc_authority.ports.store import StoreUnavailable


@dataclass
class Opened:
    """A store on a file of its own, with one policy and one trade."""

    store: SqlStore
    path: Path
    away: Path


@pytest.fixture
def opened(tmp_path: Path, clock: ManualClock) -> Iterator[Opened]:
    path = tmp_path / "msc.db"
    with open_store(f"sqlite:///{path}", clock) as store:
        store.journal.record([a_trade("first")])
        store.evaluations.commit(a_commit(), store.evaluations.load())
        yield Opened(store=store, path=path, away=tmp_path / "away.db")


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(StoreUnavailable) as found:
        call()
    return str(found.value)


def count_of_trades(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM trade_logs").fetchone()
    return int(count)


def test_while_the_file_is_away_nothing_is_confirmed_and_nothing_written_and_back_it_is_as_it_was(
    opened: Opened,
) -> None:
    head = opened.store.policies.head()
    opened.path.rename(opened.away)

    said = refused(opened.store.policies.head)
    assert said == refused(lambda: opened.store.journal.record([a_trade("lost")]))
    assert str(opened.path) in said
    assert "moved or deleted while open" in said
    assert "Move it back" in said
    refused(lambda: opened.store.evaluations.commit(a_commit(), opened.store.evaluations.load()))
    assert not opened.path.exists()

    opened.away.rename(opened.path)
    assert opened.store.policies.head() == head
    assert opened.store.journal.record([a_trade("second")]).accepted == 1
    assert count_of_trades(opened.path) == 2


def test_another_file_in_its_place_is_not_taken_for_it(opened: Opened, clock: ManualClock) -> None:
    other = opened.path.with_name("other.db")
    with open_store(f"sqlite:///{other}", clock):
        pass
    opened.path.rename(opened.away)
    other.rename(opened.path)

    said = refused(opened.store.policies.head)
    assert "replaced while open" in said
    assert said == refused(lambda: opened.store.journal.record([a_trade("lost")]))

    opened.path.unlink()
    assert "moved or deleted" in refused(opened.store.policies.head)


def test_a_file_that_goes_between_the_first_write_and_the_commit_takes_the_write_back(opened: Opened) -> None:
    database = Database(f"sqlite:///{opened.path}")

    def write() -> None:
        with database.write(WriteLock.JOURNAL) as connection:
            connection.exec_driver_sql("DELETE FROM trade_logs")
            opened.path.rename(opened.away)

    try:
        assert "moved or deleted" in refused(write)
    finally:
        database.close()
    opened.away.rename(opened.path)
    assert count_of_trades(opened.path) == 1


def test_a_folder_that_is_moved_takes_its_database_with_it(tmp_path: Path, clock: ManualClock) -> None:
    folder = tmp_path / "home"
    with open_store(f"sqlite:///{folder}/msc.db", clock) as store:
        folder.rename(tmp_path / "elsewhere")

        refused(store.policies.head)
        assert not folder.exists()
