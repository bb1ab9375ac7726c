"""The schema: what migrations make is what the tables say."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from msc_builders import ManualClock, a_commit, a_content, a_trade, a_transition, a_verdict, an_entry, an_equity_point
from msc_postgres import PostgresServer

from msc_authority.adapters.sql import SqlStore, open_store
from msc_authority.adapters.sql.engine import Database, WriteLock
from msc_authority.adapters.sql.rows import EQUITY, TRADES, FactTable
from msc_authority.adapters.sql.schema import HEAD_REVISION, REVISIONS, VERSION_TABLE
from msc_authority.adapters.sql.tables import metadata
from msc_authority.core.facts import EquityPoint, Trade
from msc_authority.core.policy import RiskMode


@pytest.fixture
def migrated(sql_url: str, clock: ManualClock) -> Iterator[Database]:
    open_store(sql_url, clock).close()
    database = Database(sql_url)
    yield database
    database.close()


@pytest.fixture
def direct(migrated: Database, tmp_path: Path, postgres: PostgresServer) -> Iterator[Database]:
    """A database of the same kind, with nothing in it."""
    url = f"sqlite:///{tmp_path}/direct.db" if migrated.is_sqlite else postgres.new_database(empty=True)
    database = Database(url)
    yield database
    database.close()
    if not migrated.is_sqlite:
        postgres.drop_database(url)


@pytest.fixture
def raw(sqlite_store: SqlStore, sqlite_url: str) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as connection:
        yield connection


def test_migrations_leave_nothing_to_be_migrated(migrated: Database) -> None:
    options = {"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True}

    with migrated.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []


def test_migrations_say_word_for_word_what_the_tables_say(migrated: Database, direct: Database) -> None:
    with direct.write(WriteLock.SCHEMA) as connection:
        metadata.create_all(connection)

    assert definitions(migrated) == definitions(direct)


def definitions(database: Database) -> set[str]:
    query = _OF_SQLITE if database.is_sqlite else _OF_POSTGRES
    with database.read() as connection:
        rows = connection.exec_driver_sql(query).scalars()
        return {" ".join(str(sql).split()) for sql in rows if VERSION_TABLE not in sql}


_OF_SQLITE = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL"
_OF_POSTGRES = """
    SELECT format('%s.%s %s %s %s %s', table_name, column_name, data_type, collation_name, is_nullable, column_default)
        FROM information_schema.columns WHERE table_schema = 'public'
    UNION ALL
    SELECT format('%s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL
    SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL
    SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL
    SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
"""


def test_the_known_revisions_are_those_of_the_migrations() -> None:
    config = Config()
    config.set_main_option("script_location", "msc_authority.adapters.sql:migrations")

    revisions = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]

    assert tuple(reversed(revisions)) == REVISIONS
    assert revisions[0] == HEAD_REVISION


def test_the_query_of_the_commission_runs_as_written(sqlite_store: SqlStore, raw: sqlite3.Connection) -> None:
    sqlite_store.evaluations.commit(a_commit(publish=a_content(RiskMode.NORMAL)), sqlite_store.evaluations.load())

    rows = raw.execute(
        """
        -- View recent policies
        SELECT created_at, risk_mode, max_risk_per_trade, max_positions
        FROM msc_policies
        ORDER BY created_at DESC
        LIMIT 10;
        """
    ).fetchall()

    assert rows == [("2025-11-30T10:30:00.000000Z", "NORMAL", 0.0075, 10)]


def test_what_was_recorded_reads_plainly_in_sql(sqlite_store: SqlStore, raw: sqlite3.Connection) -> None:
    sqlite_store.journal.record([a_trade(), an_equity_point()])

    trades = raw.execute("SELECT trade_id, direction, net_pnl, source, closed_at FROM trade_logs").fetchall()
    points = raw.execute("SELECT account, unrealized_pnl FROM equity_points").fetchall()

    assert trades == [("T-1", "LONG", "53.00", "LIVE", "2025-11-30T10:30:00.000000Z")]
    assert points == [("main", "-12.5")]


def test_an_evaluation_leaves_its_transitions_and_an_audit_line(
    sqlite_store: SqlStore, raw: sqlite3.Connection
) -> None:
    entry = an_entry("eval-1", requested_by="ops", verdict=a_verdict(transitions=(a_transition("RANGE_002"),)))
    sqlite_store.evaluations.commit(a_commit(entry=entry), sqlite_store.evaluations.load())
    sqlite_store.evaluations.record_failure(an_entry("bad", verdict=None, failure="x"))

    transitions = raw.execute(
        "SELECT evaluation_id, strategy_id, before, after, reason_code FROM msc_strategy_transitions"
    ).fetchall()
    audit = raw.execute(
        "SELECT actor, action, detail ->> '$.evaluation_id' FROM msc_audit ORDER BY sequence"
    ).fetchall()

    assert transitions == [("eval-1", "RANGE_002", None, "PROBATION", "NEW")]
    assert audit == [("authority", "allocate_epoch", None), ("ops", "publish", "eval-1"), ("evaluator", "fail", "bad")]


def test_a_policy_changed_behind_the_programs_back_is_not_served(
    sqlite_store: SqlStore, raw: sqlite3.Connection
) -> None:
    sqlite_store.evaluations.commit(a_commit(), sqlite_store.evaluations.load())
    with raw:
        raw.execute("UPDATE msc_policies SET max_risk_per_trade = 0.5")

    with pytest.raises(Exception, match="etag differs"):
        sqlite_store.policies.head()


def test_a_verdict_that_cannot_be_read_names_its_evaluation(sqlite_store: SqlStore, raw: sqlite3.Connection) -> None:
    sqlite_store.evaluations.commit(a_commit("eval-1"), sqlite_store.evaluations.load())
    with raw:
        raw.execute("UPDATE msc_evaluations SET verdict = json_remove(verdict, '$.mode_after')")

    with pytest.raises(Exception, match="verdict of evaluation eval-1 cannot be read: mode_after"):
        sqlite_store.log.latest()


@pytest.mark.parametrize(
    ("facts", "table"), [(TRADES, "trade_logs"), (EQUITY, "equity_points")], ids=["trades", "equity"]
)
def test_looking_for_late_arrivals_does_not_walk_through_history(
    raw: sqlite3.Connection, facts: FactTable[Trade] | FactTable[EquityPoint], table: str
) -> None:
    query = facts.earliest_between(5, 9).compile(compile_kwargs={"literal_binds": True})

    plan = raw.execute(f"EXPLAIN QUERY PLAN {query}").fetchall()

    assert [step[3] for step in plan] == [f"SEARCH {table} USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"]
