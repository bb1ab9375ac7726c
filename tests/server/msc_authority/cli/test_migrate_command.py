"""`msc migrate`: says what is to be done, does it, and refuses what it does not know."""

from __future__ import annotations

import getpass
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from msc_authority.adapters.clock import SystemClock
from msc_authority.adapters.sql import open_store
from msc_authority.adapters.sql.engine import Database, WriteLock
from msc_authority.adapters.sql.schema import HEAD_REVISION, REVISIONS, revision_of, upgrade
from msc_authority.cli.app import build_app
from msc_authority.settings import sqlite_url


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose database the first version made."""
    database = Database(sqlite_url(tmp_path / "home"))
    with database.write(WriteLock.SCHEMA) as connection:
        upgrade(connection, "0001")
    database.close()
    return tmp_path / "home"


def msc(home: Path, *words: str) -> Result:
    return CliRunner().invoke(build_app(), ["migrate", "--home", str(home), *words])


def revision(home: Path) -> str | None:
    database = Database(sqlite_url(home))
    with database.read() as connection:
        found = revision_of(connection)
    database.close()
    return found


def test_it_takes_all_steps_and_says_which(home: Path) -> None:
    result = msc(home)

    assert result.exit_code == 0
    assert "has schema 0001; done:" in result.stdout
    assert [line.split()[0] for line in result.stdout.splitlines()[1:]] == list(REVISIONS[1:])
    assert revision(home) == HEAD_REVISION


def test_a_current_schema_is_left_and_good(home: Path) -> None:
    msc(home)

    result = msc(home, "--check")

    assert result.exit_code == 0
    assert f"has schema {HEAD_REVISION}: it is current." in result.stdout


@pytest.mark.parametrize(("option", "code"), [("--check", 1), ("--dry-run", 0)])
def test_to_look_changes_nothing(home: Path, option: str, code: int) -> None:
    result = msc(home, option)

    assert result.exit_code == code
    assert "to do:" in result.stdout
    assert "Stop all authorities first" in result.stdout
    assert revision(home) == "0001"


def test_programs_read_what_is_to_be_done(home: Path) -> None:
    document = json.loads(msc(home, "--dry-run", "--json").stdout)

    assert document["found"] == "0001"
    assert document["newest"] == HEAD_REVISION
    assert document["current"] is False
    assert document["taken"] is False
    assert [step["revision"] for step in document["steps"]] == list(REVISIONS[1:])


def test_a_new_database_is_made(tmp_path: Path) -> None:
    result = msc(tmp_path / "new")

    assert result.exit_code == 0
    assert "has no schema yet; done:" in result.stdout
    assert revision(tmp_path / "new") == HEAD_REVISION


def test_to_look_for_a_database_that_is_not_there_does_not_make_it(tmp_path: Path) -> None:
    result = msc(tmp_path / "new", "--check")

    assert result.exit_code == 1
    assert "has no schema yet; to do:" in result.stdout
    assert not (tmp_path / "new").exists()


def test_a_newer_schema_is_refused(home: Path) -> None:
    msc(home)
    with closing(sqlite3.connect(home / "msc.db")) as raw, raw:
        raw.execute("UPDATE msc_schema_version SET version_num = '9999'")
        raw.execute("UPDATE msc_schema SET works_with = '9999'")

    result = msc(home)

    assert result.exit_code == 1
    assert "schema 9999, which this program does not know" in result.stderr


def test_a_newer_schema_that_works_with_this_program_is_left(home: Path) -> None:
    msc(home)
    with closing(sqlite3.connect(home / "msc.db")) as raw, raw:
        raw.execute("UPDATE msc_schema_version SET version_num = '9999'")

    result = msc(home)

    assert result.exit_code == 0
    assert "newer than this program, which still works with it" in result.stdout
    assert revision(home) == "9999"


def test_what_was_there_is_there_behind_it(home: Path) -> None:
    msc(home)

    with open_store(sqlite_url(home), SystemClock()) as store:
        assert store.policies.head().ref.version == 0


def test_a_change_of_the_schema_is_in_the_audit_log_and_nothing_else_is(home: Path) -> None:
    msc(home)
    msc(home)

    with open_store(sqlite_url(home), SystemClock()) as store:
        rows = list(store.audit.rows_after(None))
    assert [row.action for row in rows] == ["migrate", "allocate_epoch"]
    assert (rows[0].actor, rows[0].target) == (getpass.getuser(), f"schema {HEAD_REVISION}")
    assert (rows[0].detail["from"], rows[0].detail["to"]) == ("0001", HEAD_REVISION)
    assert isinstance(rows[0].detail["steps"], list)
    assert [step.split()[0] for step in rows[0].detail["steps"]] == list(REVISIONS[1:])


def test_a_first_schema_is_nobodys_change(tmp_path: Path) -> None:
    msc(tmp_path / "new")

    with open_store(sqlite_url(tmp_path / "new"), SystemClock()) as store:
        assert [row.action for row in store.audit.rows_after(None)] == ["allocate_epoch"]


def test_an_authority_that_migrates_by_itself_says_so(home: Path) -> None:
    with open_store(sqlite_url(home), SystemClock()) as store:
        assert next((row.actor, row.action) for row in store.audit.rows_after(None)) == ("authority", "migrate")
