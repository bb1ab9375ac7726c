"""The whole loop with real processes: an executor is killed on the way, and in the end everything adds up."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from msc_loop.fleet import Child, Fleet
from msc_loop.judge_run import report_run
from msc_loop.plan import MADE_UP_START, WARM_UP, LoopPlan
from msc_loop.run import LoopRun, LoopState
from msc_loop.symbols import SYMBOLS
from msc_trading.clock import SystemClock

DAYS = 0.3
SPEED = 1440.0


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with Fleet(tmp_path / "loop" / "logs") as fleet:
        yield fleet


def newest(fleet: Fleet, name: str) -> Child:
    return [child for child in fleet.children if child.name == name][-1]


class Killer:
    """Kills an executor, and then the authority, each once, as soon as there are fills."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._victims = ["ETHUSDT", "authority"]
        self.notes: list[str] = []

    @property
    def deaths(self) -> list[str]:
        """The processes that were said to have died, in order."""
        return [note.split()[0] for note in self.notes if "is started again" in note]

    def look(self, state: LoopState) -> None:
        filled = bool((state.exchange or {}).get("trades"))
        calm = state.policy is not None and len(state.executors) == len(SYMBOLS)
        if filled and calm and self._victims and len(self.deaths) == 2 - len(self._victims):
            os.kill(newest(self._fleet, self._victims.pop(0)).process.pid, signal.SIGKILL)


def test_the_policy_changes_nobody_violates_it_and_the_journal_is_complete(tmp_path: Path, fleet: Fleet) -> None:
    plan = LoopPlan(
        home=tmp_path / "loop",
        symbols=SYMBOLS,
        start=MADE_UP_START,
        origin=MADE_UP_START + WARM_UP,
        speed=SPEED,
        seed=7,
        balance=Decimal(100_000),
    )
    killer = Killer(fleet)
    run = LoopRun(plan, fleet, SystemClock(), port=0, look=killer.look, note=killer.notes.append)

    ended = run.run(DAYS)
    report = report_run(plan, ended)

    assert not any(child.is_alive for child in fleet.children)
    assert report.revisions >= 2
    assert report.audit.entries >= 1
    assert report.audit.violations == ()
    assert report.completeness.is_complete
    assert report.completeness.at_exchange >= 1
    assert report.is_good
    assert killer.deaths == ["ETHUSDT", "authority"]
    assert any("msc status --target 127.0.0.1:" in note for note in killer.notes)
    assert report.restarts == 2
