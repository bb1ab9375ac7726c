"""`msc events`: what is remembered, and what happens from then on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from msc_web import ScriptedAuthority, a_policy, a_problem, an_event
from process_harness import clean_environment, free_port
from typer.testing import CliRunner, Result

from msc_authority.cli import events as events_module
from msc_authority.cli.app import build_app

DEADLINE_S = 30.0


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedAuthority]:
    with ScriptedAuthority() as authority:
        monkeypatch.setenv("MSC_URL", authority.url)
        yield authority


def events(*arguments: str) -> Result:
    return CliRunner().invoke(build_app(), ["events", *arguments])


def a_policy_event(number: int) -> bytes:
    return an_event(number, "policy", {"policy": a_policy(number), "changes": []})


def test_what_is_remembered_is_listed_and_that_is_all(authority: ScriptedAuthority) -> None:
    authority.streams = [a_policy_event(12) + a_policy_event(13)]

    result = events()

    assert result.exit_code == 0
    assert [line.partition("version ")[2][:2] for line in result.stdout.splitlines()] == ["12", "13"]
    assert authority.last_ids == ["0"]


def test_it_ends_though_the_stream_stays_open(authority: ScriptedAuthority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_module, "REPLAY_SILENCE_S", 0.1)
    authority.hold.clear()
    authority.streams = [a_policy_event(12)]

    result = events("--json")

    assert result.exit_code == 0
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == ["12"]


def test_that_older_ones_are_forgotten_is_no_news_but_a_later_gap_is(authority: ScriptedAuthority) -> None:
    gap = b'event: gap\ndata: {"reason": "TOO_OLD", "detail": "x"}\n\n'
    authority.streams = [gap + a_policy_event(12) + gap]

    kinds = [json.loads(line)["event"] for line in events("--json").stdout.splitlines()]

    assert kinds == ["policy", "gap"]


def test_types_are_asked_for_and_a_wrong_one_is_a_usage_error(authority: ScriptedAuthority) -> None:
    assert events("--types", " policy, block ").exit_code == 0
    assert authority.asked[-1] == "/api/msc/events?types=policy%2Cblock"

    wrong = events("--types", "policy,wether")

    assert wrong.exit_code == 2
    assert "wether" in wrong.stderr
    assert "evaluation" in wrong.stderr


def test_nobody_there_is_3_and_a_refusal_4(authority: ScriptedAuthority) -> None:
    assert events("--url", f"http://127.0.0.1:{free_port()}", "--follow").exit_code == 3

    authority.problems["/api/msc/events"] = a_problem(503, "TOO_MANY_STREAMS", "256 streams are open already")
    refused = events("--json")

    assert refused.exit_code == 4
    assert json.loads(refused.stderr)["reason"] == "TOO_MANY_STREAMS"


class Follower:
    """`msc events --follow --json` as a process; its lines are read from a thread."""

    def __init__(self, url: str, home: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "msc_authority", "events", "--follow", "--json", "--url", url, *arguments],
            stdout=subprocess.PIPE,
            text=True,
            env=clean_environment(home),
        )
        self._lines: list[dict[str, object]] = []
        self._news = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self._lines.append(json.loads(line))
                self._news.notify_all()

    def wait_for(self, count: int) -> list[dict[str, object]]:
        """Returns the lines once there are so many."""
        with self._news:
            assert self._news.wait_for(lambda: len(self._lines) >= count, DEADLINE_S), self._lines
            return list(self._lines)

    def stop(self) -> int:
        """Presses Ctrl-C, and returns how it ended."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(DEADLINE_S)


@pytest.fixture
def follower(authority: ScriptedAuthority, tmp_path: Path) -> Iterator[Follower]:
    authority.hold.clear()
    authority.streams = [a_policy_event(12)]
    follower = Follower(authority.url, tmp_path)
    yield follower
    if follower.process.poll() is None:
        follower.process.kill()
    follower.process.wait(DEADLINE_S)
    assert follower.process.stdout is not None
    follower.process.stdout.close()


def test_it_follows_through_a_restart_and_ctrl_c_ends_it_with_0(
    authority: ScriptedAuthority, follower: Follower
) -> None:
    follower.wait_for(1)
    port = authority.port
    authority.close()
    told = follower.wait_for(2)
    assert (told[0]["id"], told[1]["event"]) == ("12", "disconnected")

    with ScriptedAuthority(port) as again:
        again.hold.clear()
        again.streams = [a_policy_event(13)]

        def came_back() -> bool:
            return any(one.get("id") == "13" for one in told)

        while not came_back():
            told = follower.wait_for(len(told) + 1)
        assert again.last_ids[-1] == "12"
        assert follower.stop() == 0
