"""Backups: everything, as of one instant, on whatever database it is restored."""

from __future__ import annotations

import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from msc_backups import EPOCH, LATER, backed_up, content_of, fill, restored
from msc_builders import (
    START,
    ManualClock,
    a_commit,
    a_trade,
    an_equity_point,
    an_execution,
    at,
)
from msc_postgres import PostgresServer
from sqlalchemy import text

from msc_authority.adapters.sql import SqlStore, open_store
from msc_authority.adapters.sql.archive import Manifest, opened_archive
from msc_authority.adapters.sql.backup import back_up
from msc_authority.adapters.sql.engine import Database, WriteLock
from msc_authority.adapters.sql.restore import NotEmpty, restore
from msc_authority.adapters.sql.schema import HEAD_REVISION, revision_of, upgrade
from msc_authority.adapters.sql.tables import msc_lease
from msc_authority.core.audit_chain import verify
from msc_authority.core.policy import PolicyRef
from msc_authority.ports.store import Fenced, StaleState

OLD_ROWS = (
    "INSERT INTO msc_meta VALUES (1764498600, '2025-11-30T10:30:00.000000Z', 'made')",
    "INSERT INTO msc_state (id, generation, trades_cursor, equity_cursor) VALUES (1, 3, 0, 0)",
    "INSERT INTO msc_audit (at, actor, action, object, detail) "
    "VALUES ('2025-11-30T10:30:00.000000Z', 'a', 'b', 'c', '{}')",
)


@pytest.fixture(params=["sqlite", "postgresql"])
def other_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database to restore into: with `sql_url`, every pair of kinds."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/other/msc.db"
        return
    postgres: PostgresServer = request.getfixturevalue("postgres")
    url = postgres.new_database(empty=True)
    yield url
    postgres.drop_database(url)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "msc.backup"


@pytest.fixture
def filled(sql_store: SqlStore) -> SqlStore:
    """A store with a row in every table that a life fills."""
    return fill(sql_store)


def test_a_backup_says_what_it_holds(filled: SqlStore, sql_url: str, file: Path) -> None:
    manifest = backed_up(sql_url, file)

    assert manifest.schema == HEAD_REVISION
    assert (manifest.epoch, manifest.policy_version) == (EPOCH, 1)
    assert {part.name: part.rows for part in manifest.tables if part.rows} == {
        "execution_journal": 1,
        "trade_logs": 1,
        "equity_points": 1,
        "msc_meta": 1,
        "msc_evaluations": 1,
        "msc_policies": 1,
        "msc_strategies": 1,
        "msc_strategy_transitions": 1,
        "msc_audit": 2,
        "msc_state": 1,
        "msc_ledger_checkpoints": 1,
        "msc_lease": 1,
    }
    assert manifest.audit_anchor == str(verify(filled.audit.rows_after(None)).newest)
    with opened_archive(file) as backup:
        assert backup.manifest == manifest


def test_only_its_owner_may_read_a_backup(filled: SqlStore, sql_url: str, file: Path) -> None:
    backed_up(sql_url, file)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in file.parent.glob("*backup*")] == ["msc.backup"]


def test_whatever_was_in_one_database_is_in_the_other(
    filled: SqlStore, sql_url: str, other_url: str, file: Path
) -> None:
    backed_up(sql_url, file)
    begun = ("msc_meta", "msc_audit", "msc_state", "msc_lease")
    before = content_of(sql_url, skip=begun)

    restored(other_url, file)

    assert content_of(other_url, skip=begun) == before


def test_a_restored_store_has_a_greater_epoch_and_all_its_memory(
    filled: SqlStore, sql_url: str, other_url: str, file: Path, clock: ManualClock
) -> None:
    backed_up(sql_url, file)
    before = filled.evaluations.load()

    done = restored(other_url, file)

    assert (done.backup_epoch, done.replaced_epoch, done.epoch) == (EPOCH, 0, EPOCH + 3600)
    with open_store(other_url, clock) as store:
        state = store.evaluations.load()
        assert state.head.ref == PolicyRef(EPOCH + 3600, 0)
        assert state.head.policy is None
        assert state.controller == before.controller == b"\x00\xffHALTED"
        assert state.checkpoint == before.checkpoint
        assert state.generation > before.generation
        assert [revision.policy.ref for revision in store.policies.revisions(None, 5)] == [PolicyRef(EPOCH, 1)]


def test_the_audit_log_goes_on_in_the_restored_store(
    filled: SqlStore, sql_url: str, other_url: str, file: Path, clock: ManualClock
) -> None:
    manifest = backed_up(sql_url, file)

    done = restored(other_url, file)

    with open_store(other_url, clock) as store:
        rows = list(store.audit.rows_after(None))
    assert done.audit_break is None
    assert verify(rows).broken is None
    assert [row.action for row in rows] == ["allocate_epoch", "publish", "allocate_epoch", "restore"]
    assert rows[-1].actor == "ops"
    assert rows[-1].detail["audit_anchor"] == manifest.audit_anchor


def test_who_led_or_evaluated_before_is_refused_by_the_restored_store(
    filled: SqlStore, sql_url: str, other_url: str, file: Path, clock: ManualClock
) -> None:
    term = filled.lease.acquire_or_renew("server-1", "host:1", 30.0).term
    backed_up(sql_url, file)
    started_from = filled.evaluations.load()
    restored(other_url, file)

    with open_store(other_url, clock) as store:
        with pytest.raises(StaleState):
            store.evaluations.commit(a_commit("late"), started_from)
        with pytest.raises(Fenced):
            store.evaluations.commit(a_commit("late", term=term), store.evaluations.load())
        lease = store.lease.acquire_or_renew("server-2", "host:2", 30.0)
        assert lease.held
        assert lease.term > term + 1000


def test_new_rows_are_numbered_behind_the_restored_ones(
    filled: SqlStore, sql_url: str, other_url: str, file: Path, clock: ManualClock
) -> None:
    backed_up(sql_url, file)
    end = filled.journal.end()
    restored(other_url, file)

    with open_store(other_url, clock) as store:
        assert store.journal.end() == end
        known = an_execution(reason="ünïcode ✓", confidence=None, detail_json='{"a":[1,2.5]}')
        outcome = store.journal.record([known, a_trade("T-2"), an_equity_point(at(1))])
        assert (outcome.accepted, outcome.duplicates) == (2, 1)
        assert store.journal.end() > end
        assert store.executions.end() == 1
        head = store.evaluations.commit(a_commit("eval-2"), store.evaluations.load())
        assert head.ref == PolicyRef(EPOCH + 3600, 1)


def test_a_database_that_holds_something_is_left_alone(
    filled: SqlStore, sql_url: str, tmp_path: Path, file: Path, clock: ManualClock
) -> None:
    backed_up(sql_url, file)
    other = f"sqlite:///{tmp_path}/taken.db"
    open_store(other, clock).close()

    with pytest.raises(NotEmpty, match="holds 3 rows already"):
        restored(other, file)

    with open_store(other, clock) as store:
        assert store.policies.head().ref == PolicyRef(EPOCH, 0)
        assert len(store.audit.page(None, 5)) == 1


def test_a_database_that_has_tables_only_is_filled(
    filled: SqlStore, sql_url: str, other_url: str, file: Path, clock: ManualClock
) -> None:
    backed_up(sql_url, file)
    database = Database(other_url)
    with database.write(WriteLock.SCHEMA) as connection:
        upgrade(connection)
    database.close()

    assert restored(other_url, file).epoch == EPOCH + 3600


def test_what_is_replaced_is_left_behind_in_epoch_generation_and_term(
    filled: SqlStore, sql_url: str, other_url: str, file: Path, clock: ManualClock
) -> None:
    backed_up(sql_url, file)
    clock.instant = at(600)
    with open_store(other_url, clock) as store:
        for number in range(3):
            store.evaluations.commit(a_commit(f"gone-{number}"), store.evaluations.load())
        generation = store.evaluations.load().generation
        replaced = store.policies.head().ref.epoch

    done = restored(other_url, file, replace=True)

    assert done.replaced_epoch == replaced
    assert done.epoch == replaced + 1
    with open_store(other_url, clock) as store:
        assert store.evaluations.load().generation > generation
        assert [entry.evaluation_id for entry in store.log.page(None, 10)] == ["eval-1"]


def test_what_is_committed_while_a_backup_is_taken_is_not_in_it(
    filled: SqlStore, sql_url: str, other_url: str, file: Path, clock: ManualClock
) -> None:
    filled.journal.record([a_trade(f"B-{number}") for number in range(5000)])
    database = Database(sql_url)
    written: list[str] = []

    def writes_on(table: str, done: int, total: int) -> None:
        if len(written) < 5:
            written.append(table)
            filled.journal.record([a_trade(f"W-{len(written)}")])
            filled.evaluations.commit(a_commit(f"during-{len(written)}"), filled.evaluations.load())

    manifest = back_up(database, file, now=START, program="0.1", progress=writes_on)
    database.close()
    restored(other_url, file)

    assert len(written) == 5
    assert {part.name: part.rows for part in manifest.tables}["trade_logs"] == 5001
    with open_store(other_url, clock) as store:
        assert [entry.evaluation_id for entry in store.log.page(None, 9)] == ["eval-1"]
        assert store.journal.end().trades == 5001
    assert len(filled.log.page(None, 9)) == 6


def test_progress_ends_where_all_rows_are_done(filled: SqlStore, sql_url: str, other_url: str, file: Path) -> None:
    told: list[tuple[str, int, int]] = []
    database = Database(sql_url)
    back_up(database, file, now=START, program="0.1", progress=lambda *step: told.append(step))
    database.close()
    total = told[-1][2]

    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert told[-1][1] == total == 13

    told.clear()
    database = Database(other_url)
    with opened_archive(file) as backup:
        restore(database, backup, now=LATER, actor="ops", progress=lambda *step: told.append(step))
    database.close()
    assert told[-1][1:] == (total, total)


def test_a_backup_of_an_older_schema_is_brought_to_the_present_one(
    sqlite_url: str, other_url: str, file: Path, clock: ManualClock
) -> None:
    database = Database(sqlite_url)
    with database.write(WriteLock.SCHEMA) as connection:
        upgrade(connection, "0001")
        for statement in OLD_ROWS:
            connection.execute(text(statement))
    database.close()

    manifest = backed_up(sqlite_url, file)
    done = restored(other_url, file)

    assert (manifest.schema, manifest.audit_anchor) == ("0001", "")
    assert done.audit_break is None
    with open_store(other_url, clock) as store:
        assert verify(store.audit.rows_after(None)).rows == 3
    database = Database(other_url)
    with database.read() as connection:
        assert revision_of(connection) == HEAD_REVISION
    database.close()


def test_the_lease_of_a_backup_is_nobodys(filled: SqlStore, sql_url: str, other_url: str, file: Path) -> None:
    backed_up(sql_url, file)
    restored(other_url, file)

    database = Database(other_url)
    with database.read() as connection:
        lease = connection.execute(msc_lease.select()).one()
    database.close()
    assert lease.holder == ""
    assert lease.expires_at < START


def test_readers_go_on_while_another_thread_takes_a_backup(filled: SqlStore, sql_url: str, file: Path) -> None:
    taken: list[Manifest] = []
    taker = threading.Thread(target=lambda: taken.append(backed_up(sql_url, file)))
    taker.start()
    heads = {filled.policies.head().ref for _ in range(50)}
    taker.join()

    assert heads == {PolicyRef(EPOCH, 1)}
    assert taken[0].policy_version == 1
