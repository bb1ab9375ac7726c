"""A writer killed at any moment: what it was told is stored is stored, once, and versions have no gap."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import msc_builders
from msc_builders import ManualClock
from sqlalchemy import text

from msc_authority.adapters.sql import open_store
from msc_authority.adapters.sql.engine import Database
from msc_authority.core.evidence import TradeEvidence

WRITER = Path(__file__).with_name("crashing_writer.py")
CRASHES = {"sqlite": 10, "postgresql": 4}
LINES_BEFORE_A_CRASH = 7


def test_nothing_acknowledged_is_lost_or_doubled_when_the_writer_is_killed_again_and_again(
    sql_url: str, clock: ManualClock
) -> None:
    told = {"facts": 0, "version": 0}

    for crash in range(CRASHES[sql_url.partition(":")[0]]):
        told |= run_until_killed(sql_url, LINES_BEFORE_A_CRASH + crash)
        check_whole(sql_url, clock, told["facts"], told["version"])

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


def wait_until_alone(database: Database) -> None:
    """A session of PostgreSQL outlives its client by the statement it is at."""
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    for _ in range(0 if database.is_sqlite else 10_000):
        with database.read() as connection:
            if connection.scalar(text(others)) == 0:
                return
    assert database.is_sqlite


def check_whole(url: str, clock: ManualClock, facts: int, version: int) -> None:
    database = Database(url)
    wait_until_alone(database)
    with database.read() as raw:
        if database.is_sqlite:
            assert raw.exec_driver_sql("PRAGMA integrity_check").scalars().all() == ["ok"]
            assert raw.exec_driver_sql("PRAGMA foreign_key_check").all() == []
        trades = list(raw.scalars(text("SELECT trade_id FROM trade_logs ORDER BY sequence")))
        versions = list(raw.scalars(text("SELECT version FROM msc_policies ORDER BY version")))
    database.close()

    assert len(trades) >= facts
    assert trades == [f"T-{n}" for n in range(len(trades))]
    assert len(versions) >= version
    assert versions == list(range(1, len(versions) + 1))
    with open_store(url, clock) as store:
        state = store.evaluations.load()
        assert state.head.ref.version == state.generation == len(versions)
        assert state.controller == (str(len(versions)).encode() if versions else None)
        assert [entry.evaluation_id for entry in store.log.page(None, 1)] == [f"eval-{n}" for n in versions[-1:]]
        evidence = list(store.journal.evidence_after(None, store.journal.end()))
    assert [each.id for each in evidence if isinstance(each, TradeEvidence)] == trades
