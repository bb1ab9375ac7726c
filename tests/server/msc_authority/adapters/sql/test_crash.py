"""A writer killed at any moment: what it was told is stored is stored, once, and versions have no gap."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import msc_builders
from msc_builders import ManualClock

from msc_authority.adapters.sql import open_store
from msc_authority.core.evidence import TradeEvidence

WRITER = Path(__file__).with_name("crashing_writer.py")
CRASHES = 10
LINES_BEFORE_A_CRASH = 7


def test_nothing_acknowledged_is_lost_or_doubled_when_the_writer_is_killed_again_and_again(
    sqlite_url: str, clock: ManualClock
) -> None:
    told = {"facts": 0, "version": 0}

    for crash in range(CRASHES):
        told |= run_until_killed(sqlite_url, LINES_BEFORE_A_CRASH + crash)
        check_whole(sqlite_url, clock, told["facts"], told["version"])

    assert min(told.values()) > 0


def run_until_killed(url: str, lines: int) -> dict[str, int]:
    """Returns the last numbers that the writer was heard to say."""
    path = [str(Path(msc_builders.__file__).parent), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))}
    writer = subprocess.Popen(
        [sys.executable, str(WRITER), url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert writer.stdout is not None
    said = [writer.stdout.readline() for _ in range(lines)]
    writer.send_signal(signal.SIGKILL)
    rest, complaint = writer.communicate()
    assert (writer.returncode, complaint) == (-signal.SIGKILL, "")
    return {what: int(number) for what, number in (line.split() for line in said + rest.splitlines())}


def check_whole(url: str, clock: ManualClock, facts: int, version: int) -> None:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
        trades = [name for (name,) in raw.execute("SELECT trade_id FROM trade_logs ORDER BY sequence")]
        versions = [number for (number,) in raw.execute("SELECT version FROM msc_policies ORDER BY version")]

    assert len(trades) >= facts
    assert trades == [f"T-{n}" for n in range(len(trades))]
    assert len(versions) >= version
    assert versions == list(range(1, len(versions) + 1))
    with open_store(url, clock) as store:
        state = store.evaluations.load()
        assert state.head.ref.version == state.generation == len(versions)
        assert state.controller == (str(len(versions)).encode() if versions else None)
        assert [entry.sequence for entry in store.log.page(None, 1)] == versions[-1:]
        evidence = list(store.journal.evidence_after(None, store.journal.end()))
    assert [each.id for each in evidence if isinstance(each, TradeEvidence)] == trades
