"""A person operates a real authority, and a trading process elsewhere obeys: at once, through crashes, to the end."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration
from msc_operating import good_hours
from process_harness import AuthorityProcess, clean_environment

from msc_authority.adapters.clock import SystemClock
from msc_authority.adapters.sql import open_store
from msc_policy import v1 as pb

HERE = Path(__file__).parent
BUILDERS = HERE.parent / "clients" / "msc_trading" / "guard"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """What a risk guard said under one version."""

    version: int
    trading_state: str
    entry: str
    reduction: str


class GuardingClient:
    """The trading process, and what its guard said."""

    def __init__(self, target: str, home: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "guarding_client.py"), target, str(home)],
            env={**clean_environment(home), "PYTHONPATH": str(BUILDERS)},
            stdout=subprocess.PIPE,
            text=True,
        )
        self._said: queue.SimpleQueue[Verdicts] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.put(Verdicts(**json.loads(line)))

    def under(self, trading_state: str, *, within_s: float) -> Verdicts:
        """Returns what the guard says under the first policy in that state, or fails at the deadline."""
        deadline, seen = time.monotonic() + within_s, list[Verdicts]()
        while (left_s := deadline - time.monotonic()) > 0:
            try:
                seen.append(self._said.get(timeout=left_s))
            except queue.Empty:
                break
            if seen[-1].trading_state == trading_state:
                return seen[-1]
        raise AssertionError(f"not {trading_state} within {within_s} s; seen: {seen}")

    def close(self) -> None:
        """Ends it."""
        self._process.kill()
        self._process.wait(10)
        self._reader.join(10)
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[AuthorityProcess]:
    """A running authority that allows two strategies on trial."""
    process = AuthorityProcess(home=tmp_path / "authority")
    process.home.mkdir()
    clock = SystemClock()
    with open_store(f"sqlite:///{process.home}/msc.db", clock) as store:
        store.journal.record(good_hours(4, clock.now() - timedelta(hours=4, minutes=1)))
    try:
        yield process.start()
    finally:
        process.close()


@pytest.fixture
def trading(authority: AuthorityProcess, tmp_path: Path) -> Iterator[GuardingClient]:
    client = GuardingClient(authority.target, tmp_path / "trading")
    try:
        yield client
    finally:
        client.close()


def act(authority: AuthorityProcess, **fields: object) -> pb.ActResponse:
    """Does one thing at the authority, as Alice."""
    request = pb.ActRequest(reason="exchange incident", actor="alice", **fields)  # type: ignore[arg-type]  # of tests
    with authority.channel() as channel:
        answer: pb.ActResponse = pb.OperatorServiceStub(channel).Act(request, timeout=10, wait_for_ready=True)
    return answer


def msc(authority: AuthorityProcess, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Types a command of `msc` at the authority."""
    return subprocess.run(
        [sys.executable, "-m", "msc_authority", *arguments, "--target", authority.target],
        env=clean_environment(authority.home),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_halt_stops_entries_elsewhere_within_a_second_and_never_a_reduction(
    authority: AuthorityProcess, trading: GuardingClient
) -> None:
    before = trading.under("ACTIVE", within_s=30)
    assert (before.entry, before.reduction) == ("ALLOWED", "ALLOWED")

    answer = act(authority, halt=pb.HaltAction())
    halted = trading.under("HALTED", within_s=1)

    assert halted.version == answer.head.version
    assert (halted.entry, halted.reduction) == ("TRADING_HALTED", "ALLOWED")


def test_a_halt_outlives_a_crash_of_the_authority_until_a_person_resumes(
    authority: AuthorityProcess, trading: GuardingClient
) -> None:
    trading.under("ACTIVE", within_s=30)
    halted = msc(authority, "halt", "--reason", "exchange incident")
    assert halted.returncode == 0, halted.stderr
    version = trading.under("HALTED", within_s=1).version

    authority.kill()
    authority.start()

    with authority.stub() as stub:
        found = stub.GetPolicy(pb.GetPolicyRequest(), timeout=10).policy
    assert (found.ref.version, found.trading_state) == (version, pb.TRADING_STATE_HALTED)
    unsure = msc(authority, "resume", "--reason", "all is well")
    assert unsure.returncode == 1
    assert "--yes" in unsure.stderr
    resumed = msc(authority, "resume", "--reason", "all is well", "--yes")
    assert resumed.returncode == 0, resumed.stderr
    after = trading.under("ACTIVE", within_s=30)
    assert (after.entry, after.reduction) == ("ALLOWED", "ALLOWED")


def test_an_override_ends_on_time_elsewhere_too_although_the_authority_crashed(
    authority: AuthorityProcess, trading: GuardingClient
) -> None:
    trading.under("ACTIVE", within_s=30)
    act(authority, reduce=pb.ReduceAction(lasts=Duration(seconds=6)))
    reducing = trading.under("REDUCING", within_s=1)
    assert (reducing.entry, reducing.reduction) == ("TRADING_REDUCING", "ALLOWED")

    authority.kill()
    authority.start()

    assert trading.under("ACTIVE", within_s=40).entry == "ALLOWED"
    with authority.channel() as channel:
        listed = pb.OperatorServiceStub(channel).ListOverrides(pb.ListOverridesRequest(), timeout=10)
    assert not listed.overrides
