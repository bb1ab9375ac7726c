"""The spool: what was appended is read in order, also after a crash, and what cannot be read is kept aside."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from msc_client._delivery import Pending
from msc_client._spool import MAGIC, Spool, SpoolInUse, SpoolUnusable


def record(seq: int, payload: bytes = b"fact") -> Pending:
    return Pending(seq=seq, written_at_us=seq * 1_000_000, payload=payload)


def opened(folder: Path, segment_bytes: int = 1_000_000, after: int = 0) -> Spool:
    return Spool(folder, segment_bytes=segment_bytes, sync=False, after=after)


def waiting(spool: Spool) -> list[int]:
    return [pending.seq for pending in spool.peek(max_records=10_000, max_bytes=10_000_000)]


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with opened(tmp_path) as spool:
        yield spool


def test_records_come_back_in_order_until_they_are_settled(spool: Spool) -> None:
    spool.append([record(1), record(2)])
    spool.append([record(3)])

    assert spool.peek(max_records=2, max_bytes=100) == [record(1), record(2)]
    spool.settle(2)

    assert (waiting(spool), spool.pending_count) == ([3], 1)


def test_a_batch_is_bounded_in_bytes_but_never_empty(spool: Spool) -> None:
    spool.append([record(seq, b"x" * 100) for seq in range(1, 6)])

    assert len(spool.peek(max_records=5, max_bytes=250)) == 2
    assert len(spool.peek(max_records=5, max_bytes=1)) == 1


def test_a_restart_takes_up_what_was_not_settled_and_goes_on_numbering(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        spool.append([record(1), record(2), record(3)])
        spool.peek(max_records=1, max_bytes=100)
        spool.settle(1)

    with opened(tmp_path) as spool:
        assert (spool.pending_count, spool.next_seq, spool.oldest_written_at_us) == (2, 4, 2_000_000)
        spool.append([record(4)])
        assert waiting(spool) == [2, 3, 4]


def test_without_the_mark_everything_still_there_goes_out_again(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        spool.append([record(1), record(2)])
        spool.peek(max_records=1, max_bytes=100)
        spool.settle(1)
    (tmp_path / "delivered").write_text("7 nonsense")

    with opened(tmp_path) as spool:
        assert (waiting(spool), spool.pending_count) == ([1, 2], 2)


def test_settled_segments_leave_the_disk(tmp_path: Path) -> None:
    with opened(tmp_path, segment_bytes=100) as spool:
        for seq in range(1, 21):
            spool.append([record(seq, b"x" * 80)])
        while batch := spool.peek(max_records=3, max_bytes=10_000):
            spool.settle(batch[-1].seq)

        assert len(list(tmp_path.glob("*.seg"))) == 1
        assert (spool.pending_count, spool.pending_bytes, spool.oldest_written_at_us) == (0, 0, None)


def test_numbers_start_behind_those_already_known(tmp_path: Path) -> None:
    with opened(tmp_path, after=41) as spool:
        assert (spool.next_seq, spool.pending_count) == (42, 0)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=st.data(), payloads=st.lists(st.binary(max_size=50), min_size=1, max_size=8))
def test_a_segment_torn_anywhere_keeps_its_whole_records(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, payloads: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    ends = [len(MAGIC)]
    with opened(folder) as spool:
        for seq, payload in enumerate(payloads, start=1):
            spool.append([record(seq, payload)])
            ends.append((folder / "00000001.seg").stat().st_size)
    cut = data.draw(st.integers(0, ends[-1]))
    os.truncate(folder / "00000001.seg", cut)
    whole = sum(end <= cut for end in ends[1:])

    with opened(folder) as spool:
        assert waiting(spool) == list(range(1, whole + 1))
        spool.append([record(whole + 1)])
        assert waiting(opened_again(spool, folder)) == list(range(1, whole + 2))


def opened_again(spool: Spool, folder: Path) -> Spool:
    spool.close()
    return opened(folder)


def test_a_damaged_record_is_kept_aside_and_the_next_segments_are_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(tmp_path, segment_bytes=50) as spool:
        spool.append([record(1, b"a" * 60)])
        spool.append([record(2, b"b" * 60)])
    first = tmp_path / "00000001.seg"
    first.write_bytes(first.read_bytes()[:-1] + b"!")

    with opened(tmp_path) as spool:
        assert waiting(spool) == [2]
    assert (tmp_path / "00000001.bad").stat().st_size > 60
    assert "kept as .bad" in caplog.text


def test_a_record_damaged_while_it_waits_is_kept_aside_and_not_waited_for(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        spool.append([record(1), record(2), record(3)])
        path = tmp_path / "00000001.seg"
        path.write_bytes(path.read_bytes().replace(b"fact", b"fake", 2).replace(b"fake", b"fact", 1))

        assert waiting(spool) == [1]
        spool.settle(1)
        spool.append([record(4)])

        assert waiting(spool) == [4]
        spool.settle(4)
        assert (spool.pending_count, spool.pending_bytes) == (0, 0)
    assert (tmp_path / "00000001.bad").exists()


def test_a_failed_write_leaves_nothing_and_can_be_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    with opened(tmp_path) as spool:
        spool.append([record(1)])

        def full_disk(fd: int, data: memoryview) -> int:
            if len(data) <= 10:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(fd, data[:-10])

        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full_disk)
            with pytest.raises(OSError, match="No space"):
                spool.append([record(2), record(3)])
        spool.append([record(2), record(3)])

        assert waiting(spool) == [1, 2, 3]
    with opened(tmp_path) as spool:
        assert waiting(spool) == [1, 2, 3]
    assert not list(tmp_path.glob("*.bad"))


def test_a_second_spool_in_the_same_folder_is_refused_until_the_first_is_closed(tmp_path: Path) -> None:
    first = opened(tmp_path)
    with pytest.raises(SpoolInUse, match="another writer"):
        opened(tmp_path)

    first.close()
    first.close()

    opened(tmp_path).close()


def test_a_folder_that_is_a_file_is_unusable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(SpoolUnusable, match="cannot be made"):
        opened(tmp_path / "file")
