"""The writer against a real server: nothing acknowledged is lost, nobody waits, and nothing goes wrong in silence."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import grpc
import pytest

from msc_client.config import TlsFiles
from msc_client.facts import EquityPoint
from msc_client.journal import (
    BatchLimits,
    JournalWriter,
    RetryPolicy,
    SpoolFull,
    SpoolInUse,
    WriterClosed,
)
from msc_policy.v1 import (
    JournalServiceServicer,
    RecordResponse,
    RefusedEntry,
    add_JournalServiceServicer_to_server,
)

AT = datetime(2022, 1, 1, tzinfo=UTC)
DEADLINE_S = 20.0
QUICK = RetryPolicy(first_s=0.01, longest_s=0.02, shortest_s=0.001, denied_s=0.01)
Turn = Callable[[list[str], grpc.ServicerContext], None]


class StillClock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.seconds = 1_700_000_000.0

    def wall_s(self) -> float:
        return self.seconds


class ScriptedJournal(JournalServiceServicer):
    """Stores accounts as ids, refuses those named, and takes turns at failing first."""

    def __init__(self) -> None:
        self.arrived: list[str] = []
        self.refuse: set[str] = set()
        self.turns: list[Turn] = []
        self.lock = threading.Lock()

    def Record(self, request_iterator: Any, context: Any) -> RecordResponse:  # noqa: N802, ANN401 -- as generated
        entries = [entry for request in request_iterator for entry in request.entries]
        accounts = [entry.equity.account for entry in entries]
        with self.lock:
            turn = self.turns.pop(0) if self.turns else None
        if turn:
            turn(accounts, context)
        refused = [
            RefusedEntry(seq=entry.seq, id=entry.equity.account, field="account", code="UNKNOWN_VALUE", reason="no")
            for entry in entries
            if entry.equity.account in self.refuse
        ]
        with self.lock:
            fresh = [account for account in accounts if account not in self.refuse and account not in self.arrived]
            self.arrived.extend(fresh)
        stored = len(entries) - len(refused)
        return RecordResponse(
            accepted=len(fresh), duplicates=stored - len(fresh), refused=refused, refused_total=len(refused)
        )


class Authority:
    """A journal service on a port of its own, which can go away and come back."""

    def __init__(self) -> None:
        self.journal = ScriptedJournal()
        self._server: grpc.Server | None = None
        self.port = 0
        self.start()

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        self._server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
        add_JournalServiceServicer_to_server(self.journal, self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        self._server.start()

    def stop(self) -> None:
        if self._server:
            self._server.stop(None).wait()
            self._server = None


@pytest.fixture
def authority() -> Iterator[Authority]:
    authority = Authority()
    yield authority
    authority.stop()


@pytest.fixture
def open_writer(authority: Authority, tmp_path: Path) -> Iterator[Callable[..., JournalWriter]]:
    opened: list[JournalWriter] = []

    def open_one(**options: Any) -> JournalWriter:  # noqa: ANN401 -- whatever the writer takes
        settings: dict[str, Any] = {
            "spool_dir": tmp_path / "spool",
            "name": "test",
            "retry": QUICK,
            "clock": StillClock(),
        }
        writer = JournalWriter(authority.target, **(settings | options))
        opened.append(writer)
        return writer

    yield open_one
    for writer in opened:
        writer.close(0.0)


def point(name: str) -> EquityPoint:
    return EquityPoint(account=name, at=AT, wallet_balance=Decimal(1000), unrealized_pnl=Decimal(0))


def fail(code: grpc.StatusCode) -> Turn:
    def turn(accounts: list[str], context: grpc.ServicerContext) -> None:
        context.abort(code, "scripted")

    return turn


def test_facts_reach_the_journal_and_the_spool_is_empty_afterwards(
    authority: Authority, open_writer: Callable[..., JournalWriter]
) -> None:
    writer = open_writer(limits=BatchLimits(records=7))
    numbers = [writer.write(point(f"a{index}")) for index in range(50)]

    assert writer.drain(DEADLINE_S)

    assert numbers == list(range(1, 51))
    assert authority.journal.arrived == [f"a{index}" for index in range(50)]
    status = writer.status()
    assert (status.written, status.spooled, status.delivered, status.pending) == (50, 50, 50, 0)
    assert (status.oldest_pending_age_s, status.last_error, status.pending_bytes) == (None, "", 0)


def test_writing_needs_no_authority_and_delivery_begins_when_it_comes(
    authority: Authority, open_writer: Callable[..., JournalWriter]
) -> None:
    authority.stop()
    clock = StillClock()
    writer = open_writer(clock=clock)
    for index in range(20):
        writer.write(point(f"a{index}"))
    assert writer.flush(DEADLINE_S)
    clock.seconds += 90.0
    status = writer.status()
    assert (status.delivered, status.pending, status.oldest_pending_age_s) == (0, 20, 90.0)

    authority.start()

    assert writer.drain(DEADLINE_S)
    assert len(authority.journal.arrived) == 20


@pytest.mark.parametrize(
    "code",
    [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.PERMISSION_DENIED],
    ids=lambda code: code.name,
)
def test_an_error_of_the_authority_loses_nothing(
    authority: Authority, open_writer: Callable[..., JournalWriter], code: grpc.StatusCode
) -> None:
    authority.journal.turns = [fail(code)] * 3
    writer = open_writer()
    writer.write(point("a"))

    assert writer.drain(DEADLINE_S)
    assert authority.journal.arrived == ["a"]
    assert writer.status().failed_calls == 3


def test_missing_certificates_are_reported_and_facts_wait(
    authority: Authority, open_writer: Callable[..., JournalWriter], tmp_path: Path
) -> None:
    asked, release = threading.Event(), threading.Event()

    def pause(seconds: float) -> None:
        asked.set()
        release.wait(DEADLINE_S)

    writer = open_writer(tls=TlsFiles(root_certificates=tmp_path / "none.pem"), pause=pause)
    writer.write(point("a"))

    assert asked.wait(DEADLINE_S)
    assert "NO_CREDENTIALS" in writer.status().last_error
    assert writer.status().pending == 1
    release.set()


def test_an_authority_that_dies_in_mid_call_gets_the_batch_again(
    authority: Authority, open_writer: Callable[..., JournalWriter]
) -> None:
    in_call = threading.Event()
    died = threading.Event()

    def die(accounts: list[str], context: grpc.ServicerContext) -> None:
        in_call.set()
        assert died.wait(DEADLINE_S)

    authority.journal.turns = [die]
    writer = open_writer()
    writer.write(point("a"))
    assert in_call.wait(DEADLINE_S)
    stopping = threading.Thread(target=authority.stop)
    stopping.start()
    died.set()
    stopping.join(DEADLINE_S)
    authority.start()

    assert writer.drain(DEADLINE_S)
    assert authority.journal.arrived == ["a"]


def test_a_refused_fact_is_listed_so_that_it_can_be_mended_and_the_rest_arrives(
    authority: Authority, open_writer: Callable[..., JournalWriter], tmp_path: Path
) -> None:
    authority.journal.refuse = {"bad"}
    writer = open_writer()
    for name in ("a", "bad", "b"):
        writer.write(point(name))

    assert writer.drain(DEADLINE_S)

    assert authority.journal.arrived == ["a", "b"]
    [line] = (tmp_path / "spool" / "refused.jsonl").read_text().splitlines()
    listed = json.loads(line)
    assert (listed["id"], listed["field"], listed["code"]) == ("bad", "account", "UNKNOWN_VALUE")
    assert listed["fact"]["wallet_balance"] == "1000"
    assert (writer.status().delivered, writer.status().refused) == (2, 1)


def test_a_restart_delivers_what_the_last_writer_left(
    authority: Authority, open_writer: Callable[..., JournalWriter]
) -> None:
    authority.stop()
    first = open_writer()
    for index in range(5):
        first.write(point(f"a{index}"))
    assert first.close(0.0) is False

    authority.start()
    second = open_writer()

    assert second.write(point("a5")) == 6
    assert second.drain(DEADLINE_S)
    assert authority.journal.arrived == [f"a{index}" for index in range(6)]


def test_closing_delivers_what_it_can(authority: Authority, open_writer: Callable[..., JournalWriter]) -> None:
    writer = open_writer()
    writer.write(point("a"))

    assert writer.close(DEADLINE_S) is True
    assert writer.close() is True

    assert authority.journal.arrived == ["a"]
    with pytest.raises(WriterClosed):
        writer.write(point("b"))


def test_closing_does_not_wait_for_a_call_that_hangs(
    authority: Authority, open_writer: Callable[..., JournalWriter]
) -> None:
    in_call, let_go = threading.Event(), threading.Event()

    def hang(accounts: list[str], context: grpc.ServicerContext) -> None:
        in_call.set()
        assert let_go.wait(DEADLINE_S)

    authority.journal.turns = [hang]
    writer = open_writer()
    writer.write(point("a"))
    assert in_call.wait(DEADLINE_S)

    assert writer.close(0.0) is False

    let_go.set()
    again = open_writer()
    assert again.drain(DEADLINE_S)


def write_many(writer: JournalWriter, count: int) -> None:
    for index in range(count):
        writer.write(point(f"a{index}"))


def test_a_full_spool_refuses_the_new_and_keeps_the_old(
    authority: Authority, open_writer: Callable[..., JournalWriter]
) -> None:
    authority.stop()
    writer = open_writer(max_spool_bytes=1000)
    with pytest.raises(SpoolFull, match="wait for the authority") as refused:
        write_many(writer, 1000)
    taken = writer.status().written
    assert (refused.value.reason, writer.status().pending) == ("SPOOL_FULL", taken)

    authority.start()

    assert writer.drain(DEADLINE_S)
    assert authority.journal.arrived == [f"a{index}" for index in range(taken)]
    assert writer.write(point("more")) == taken + 1


def test_a_disk_that_takes_nothing_never_blocks_the_caller_and_is_reported(
    open_writer: Callable[..., JournalWriter], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failed = threading.Event()

    def full_disk(fd: int, data: memoryview) -> int:
        failed.set()
        raise OSError(28, "No space left on device")

    writer = open_writer(max_queued=3)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full_disk)
        for index in range(3):
            writer.write(point(f"a{index}"))
        assert failed.wait(DEADLINE_S)
        with pytest.raises(SpoolFull, match="wait for the disk"):
            writer.write(point("a3"))
        assert writer.flush(0.0) is False
        assert writer.status().queued == 3

    assert writer.drain(DEADLINE_S)
    assert "cannot spool" in caplog.text


def test_two_writers_in_one_folder_are_refused(open_writer: Callable[..., JournalWriter]) -> None:
    open_writer()

    with pytest.raises(SpoolInUse):
        open_writer()


def test_patience_is_asked_of_the_given_pause_and_closing_ends_it(tmp_path: Path, authority: Authority) -> None:
    authority.stop()
    asked: list[float] = []
    waiting = threading.Event()
    closing = threading.Event()

    def pause(seconds: float) -> None:
        asked.append(seconds)
        waiting.set()
        closing.wait(DEADLINE_S)

    writer = JournalWriter(authority.target, spool_dir=tmp_path, name="test", clock=StillClock(), pause=pause)
    writer.write(point("a"))
    assert waiting.wait(DEADLINE_S)
    assert "UNAVAILABLE" in writer.status().last_error
    closing.set()

    assert writer.close(0.0) is False
    assert all(0.05 <= seconds <= 5.0 for seconds in asked)
