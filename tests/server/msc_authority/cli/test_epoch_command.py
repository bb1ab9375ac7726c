"""`msc new-epoch`, as a person runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msc_builders import ManualClock, a_commit
from typer.testing import CliRunner, Result

from msc_authority.adapters.clock import SystemClock
from msc_authority.adapters.sql import open_store
from msc_authority.cli.app import build_app
from msc_authority.settings import sqlite_url


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with open_store(sqlite_url(tmp_path / "home"), ManualClock()) as store:
        store.evaluations.commit(a_commit(), store.evaluations.load())
    return tmp_path / "home"


def msc(home: Path, *words: str) -> Result:
    return CliRunner().invoke(build_app(), ["new-epoch", "--home", str(home), *words])


def test_a_new_epoch_is_greater_and_has_no_policy_yet(home: Path) -> None:
    document = json.loads(msc(home, "--reason", "disk snapshot of Sunday", "--json").stdout)

    with open_store(sqlite_url(home), SystemClock()) as store:
        head, line = store.policies.head(), store.audit.page(None, 1)[0]
    assert document["epoch"] > document["before"] == 1764498600
    assert (head.ref.epoch, head.ref.version, head.policy) == (document["epoch"], 0, None)
    assert (line.action, line.detail["reason"]) == ("allocate_epoch", "disk snapshot of Sunday")


def test_it_is_told_in_words(home: Path) -> None:
    result = msc(home, "--reason", "x")

    assert result.exit_code == 0
    assert "now, it was 1764498600" in result.stdout


def test_it_needs_a_reason(home: Path) -> None:
    assert msc(home).exit_code == 2


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    result = msc(tmp_path / "nowhere", "--reason", "x")

    assert result.exit_code == 2
    assert not (tmp_path / "nowhere").exists()
