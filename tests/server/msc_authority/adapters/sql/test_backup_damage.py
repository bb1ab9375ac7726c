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
from msc_authority.adapters.sql.restore import NewerSchema, restore
from msc_authority.adapters.sql.schema import revision_of
from msc_authority.core.policy import RiskMode
from msc_authority.ports.store import StoreError


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
        ("epoch", "soon", "manifest cannot be read .epoch: has to be a number"),
        ("epoch", 1 << 63, "manifest cannot be read .epoch: has to be a number"),
        ("epoch", -1, "manifest cannot be read .epoch: has to be a number"),
        ("policy_version", True, "manifest cannot be read .policy_version"),
        ("audit_anchor", "7:beef", "manifest cannot be read .audit_anchor: an anchor is written SEQ:HASH"),
        ("audit_anchor", f"{1 << 63}:{'a' * 64}", "manifest cannot be read .audit_anchor: no row"),
        ("made_at", "yesterday", "manifest cannot be read .made_at"),
        ("tables", [{"name": "msc_meta", "columns": [], "rows": -1, "sha256": ""}], "rows: has to be a number"),
        ("tables", [{"columns": []}], "manifest cannot be read: name is missing"),
        ("tables", ["msc_meta"], "manifest cannot be read"),
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

    assert not (tmp_path / "third.db").exists()


def test_a_flipped_bit_anywhere_is_no_reason_to_guess(filled: SqlStore, sqlite_url: str, file: Path) -> None:
    backed_up(sqlite_url, file)
    whole, refused = file.read_bytes(), set()
    with opened_archive(file) as backup:
        manifest = backup.manifest

    for place in range(0, len(whole), 3):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        try:
            with opened_archive(file) as backup:
                backup.check()
                assert backup.manifest == manifest
        except BadBackup as error:
            refused.add("use another backup" in str(error))

    assert refused == {True}


def test_damaged_compression_is_said_to_be_damage(filled: SqlStore, sqlite_url: str, file: Path) -> None:
    backed_up(sqlite_url, file)
    with zipfile.ZipFile(file) as archive:
        member = archive.getinfo("tables/msc_audit.jsonl")
    content = bytearray(file.read_bytes())
    start = member.header_offset + 30 + len(member.filename)
    content[start : start + member.compress_size] = b"\xff" * member.compress_size
    file.write_bytes(content)

    with opened_archive(file) as backup, pytest.raises(BadBackup, match=r"msc_audit cannot be read.*another backup"):
        backup.check()


def test_a_database_of_a_newer_program_is_not_restored_over(
    filled: SqlStore, sqlite_url: str, other_url: str, file: Path, clock: ManualClock
) -> None:
    backed_up(sqlite_url, file)
    open_store(other_url, clock).close()
    database = Database(other_url)
    with database.write(WriteLock.SCHEMA) as connection:
        connection.execute(text("CREATE TABLE msc_newer (id INTEGER)"))
        connection.execute(text("UPDATE msc_schema_version SET version_num = '9999'"))

    with pytest.raises(NewerSchema, match=r"schema 9999.*restore into a new database"):
        restored(other_url, file, replace=True)

    with database.read() as connection:
        assert revision_of(connection) == "9999"
        assert connection.scalar(text("SELECT count(*) FROM msc_meta")) == 1
        assert connection.scalar(text("SELECT count(*) FROM trade_logs")) == 0
    database.close()


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
