"""The commands that keep a database, on a real PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from msc_builders import ManualClock, a_commit, a_trade, an_equity_point
from msc_postgres import PostgresServer
from sqlalchemy import text
from typer.testing import CliRunner, Result

from msc_authority.adapters.clock import SystemClock
from msc_authority.adapters.sql import open_store
from msc_authority.adapters.sql.engine import Database, WriteLock
from msc_authority.adapters.sql.postgres import UNHURRIED
from msc_authority.adapters.sql.schema import upgrade
from msc_authority.cli.app import build_app
from msc_authority.settings import sqlite_url


@pytest.fixture
def url(postgres: PostgresServer) -> Iterator[str]:
    """An empty database."""
    url = postgres.new_database(empty=True)
    yield url
    postgres.drop_database(url)


def msc(url: str, *words: str) -> Result:
    return CliRunner().invoke(build_app(), [*words, "--database-url", url, "--json"])


def answer(result: Result) -> dict[str, object]:
    assert result.exit_code == 0, result.stderr
    document: dict[str, object] = json.loads(result.stdout)
    return document


def test_an_older_database_is_migrated_by_a_person_and_then_served(url: str) -> None:
    database = Database(url)
    with database.write(WriteLock.SCHEMA) as connection:
        upgrade(connection, "0001")
    database.close()

    assert msc(url, "migrate", "--check").exit_code == 1
    assert answer(msc(url, "migrate"))["taken"] is True
    assert msc(url, "migrate", "--check").exit_code == 0

    with open_store(url, SystemClock()) as store:
        assert store.policies.head().ref.version == 0


def test_everything_goes_from_sqlite_to_postgresql_and_back(url: str, tmp_path: Path) -> None:
    with open_store(sqlite_url(tmp_path), ManualClock()) as store:
        store.journal.record([a_trade(), an_equity_point()])
        store.evaluations.commit(a_commit(controller=b"HALTED"), store.evaluations.load())

    taken = answer(msc(sqlite_url(tmp_path), "backup", str(tmp_path / "one")))
    there = answer(msc(url, "restore", str(tmp_path / "one")))
    answer(msc(url, "backup", str(tmp_path / "two")))
    back = answer(msc(sqlite_url(tmp_path, "back.db"), "restore", str(tmp_path / "two"), "--yes"))

    assert str(there["database"]).startswith("postgresql")
    assert back["database"] == sqlite_url(tmp_path, "back.db")
    assert isinstance(taken["epoch"], int)
    assert isinstance(there["epoch"], int)
    assert isinstance(back["epoch"], int)
    assert taken["epoch"] < there["epoch"] < back["epoch"]
    with open_store(sqlite_url(tmp_path, "back.db"), SystemClock()) as store:
        assert store.evaluations.load().controller == b"HALTED"
        assert store.journal.record([a_trade(), an_equity_point()]).duplicates == 2
    verified = answer(msc(sqlite_url(tmp_path, "back.db"), "audit", "verify", "--anchor", str(taken["audit_anchor"])))
    assert verified["intact"] is True


def test_a_person_who_waits_for_all_of_a_database_is_not_hurried(url: str) -> None:
    database = Database(url, limits=UNHURRIED)

    with database.read() as connection:
        names = ("statement_timeout", "idle_in_transaction_session_timeout")
        shown = [connection.scalar(text(f"SHOW {name}")) for name in names]
    database.close()

    assert shown == ["0", "0"]


def test_the_log_is_listed_and_proved(url: str) -> None:
    open_store(url, SystemClock()).close()

    assert answer(msc(url, "audit", "list"))["action"] == "allocate_epoch"
    assert answer(msc(url, "audit", "verify"))["rows"] == 1
    assert answer(msc(url, "new-epoch", "--reason", "x"))["epoch"]
    assert answer(msc(url, "prune", "--dry-run"))["dry_run"] is True
