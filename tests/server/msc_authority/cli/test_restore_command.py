"""What `msc restore` says of what persons had said, and what it can be asked."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msc_builders import a_commit
from msc_overrides import an_override
from typer.testing import CliRunner, Result

from msc_authority.adapters.clock import SystemClock
from msc_authority.adapters.sql import open_store
from msc_authority.cli.app import build_app
from msc_authority.core.policy import Reason, TradingState
from msc_authority.core.state import ControllerState
from msc_authority.settings import sqlite_url

STATE = ControllerState.initial(datetime(2026, 1, 1, tzinfo=UTC))
SAID = Reason(code="OPERATOR_HALT", text="HALTED by alice: news")
HALTED = replace(STATE, trading_state=TradingState.HALTED, halted_because=SAID)


def msc(*words: str) -> Result:
    return CliRunner().invoke(build_app(), words)


def keep(home: Path, state: ControllerState) -> None:
    with open_store(sqlite_url(home), SystemClock()) as store:
        stored = store.evaluations.load()
        commit = a_commit(f"eval-{stored.generation}", controller=state.encode())
        store.evaluations.commit(commit, stored)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a token."""
    keep(tmp_path / "home", STATE)
    assert msc("token", "create", "bot", "--role", "reader", "--home", str(tmp_path / "home")).exit_code == 0
    return tmp_path / "home"


@pytest.fixture
def file(tmp_path: Path, home: Path) -> Path:
    assert msc("backup", str(tmp_path / "msc.backup"), "--home", str(home)).exit_code == 0
    return tmp_path / "msc.backup"


def restored(file: Path, home: Path, *words: str) -> Result:
    result = msc("restore", str(file), "--home", str(home), "--replace", "--yes", *words)
    assert result.exit_code == 0, result.stderr
    return result


def answer(file: Path, home: Path, *words: str) -> dict[str, object]:
    document: dict[str, object] = json.loads(restored(file, home, *words, "--json").stdout)
    return document


def test_what_was_kept_is_said_with_how_to_end_it(home: Path, file: Path) -> None:
    keep(home, replace(HALTED, overrides=(an_override(),)))
    assert msc("token", "revoke", "bot", "--home", str(home)).exit_code == 0

    said = restored(file, home).stdout

    assert re.search(r"The audit log goes on with \d rows written since the backup\.", said)
    kept = said.partition("Kept of what was replaced:\n")[2].splitlines()
    assert kept[0] == "  HALTED by alice: news"
    assert kept[1] == "  o-1  entries stopped (REDUCING) by alice: exchange incident"
    assert kept[2].endswith("of bot revoked at " + kept[2].rpartition("revoked at ")[2])
    assert "No token holds." in said
    assert 'Trading is HALTED until a person says msc resume --reason "why".' in said
    assert "not known here" not in said


def test_programs_read_the_same(home: Path, file: Path) -> None:
    keep(home, HALTED)
    with open_store(sqlite_url(home), SystemClock()) as store:
        newest = store.audit.page(None, 1)[0]

    document = answer(file, home)

    assert document["words"] == [{"fate": "kept", "of": "trading", "text": "HALTED by alice: news"}]
    assert (document["trading_state"], document["knows_what_was_said"]) == ("HALTED", True)
    assert document["audit_rows_kept"]
    assert document["replaced_audit_anchor"] == f"{newest.sequence}:{newest.hash}"
    assert isinstance(document["tokens"], list)
    assert [token["name"] for token in document["tokens"]] == ["bot"]


def test_what_was_given_up_is_said(home: Path, file: Path) -> None:
    keep(home, HALTED)

    said = restored(file, home, "--lose-tightenings").stdout

    assert "Given up, as you asked:\n  HALTED by alice: news\n" in said
    assert "Trading is" not in said


def test_where_the_database_was_destroyed_the_tokens_that_hold_and_what_to_do_are_said(
    file: Path, tmp_path: Path
) -> None:
    result = msc("restore", str(file), "--home", str(tmp_path / "new"), "--yes")

    assert result.exit_code == 0
    assert "1 token of the backup holds:" in result.stdout
    assert "bot (reader) until" in result.stdout
    assert "is not known here" in result.stdout
    assert "--replace --halt --revoke-all-tokens" in result.stdout
    assert "is not known here" in restored(file, tmp_path / "new").stdout
    assert "is not known here" not in restored(file, tmp_path / "new", "--halt", "--revoke-all-tokens").stdout


def test_it_comes_up_halted_and_without_tokens_when_asked(home: Path, file: Path) -> None:
    document = answer(file, home, "--halt", "--revoke-all-tokens")

    assert (document["trading_state"], document["tokens"]) == ("HALTED", [])
    assert "No token holds" in msc("token", "list", "--home", str(home)).stdout


def test_a_log_that_is_another_ones_is_said_to_be_gone_and_may_be_saved_before(file: Path, tmp_path: Path) -> None:
    other, saved = tmp_path / "other", tmp_path / "saved"
    keep(other, HALTED)

    said = restored(file, other, "--save-replaced", str(saved)).stdout

    assert "The replaced audit log (2 rows, anchor 2:" in said
    assert "is gone, and its anchor is written down in this one" in said
    assert restored(saved, tmp_path / "again").stdout.startswith("Restored ")
    with open_store(sqlite_url(tmp_path / "again"), SystemClock()) as store:
        assert [row.action for row in store.audit.page(None, 9)][-2:] == ["publish", "allocate_epoch"]


def test_what_cannot_be_saved_is_not_replaced(file: Path, home: Path) -> None:
    keep(home, HALTED)
    result = msc(
        "restore",
        str(file),
        "--home",
        str(home),
        "--replace",
        "--yes",
        "--save-replaced",
        str(file.parent / "no/where"),
    )

    assert result.exit_code == 2
    with open_store(sqlite_url(home), SystemClock()) as store:
        assert store.audit.page(None, 1)[0].action == "publish"


def test_what_the_backup_alone_has_is_said(home: Path, tmp_path: Path) -> None:
    keep(home, replace(HALTED, overrides=(an_override(override_id="o-7"),)))
    file = tmp_path / "tight.backup"
    assert msc("backup", str(file), "--home", str(home)).exit_code == 0
    keep(home, STATE)

    said = restored(file, home).stdout

    assert "Of the backup only, and holding again:\n  HALTED by alice: news\n  o-7  entries stopped" in said


def test_a_state_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with open_store(sqlite_url(tmp_path / "torn"), SystemClock()) as store:
        store.evaluations.commit(a_commit(controller=b"torn"), store.evaluations.load())
    assert msc("backup", str(tmp_path / "torn.backup"), "--home", str(tmp_path / "torn")).exit_code == 0

    result = msc("restore", str(tmp_path / "torn.backup"), "--home", str(tmp_path / "new"), "--yes")

    assert "state in the backup cannot be read" in result.stdout
