"""`msc backup` and `msc restore`, as a person runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msc_builders import ManualClock, a_commit, a_trade
from typer.testing import CliRunner, Result

from msc_authority.adapters.clock import SystemClock
from msc_authority.adapters.sql import open_store
from msc_authority.adapters.sql.archive import opened_archive
from msc_authority.adapters.sql.audit import SqlAuditLog
from msc_authority.cli.app import build_app
from msc_authority.cli.database import named
from msc_authority.core.audit_chain import verify
from msc_authority.ports.store import StoreUnavailable
from msc_authority.settings import sqlite_url


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with open_store(sqlite_url(tmp_path / "home"), ManualClock()) as store:
        store.journal.record([a_trade()])
        store.evaluations.commit(a_commit(controller=b"HALTED"), store.evaluations.load())
    return tmp_path / "home"


@pytest.fixture
def file(tmp_path: Path, home: Path) -> Path:
    """A backup of the home."""
    assert msc("backup", str(tmp_path / "msc.backup"), "--home", str(home)).exit_code == 0
    return tmp_path / "msc.backup"


def msc(*words: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(build_app(), words, input=typed)


def test_a_backup_says_what_is_in_it(home: Path, tmp_path: Path) -> None:
    result = msc("backup", str(tmp_path / "a.backup"), "--home", str(home))

    assert result.exit_code == 0
    assert "version 1 of epoch 1764498600" in result.stdout
    assert "audit anchor" in result.stdout


def test_programs_read_what_is_in_it(home: Path, tmp_path: Path) -> None:
    result = msc("backup", str(tmp_path / "a.backup"), "--home", str(home), "--json")
    document = json.loads(result.stdout)

    assert document["tables"]["trade_logs"] == 1
    assert document["policy_version"] == 1
    assert document["bytes"] == (tmp_path / "a.backup").stat().st_size


def test_a_backup_changes_nothing_but_the_audit_log_where_it_stands(home: Path, file: Path) -> None:
    with open_store(sqlite_url(home), SystemClock()) as store:
        row = store.audit.newest_of("backup")

        assert row is not None
        assert (row.target, row.detail["rows"], row.sequence) == ("file msc.backup", rows_in(file), 3)
        assert store.policies.head().ref.version == 1
        assert verify(store.audit.rows_after(None)).broken is None


def test_a_backup_that_cannot_be_written_down_is_whole_all_the_same(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise StoreUnavailable("takes no writes")

    monkeypatch.setattr(SqlAuditLog, "append", away)

    result = msc("backup", str(tmp_path / "a.backup"), "--home", str(home))

    assert result.exit_code == 0
    assert "The backup is whole; the audit log has no row of it: takes no writes" in result.stderr
    assert (tmp_path / "a.backup").exists()


def rows_in(file: Path) -> int:
    with opened_archive(file) as archive:
        return archive.manifest.rows


def test_a_file_that_is_there_is_not_written_over(home: Path, file: Path) -> None:
    before = file.read_bytes()

    result = msc("backup", str(file), "--home", str(home))

    assert result.exit_code == 2
    assert "is there already" in result.stderr
    assert file.read_bytes() == before


def test_a_folder_that_is_not_there_is_named(home: Path, tmp_path: Path) -> None:
    result = msc("backup", str(tmp_path / "no/where.backup"), "--home", str(home))

    assert result.exit_code == 2
    assert "cannot be written: No such file or directory" in result.stderr


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    result = msc("backup", str(tmp_path / "a.backup"), "--home", str(tmp_path / "nowhere"))

    assert result.exit_code == 2
    assert "no such database" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_restore_says_the_old_and_the_new_epoch(file: Path, tmp_path: Path) -> None:
    result = msc("restore", str(file), "--home", str(tmp_path / "new"), "--yes")

    with open_store(sqlite_url(tmp_path / "new"), SystemClock()) as store:
        epoch = store.policies.head().ref.epoch
        assert store.evaluations.load().controller == b"HALTED"
    assert result.exit_code == 0
    assert f"Epoch: {epoch} now; the backup's was 1764498600." in result.stdout
    assert epoch > 1764498600


def test_a_database_that_holds_something_is_not_touched(file: Path, home: Path) -> None:
    result = msc("restore", str(file), "--home", str(home))

    assert result.exit_code == 2
    assert "--replace" in result.stderr
    assert "nothing was changed" in result.stderr


def test_to_replace_without_a_person_needs_a_word(file: Path, home: Path) -> None:
    result = msc("restore", str(file), "--home", str(home), "--replace")

    assert result.exit_code == 2
    assert "--yes" in result.stderr


def test_what_is_replaced_is_told(file: Path, home: Path) -> None:
    result = msc("restore", str(file), "--home", str(home), "--replace", "--yes", "--json")
    document = json.loads(result.stdout)

    assert result.exit_code == 0
    assert document["replaced_epoch"] == document["backup_epoch"] == 1764498600
    assert document["epoch"] > 1764498600
    assert document["audit_broken"] is None


def test_the_database_that_was_filled_is_named_without_its_password(file: Path, home: Path) -> None:
    url = sqlite_url(home)

    said = msc("restore", str(file), "--home", str(home), "--replace", "--yes").stdout
    read = msc("restore", str(file), "--home", str(home), "--replace", "--yes", "--json").stdout

    assert f" rows into {url}.\n" in said
    assert json.loads(read)["database"] == url
    assert named("postgresql://msc:it's/w@db/msc?sslpassword=x") == "postgresql://msc:***@db/msc"


@pytest.mark.parametrize("how", [(), ("--json",), ("--replace",)])
def test_a_database_file_that_is_not_there_is_not_made_unasked(file: Path, tmp_path: Path, how: tuple[str]) -> None:
    result = msc("restore", str(file), "--home", str(tmp_path / "new"), *how)

    assert result.exit_code == 2
    assert f"There is no {tmp_path}/new/msc.db yet" in result.stderr
    assert "--yes" in result.stderr
    assert "--database-url" in result.stderr
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("answer", "code"), [("n\n", 1), ("y\n", 0)])
def test_a_person_is_asked_before_a_database_file_is_made(
    file: Path, tmp_path: Path, answer: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("msc_authority.cli.backup.is_person", lambda: True)

    result = msc("restore", str(file), "--home", str(tmp_path / "new"), typed=answer)

    assert result.exit_code == code
    assert f"There is no {tmp_path}/new/msc.db yet" in result.stderr
    assert (tmp_path / "new/msc.db").exists() is (code == 0)


def test_a_command_that_writes_a_database_says_which(home: Path) -> None:
    at_home, url = ("--home", str(home)), sqlite_url(home)
    said = {
        "new-epoch": msc("new-epoch", "--reason", "x", *at_home).stdout,
        "prune": msc("prune", *at_home).stderr,
        "migrate": msc("migrate", *at_home).stdout,
        "create": msc("token", "create", "bot", "--role", "reader", *at_home).stderr,
        "revoke": msc("token", "revoke", "bot", *at_home).stdout,
    }

    assert [command for command, text in said.items() if url not in text] == []


@pytest.mark.parametrize(("answer", "code"), [("n\n", 1), ("y\n", 0)])
def test_a_person_is_asked_before_anything_is_replaced(
    file: Path, home: Path, answer: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("msc_authority.cli.backup.is_person", lambda: True)

    result = msc("restore", str(file), "--home", str(home), "--replace", typed=answer)

    assert result.exit_code == code
    assert "version 1 of epoch 1764498600" in result.stdout
    with open_store(sqlite_url(home), SystemClock()) as store:
        assert (store.policies.head().ref.epoch == 1764498600) is (code == 1)


def test_what_is_no_backup_is_refused(home: Path, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("buy low")

    result = msc("restore", str(tmp_path / "notes"), "--home", str(tmp_path / "new"), "--json")

    assert result.exit_code == 1
    assert json.loads(result.stderr)["reason"] == "BAD_BACKUP"
    assert not (tmp_path / "new").exists()
