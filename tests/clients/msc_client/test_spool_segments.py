"""Segments of the spool: when a new one begins, what a damaged one costs, and when bytes reach the disk."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from msc_client._delivery import Pending
from msc_client._spool import MAGIC, MAX_PAYLOAD_BYTES, Spool, SpoolUnusable, record_bytes

HEAD = 24
"""Bytes of a record before its payload."""


def record(seq: int, payload: bytes = b"fact") -> Pending:
    return Pending(seq=seq, written_at_us=seq * 1_000_000, payload=payload)


def opened(folder: Path, segment_bytes: int = 1_000_000, *, sync: bool = False, after: int = 0) -> Spool:
    return Spool(folder, segment_bytes=segment_bytes, sync=sync, after=after)


def waiting(spool: Spool) -> list[int]:
    return [pending.seq for pending in spool.peek(max_records=10_000, max_bytes=10_000_000)]


def segments(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.seg"))


def deliver_all(spool: Spool, at_once: int = 3) -> list[int]:
    """Settles all there is, as delivery does, and returns the numbers in their order."""
    seen: list[int] = []
    while batch := spool.peek(max_records=at_once, max_bytes=1_000_000):
        seen += [pending.seq for pending in batch]
        spool.settle(batch[-1].seq)
    return seen


# Rotation


def test_a_segment_is_left_once_it_has_reached_its_size_and_not_before(tmp_path: Path) -> None:
    one = record_bytes(b"fact")
    with opened(tmp_path, segment_bytes=len(MAGIC) + 2 * one) as spool:
        for seq, expected in ((1, 1), (2, 1), (3, 2), (4, 2), (5, 3)):
            spool.append([record(seq)])
            assert len(segments(tmp_path)) == expected
        assert waiting(spool) == [1, 2, 3, 4, 5]


def test_a_record_larger_than_a_segment_is_taken_whole(tmp_path: Path) -> None:
    large = b"x" * 5000
    with opened(tmp_path, segment_bytes=100) as spool:
        spool.append([record(1, large), record(2, large)])
        assert spool.peek(max_records=9, max_bytes=10**6) == [record(1, large), record(2, large)]


def test_the_largest_payload_comes_back_and_one_byte_more_would_be_taken_for_damage(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        spool.append([record(1, bytes(MAX_PAYLOAD_BYTES))])
    with opened(tmp_path) as spool:
        assert spool.peek(max_records=1, max_bytes=1) == [record(1, bytes(MAX_PAYLOAD_BYTES))]
        spool.append([record(2, bytes(MAX_PAYLOAD_BYTES + 1))])
        assert deliver_all(spool) == [1]


def test_a_restart_begins_a_segment_of_its_own_and_reads_the_old_ones_first(tmp_path: Path) -> None:
    for seq in (1, 2, 3):
        with opened(tmp_path) as spool:
            spool.append([record(seq)])
    assert segments(tmp_path) == ["00000001.seg", "00000002.seg", "00000003.seg"]
    with opened(tmp_path) as spool:
        assert deliver_all(spool) == [1, 2, 3]
        assert segments(tmp_path) == ["00000003.seg"]


def test_a_segment_leaves_the_disk_only_when_its_last_record_is_settled(tmp_path: Path) -> None:
    with opened(tmp_path, segment_bytes=len(MAGIC) + 2 * record_bytes(b"fact")) as spool:
        for seq in range(1, 6):
            spool.append([record(seq)])
        left = []
        for seq in range(1, 6):
            spool.peek(max_records=1, max_bytes=1)
            spool.settle(seq)
            left.append(len(segments(tmp_path)))
    # The last one stays: it is the one that is written to.
    assert left == [3, 2, 2, 1, 1]


def test_segments_are_read_by_number_and_not_by_name(tmp_path: Path) -> None:
    with opened(tmp_path, segment_bytes=1) as spool:
        spool.append([record(1)])
        spool.append([record(2)])
    (tmp_path / "00000001.seg").rename(tmp_path / "99999999.seg.tmp")
    (tmp_path / "00000002.seg").rename(tmp_path / "100000000.seg")
    (tmp_path / "99999999.seg.tmp").rename(tmp_path / "99999999.seg")
    with opened(tmp_path) as spool:
        assert waiting(spool) == [1, 2]


@pytest.mark.parametrize("name", ["00000001 (copy).seg", "1-backup.seg", "0x1.seg", "1\u00b2.seg", "2 old.bad"])
def test_what_a_person_put_beside_the_segments_is_left_alone(tmp_path: Path, name: str) -> None:
    with opened(tmp_path) as spool:
        spool.append([record(1)])
    (tmp_path / name).write_bytes(b"something")
    with opened(tmp_path) as spool:
        assert waiting(spool) == [1]
    assert (tmp_path / name).read_bytes() == b"something"


# Damage


@pytest.mark.parametrize("at", range(HEAD + 4))
def test_a_byte_changed_anywhere_in_a_record_costs_that_record_and_none_of_another_segment(
    tmp_path: Path, at: int
) -> None:
    with opened(tmp_path, segment_bytes=1) as spool:
        for seq in (1, 2, 3):
            spool.append([record(seq)])
    second = tmp_path / "00000002.seg"
    damaged = bytearray(second.read_bytes())
    damaged[len(MAGIC) + at] ^= 0x40
    second.write_bytes(damaged)
    with opened(tmp_path) as spool:
        assert deliver_all(spool) == [1, 3]
        assert (spool.pending_count, spool.pending_bytes) == (0, 0)
    assert (tmp_path / "00000002.bad").read_bytes() == bytes(damaged[len(MAGIC) :])


@pytest.mark.parametrize("magic", [b"", b"M", MAGIC[:-1], b"MSCSPL2\n"])
def test_a_segment_of_another_format_is_put_aside_whole(tmp_path: Path, magic: bytes) -> None:
    with opened(tmp_path, segment_bytes=1) as spool:
        spool.append([record(1)])
        spool.append([record(2)])
    first = tmp_path / "00000001.seg"
    first.write_bytes(magic + first.read_bytes()[len(MAGIC) :])
    with opened(tmp_path) as spool:
        assert deliver_all(spool) == [2]


@pytest.mark.parametrize("damaged", [1, 2, 3])
def test_records_that_became_unreadable_while_they_waited_are_not_waited_for(tmp_path: Path, damaged: int) -> None:
    with opened(tmp_path) as spool:
        spool.append([record(seq) for seq in (1, 2, 3)])
        path = tmp_path / "00000001.seg"
        content = bytearray(path.read_bytes())
        content[len(MAGIC) + damaged * record_bytes(b"fact") - 1] ^= 1
        path.write_bytes(content)
        assert deliver_all(spool) == list(range(1, damaged))
        assert (spool.pending_count, spool.pending_bytes, spool.oldest_written_at_us) == (0, 0, None)
        spool.append([record(4)])
        assert deliver_all(spool) == [4]
        assert spool.pending_count == 0
    with opened(tmp_path) as spool:
        assert (spool.pending_count, spool.next_seq) == (0, 5)


@pytest.mark.parametrize(
    "mark", ["", "1", "one 00000000", "1 00000000", "-1 00000000", "1 83dcefb7 more", "\u00b2 00000000", "9" * 9]
)
def test_a_mark_that_makes_no_sense_sends_everything_again_rather_than_nothing(tmp_path: Path, mark: str) -> None:
    with opened(tmp_path) as spool:
        spool.append([record(1), record(2)])
    (tmp_path / "delivered").write_text(mark)
    with opened(tmp_path) as spool:
        assert (waiting(spool), spool.next_seq) == ([1, 2], 3)


def test_the_mark_outlives_the_segments_so_that_no_number_comes_twice(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        spool.append([record(1), record(2)])
        deliver_all(spool)
    for segment in tmp_path.glob("*.seg"):
        segment.unlink()
    with opened(tmp_path) as spool:
        assert (spool.next_seq, spool.pending_count) == (3, 0)


@pytest.mark.parametrize(("after", "next_seq"), [(1, 3), (2, 3), (7, 8)])
def test_numbers_go_on_behind_both_the_records_and_the_refusals(tmp_path: Path, after: int, next_seq: int) -> None:
    with opened(tmp_path) as spool:
        spool.append([record(1), record(2)])
    with opened(tmp_path, after=after) as spool:
        assert (spool.next_seq, waiting(spool)) == (next_seq, [1, 2])
        spool.append([record(next_seq)])
        assert deliver_all(spool) == [1, 2, next_seq]
        assert spool.pending_count == 0


# The disk


class Steps:
    """Counts calls of a step of the operating system, and lets it fail when told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        real: Callable[..., object] = getattr(os, name)
        self.calls = 0
        self.failing = False

        def step(*args: object) -> object:
            self.calls += 1
            if self.failing:
                raise OSError(errno.EIO, "Input/output error")
            return real(*args)

        monkeypatch.setattr(os, name, step)


def test_with_sync_each_append_reaches_the_disk_before_it_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs = Steps(monkeypatch, "fsync")
    with opened(tmp_path, sync=True) as spool:
        spool.append([record(1), record(2)])
        begun = syncs.calls
        for seq in (3, 4):
            spool.append([record(seq)])
        assert syncs.calls == begun + 2
        # The new segment itself: its first bytes, its entry in the folder, and the records.
        assert begun == 3


def test_without_sync_nothing_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs = Steps(monkeypatch, "fsync")
    with opened(tmp_path, segment_bytes=1) as spool:
        for seq in (1, 2, 3):
            spool.append([record(seq)])
    assert syncs.calls == 0


def test_after_a_sync_that_failed_the_records_count_as_unwritten_and_go_to_a_new_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs = Steps(monkeypatch, "fsync")
    with opened(tmp_path, sync=True) as spool:
        spool.append([record(1)])
        syncs.failing = True
        with pytest.raises(OSError, match="Input/output"):
            spool.append([record(2)])
        assert (spool.next_seq, waiting(spool)) == (2, [1])
        syncs.failing = False
        spool.append([record(2)])
        assert segments(tmp_path) == ["00000001.seg", "00000002.seg"]
        spool.settle(1)
        assert deliver_all(spool) == [2]


def test_a_segment_that_cannot_be_begun_leaves_room_for_the_next_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path) as spool:
        with monkeypatch.context() as patch:
            Steps(patch, "write").failing = True
            with pytest.raises(OSError, match="Input/output"):
                spool.append([record(1)])
        spool.append([record(1)])
        assert deliver_all(spool) == [1]


def test_a_write_that_cannot_be_taken_back_is_passed_over_by_readers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(tmp_path, sync=True) as spool:
        spool.append([record(1)])
        with monkeypatch.context() as patch:
            Steps(patch, "fsync").failing = True
            Steps(patch, "ftruncate").failing = True
            with pytest.raises(OSError, match="Input/output"):
                spool.append([record(2)])
        assert "cannot take back" in caplog.text
        spool.append([record(2)])
    with opened(tmp_path) as spool:
        assert deliver_all(spool) == [1, 2]


def test_what_was_delivered_but_could_not_be_noted_is_sent_again_and_not_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "delivered.new").mkdir(parents=True)
    with opened(tmp_path) as spool:
        spool.append([record(1), record(2)])
        assert deliver_all(spool) == [1, 2]
        assert spool.pending_count == 0
    assert "cannot note what was delivered" in caplog.text
    with opened(tmp_path) as spool:
        assert waiting(spool) == [1, 2]


def test_a_folder_that_cannot_be_read_is_unusable_and_is_let_go_of(tmp_path: Path) -> None:
    (tmp_path / "delivered").mkdir()
    with pytest.raises(SpoolUnusable, match="cannot be read"):
        opened(tmp_path)
    (tmp_path / "delivered").rmdir()
    opened(tmp_path).close()


def test_the_age_of_the_oldest_is_never_understated(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        spool.append([record(seq) for seq in (1, 2, 3)])
        ages = [spool.oldest_written_at_us]
        for seq in (1, 2, 3):
            spool.peek(max_records=1, max_bytes=1)
            spool.settle(seq)
            ages.append(spool.oldest_written_at_us)
    assert ages[0] == 1_000_000
    assert ages[-1] is None
    assert all(age is not None and age <= (index + 1) * 1_000_000 for index, age in enumerate(ages[:-1]))


def test_files_of_the_spool_are_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "spool"
    with opened(folder) as spool:
        spool.append([record(1)])
        modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert modes == {"lock": 0o600, "00000001.seg": 0o600}
    assert folder.stat().st_mode & 0o077 == 0
