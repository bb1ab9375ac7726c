"""Facts out of a journal file, row by row, each a fact or a refusal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path

from msc_authority.adapters.journal_files.lines import FileError, Line, read_lines
from msc_authority.adapters.journal_files.rows import (
    KINDS,
    Kind,
    RowCode,
    csv_row,
    json_row,
    kind_of,
    refuse,
    split_csv,
    text_of,
)
from msc_authority.core.facts import Fact
from msc_authority.core.intake import Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row: its line in the file from 1, what it says or why it is not taken, and bytes of the file read so far."""

    number: int
    outcome: Fact | Refusal
    bytes_read: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRow:
    """A row that was not taken, by file and line."""

    path: Path
    number: int
    refusal: Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalContent:
    """What journal files hold: facts and refused rows, both in the order of the files."""

    facts: tuple[Fact, ...]
    refused: tuple[RefusedRow, ...]


def read_facts(path: Path, now: datetime) -> Iterator[Row]:
    """Yields the rows of a journal file in order; blank lines are passed over.

    The format is told by content: JSON lines start with `{`, everything else is CSV with a header. The kind of rows
    is told by the columns, in JSON lines row by row.

    Raises:
        FileError: the file as a whole is unusable: unreadable, empty, or with a header that is not ours.
    """
    lines = (line for line in read_lines(path) if line.content.strip() or line.damaged or line.too_long)
    first = next(lines, None)
    if first is None:
        raise FileError(path, "holds nothing but blank lines")
    if first.content.lstrip().startswith(b"{"):
        yield from (_read(line, now) for line in chain([first], lines))
        return
    kind, columns = _header(path, first)
    yield from (_read(line, now, kind, columns) for line in lines)


def load(paths: Sequence[Path], now: datetime) -> JournalContent:
    """Returns everything that the files say, in memory.

    Raises:
        FileError: one of the files is unusable.
    """
    facts: list[Fact] = []
    refused: list[RefusedRow] = []
    for path in paths:
        for row in read_facts(path, now):
            if isinstance(row.outcome, Refusal):
                refused.append(RefusedRow(path=path, number=row.number, refusal=row.outcome))
            else:
                facts.append(row.outcome)
    return JournalContent(facts=tuple(facts), refused=tuple(refused))


def _read(line: Line, now: datetime, kind: Kind | None = None, columns: Sequence[str] = ()) -> Row:
    try:
        outcome: Fact | Refusal = _fact(line, now, kind, columns)
    except Refusal as refusal:
        outcome = refusal
    return Row(number=line.number, outcome=outcome, bytes_read=line.bytes_read)


def _fact(line: Line, now: datetime, kind: Kind | None, columns: Sequence[str]) -> Fact:
    if kind is not None:
        return kind.parse(csv_row(line, columns), now)
    raw = json_row(line)
    if found := kind_of(raw):
        return found.parse(raw, now)
    raise refuse(RowCode.UNKNOWN_KIND, f"is neither {_kind_names()}: too few of their columns")


def _header(path: Path, line: Line) -> tuple[Kind, Sequence[str]]:
    columns = _header_columns(path, line)
    kind = kind_of(columns)
    if kind is None:
        raise FileError(path, f"is neither CSV nor JSON lines of {_kind_names()}; its first line names none of them")
    _check_columns(path, kind, columns)
    return kind, columns


def _header_columns(path: Path, line: Line) -> list[str]:
    if line.content.lstrip().startswith(b"["):
        raise FileError(path, "is a JSON array; write one object a line")
    try:
        return split_csv(text_of(line))
    except Refusal as refusal:
        raise FileError(path, f"line {line.number} is not a header: {refusal.reason}") from refusal


def _check_columns(path: Path, kind: Kind, columns: Sequence[str]) -> None:
    doubles = [name for name, count in Counter(columns).items() if count > 1]
    unknown = [name for name in columns if name not in kind.fields.names]
    missing = [name for name in kind.fields.required if name not in columns]
    for names, problem in ((doubles, "comes twice"), (unknown, "is not a column"), (missing, "is missing")):
        if names:
            shown = ", ".join(ascii(name[:40]) for name in names[:5])
            raise FileError(path, f"{shown} {problem} of the header of {kind.name} rows")


def _kind_names() -> str:
    return " nor ".join(kind.name for kind in KINDS)
