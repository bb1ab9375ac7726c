"""Imports a journal file: batch by batch, resumable, with every refused row told."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from msc_authority.adapters.journal_files import FileError, Row, read_facts
from msc_authority.core.intake import Refusal

if TYPE_CHECKING:
    from msc_authority.core.facts import Fact
    from msc_authority.rpc.record_client import Recorded, RefusedFact

BATCH_ROWS = 1000
KEPT_REFUSED = 1000

_HASH_CHUNK_BYTES = 1_048_576


class Recorder(Protocol):
    """Sends facts to a journal."""

    def record(self, facts: Sequence[tuple[int, Fact]]) -> Recorded:
        """Returns what became of numbered facts."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRow:
    """A row that was not stored."""

    file: str
    row: int
    id: str
    field: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What became of the rows of a file. `resumed_after` is the row up to which an earlier run had come."""

    rows: int = 0
    accepted: int = 0
    duplicates: int = 0
    refused: int = 0
    resumed_after: int = 0

    def __add__(self, other: Tally) -> Tally:
        """Returns the sum; a resumption is a matter of one file."""
        return Tally(
            rows=self.rows + other.rows,
            accepted=self.accepted + other.accepted,
            duplicates=self.duplicates + other.duplicates,
            refused=self.refused + other.refused,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an import has come: rows up to `row` are dealt with; the last batch began behind `batch_after`.

    `refused` are rows that the authority refused, the first of them: what the file alone shows is not kept.
    """

    row: int = 0
    batch_after: int = 0
    tally: Tally = field(default_factory=Tally)
    refused: tuple[RefusedRow, ...] = ()


class Bookmark:
    """Progress kept in a small file, under the hash of what is imported and where to. Losing it costs a repetition."""

    def __init__(self, folder: Path, path: Path, target: str) -> None:
        """Names the bookmark of importing `path` to `target`; nothing is written yet.

        Raises:
            FileError: the file cannot be read.
        """
        self._path = folder / f"{_fingerprint(path, target)}.json"

    def load(self) -> Progress:
        """Returns where an earlier run stopped, or the beginning."""
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            refused = tuple(RefusedRow(**row) for row in kept.pop("refused"))
            return Progress(tally=Tally(**kept.pop("tally")), refused=refused, **kept)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return Progress()

    def save(self, progress: Progress) -> None:
        """Keeps progress, as far as the folder can be written."""
        fresh = self._path.with_suffix(".new")
        # A bookmark is a convenience: without one the import starts over, and repeats are harmless.
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text(json.dumps(asdict(progress)), encoding="utf-8")
            fresh.replace(self._path)

    def remove(self) -> None:
        """Forgets it: the import is complete."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


class Import:
    """One run over one file."""

    def __init__(
        self,
        path: Path,
        *,
        recorder: Recorder | None,
        bookmark: Bookmark | None,
        on_refused: Callable[[RefusedRow], None],
        on_bytes: Callable[[int], None],
    ) -> None:
        """`recorder` None: the rows are only checked."""
        self._path = path
        self._recorder = recorder
        self._bookmark = bookmark
        self._on_refused = on_refused
        self._on_bytes = on_bytes
        self._batch: list[tuple[int, Fact]] = []
        self._done = Progress()
        self.tally = Tally()

    def run(self, now: datetime) -> Tally:
        """Returns what became of every row. `tally` has the count so far when it is interrupted.

        Raises:
            FileError: the file is unusable.
            RemoteError: the authority could not be reached or failed; a later run goes on from here.
        """
        resumed = self._bookmark.load() if self._bookmark else Progress()
        if resumed.row and not self._still_there(resumed, now):
            resumed = Progress()
        self._done = resumed
        self.tally = replace(resumed.tally, resumed_after=resumed.row)
        for refused in resumed.refused:
            self._on_refused(refused)
        for row in read_facts(self._path, now):
            self._take(row, counted=row.number <= resumed.row)
        self._send()
        if self._bookmark:
            self._bookmark.remove()
        return self.tally

    def _still_there(self, resumed: Progress, now: datetime) -> bool:
        """Sends the last batch again: what it stored must be there, or this is another journal than it was."""
        batch = [
            (row.number, row.outcome)
            for row in read_facts(self._path, now)
            if resumed.batch_after < row.number <= resumed.row and not isinstance(row.outcome, Refusal)
        ]
        return self._recorder is not None and self._recorder.record(batch).accepted == 0

    def _take(self, row: Row, *, counted: bool) -> None:
        self._on_bytes(row.bytes_read)
        if isinstance(row.outcome, Refusal):
            self._on_refused(_refused_row(self._path, row.number, row.outcome))
        elif not counted:
            self._batch.append((row.number, row.outcome))
        if not counted:
            refused = isinstance(row.outcome, Refusal)
            self.tally = replace(self.tally, rows=self.tally.rows + 1, refused=self.tally.refused + refused)
        if len(self._batch) >= BATCH_ROWS:
            self._send()

    def _send(self) -> None:
        if not self._batch or self._recorder is None:
            self._batch.clear()
            return
        outcome = self._recorder.record(self._batch)
        self.tally = replace(
            self.tally,
            accepted=self.tally.accepted + outcome.accepted,
            duplicates=self.tally.duplicates + outcome.duplicates,
            refused=self.tally.refused + outcome.refused_total,
        )
        refused = tuple(_refused_row(self._path, row.number, row) for row in outcome.refused)
        for row in refused:
            self._on_refused(row)
        self._move_on(refused)

    def _move_on(self, refused: tuple[RefusedRow, ...]) -> None:
        self._done = Progress(
            row=self._batch[-1][0],
            batch_after=self._done.row,
            tally=self.tally,
            refused=(*self._done.refused, *refused)[:KEPT_REFUSED],
        )
        self._batch.clear()
        if self._bookmark:
            self._bookmark.save(self._done)


def _refused_row(path: Path, number: int, why: Refusal | RefusedFact) -> RefusedRow:
    return RefusedRow(file=str(path), row=number, id=why.id, field=why.field, code=why.code, reason=why.reason)


def check_files(paths: Sequence[Path], now: datetime) -> None:
    """Finds out before anything is sent whether every file can be used.

    Raises:
        FileError: one cannot.
    """
    for path in paths:
        for _ in read_facts(path, now):
            break


def _fingerprint(path: Path, target: str) -> str:
    digest = hashlib.sha256(target.encode() + b"\0")
    try:
        with path.open("rb") as file:
            while chunk := file.read(_HASH_CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise FileError(path, f"cannot be read: {error.strerror or error}") from error
    return digest.hexdigest()[:32]
