"""A spool on disk: numbered records that survive the process, in append-only segments with checksums.

Layout of the folder: `lock` · `00000001.seg`, ... · `delivered`, the number up to which all is settled · `*.bad`, bytes
that could not be read. A record is length, CRC-32, number and time of writing, then the payload; a torn one at the end
of a segment is what a power cut leaves, and is set aside.
"""

from __future__ import annotations

import fcntl
import logging
import os
import struct
import threading
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from msc_client._delivery import Pending
from msc_client.errors import MscClientError

MAGIC = b"MSCSPL1\n"
MAX_PAYLOAD_BYTES = 262_144

_HEAD = struct.Struct("<II")  # length of the payload, CRC-32 of all that follows
_STAMP = struct.Struct("<Qq")  # number of the record, microseconds since 1970 when it was written
_LOG = logging.getLogger("msc_client.journal")


class JournalError(MscClientError):
    """A fact cannot be taken. The message says why and what to do; `reason` is stable."""

    reason = "JOURNAL_FAILED"


class SpoolUnusable(JournalError):
    """The folder cannot be read or written."""

    reason = "SPOOL_UNUSABLE"


class SpoolInUse(JournalError):
    """Another writer has this folder."""

    reason = "SPOOL_IN_USE"


@dataclass(slots=True, kw_only=True)
class _Segment:
    path: Path
    number: int
    size: int = 0
    last_seq: int = 0


@dataclass(slots=True)
class _Cursor:
    """Where reading stands: `ahead` was read and waits to be settled."""

    segment: int = 0
    offset: int = len(MAGIC)
    ahead: deque[Pending] = field(default_factory=deque)


def record_bytes(payload: bytes) -> int:
    """Returns how much of the disk a payload takes."""
    return _HEAD.size + _STAMP.size + len(payload)


class Spool:
    """The records not settled yet, in order. One thread appends, one reads and settles; both may be the same."""

    def __init__(self, folder: Path, *, segment_bytes: int, sync: bool, after: int = 0) -> None:
        """Opens `folder`, makes it if need be, and takes up what an earlier process left.

        `sync` False leaves it to the operating system when bytes reach the disk. New records get numbers above `after`.

        Raises:
            SpoolInUse: another writer has it.
            SpoolUnusable: it cannot be read or written.
        """
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._sync = sync
        self._mutex = threading.Lock()
        self._lock_fd = _lock(folder)
        self._append_fd: int | None = None
        self._segments: deque[_Segment] = deque()
        self._cursor = _Cursor()
        self._unreadable_upto = 0
        self.oldest_written_at_us: int | None = None
        try:
            self._settled = _read_mark(folder / "delivered")
            self.pending_bytes, self.next_seq = self._take_up(after)
        except OSError as error:
            os.close(self._lock_fd)
            raise SpoolUnusable(f"{folder}: cannot be read: {error}") from error

    @property
    def pending_count(self) -> int:
        """Records that are not settled."""
        with self._mutex:
            return self.next_seq - 1 - self._settled

    def append(self, records: Sequence[Pending]) -> None:
        """Writes records behind the others; when it returns, they survive this process (and, with `sync`, the machine).

        Raises:
            OSError: nothing of it counts as written; it may be tried again.
        """
        data = b"".join(map(_encode, records))
        segment = self._segment_for_append()
        try:
            self._write(data)
        except OSError:
            self._forget_tail(segment)
            raise
        with self._mutex:
            segment.size += len(data)
            segment.last_seq = records[-1].seq
            self.pending_bytes += len(data)
            if self.oldest_written_at_us is None:
                self.oldest_written_at_us = records[0].written_at_us
            self.next_seq = records[-1].seq + 1

    def peek(self, *, max_records: int, max_bytes: int) -> list[Pending]:
        """Returns the oldest records that are not settled, at least one if there is any, without settling them."""
        if not self._cursor.ahead:
            self._read_on(max_records, max_bytes)
        if not self._cursor.ahead and self._unreadable_upto > self._settled:
            # Nobody will ever deliver these; left unsettled, they would be waited for without end.
            self.settle(self._unreadable_upto)
        return _head(self._cursor.ahead, max_records, max_bytes)

    def settle(self, upto: int) -> None:
        """Marks all records up to number `upto` as done, and frees the segments that hold nothing else."""
        size = 0
        ahead = self._cursor.ahead
        oldest = self.oldest_written_at_us
        while ahead and ahead[0].seq <= upto:
            size += record_bytes(ahead[0].payload)
            oldest = ahead.popleft().written_at_us
        with self._mutex:
            self._settled = max(self._settled, upto)
            self.pending_bytes -= size
            # Until the next is read, the last one settled stands for it: an age is overstated, never understated.
            nothing = self.next_seq - 1 == self._settled
            self.oldest_written_at_us = None if nothing else ahead[0].written_at_us if ahead else oldest
            done = self._take_done_segments()
        try:
            for segment in done:
                segment.path.unlink(missing_ok=True)
            _write_mark(self._folder / "delivered", self._settled)
        except OSError as error:
            # Not remembering costs a repetition after the next start, which is harmless.
            _LOG.warning("spool %s: cannot note what was delivered: %s", self._folder, error)

    def close(self) -> None:
        """Leaves the folder to the next writer. Twice is fine."""
        if self._append_fd is not None:
            os.close(self._append_fd)
            self._append_fd = None
        self.release_lock()

    def release_lock(self) -> None:
        """Closes this process's hold on the lock file; a forked child calls it, and the parent keeps its own."""
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes it."""
        self.close()

    def _take_up(self, after: int) -> tuple[int, int]:
        """Returns the bytes that wait and the next number, and moves the mark up to the first that waits."""
        size, last, first = 0, self._settled, 0
        for number, path in sorted(_numbered(self._folder, ".seg")):
            segment = _Segment(path=path, number=number)
            for record in _scan(segment):
                if record.seq > last:
                    size, last, first = size + record_bytes(record.payload), record.seq, first or record.seq
                    self.oldest_written_at_us = self.oldest_written_at_us or record.written_at_us
            self._segments.append(segment)
        self._settled = first - 1 if first else max(last, after)
        return size, max(last, after) + 1

    def _segment_for_append(self) -> _Segment:
        if self._append_fd is not None and self._segments[-1].size < self._segment_bytes:
            return self._segments[-1]
        if self._append_fd is not None:
            os.close(self._append_fd)
            self._append_fd = None
        return self._new_segment()

    def _new_segment(self) -> _Segment:
        # A segment of an earlier process is never appended to: what was set aside from it stays apart.
        used = [segment.number for segment in self._segments] or [bad for bad, _ in _numbered(self._folder, ".bad")]
        number = max(used, default=0) + 1
        path = self._folder / f"{number:08d}.seg"
        self._append_fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        segment = _Segment(path=path, number=number, last_seq=self.next_seq - 1)
        try:
            self._write(MAGIC)
            if self._sync:
                _sync_folder(self._folder)
        except OSError:
            os.close(self._append_fd)
            self._append_fd = None
            raise
        segment.size = len(MAGIC)
        with self._mutex:
            self._segments.append(segment)
        return segment

    def _write(self, data: bytes) -> None:
        if self._append_fd is None:
            raise OSError("the segment is not open")
        view = memoryview(data)
        while view:
            view = view[os.write(self._append_fd, view) :]
        if self._sync:
            os.fsync(self._append_fd)

    def _forget_tail(self, segment: _Segment) -> None:
        """Takes back a write that failed half-way, and goes on in a new segment: after a failed fsync nobody knows."""
        fd, self._append_fd = self._append_fd, None
        if fd is None:
            return
        try:
            os.ftruncate(fd, segment.size)
        except OSError as error:
            # What is left is a torn record or one that comes again with the same number: readers pass over both.
            _LOG.warning("spool %s: cannot take back a failed write: %s", segment.path, error)
        finally:
            os.close(fd)

    def _read_on(self, max_records: int, max_bytes: int) -> None:
        ahead = self._cursor.ahead
        size = 0
        for record in self._unread():
            ahead.append(record)
            size += len(record.payload)
            if len(ahead) >= max_records or size >= max_bytes:
                return

    def _unread(self) -> Iterator[Pending]:
        newest = self._settled
        while (found := self._segment_to_read()) is not None:
            segment, size, last_seq, last = found
            for record, end in _records(segment.path, self._cursor.offset, size):
                self._cursor.offset = end
                if record.seq > newest:
                    newest = record.seq
                    yield record
            self._set_unreadable_aside(segment, size, last_seq)
            if last:
                return
            self._cursor.segment, self._cursor.offset = segment.number + 1, len(MAGIC)

    def _segment_to_read(self) -> tuple[_Segment, int, int, bool] | None:
        with self._mutex:
            segment = next((item for item in self._segments if item.number >= self._cursor.segment), None)
            if segment is None:
                return None
            if segment.number != self._cursor.segment:
                self._cursor.segment, self._cursor.offset = segment.number, len(MAGIC)
            return segment, segment.size, segment.last_seq, segment is self._segments[-1]

    def _set_unreadable_aside(self, segment: _Segment, size: int, last_seq: int) -> None:
        lost = size - self._cursor.offset
        if lost <= 0:
            return
        with segment.path.open("rb") as file:
            file.seek(self._cursor.offset)
            _keep_bad(segment.path, file.read(lost))
        self._cursor.offset = size
        self._unreadable_upto = last_seq
        with self._mutex:
            self.pending_bytes -= lost

    def _take_done_segments(self) -> list[_Segment]:
        done: list[_Segment] = []
        while len(self._segments) > 1 and self._segments[0].last_seq <= self._settled:
            done.append(self._segments.popleft())
        return done


def _lock(folder: Path) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SpoolUnusable(f"{folder}: cannot be made or opened: {error}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        raise SpoolInUse(f"{folder}: another writer has it; give each writer a folder of its own") from error
    return fd


def _encode(record: Pending) -> bytes:
    body = _STAMP.pack(record.seq, record.written_at_us) + record.payload
    return _HEAD.pack(len(record.payload), zlib.crc32(body)) + body


def _records(path: Path, offset: int, size: int) -> Iterator[tuple[Pending, int]]:
    """Yields the whole records between two offsets, each with where it ends; stops before the first that is not."""
    with path.open("rb") as file:
        file.seek(offset)
        while offset < size:
            head = file.read(_HEAD.size)
            if len(head) < _HEAD.size:
                return
            length, checksum = _HEAD.unpack(head)
            if length > MAX_PAYLOAD_BYTES:
                return
            body = file.read(_STAMP.size + length)
            if len(body) < _STAMP.size + length or zlib.crc32(body) != checksum:
                return
            seq, written_at_us = _STAMP.unpack_from(body)
            offset += _HEAD.size + len(body)
            yield Pending(seq=seq, written_at_us=written_at_us, payload=body[_STAMP.size :]), offset


def _scan(segment: _Segment) -> Iterator[Pending]:
    """Yields what an earlier process left in a segment, and sets aside what cannot be read."""
    size = segment.path.stat().st_size
    segment.size = len(MAGIC) if _has_magic(segment.path) else 0
    if segment.size:
        for record, end in _records(segment.path, segment.size, size):
            segment.size = end
            segment.last_seq = max(segment.last_seq, record.seq)
            yield record
    if segment.size < size:
        with segment.path.open("rb+") as file:
            file.seek(segment.size)
            _keep_bad(segment.path, file.read())
            file.truncate(segment.size)


def _has_magic(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _keep_bad(segment: Path, rest: bytes) -> None:
    segment.with_suffix(".bad").write_bytes(rest)
    _LOG.warning("spool %s: %d bytes behind its last whole record cannot be read; kept as .bad", segment, len(rest))


def _numbered(folder: Path, suffix: str) -> Iterator[tuple[int, Path]]:
    """Yields the files of ours; what a person copied beside them under another name is left alone."""
    for path in folder.glob(f"*{suffix}"):
        if path.stem.isascii() and path.stem.isdigit():
            yield int(path.stem), path


def _head(records: deque[Pending], max_records: int, max_bytes: int) -> list[Pending]:
    taken: list[Pending] = []
    size = 0
    for record in records:
        size += len(record.payload)
        if taken and (len(taken) >= max_records or size > max_bytes):
            break
        taken.append(record)
    return taken


def _read_mark(path: Path) -> int:
    try:
        number, checksum = path.read_text(encoding="ascii").split()
    except (FileNotFoundError, ValueError):
        # Without it everything still in the segments goes out again, which is harmless.
        return 0
    return int(number) if number.isdigit() and checksum == f"{zlib.crc32(number.encode()):08x}" else 0


def _write_mark(path: Path, settled: int) -> None:
    text = str(settled)
    fresh = path.with_suffix(".new")
    fresh.write_text(f"{text} {zlib.crc32(text.encode()):08x}\n", encoding="ascii")
    fresh.replace(path)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
