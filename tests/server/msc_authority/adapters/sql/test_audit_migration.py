"""Rows written before the log was a chain become its first links."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from alembic import command
from alembic.config import Config
from msc_builders import START, ManualClock
from msc_postgres import PostgresServer
from sqlalchemy import Connection, bindparam, text

from msc_authority.adapters.sql import open_store
from msc_authority.adapters.sql.engine import Database, WriteLock
from msc_authority.adapters.sql.schema import HEAD_REVISION, Migrant, bring_to_head
from msc_authority.adapters.sql.tables import msc_audit
from msc_authority.adapters.sql.types import UtcTime
from msc_authority.core.audit_chain import verify

BEFORE = "0002"
INSERT = text("INSERT INTO msc_audit (at, actor, action, object, detail) VALUES (:at, :actor, 'publish', 'p', :detail)")


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, sqlite_url: str) -> str:
    if request.param == "sqlite":
        return sqlite_url
    postgres: PostgresServer = request.getfixturevalue("postgres")
    return postgres.new_database(empty=True)


def upgraded(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", "msc_authority.adapters.sql:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def fill(connection: Connection, count: int) -> None:
    insert = INSERT.bindparams(bindparam("at", type_=UtcTime()))
    for number in range(count):
        row = {"at": START + timedelta(minutes=number), "actor": f"åse {number}", "detail": json.dumps({"n": number})}
        connection.execute(insert, row)
    connection.execute(text("DELETE FROM msc_audit WHERE sequence = 3"))


def test_rows_that_were_there_are_chained_in_their_order(empty_url: str, clock: ManualClock) -> None:
    database = Database(empty_url)
    with database.write(WriteLock.SCHEMA) as connection:
        upgraded(connection, BEFORE)
        fill(connection, 1200)

    bring_to_head(database, Migrant(actor="ops", now=START))
    database.close()

    with open_store(empty_url, clock) as store:
        rows = list(store.audit.rows_after(None))
    assert verify(rows).broken is None
    # The last ones are written by whoever migrates it, and by whoever opens the store.
    assert [row.sequence for row in rows] == list(range(1, 1202))
    assert [(row.actor, row.action) for row in rows[-2:]] == [("ops", "migrate"), ("authority", "allocate_epoch")]
    assert [row.actor for row in rows[:3]] == ["åse 0", "åse 1", "åse 3"]
    assert [row.detail for row in rows[:3]] == [{"n": 0}, {"n": 1}, {"n": 3}]
    assert rows[1].at == START + timedelta(minutes=1)


def test_what_was_migrated_is_guarded_as_what_is_new(empty_url: str) -> None:
    database = Database(empty_url)
    with database.write(WriteLock.SCHEMA) as connection:
        upgraded(connection, BEFORE)
        fill(connection, 2)
        upgraded(connection, HEAD_REVISION)

    with pytest.raises(Exception, match="append-only"), database.write(WriteLock.EVALUATIONS) as connection:
        connection.execute(msc_audit.delete())
    database.close()
