"""A prepared statement does what the same statement does by way of SQLAlchemy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from msc_builders import ManualClock
from sqlalchemy import Connection, bindparam, delete, insert, select, update

from msc_authority.adapters.sql import open_store
from msc_authority.adapters.sql.engine import Database, WriteLock
from msc_authority.adapters.sql.prepared import Prepared, hand_over
from msc_authority.adapters.sql.tables import msc_audit, msc_lease
from msc_authority.ports.store import StoreError, StoreUnavailable

AT = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
LEASE: dict[str, object] = {
    "id": 1,
    "term": 7,
    "holder": "100 % :mine",
    "address": "Grüße",
    "renewed_at": AT,
    "expires_at": AT.astimezone(timezone(timedelta(hours=3))),
}
NEW_LEASE = Prepared(insert(msc_lease), *LEASE)
LEASES = Prepared(select(msc_lease.c.term, msc_lease.c.holder, msc_lease.c.expires_at).limit(1))
NEXT_TERM = Prepared(update(msc_lease).where(msc_lease.c.term == bindparam("expected")), "term", "address")


@pytest.fixture
def database(sql_url: str, clock: ManualClock) -> Database:
    open_store(sql_url, clock).close()
    return Database(sql_url)


def rows_of(connection: Connection) -> list[dict[str, object]]:
    return [dict(row) for row in connection.execute(select(msc_lease)).mappings()]


def test_what_is_written_and_read_is_what_sqlalchemy_reads(database: Database) -> None:
    with database.write(WriteLock.LEASE) as connection:
        assert LEASES.rows(connection) == []
        assert NEW_LEASE.run(connection, LEASE) == 1

        assert rows_of(connection) == [LEASE]
        assert LEASES.rows(connection) == [(7, "100 % :mine", AT)]
    database.close()


def test_it_says_how_many_rows_it_found_to_write(database: Database) -> None:
    with database.write(WriteLock.LEASE) as connection:
        NEW_LEASE.run(connection, LEASE)

        assert NEXT_TERM.run(connection, {"expected": 6, "term": 8, "address": "a"}) == 0
        assert NEXT_TERM.run(connection, {"expected": 7, "term": 8, "address": "a"}) == 1
        assert rows_of(connection) == [LEASE | {"term": 8, "address": "a"}]
        assert Prepared(delete(msc_lease)).run(connection) == 1
    database.close()


def test_a_value_that_is_missing_is_no_null(database: Database) -> None:
    with database.read() as connection, pytest.raises(KeyError, match="address"):
        NEXT_TERM.run(connection, {"expected": 7, "term": 8})
    database.close()


def test_what_the_driver_refuses_leaves_as_the_stores_own_error_and_takes_all_back(database: Database) -> None:
    line = {"at": AT, "actor": "a", "action": "b", "object": "c", "detail": {}, "previous_hash": "", "hash": ""}
    out_of_turn = Prepared(insert(msc_audit).inline(), "sequence", *line)

    def write(connection: Connection) -> None:
        NEW_LEASE.run(connection, LEASE)
        out_of_turn.run(connection, {"sequence": 77, **line})

    with pytest.raises(StoreError, match="msc_audit takes the next row of its chain only") as refused:
        database.transact(WriteLock.EVALUATIONS, write)

    assert "hunter2" not in str(refused.value)
    with database.read() as connection:
        assert rows_of(connection) == []
    database.close()


def test_a_connection_to_postgresql_that_is_lost_is_counted(postgres_url: str) -> None:
    database = Database(postgres_url)

    def end_own_session(connection: Connection) -> None:
        hand_over(connection, "SELECT pg_terminate_backend(pg_backend_pid())", ())

    with pytest.raises(StoreUnavailable):
        database.transact(WriteLock.LEASE, end_own_session)

    assert database.lost == 1
    database.close()
