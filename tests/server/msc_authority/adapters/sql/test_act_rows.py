"""What acts of persons leave in SQL: rows people can query, and a line of audit for each."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from msc_builders import ManualClock, a_commit, a_content, a_transition, a_verdict, an_entry, changed
from msc_overrides import an_override

from msc_authority.adapters.sql import SqlStore, open_store
from msc_authority.adapters.sql.engine import Database, WriteLock
from msc_authority.adapters.sql.schema import upgrade
from msc_authority.core.policy import StrategyState
from msc_authority.ports.operator import ActEntry, OverrideCommit

START = ManualClock().now()


def a_retirement(**fields: object) -> OverrideCommit:
    entry = ActEntry(
        act_id="act-1",
        act="RETIRE",
        target="strategy TREND_001",
        at=START,
        actor="alice",
        reason="delisted",
        detail={"strategy_id": "TREND_001"},
    )
    transition = a_transition(before=StrategyState.ACTIVE, after=StrategyState.RETIRED)
    commit = OverrideCommit(
        entry=entry,
        publish=a_content(grants=(), author="operator:alice"),
        valid_for_s=60.0,
        controller=b"{}",
        transitions=(transition,),
    )
    return changed(commit, fields)


@pytest.fixture
def raw(sqlite_store: SqlStore, sqlite_url: str) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as connection:
        yield connection


def test_an_act_leaves_its_row_its_policy_its_transition_and_an_audit_line(
    sqlite_store: SqlStore, raw: sqlite3.Connection
) -> None:
    epoch = sqlite_store.policies.head().ref.epoch
    sqlite_store.evaluations.commit_override(a_retirement(), sqlite_store.evaluations.load())

    acts = raw.execute("SELECT act, target, actor, reason, committed_version FROM msc_operator_acts").fetchall()
    policies = raw.execute("SELECT version, author, evaluation_id FROM msc_policies").fetchall()
    transitions = raw.execute("SELECT evaluation_id, strategy_id, after FROM msc_strategy_transitions").fetchall()
    actor, action, target, detail = raw.execute(
        "SELECT actor, action, object, detail FROM msc_audit ORDER BY sequence DESC LIMIT 1"
    ).fetchone()

    assert acts == [("RETIRE", "strategy TREND_001", "alice", "delisted", 1)]
    assert policies == [(1, "operator:alice", None)]
    assert transitions == [(None, "TREND_001", "RETIRED")]
    assert (actor, action, target) == ("alice", "retire", "strategy TREND_001")
    told = json.loads(detail)
    assert told["policy"] == f"{epoch}:1"
    assert (told["reason"], told["asked"]) == ("delisted", {"strategy_id": "TREND_001"})


def test_overrides_that_ended_leave_a_line_each_whoever_commits_next(
    sqlite_store: SqlStore, raw: sqlite3.Connection
) -> None:
    over = (an_override(override_id="o-1"), an_override(override_id="o-2", actor="bob"))
    sqlite_store.evaluations.commit_override(a_retirement(expired=over[:1]), sqlite_store.evaluations.load())
    commit = a_commit(entry=an_entry("eval-2", verdict=a_verdict()), expired=over[1:])
    sqlite_store.evaluations.commit(commit, sqlite_store.evaluations.load())

    rows = raw.execute(
        "SELECT actor, object, detail ->> '$.actor' FROM msc_audit WHERE action = 'override_expired' ORDER BY sequence"
    ).fetchall()

    assert rows == [("authority", "override o-1", "alice"), ("authority", "override o-2", "bob")]


def test_a_database_from_before_keeps_its_policies_and_transitions(tmp_path: Path) -> None:
    url, epoch = f"sqlite:///{tmp_path}/msc.db", int(START.timestamp())
    before = Database(url)
    with before.write(WriteLock.SCHEMA) as connection:
        upgrade(connection, "0004")
        connection.exec_driver_sql("INSERT INTO msc_meta VALUES (?, '2025-11-30T10:30:00.000000Z', 'made')", (epoch,))
        connection.exec_driver_sql(
            "INSERT INTO msc_state (id, generation, trades_cursor, equity_cursor) VALUES (1, 0, 0, 0)"
        )
    before.close()
    with open_store(f"sqlite:///{tmp_path}/new.db", ManualClock()) as made:
        made.evaluations.commit(
            a_commit(entry=an_entry(verdict=a_verdict(transitions=(a_transition(),)))), made.evaluations.load()
        )
    _copy(tmp_path / "new.db", tmp_path / "msc.db", "msc_evaluations", "msc_policies", "msc_strategy_transitions")

    with open_store(url, ManualClock()) as store:
        (revision,) = store.policies.revisions(None, 10)
        head = store.evaluations.commit_override(a_retirement(), store.evaluations.load())

    assert revision.policy.content == a_content()
    assert head.policy is not None
    with closing(sqlite3.connect(tmp_path / "msc.db")) as raw:
        rows = raw.execute("SELECT sequence, evaluation_id FROM msc_strategy_transitions ORDER BY sequence").fetchall()
    assert rows == [(1, "eval-1"), (2, None)]


def _copy(source: Path, target: Path, *tables: str) -> None:
    with closing(sqlite3.connect(target)) as raw, raw:
        raw.execute("ATTACH ? AS source", (str(source),))
        for table in tables:
            raw.execute(f"INSERT INTO {table} SELECT * FROM source.{table}")  # noqa: S608 -- names of ours
