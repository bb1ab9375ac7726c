"""The journal's pen: an executor writes facts, and they reach the authority, also after an outage or a crash.

What is durable when: `write` puts a fact into memory and returns at once, without disk or network. A thread of its own
appends it to the spool within milliseconds; after `flush` returned True it survives `kill -9`, and with `sync` a power
cut. Another thread delivers what the spool holds, at least once and in order; the authority knows repetitions by the
facts' ids. What the authority refuses for good ends in `refused.jsonl` in the spool's folder.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, Self

from msc_client._clock import SystemClock
from msc_client._credentials import credentials_of
from msc_client._delivery import BatchLimits, Delivery, Pending, RefusalLog, RetryPolicy, Sender
from msc_client._spool import MAX_PAYLOAD_BYTES, JournalError, Spool, SpoolInUse, SpoolUnusable, record_bytes
from msc_client._transport.journal import JournalSender
from msc_client._wire.journal import columns_of, encode_fact
from msc_client.config import TlsFiles, chosen_target
from msc_client.facts import Fact

__all__ = [
    "BatchLimits",
    "JournalError",
    "JournalStatus",
    "JournalWriter",
    "RetryPolicy",
    "SpoolFull",
    "SpoolInUse",
    "SpoolUnusable",
    "WriterClosed",
    "WriterForked",
]

REFUSED_FILE_NAME = "refused.jsonl"

_AT_EXIT_FLUSH_S = 2.0
_JOIN_S = 2.0
_APPEND_AT_MOST = 1000
_SPOOL, _DELIVER = "spool", "deliver"
_LOG = logging.getLogger("msc_client.journal")


class SpoolFull(JournalError):
    """As many facts wait as may wait. Nothing was taken, and nothing that waits was given up."""

    reason = "SPOOL_FULL"


class WriterClosed(JournalError):
    """The writer was closed."""

    reason = "WRITER_CLOSED"


class WriterForked(JournalError):
    """The writer belongs to the parent process. Make one in the child, with a folder of its own."""

    reason = "WRITER_FORKED"


class WallClock(Protocol):
    """Reads the wall clock."""

    def wall_s(self) -> float:
        """Returns seconds since 1970, UTC, by this machine's clock."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalStatus:
    """How a writer stands. Counts are since it was made; `pending` and `queued` are facts that wait now.

    `queued` facts are not on disk yet; `pending` counts them too. `oldest_pending_age_s` is None when nothing waits.
    `last_error` is empty while all is well.
    """

    written: int
    spooled: int
    delivered: int
    refused: int
    pending: int
    queued: int
    pending_bytes: int
    oldest_pending_age_s: float | None
    failed_calls: int
    last_error: str


class JournalWriter:
    """Writes facts to the authority's journal without ever making the caller wait for disk or network.

    Safe to use from many threads. A process that forks makes a new one in the child.
    """

    def __init__(
        self,
        target: str | None = None,
        *,
        spool_dir: Path,
        name: str,
        max_spool_bytes: int = 268_435_456,
        max_queued: int = 10_000,
        segment_bytes: int = 4_194_304,
        sync: bool = True,
        tls: TlsFiles | None = None,
        token: str = "",
        token_file: Path | None = None,
        call_deadline_s: float = 10.0,
        retry: RetryPolicy | None = None,
        limits: BatchLimits | None = None,
        clock: WallClock | None = None,
        sender: Sender | None = None,
        pause: Callable[[float], None] | None = None,
    ) -> None:
        """Opens the spool, takes up what an earlier writer left there, and starts to deliver.

        `target` is host:port, else MSC_TARGET, else this machine. `name` is what its threads are called after. At most
        `max_spool_bytes` wait on disk and `max_queued` facts in memory. `sync` False trades the last moments before a
        power cut for less work on the disk. `tls`, `token` and `token_file` are as in ClientConfig. `sender` and
        `pause` are for tests.

        Raises:
            SpoolInUse: another writer has the folder.
            SpoolUnusable: the folder cannot be read or written.
            ValueError: a size is not positive, the target names no address, or two tokens are given.
        """
        _check_positive(max_spool_bytes=max_spool_bytes, max_queued=max_queued, segment_bytes=segment_bytes)
        address, credentials = chosen_target(target), credentials_of(tls=tls, token=token, token_file=token_file)
        self._pid = os.getpid()
        self._clock = clock or SystemClock()
        self._retry = retry or RetryPolicy()
        self._max_spool_bytes = max_spool_bytes
        self._max_queued = max_queued
        self._changed = threading.Condition()
        self._queue: deque[Pending] = deque()
        self._queued_bytes = 0
        self._closing = False
        self._written = 0
        self._troubles: dict[str, str] = {}
        self._stopped = threading.Event()
        self._hurry = threading.Event()
        refusals = RefusalLog(spool_dir / REFUSED_FILE_NAME, columns_of)
        self._spool = Spool(spool_dir, segment_bytes=segment_bytes, sync=sync, after=refusals.last_seq)
        self._next_seq = self._spool.next_seq
        self._sender = sender or JournalSender(address, credentials=credentials, deadline_s=call_deadline_s)
        self._delivery = Delivery(
            self._spool,
            self._sender,
            refusals,
            stopped=self._stopped,
            pause=pause or self._pause,
            now=lambda: datetime.fromtimestamp(self._clock.wall_s(), UTC),
            retry=self._retry,
            limits=limits or BatchLimits(),
        )
        _guard_forks(self)
        atexit.register(self._at_exit)
        self._threads = [
            threading.Thread(target=self._run, args=(role, step), name=f"msc-journal-{role}-{name}", daemon=True)
            for role, step in ((_SPOOL, self._spool_next), (_DELIVER, self._deliver_next))
        ]
        for thread in self._threads:
            thread.start()

    def write(self, fact: Fact) -> int:
        """Takes a fact and returns its number, which grows by one each. It is durable once `flush` returned True.

        Raises:
            SpoolFull: no more may wait. The fact was not taken.
            WriterClosed: the writer was closed.
            WriterForked: this process is a fork of the writer's.
        """
        self._check_process()
        payload = encode_fact(fact)
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise SpoolFull(f"the fact has {len(payload)} bytes; at most {MAX_PAYLOAD_BYTES} are taken")
        written_at_us = int(self._clock.wall_s() * 1_000_000)
        with self._changed:
            self._check_room(record_bytes(payload))
            pending = Pending(seq=self._next_seq, written_at_us=written_at_us, payload=payload)
            self._queue.append(pending)
            self._queued_bytes += record_bytes(payload)
            self._next_seq += 1
            self._written += 1
            self._changed.notify_all()
            return pending.seq

    def flush(self, timeout_s: float) -> bool:
        """Waits until everything written before is on disk, and returns whether it is."""
        self._check_process()
        with self._changed:
            upto = self._next_seq
            return self._changed.wait_for(lambda: self._spool.next_seq >= upto, timeout_s)

    def drain(self, timeout_s: float) -> bool:
        """Waits until nothing waits any more, and returns whether that is so: all is stored, or refused for good."""
        self._check_process()
        with self._changed:
            return self._changed.wait_for(lambda: self._pending() == 0, timeout_s)

    def status(self) -> JournalStatus:
        """Returns how the writer stands, in one consistent reading."""
        self._check_process()
        with self._changed:
            counts, queued = self._delivery.counts, len(self._queue)
            return JournalStatus(
                written=self._written,
                spooled=self._written - queued,
                delivered=counts.delivered,
                refused=counts.refused,
                pending=self._pending(),
                queued=queued,
                pending_bytes=self._spool.pending_bytes + self._queued_bytes,
                oldest_pending_age_s=self._oldest_age_s(),
                failed_calls=counts.failures,
                last_error="; ".join([*self._troubles.values(), counts.last_error]).rstrip("; "),
            )

    def close(self, timeout_s: float = 5.0) -> bool:
        """Takes no more, delivers what it can within `timeout_s`, keeps the rest on disk, and returns whether none is.

        What neither was delivered nor could be brought to disk is lost, and logged as such. Twice is fine.
        """
        if os.getpid() != self._pid:
            self._spool.release_lock()
            return False
        with self._changed:
            if self._closing and not any(thread.is_alive() for thread in self._threads):
                return self._pending() == 0
            self._closing = True
            self._changed.notify_all()
        self._hurry.set()
        drained = self.drain(timeout_s)
        self._stop()
        return drained

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes it."""
        self.close()

    def _check_process(self) -> None:
        if os.getpid() != self._pid:
            raise WriterForked("this writer belongs to the parent process; make one in the child, in another folder")

    def _check_room(self, size: int) -> None:
        if self._closing:
            raise WriterClosed("the writer was closed")
        if len(self._queue) >= self._max_queued:
            raise SpoolFull(
                f"{len(self._queue)} facts wait for the disk: {self._troubles.get(_SPOOL, 'it is too slow')}"
            )
        waiting = self._spool.pending_bytes + self._queued_bytes
        if waiting + size > self._max_spool_bytes:
            raise SpoolFull(f"{waiting} bytes wait for the authority: {self._delivery.counts.last_error or 'it lags'}")

    def _pending(self) -> int:
        return len(self._queue) + self._spool.pending_count

    def _oldest_age_s(self) -> float | None:
        written_at_us = self._spool.oldest_written_at_us
        if written_at_us is None and self._queue:
            written_at_us = self._queue[0].written_at_us
        if written_at_us is None:
            return None
        return max(0.0, self._clock.wall_s() - written_at_us / 1_000_000)

    def _run(self, role: str, step: Callable[[], bool]) -> None:
        go_on = True
        while go_on:
            try:
                go_on = step()
            except Exception as error:
                self._note_trouble(role, error)
            else:
                # Giving up is no success: what stood in the way is still to be told.
                if go_on:
                    self._troubles.pop(role, None)

    def _note_trouble(self, role: str, error: Exception) -> None:
        if role not in self._troubles:
            _LOG.error("the journal cannot %s; trying again", role, exc_info=error)
        with self._changed:
            self._troubles[role] = f"{type(error).__name__}: {error}"
            self._changed.notify_all()
        self._stopped.wait(self._retry.longest_s)

    def _spool_next(self) -> bool:
        """Brings what is queued to disk. Returns False when there is no more to do."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._queue) or self._closing)
            batch = [self._queue[index] for index in range(min(len(self._queue), _APPEND_AT_MOST))]
        if not batch:
            return False
        if self._stopped.is_set() and _SPOOL in self._troubles:
            return False
        self._spool.append(batch)
        with self._changed:
            for pending in batch:
                self._queue.popleft()
                self._queued_bytes -= record_bytes(pending.payload)
            self._changed.notify_all()
        return True

    def _deliver_next(self) -> bool:
        """Delivers one batch. Returns False when it was stopped."""
        with self._changed:
            self._changed.wait_for(lambda: self._spool.pending_count > 0 or self._stopped.is_set())
        if self._stopped.is_set():
            return False
        self._delivery.deliver_next()
        with self._changed:
            self._changed.notify_all()
        return True

    def _pause(self, seconds: float) -> None:
        self._hurry.wait(seconds)
        # Only the first wait is cut short, so that closing does not turn patience into a storm.
        self._hurry.clear()

    def _stop(self) -> None:
        self._stopped.set()
        self._hurry.set()
        self._sender.close()
        with self._changed:
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(_JOIN_S)
        if self._queue:
            _LOG.error("%d facts are lost: the spool took no more: %s", len(self._queue), self._troubles.get(_SPOOL))
        if not any(thread.is_alive() for thread in self._threads):
            self._spool.close()
        atexit.unregister(self._at_exit)

    def _at_exit(self) -> None:
        if os.getpid() == self._pid:
            self.flush(_AT_EXIT_FLUSH_S)
            self.close(0.0)


def _check_positive(**sizes: int) -> None:
    for name, size in sizes.items():
        if size <= 0:
            raise ValueError(f"{name}: must be above 0, not {size}")


class _ForkGuard:
    """Lets go of the spools' locks in forked children, so that a child does not outlive its parent as their owner."""

    def __init__(self) -> None:
        self._writers: weakref.WeakSet[JournalWriter] = weakref.WeakSet()
        os.register_at_fork(after_in_child=self._after_fork)

    def add(self, writer: JournalWriter) -> None:
        self._writers.add(writer)

    def _after_fork(self) -> None:
        for writer in self._writers:
            writer.close()


_fork_guard: _ForkGuard | None = None


def _guard_forks(writer: JournalWriter) -> None:
    global _fork_guard  # noqa: PLW0603 -- one hook for the process: the interpreter has no way to take one back
    if _fork_guard is None:
        _fork_guard = _ForkGuard()
    _fork_guard.add(writer)
