"""Schemas that are older or newer than the program: who migrates, who goes on, who is refused."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from msc_builders import ManualClock
from msc_postgres import PostgresServer
from sqlalchemy import text

from msc_authority.adapters.sql import open_store
from msc_authority.adapters.sql.engine import Database, WriteLock
from msc_authority.adapters.sql.schema import HEAD_REVISION, REVISIONS, revision_of, steps_after, upgrade
from msc_authority.ports.store import StoreError


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, sqlite_url: str) -> str:
    if request.param == "sqlite":
        return sqlite_url
    postgres: PostgresServer = request.getfixturevalue("postgres")
    return postgres.new_database(empty=True)


@pytest.fixture
def database(empty_url: str) -> Iterator[Database]:
    database = Database(empty_url)
    yield database
    database.close()


@pytest.fixture
def old(database: Database) -> Database:
    """A database as the first version made it."""
    with database.write(WriteLock.SCHEMA) as connection:
        upgrade(connection, "0001")
    return database


def revision(database: Database) -> str | None:
    with database.read() as connection:
        return revision_of(connection)


def pretend_newer(database: Database, works_with: str) -> None:
    with database.write(WriteLock.SCHEMA) as connection:
        connection.execute(text("UPDATE msc_schema_version SET version_num = '9999'"))
        connection.execute(
            text("UPDATE msc_schema SET revision = '9999', works_with = :oldest"), {"oldest": works_with}
        )


def test_an_empty_database_is_always_set_up(database: Database, empty_url: str, clock: ManualClock) -> None:
    open_store(empty_url, clock, migrate=False).close()

    assert revision(database) == HEAD_REVISION


def test_who_may_migrate_does(old: Database, empty_url: str, clock: ManualClock) -> None:
    open_store(empty_url, clock, migrate=True).close()

    assert revision(old) == HEAD_REVISION


def test_who_may_not_migrate_says_what_to_do_and_leaves_it(old: Database, empty_url: str, clock: ManualClock) -> None:
    with pytest.raises(StoreError, match=r"has schema 0001, and this program works with [0-9]{4}: run msc migrate"):
        open_store(empty_url, clock, migrate=False)

    assert revision(old) == "0001"


def test_only_sqlite_is_migrated_without_a_word(old: Database, empty_url: str, clock: ManualClock) -> None:
    if old.is_sqlite:
        open_store(empty_url, clock).close()
        assert revision(old) == HEAD_REVISION
    else:
        with pytest.raises(StoreError, match="run msc migrate"):
            open_store(empty_url, clock)


def test_a_newer_schema_that_works_with_this_program_is_used_and_left(
    database: Database, empty_url: str, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    open_store(empty_url, clock, migrate=True).close()
    pretend_newer(database, works_with=HEAD_REVISION)

    with caplog.at_level(logging.WARNING), open_store(empty_url, clock, migrate=True) as store:
        assert store.policies.head().ref.version == 0

    assert revision(database) == "9999"
    assert "schema 9999, newer than this program's" in caplog.text


def test_a_newer_schema_that_says_otherwise_is_refused(database: Database, empty_url: str, clock: ManualClock) -> None:
    open_store(empty_url, clock, migrate=True).close()
    pretend_newer(database, works_with="9998")

    with pytest.raises(StoreError, match="schema 9999, which this program does not know"):
        open_store(empty_url, clock, migrate=True)


def test_each_step_says_what_it_does() -> None:
    steps = steps_after(None)

    assert [revision for revision, _ in steps] == list(REVISIONS)
    assert all(does.endswith(".") for _, does in steps)
    assert steps_after(HEAD_REVISION) == []
    assert steps_after("0001") == steps[1:]
