"""`msc prune`, as a person runs it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from msc_builders import a_commit, a_trade, a_verdict, an_entry, an_execution
from typer.testing import CliRunner, Result

from msc_authority.adapters.clock import SystemClock
from msc_authority.adapters.sql import open_store
from msc_authority.app.ledger import read_ledger
from msc_authority.cli.app import build_app
from msc_authority.core.config import DecisionConfig
from msc_authority.settings import sqlite_url

NOW = SystemClock().now()


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with trades and reports of 500 days, evaluated now."""
    with open_store(sqlite_url(tmp_path / "home"), SystemClock()) as store:
        for number in range(0, 500, 10):
            trade = a_trade(f"T-{number}", closed_at=ago(number), opened_at=ago(number + 1))
            store.journal.record([trade, an_execution(f"E-{number}", at=ago(number))])
        reading = read_ledger(
            checkpoint=None, store=store.evaluations, journal=store.journal, config=DecisionConfig(), as_of=NOW
        )
        entry = an_entry(started_at=NOW, verdict=a_verdict(as_of=NOW))
        commit = a_commit(entry=entry, checkpoint=reading.checkpoint(NOW))
        store.evaluations.commit(commit, store.evaluations.load())
    return tmp_path / "home"


def msc(home: Path, *words: str) -> Result:
    return CliRunner().invoke(build_app(), ["prune", "--home", str(home), *words], env={"COLUMNS": "120"})


def trades_left(home: Path) -> int:
    with open_store(sqlite_url(home), SystemClock()) as store:
        return sum(1 for _ in store.journal.evidence_after(None, store.journal.end()))


def configure(home: Path, text: str) -> None:
    (home / "msc.toml").write_text(text)


def test_by_default_only_reports_go(home: Path) -> None:
    result = msc(home)

    lines = [line.split() for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert lines[0] == ["KIND", "KEPT", "GONE", "UP", "TO", "HELD", "BACK"]
    assert lines[1][:4] == ["executions", "400", "d", "10"]
    assert lines[2] == ["trades", "for", "ever", "0"]
    assert trades_left(home) == 50


def test_to_look_changes_nothing(home: Path) -> None:
    configure(home, "keep_trades_days = 100\n")

    result = msc(home, "--dry-run", "--json")
    document = json.loads(result.stdout)

    kinds = {kind["kind"]: kind for kind in document["kinds"]}
    assert document["dry_run"] is True
    assert kinds["trades"]["rows"] == 40
    assert trades_left(home) == 50


def test_what_is_older_than_configured_goes(home: Path) -> None:
    configure(home, "keep_trades_days = 100\n")

    assert msc(home).exit_code == 0

    assert trades_left(home) == 10
    with open_store(sqlite_url(home), SystemClock()) as store:
        assert {row.action for row in store.audit.page(None, 3)} == {"prune", "raise_floor"}


def test_what_holds_it_back_is_told(home: Path) -> None:
    configure(home, "keep_trades_days = 100\n[decision.tape]\nlength_trades = 77\n")

    result = msc(home)

    assert "evaluations are made with other numbers" in " ".join(result.stdout.split())
    assert trades_left(home) == 50


def test_to_start_anew_needs_something_that_was_pruned(home: Path) -> None:
    result = msc(home, "--start-anew")

    assert result.exit_code == 2
    assert "nothing was pruned" in result.stderr


def test_a_person_may_start_anew_behind_what_was_pruned(home: Path) -> None:
    configure(home, "keep_trades_days = 100\n")
    msc(home)

    result = msc(home, "--start-anew")

    assert result.exit_code == 0
    assert "only facts later than" in result.stdout


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    result = msc(tmp_path / "nowhere")

    assert result.exit_code == 2
    assert not (tmp_path / "nowhere").exists()
