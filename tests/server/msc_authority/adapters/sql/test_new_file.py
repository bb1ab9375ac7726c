"""A new SQLite file that several open at once: one switches its journal, the others wait."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from msc_authority.adapters.sql.engine import switch_to_wal


class Cursor:
    """A cursor of the driver's that tells what it is asked before it does it."""

    def __init__(self, path: Path, before_it_waits: list[str], other: sqlite3.Connection) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=0)
        self._to_release, self._other = before_it_waits, other
        self.asked: list[str] = []

    def execute(self, text: str) -> sqlite3.Cursor:
        self.asked.append(text)
        if text == "BEGIN IMMEDIATE" and self._to_release:
            self._other.execute(self._to_release.pop())
        return self._connection.execute(text)

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new.db"


@pytest.fixture
def other(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    yield connection
    connection.close()


def journal_of(path: Path) -> str:
    connection = sqlite3.connect(path)
    found = str(connection.execute("PRAGMA journal_mode").fetchone()[0])
    connection.close()
    return found


def test_who_is_refused_waits_for_the_other_and_looks_again(path: Path, other: sqlite3.Connection) -> None:
    cursor = Cursor(path, ["COMMIT"], other)

    switch_to_wal(cursor)  # type: ignore[arg-type]  # all of a cursor that it uses
    cursor.close()

    assert cursor.asked == ["PRAGMA journal_mode = WAL", "BEGIN IMMEDIATE", "COMMIT", "PRAGMA journal_mode = WAL"]
    assert journal_of(path) == "wal"


def test_who_waits_in_vain_is_told(path: Path, other: sqlite3.Connection) -> None:
    cursor = Cursor(path, [], other)

    with pytest.raises(sqlite3.OperationalError, match="locked"):
        switch_to_wal(cursor)  # type: ignore[arg-type]  # all of a cursor that it uses

    cursor.close()
    assert cursor.asked == ["PRAGMA journal_mode = WAL", "BEGIN IMMEDIATE"]


def test_what_is_wrong_otherwise_is_told_at_once(path: Path) -> None:
    path.write_bytes(b"no database " * 100)
    with sqlite3.connect(":memory:") as nobody:
        cursor = Cursor(path, [], nobody)

        with pytest.raises(sqlite3.DatabaseError, match="not a database"):
            switch_to_wal(cursor)  # type: ignore[arg-type]  # all of a cursor that it uses

    cursor.close()
    nobody.close()
    assert cursor.asked == ["PRAGMA journal_mode = WAL"]
