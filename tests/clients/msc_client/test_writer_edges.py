"""The writer where something is wrong beneath it: a sender with a bug, a disk without room, a damaged spool."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from msc_client_harness import until

from msc_client import EquityPoint, JournalWriter
from msc_client._delivery import Answer, Failure, Pending, SendFailed
from msc_client._spool import MAGIC
from msc_client.journal import BatchLimits, RetryPolicy, SpoolFull, WriterClosed

DEADLINE_S = 20.0
AT = datetime(2022, 1, 1, tzinfo=UTC)
QUICK_RETRY = RetryPolicy(first_s=0.01, longest_s=0.02, shortest_s=0.001, denied_s=0.01)


class Gate:
    """A sender that holds every batch until it is opened, or fails as it is told."""

    def __init__(self, *, is_open: bool = True) -> None:
        self.open = threading.Event()
        self.asked = threading.Event()
        self.error: Exception | None = None
        self.arrived: list[int] = []
        if is_open:
            self.open.set()

    def send(self, batch: Sequence[Pending]) -> Answer:
        self.asked.set()
        if not self.open.wait(DEADLINE_S):
            raise SendFailed(Failure.AWAY, "UNAVAILABLE", "never opened")
        if self.error is not None:
            raise self.error
        self.arrived += [pending.seq for pending in batch]
        return Answer(stored=len(batch), refused_total=0)

    def close(self) -> None:
        self.open.set()


class Wall:
    """A wall clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 1_700_000_000.0

    def wall_s(self) -> float:
        return self.seconds


@pytest.fixture
def write_with(tmp_path: Path) -> Iterator[Callable[..., JournalWriter]]:
    opened: list[JournalWriter] = []

    def make(
        gate: Gate, *, clock: Wall | None = None, max_spool_bytes: int = 10**6, records: int = 500
    ) -> JournalWriter:
        writer = JournalWriter(
            spool_dir=tmp_path / "spool",
            name="edge",
            sender=gate,
            retry=QUICK_RETRY,
            clock=clock or Wall(),
            max_spool_bytes=max_spool_bytes,
            limits=BatchLimits(records=records),
        )
        opened.append(writer)
        return writer

    yield make
    for writer in opened:
        writer.close(0.0)


def point(name: str = "a") -> EquityPoint:
    return EquityPoint(account=name, at=AT, wallet_balance=Decimal(1), unrealized_pnl=Decimal(0))


Write = Callable[..., JournalWriter]


def test_the_status_counts_each_fact_at_the_place_where_it_is(write_with: Write) -> None:
    gate, clock = Gate(is_open=False), Wall()
    writer = write_with(gate, clock=clock)
    for _ in range(3):
        writer.write(point())
    assert writer.flush(DEADLINE_S)
    assert gate.asked.wait(DEADLINE_S)
    clock.seconds += 5
    status = writer.status()
    assert (status.written, status.spooled, status.queued, status.pending, status.delivered) == (3, 3, 0, 3, 0)
    assert status.oldest_pending_age_s == 5.0
    assert status.pending_bytes > 0
    gate.open.set()
    assert writer.drain(DEADLINE_S)
    status = writer.status()
    assert (status.delivered, status.pending, status.pending_bytes, status.oldest_pending_age_s) == (3, 0, 0, None)


def test_a_clock_that_went_back_makes_no_negative_age(write_with: Write) -> None:
    gate, clock = Gate(is_open=False), Wall()
    writer = write_with(gate, clock=clock)
    writer.write(point())
    clock.seconds -= 100
    assert writer.status().oldest_pending_age_s == 0.0


def test_a_sender_with_a_bug_is_said_once_and_loses_nothing(
    write_with: Write, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate()
    gate.error = KeyError("a bug")
    writer = write_with(gate)
    writer.write(point())
    until(lambda: "KeyError" in writer.status().last_error)
    assert writer.status().pending == 1
    gate.error = None
    assert writer.drain(DEADLINE_S)
    until(lambda: writer.status().last_error == "")
    assert gate.arrived == [1]
    assert [record.getMessage() for record in caplog.records] == ["the journal cannot deliver; trying again"]


def test_closing_with_no_time_keeps_on_disk_what_nobody_took(write_with: Write) -> None:
    gate = Gate(is_open=False)
    writer = write_with(gate, records=1)
    for _ in range(3):
        writer.write(point())
    assert writer.flush(DEADLINE_S)
    assert gate.asked.wait(DEADLINE_S)
    gate.error = SendFailed(Failure.AWAY, "UNAVAILABLE", "gone")
    assert writer.close(0.0) is False
    with pytest.raises(WriterClosed):
        writer.write(point())
    again = Gate()
    assert write_with(again).drain(DEADLINE_S)
    assert again.arrived == [1, 2, 3]


def test_facts_that_never_reached_a_full_disk_are_said_to_be_lost(
    write_with: Write, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(fd: int, data: memoryview) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    writer = write_with(Gate())
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        writer.write(point())
        writer.write(point())
        until(lambda: "No space" in writer.status().last_error)
        assert writer.flush(0.0) is False
        assert writer.close(0.0) is False
    lost = [record.getMessage() for record in caplog.records if "lost" in record.getMessage()]
    assert len(lost) == 1
    assert lost[0].startswith("2 facts are lost: the spool took no more: ")
    assert "No space left" in lost[0]


def write_until_refused(writer: JournalWriter) -> None:
    for _ in range(1000):
        writer.write(point())


def test_room_is_counted_in_bytes_and_comes_back_with_delivery(write_with: Write) -> None:
    gate = Gate(is_open=False)
    writer = write_with(gate, max_spool_bytes=200)
    with pytest.raises(SpoolFull, match="wait for the authority"):
        write_until_refused(writer)
    taken = writer.status().written
    assert 0 < taken < 10
    assert writer.status().pending_bytes <= 200
    gate.open.set()
    assert writer.drain(DEADLINE_S)
    assert writer.write(point()) == taken + 1


def test_draining_does_not_wait_for_facts_that_were_damaged_on_disk(write_with: Write, tmp_path: Path) -> None:
    gate = Gate(is_open=False)
    writer = write_with(gate, records=1)
    writer.write(point("first"))
    assert gate.asked.wait(DEADLINE_S)
    writer.write(point("second"))
    assert writer.flush(DEADLINE_S)
    [segment] = (tmp_path / "spool").glob("*.seg")
    content = bytearray(segment.read_bytes())
    content[-1] ^= 1
    segment.write_bytes(content)
    assert content.startswith(MAGIC)
    gate.open.set()
    assert writer.drain(DEADLINE_S)
    assert gate.arrived == [1]
    assert [path.name for path in (tmp_path / "spool").glob("*.bad")] == ["00000001.bad"]
    writer.write(point("third"))
    assert writer.drain(DEADLINE_S)
    assert gate.arrived == [1, 3]


@pytest.mark.parametrize("size", ["max_spool_bytes", "max_queued", "segment_bytes"])
@pytest.mark.parametrize("value", [0, -1])
def test_a_size_that_holds_nothing_is_refused_by_name_and_leaves_no_lock(tmp_path: Path, size: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"^{size}: "):
        JournalWriter(spool_dir=tmp_path / "spool", name="edge", sender=Gate(), **{size: value})  # type: ignore[arg-type]  # sizes only
    assert not (tmp_path / "spool").exists()


def test_its_threads_are_called_after_it_and_end_with_it(write_with: Write) -> None:
    def mine() -> set[str]:
        return {thread.name for thread in threading.enumerate() if thread.name.endswith("-edge")}

    writer = write_with(Gate())
    assert mine() == {"msc-journal-spool-edge", "msc-journal-deliver-edge"}
    assert writer.close(DEADLINE_S)
    assert mine() == set()


def test_many_threads_write_and_every_number_is_given_once(write_with: Write) -> None:
    gate = Gate()
    writer = write_with(gate)
    numbers: list[int] = []

    def write() -> None:
        for _ in range(50):
            numbers.append(writer.write(point()))

    threads = [threading.Thread(target=write) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert writer.drain(DEADLINE_S)
    assert sorted(numbers) == list(range(1, 301))
    assert gate.arrived == list(range(1, 301))
