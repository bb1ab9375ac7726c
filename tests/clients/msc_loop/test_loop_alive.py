"""The whole loop with real processes: an executor is killed on the way, and in the end everything adds up.

Whatever the commission says that an operator types is typed: while the loop runs, or over what it leaves behind.
"""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from loop_builders import PLAN, a_plan

from msc_authority.cli.web import Document, Web, WebError
from msc_authority.settings import DATABASE_FILE_NAME
from msc_loop.fleet import Child, Fleet
from msc_loop.judge_run import report_run
from msc_loop.plan import LoopPlan
from msc_loop.run import LoopRun, LoopState
from msc_loop.symbols import SYMBOLS
from msc_trading.clock import SystemClock

DAYS = 0.3
MOST_DAYS = 3.0
"""Where it ends on a machine so busy that not everything was seen by then."""
CURLS = (
    ("GET", "/api/msc/status"),
    ("GET", "/api/msc/history?limit=10"),
    ("GET", "/api/msc/strategies"),
    ("POST", "/api/msc/evaluate"),
    ("GET", "/api/msc/health"),
)
RECENT_POLICIES = """
    -- View recent policies
    SELECT created_at, risk_mode, max_risk_per_trade, max_positions
    FROM msc_policies
    ORDER BY created_at DESC
    LIMIT 10;
"""
MODES = {"DEFENSIVE", "NORMAL", "AGGRESSIVE"}
BLOCKED = re.compile(r"WARNING +msc_trading\.executor: \[MSC AI\] BLOCKED: [A-Z]+ (LONG|SHORT) - \S")
NOT_THE_POLICY_S = ("holds nothing to exit", "is held by", "came before its turn")


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
        self.answers: dict[str, dict[str, Document]] = {}
        """What the commission's requests brought from each life of the authority."""
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
        life = str(status["server_id"])
        self.seen[life] = status
        if life not in self.answers and (answers := curl(state.url)) is not None:
            self.answers[life] = answers
        if life in self.answers:
            self._kill(state)
        if len(self.answers) == 2 and state.now >= PLAN.origin + timedelta(days=DAYS):
            self.all_seen()

    def _kill(self, state: LoopState) -> None:
        filled = bool((state.exchange or {}).get("trades"))
        calm = state.policy is not None and len(state.executors) == len(SYMBOLS)
        if filled and calm and self._victims and len(self.deaths) == 2 - len(self._victims):
            os.kill(newest(self._fleet, self._victims.pop(0)).process.pid, signal.SIGKILL)


def curl(url: str) -> dict[str, Document] | None:
    """Returns what each of the commission's requests brings; None while the authority does not answer them all."""
    answers: dict[str, Document] = {}
    with httpx.Client(base_url=url, timeout=10.0, trust_env=False) as client:
        for method, path in CURLS:
            try:
                response = client.request(method, path)
            except httpx.TransportError:
                return None
            if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
                # It starts, and does not lead yet.
                return None
            assert response.status_code == httpx.codes.OK, f"{method} {path}: {response.text}"
            answers[path] = response.json()
    return answers


def grep(pattern: str, file: Path) -> list[str]:
    found = subprocess.run(["grep", pattern, str(file)], capture_output=True, text=True, check=False)
    return found.stdout.splitlines()


def rows_of(plan: LoopPlan, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(plan.home / DATABASE_FILE_NAME)) as connection:
        return connection.execute(sql).fetchall()


def check_answers(answers: dict[str, Document]) -> None:
    status, history, strategies, evaluated, health = (answers[path] for _, path in CURLS)
    assert isinstance(status["policy"], dict)
    assert status["policy"]["risk_mode"] in MODES
    assert isinstance(history["revisions"], list)
    assert 1 <= len(history["revisions"]) <= 10
    assert strategies["as_of"] is not None
    assert isinstance(evaluated["evaluation"], dict)
    assert evaluated["evaluation"]["trigger"] == "request"
    assert isinstance(health["health"], dict)
    assert health["last_failure"] is None


def check_policies(rows: list[tuple[object, ...]]) -> None:
    assert 2 <= len(rows) <= 10
    instants = [str(row[0]) for row in rows]
    assert instants == sorted(instants, reverse=True)
    for _, mode, risk, positions in rows:
        assert mode in MODES
        assert isinstance(risk, float)
        assert 0 < risk < 1
        assert isinstance(positions, int)


def check_log(log: Path) -> None:
    """The commission's greps find what it says that they find, and nothing that belongs elsewhere."""
    said = grep("MSC AI", log)
    assert any("[MSC AI] Policy loaded: risk_mode=" in line for line in said)
    assert any("[MSC AI] Confidence threshold set by MSC AI: 0." in line for line in said)
    blocked = grep("MSC AI.*BLOCKED", log)
    assert any(line.endswith("not in MSC AI allowed list") for line in blocked)
    assert all(BLOCKED.search(line) for line in blocked)
    assert not [line for line in blocked if any(words in line for words in NOT_THE_POLICY_S)]
    assert grep(r"\[EXECUTOR\] Not done: ", log)
    assert any("Risk mode " in line for line in grep("risk_mode=", log))
    updates = grep("POLICY UPDATE", log)
    assert all(re.search(r"\[POLICY UPDATE\] (MSC AI|Orchestrator): ", line) for line in updates)
    assert any(re.search(r"MSC AI: [A-Z]+ mode \(risk=\d\.\d\d%\)$", line) for line in updates)


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
    for answers in killer.answers.values():
        check_answers(answers)
    check_policies(rows_of(plan, RECENT_POLICIES))
    check_log(plan.log)
