"""`msc top` as it is called: once, as JSON, and live on a terminal of its own."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msc_live import ManualTime
from msc_web import Document, ScriptedAuthority, a_critical_alert, a_policy, a_problem, a_status, answer_all
from process_harness import clean_environment, free_port, until
from typer.testing import CliRunner, Result

from msc_authority.cli.app import build_app
from msc_authority.cli.keys import single_keys
from msc_authority.cli.top import show
from msc_authority.cli.top_state import Looker, TopState, look_again
from msc_authority.cli.web import Web

DEADLINE_S = 30.0
SIZE = {"COLUMNS": "80", "LINES": "24", "TERM": "xterm-256color"}


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedAuthority]:
    with ScriptedAuthority() as authority:
        answer_all(authority, a_status(), alerts=[a_critical_alert()])
        monkeypatch.setenv("MSC_URL", authority.url)
        monkeypatch.setenv("COLUMNS", "80")
        yield authority


def top(*arguments: str) -> Result:
    return CliRunner().invoke(build_app(), ["top", *arguments])


@pytest.mark.parametrize("arguments", [("--once",), ()], ids=["once", "no terminal"])
def test_one_frame_is_printed(arguments: tuple[str, ...], authority: ScriptedAuthority) -> None:
    result = top(*arguments)

    assert result.exit_code == 0
    assert result.stdout.startswith(authority.url)
    for words in ("NORMAL for 3.1 h", "DEFENSIVE_TOO_LONG", "TREND_001", "! guard-1", "12 of 30 signals"):
        assert words in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_json_is_one_object_with_the_answers_as_they_came(authority: ScriptedAuthority) -> None:
    result = top("--json")

    (line,) = result.stdout.splitlines()
    document = json.loads(line)
    assert document["status"] == a_status()
    assert document["alerts"] == {"alerts": [a_critical_alert()]}
    assert (document["url"], document["problems"]) == (authority.url, [])
    assert set(document) == {"url", "status", "strategies", "clients", "alerts", "problems"}


def test_a_part_that_is_refused_leaves_the_rest(authority: ScriptedAuthority) -> None:
    authority.problems["/api/msc/strategies"] = a_problem(503, "STORE_UNAVAILABLE", "the database does not answer")

    document = json.loads(top("--json").stdout)

    assert document["strategies"] is None
    assert document["problems"] == ["strategies: the database does not answer"]


def test_nobody_there_is_3_and_a_refusal_4(authority: ScriptedAuthority) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    assert top("--once", "--url", nowhere).exit_code == 3
    assert json.loads(top("--json", "--url", nowhere).stderr)["exit_code"] == 3
    assert top("--once", "--url", "nowhere").exit_code == 2

    authority.problems["/api/msc/status"] = a_problem(500, "INTERNAL", "error 7")
    assert top("--once").exit_code == 4


def test_a_look_that_fails_keeps_what_was_seen_and_the_first_absence(authority: ScriptedAuthority) -> None:
    clock = ManualTime()
    with Web(authority.url) as web:
        state = look_again(TopState(url=authority.url), web, clock)
        authority.close()
        gone_at = clock.now()
        first = look_again(state, web, clock)
        clock.leap(5.0)
        second = look_again(first, web, clock)

    assert state.seen is second.seen is not None
    assert second.away is not None
    assert second.away.since == gone_at
    assert second.seen_at == state.seen_at


class Broken(Web):
    """Fails as nobody expects."""

    def get(self, path: str, **parameters: str | int) -> Document:
        raise RuntimeError(f"no {path}")


def test_an_error_of_our_own_is_shown_instead_of_a_frozen_view() -> None:
    with Broken("http://127.0.0.1:1") as web:
        state = look_again(TopState(url=""), web, ManualTime())

    assert state.away is not None
    assert state.away.why == "RuntimeError: no /api/msc/status"


def test_the_looker_looks_on_while_nobody_reads(authority: ScriptedAuthority) -> None:
    with Web(authority.url) as web:
        looker = Looker(authority.url, web, ManualTime(), every_s=0.001)
        looker.start()
        try:
            until(lambda: sum("status" in path for path in authority.asked) >= 3)
            until(lambda: looker.state.seen)
        finally:
            looker.stop()


def test_it_is_drawn_until_a_key_ends_it() -> None:
    keys = iter(["", "x", "", "abcQ"])
    drawn: list[int] = []

    show(lambda: drawn.append(1), lambda _: next(keys))

    assert len(drawn) == 4


def test_without_a_terminal_there_are_no_keys() -> None:
    with single_keys() as wait:
        assert wait(0.0) == ""


class Terminal:
    """`msc top` on a pseudo-terminal of 80 x 24; everything it draws is kept."""

    def __init__(self, url: str, home: Path) -> None:
        self._ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "msc_authority", "top", "--url", url]
        environment = clean_environment(home, **SIZE)
        self.process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
        os.close(theirs)
        self._drawn = b""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while True:
            try:
                chunk = os.read(self._ours, 65_536)
            except OSError:
                # The last process on the other side has closed it.
                return
            if not chunk:
                return
            self._drawn += chunk

    @property
    def raw(self) -> str:
        """Everything drawn, with what commands the terminal."""
        return self._drawn.decode(errors="replace")

    @property
    def frame(self) -> str:
        """The newest frame."""
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.raw.rpartition("\x1b[H")[2])

    def press(self, keys: str) -> None:
        """Presses keys."""
        os.write(self._ours, keys.encode())

    def ended(self) -> int:
        """Returns its exit code."""
        code = self.process.wait(DEADLINE_S)
        self._thread.join(DEADLINE_S)
        return code

    def close(self) -> None:
        """Makes sure that nothing is left."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(DEADLINE_S)
        self._thread.join(DEADLINE_S)
        os.close(self._ours)


@pytest.fixture
def terminal(authority: ScriptedAuthority, tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal(authority.url, tmp_path)
    yield terminal
    terminal.close()


def sees(terminal: Terminal, words: str) -> Callable[[], bool]:
    return lambda: words in terminal.frame


def test_live_it_shows_what_changes_the_absence_and_the_return_and_q_ends_it(
    authority: ScriptedAuthority, terminal: Terminal
) -> None:
    until(sees(terminal, "v12, epoch 1"), deadline_s=DEADLINE_S, what="the first frame")
    answer_all(authority, a_status(policy=a_policy(13, risk_mode="DEFENSIVE"), head={"epoch": 1, "version": 13}))
    until(sees(terminal, "v13, epoch 1"), deadline_s=DEADLINE_S, what="the change")

    port = authority.port
    authority.close()
    until(sees(terminal, "AWAY since"), deadline_s=DEADLINE_S, what="the absence")
    assert "DEFENSIVE for 3.1 h" in terminal.frame

    with ScriptedAuthority(port) as again:
        answer_all(again, a_status())
        until(
            lambda: "AWAY" not in terminal.frame and "v12" in terminal.frame, deadline_s=DEADLINE_S, what="the return"
        )
        terminal.press("q")
        assert terminal.ended() == 0
    # The screen is as it was before: the other buffer is left, and the cursor is back.
    assert terminal.raw.rfind("\x1b[?1049l") > terminal.raw.rfind("\x1b[?1049h") >= 0
    assert terminal.raw.rfind("\x1b[?25h") > terminal.raw.rfind("\x1b[?25l")
    assert "Traceback" not in terminal.raw


def test_ctrl_c_ends_it_with_0(terminal: Terminal) -> None:
    until(sees(terminal, "v12, epoch 1"), deadline_s=DEADLINE_S, what="the first frame")

    terminal.process.send_signal(signal.SIGINT)

    assert terminal.ended() == 0
    assert "Traceback" not in terminal.raw
