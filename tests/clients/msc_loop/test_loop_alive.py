"""The whole loop with real processes: an executor is killed on the way, and in the end everything adds up."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from loop_builders import PLAN, a_plan

from msc_authority.cli.web import Document, Web, WebError
from msc_loop.fleet import Child, Fleet
from msc_loop.judge_run import report_run
from msc_loop.run import LoopRun, LoopState
from msc_loop.symbols import SYMBOLS
from msc_trading.clock import SystemClock

DAYS = 0.3
MOST_DAYS = 3.0
"""Where it ends on a machine so busy that not everything was seen by then."""


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with Fleet(tmp_path / "loop" / "logs") as fleet:
        yield fleet


def newest(fleet: Fleet, name: str) -> Child:
    return [child for child in fleet.children if child.name == name][-1]


class Killer:
    """Kills an executor, and then the authority, each once, as soon as there are fills, and looks at the status."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._victims = ["ETHUSDT", "authority"]
        self.notes: list[str] = []
        self.seen: dict[str, Document] = {}
        self.all_seen: Callable[[], None] = lambda: None

    @property
    def deaths(self) -> list[str]:
        """The processes that were said to have died, in order."""
        return [note.split()[0] for note in self.notes if "is started again" in note]

    def look(self, state: LoopState) -> None:
        assert state.url is not None
        try:
            with Web(state.url, answer_s=2.0) as web:
                status = web.get("/api/msc/status")
        except WebError:
            # It is dead, or its pages are still being loaded.
            return
        self.seen[str(status["server_id"])] = status
        self._kill(state)
        if len(self.seen) == 2 and state.now >= PLAN.origin + timedelta(days=DAYS):
            self.all_seen()

    def _kill(self, state: LoopState) -> None:
        filled = bool((state.exchange or {}).get("trades"))
        calm = state.policy is not None and len(state.executors) == len(SYMBOLS)
        if filled and calm and self._victims and len(self.deaths) == 2 - len(self._victims):
            os.kill(newest(self._fleet, self._victims.pop(0)).process.pid, signal.SIGKILL)


def test_the_policy_changes_nobody_violates_it_and_the_journal_is_complete(tmp_path: Path, fleet: Fleet) -> None:
    plan = a_plan(home=tmp_path / "loop")
    killer = Killer(fleet)
    run = LoopRun(plan, fleet, SystemClock(), port=0, http_port=0, look=killer.look, note=killer.notes.append)

    killer.all_seen = run.stop
    ended = run.run(MOST_DAYS)
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
    # Both lives of the authority were seen, at the same address, in the same simulated time.
    first, second = killer.seen.values()
    times = [datetime.fromisoformat(str(status["time"])) for status in (first, second)]
    assert plan.origin < times[0] < times[1] < plan.origin + timedelta(days=MOST_DAYS)
    assert second["policy"] is not None
    log = plan.log.read_text(encoding="utf-8")
    assert all(
        words in log for words in ("[MSC AI] Policy loaded: risk_mode=", "] BLOCKED: ", "[POLICY UPDATE] MSC AI: ")
    )
    assert {line.split()[0] for line in log.splitlines() if "[MSC AI]" in line} == set(SYMBOLS)
