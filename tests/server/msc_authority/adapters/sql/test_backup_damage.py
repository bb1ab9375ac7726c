"""Backups that are not as they were written, and restores that cannot be done: told, and nothing is touched."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from msc_backups import LATER, backed_up, fill, restored, rewritten
from msc_builders import ManualClock, a_commit, a_content
from msc_postgres import PostgresServer
from sqlalchemy import text

from msc_authority.adapters.sql import SqlStore, open_store
from msc_authority.adapters.sql.archive import BadBackup, opened_archive
from msc_authority.adapters.sql.engine import Database, WriteLock
from msc_authority.adapters.sql.restore import restore
from msc_authority.adapters.sql.schema import revision_of
from msc_authority.core.policy import RiskMode
from msc_authority.ports import StoreError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "msc.backup"


@pytest.fixture
def filled(sqlite_store: SqlStore) -> SqlStore:
    """A store with a row in every table that a life fills."""
    return fill(sqlite_store)


@pytest.fixture(params=["sqlite", "postgresql"])
def other_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database to restore into."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/other/msc.db"
    postgres: PostgresServer = request.getfixturevalue("postgres")
    return postgres.new_database(empty=True)


def test_a_log_that_was_tampered_with_is_restored_and_told(
    sqlite_store: SqlStore, sqlite_url: str, other_url: str, file: Path, clock: ManualClock
) -> None:
    sqlite_store.bump_epoch("ops", "x")
    database = Database(sqlite_url)
    with database.write(WriteLock.EVALUATIONS) as connection:
        connection.execute(text("DROP TRIGGER msc_audit_keeps_content"))
        connection.execute(text("UPDATE msc_audit SET actor = 'nobody' WHERE sequence = 1"))
    database.close()
    backed_up(sqlite_url, file)

    done = restored(other_url, file)

    assert done.audit_break is not None
    assert done.audit_break.sequence == 1
    with open_store(other_url, clock) as store:
        assert "row 1 does not say" in str(store.audit.page(None, 1)[0].detail["audit_break"])
    database = Database(other_url)
    with pytest.raises(StoreError, match="append-only"):
        database.transact(WriteLock.EVALUATIONS, lambda connection: connection.execute(text("DELETE FROM msc_audit")))
    database.close()


@pytest.mark.parametrize("change", [b"", b"[]\n", None], ids=["emptied", "another row", "missing"])
def test_a_backup_that_was_changed_is_refused_before_anything_is_touched(
    filled: SqlStore, sqlite_url: str, other_url: str, file: Path, change: bytes | None
) -> None:
    backed_up(sqlite_url, file)
    rewritten(file, "tables/trade_logs.jsonl", change)

    with pytest.raises(BadBackup, match="trade_logs"):
        restored(other_url, file)

    database = Database(other_url)
    with database.read() as connection:
        assert revision_of(connection) is None
    database.close()


def test_a_file_cut_short_is_refused(filled: SqlStore, sqlite_url: str, tmp_path: Path, file: Path) -> None:
    backed_up(sqlite_url, file)
    file.write_bytes(file.read_bytes()[:-100])

    with pytest.raises(BadBackup, match="not all of one"):
        restored(sqlite_url, file)


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("format", "other", "no backup of this program"),
        ("format_version", 2, "has format 2"),
        ("schema", "9999", "schema 9999, which this program does not know"),
        ("tables", [{"name": "passwords", "columns": [], "rows": 0, "sha256": ""}], "passwords"),
        ("epoch", "soon", "manifest cannot be read"),
    ],
)
def test_a_manifest_that_this_program_does_not_know_is_refused(
    filled: SqlStore, sqlite_url: str, tmp_path: Path, file: Path, key: str, value: object, told: str
) -> None:
    backed_up(sqlite_url, file)
    with zipfile.ZipFile(file) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    rewritten(file, "manifest.json", json.dumps({**manifest, key: value}).encode())

    with pytest.raises(BadBackup, match=told):
        restored(f"sqlite:///{tmp_path}/third.db", file)


def test_a_row_that_cannot_be_stored_leaves_the_database_as_it_was(
    filled: SqlStore, sqlite_url: str, other_url: str, file: Path, clock: ManualClock
) -> None:
    backed_up(sqlite_url, file)
    with open_store(other_url, clock) as store:
        store.evaluations.commit(a_commit("mine", publish=a_content(RiskMode.DEFENSIVE)), store.evaluations.load())
        before = store.policies.head()
    database = Database(other_url)

    def fails(table: str, done: int, total: int) -> None:
        if done > 5:
            raise RuntimeError("power cut")

    with (
        pytest.raises(RuntimeError, match="power cut"),
        opened_archive(file) as backup,
    ):
        restore(database, backup, now=LATER, actor="ops", replace=True, progress=fails)
    database.close()

    with open_store(other_url, clock) as store:
        assert store.policies.head() == before


def test_a_file_that_is_there_is_not_written_over(sqlite_store: SqlStore, sqlite_url: str, file: Path) -> None:
    file.write_text("dear")

    with pytest.raises(FileExistsError):
        backed_up(sqlite_url, file)

    assert file.read_text() == "dear"


def test_a_backup_that_fails_leaves_no_file(sqlite_url: str, file: Path) -> None:
    with pytest.raises(StoreError, match="no tables yet"):
        backed_up(sqlite_url, file)

    assert [each for each in file.parent.iterdir() if "backup" in each.name] == []
