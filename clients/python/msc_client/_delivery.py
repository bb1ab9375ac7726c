"""Delivery of spooled facts: at least once, in order, with patience; one bad fact does not block the rest."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Protocol

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_when_event_set,
    wait_random,
    wait_random_exponential,
)

_LOG = logging.getLogger("msc_client.journal")
_LOG_EVERY_ATTEMPTS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A spooled fact: its number in the spool, when it was written (microseconds since 1970), and its wire form."""

    seq: int
    written_at_us: int
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A fact that the authority does not take, and never will."""

    seq: int
    id: str
    field: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of a batch: how many are stored, now or before, and which are refused."""

    stored: int
    refused_total: int
    refused: tuple[Refused, ...] = ()


class Failure(Enum):
    """Why a batch did not get through."""

    AWAY = "the authority cannot be reached or cannot store now; try again soon"
    DENIED = "the authority does not let us in; try again, rarely"
    INVALID = "the authority cannot read the batch; trying it again will not help"


class SendFailed(Exception):
    """A batch did not get through; it may have been stored all the same. `code` is the status as a word."""

    def __init__(self, failure: Failure, code: str, message: str) -> None:
        """Takes what to do about it, the status and the message that came with it."""
        super().__init__(f"{code}: {message}")
        self.failure = failure
        self.code = code


class Sender(Protocol):
    """Brings batches to the authority."""

    def send(self, batch: Sequence[Pending]) -> Answer:
        """Returns what became of every fact of `batch`.

        Raises:
            SendFailed: nobody knows what became of them.
        """
        ...

    def close(self) -> None:
        """Ends a call that is under way. Twice is fine."""
        ...


class Store(Protocol):
    """Where spooled facts wait."""

    def peek(self, *, max_records: int, max_bytes: int) -> list[Pending]:
        """Returns the oldest facts that are not settled."""
        ...

    def settle(self, upto: int) -> None:
        """Marks all facts up to number `upto` as done."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How delivery waits, in seconds. Attempts are spread at random up to a bound that doubles from first to longest.

    Without permission it waits between `denied_s` and twice that: a person has to act.
    """

    first_s: float = 0.25
    longest_s: float = 5.0
    shortest_s: float = 0.05
    denied_s: float = 30.0

    def __post_init__(self) -> None:
        """Raises ValueError for waits that are not in order."""
        if not 0 < self.shortest_s <= self.longest_s or not 0 < self.first_s <= self.longest_s or self.denied_s <= 0:
            raise ValueError("retry: needs 0 < shortest_s <= longest_s, 0 < first_s <= longest_s and denied_s > 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """How much goes into one message. The authority takes 1000 facts and 1 MiB."""

    records: int = 500
    bytes: int = 524_288


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryCounts:
    """What delivery has done since it started. `failures` counts calls; `last_error` is empty while all is well."""

    delivered: int = 0
    refused: int = 0
    failures: int = 0
    last_error: str = ""


class RefusalLog:
    """Refused facts, one JSON object a line, each once also across restarts, with the fact by the journal's columns."""

    def __init__(self, path: Path, columns_of: Callable[[bytes], Mapping[str, object]]) -> None:
        """Goes on with the file at `path` where it ends."""
        self._path = path
        self._columns_of = columns_of
        self.last_seq = _last_refused(path)

    def add(self, refused: Sequence[tuple[Pending, Refused]], now: datetime) -> int:
        """Writes those that are not there yet, and returns how many that were.

        Raises:
            OSError: they are not on disk.
        """
        fresh = [(pending, why) for pending, why in refused if pending.seq > self.last_seq]
        if fresh:
            self._write([self._line(pending, why, now) for pending, why in fresh])
            self.last_seq = fresh[-1][0].seq
        return len(fresh)

    def _line(self, pending: Pending, why: Refused, now: datetime) -> str:
        row = {
            "seq": pending.seq,
            "refused_at": now.isoformat(),
            "id": why.id,
            "field": why.field,
            "code": why.code,
            "reason": why.reason,
            "fact": self._columns_of(pending.payload),
        }
        return json.dumps(row)

    def _write(self, lines: Sequence[str]) -> None:
        with self._path.open("ab+") as file:
            # A line that a crash cut off stays a line of its own.
            if file.tell() and not _ends_with_newline(self._path):
                file.write(b"\n")
            file.write("".join(f"{line}\n" for line in lines).encode())
            file.flush()
            os.fsync(file.fileno())


class Delivery:
    """Sends what the store holds, oldest first. One thread calls it."""

    def __init__(
        self,
        store: Store,
        sender: Sender,
        refusals: RefusalLog,
        *,
        stopped: threading.Event,
        pause: Callable[[float], None],
        now: Callable[[], datetime],
        retry: RetryPolicy,
        limits: BatchLimits,
    ) -> None:
        """`pause` waits for some seconds, or less when there is reason to hurry; `stopped` ends the attempts."""
        self._store = store
        self._sender = sender
        self._refusals = refusals
        self._now = now
        self._limits = limits
        self._records = limits.records
        self._stopped = stopped
        self._retrying = _retrying(retry, stopped, pause, self._note_failure)
        self.counts = DeliveryCounts()

    def deliver_next(self) -> bool:
        """Sends one batch until it gets through, and returns False when nothing was left to send or it was stopped.

        Raises:
            OSError: the store or the list of refused facts cannot be read or written; nothing was settled.
        """
        batch = self._store.peek(max_records=self._records, max_bytes=self._limits.bytes)
        if not batch or self._stopped.is_set():
            return False
        try:
            answer = self._retrying(self._send, batch)
        except SendFailed as error:
            return self._narrow_down(batch, error)
        self._settle(batch, answer)
        return True

    def _send(self, batch: list[Pending]) -> Answer:
        answer = self._sender.send(batch)
        known = {pending.seq for pending in batch}
        named = {refused.seq for refused in answer.refused}
        if answer.stored + answer.refused_total != len(batch) or len(named) != answer.refused_total or named - known:
            # Settling on a wrong count would lose facts; sending them again is harmless.
            message = f"of {len(batch)} facts {answer.stored} are stored and {sorted(named)} refused"
            raise SendFailed(Failure.AWAY, "ANSWER_MISMATCH", message)
        return answer

    def _narrow_down(self, batch: list[Pending], error: SendFailed) -> bool:
        """Finds the fact that makes a batch unreadable by sending less and less, down to that fact alone."""
        if error.failure is not Failure.INVALID:
            return False
        if len(batch) > 1:
            self._records = len(batch) // 2
            return True
        only = batch[0]
        why = Refused(seq=only.seq, id="", field="", code=error.code, reason=str(error))
        self._settle(batch, Answer(stored=0, refused_total=1, refused=(why,)))
        return True

    def _settle(self, batch: list[Pending], answer: Answer) -> None:
        by_seq = {refused.seq: refused for refused in answer.refused}
        refused = [(pending, by_seq[pending.seq]) for pending in batch if pending.seq in by_seq]
        self._refusals.add(refused, self._now())
        for _, why in refused:
            _LOG.error("fact %s refused for good: %s %s (%s)", why.id, why.field, why.reason, why.code)
        self._store.settle(batch[-1].seq)
        if self.counts.last_error:
            _LOG.info("journal delivery works again")
        self._records = min(self._limits.records, self._records * 2)
        self.counts = replace(
            self.counts,
            delivered=self.counts.delivered + answer.stored,
            refused=self.counts.refused + len(refused),
            last_error="",
        )

    def _note_failure(self, attempt: int, error: BaseException) -> None:
        if attempt % _LOG_EVERY_ATTEMPTS == 1:
            _LOG.warning("journal delivery fails, attempt %d: %s; facts wait in the spool", attempt, error)
        self.counts = replace(self.counts, failures=self.counts.failures + 1, last_error=str(error))


def _retrying(
    policy: RetryPolicy,
    stopped: threading.Event,
    pause: Callable[[float], None],
    note: Callable[[int, BaseException], None],
) -> Retrying:
    away = wait_random_exponential(multiplier=policy.first_s, max=policy.longest_s, min=policy.shortest_s)
    denied = wait_random(policy.denied_s, 2 * policy.denied_s)

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        return (denied if isinstance(error, SendFailed) and error.failure is Failure.DENIED else away)(state)

    def before_sleep(state: RetryCallState) -> None:
        if state.outcome and (error := state.outcome.exception()):
            note(state.attempt_number, error)

    return Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, SendFailed) and error.failure is not Failure.INVALID),
        stop=stop_when_event_set(stopped),
        wait=wait,
        sleep=pause,
        before_sleep=before_sleep,
        reraise=True,
    )


def _last_refused(path: Path) -> int:
    last = 0
    if not path.exists():
        return last
    with path.open("rb") as file:
        for line in file:
            try:
                seq = json.loads(line)["seq"]
            except (ValueError, KeyError, TypeError):
                continue  # A line that a crash cut off; its fact is sent and refused again.
            last = max(last, seq) if isinstance(seq, int) else last
    return last


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
