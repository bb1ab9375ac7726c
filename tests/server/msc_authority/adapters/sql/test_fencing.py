"""A leader whose process was stopped, and another took over: it never publishes, whenever it goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from msc_builders import a_commit, a_content, an_entry

from msc_authority.adapters.sql import SqlStore
from msc_authority.core.policy import RiskMode

TTL_S = 1.0
DEADLINE_S = 30.0
_LOOK_AGAIN_S = 0.02
_SCRIPT = Path(__file__).with_name("paused_leader.py")


class OldLeader:
    """The other process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def says(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def go_on(self) -> None:
        """Lets it make its commit."""
        assert self.process.stdin is not None
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write("now\n")
        self.process.stdin.flush()


@contextmanager
def an_old_leader(url: str) -> Iterator[OldLeader]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen(
        [sys.executable, str(_SCRIPT), url, str(TTL_S)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield OldLeader(process)
        finally:
            process.kill()


def taken_over(store: SqlStore) -> int:
    """Asks for the lease until it is free, and returns the term."""
    for _ in range(round(DEADLINE_S / _LOOK_AGAIN_S)):
        state = store.lease.acquire_or_renew("new", "new:7443", 60.0)
        if state.held:
            return state.term
        Event().wait(_LOOK_AGAIN_S)
    raise AssertionError(f"the lease of a stopped process is not over after {DEADLINE_S} s")


def test_one_that_was_stopped_is_refused_when_it_goes_on(sql_url: str, sql_store: SqlStore) -> None:
    with an_old_leader(sql_url) as old:
        assert old.says() == "term 1"
        old.process.send_signal(signal.SIGSTOP)

        assert taken_over(sql_store) == 2
        old.go_on()

        assert old.says() == "Fenced"
        assert old.says() == "Fenced"
    assert sql_store.log.page(None, 10) == []
    assert sql_store.policies.head().ref.version == 0


def test_what_the_new_leader_has_published_stays(sql_url: str, sql_store: SqlStore) -> None:
    with an_old_leader(sql_url) as old:
        assert old.says() == "term 1"
        old.process.send_signal(signal.SIGSTOP)
        commit = a_commit(entry=an_entry("new"), publish=a_content(RiskMode.DEFENSIVE), term=taken_over(sql_store))
        head = sql_store.evaluations.commit(commit, sql_store.evaluations.load())

        old.go_on()

        assert old.says() == "Fenced"
    assert sql_store.policies.head() == head
    assert [entry.evaluation_id for entry in sql_store.log.page(None, 10)] == ["new"]


def test_one_that_was_stopped_and_that_nobody_replaced_goes_on(sql_url: str, sql_store: SqlStore) -> None:
    with an_old_leader(sql_url) as old:
        assert old.says() == "term 1"
        old.process.send_signal(signal.SIGSTOP)
        old.go_on()

        assert old.says() == "committed 1"
        assert old.says() == "recorded"
