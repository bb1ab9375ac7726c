"""What commands print: tables that fit 80 columns for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

UNKNOWN = "unknown"

_UNITS = ((9.95, 1, "s", 1), (90, 1, "s", 0), (5_400, 60, "min", 0), (129_600, 3_600, "h", 1))


def print_json(document: object) -> None:
    """Prints one JSON object on one line. NaN and infinity cannot occur in it."""
    typer.echo(json.dumps(document, ensure_ascii=False, allow_nan=False, default=str))


def console() -> Console:
    """A console on standard output that adds no colour of its own."""
    from rich.console import Console

    return Console(highlight=False)


def fact_table(rows: Iterable[tuple[str, str]]) -> Table:
    """Names and values, one a line."""
    table = grid("", "", header=False)
    for name, value in rows:
        table.add_row(name, value)
    return table


def grid(
    *columns: str, header: bool = True, right: Sequence[str] = (), fold: Sequence[str] = (), gap: int = 2
) -> Table:
    """An empty table with `columns`, `gap` characters apart and without lines.

    Those in `right` are aligned to the right; the last one and those in `fold` give way where the terminal is narrow.
    """
    from rich.table import Table

    table = Table(box=None, show_header=header, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold")
    for name in columns:
        gives_way = name == columns[-1] or name in fold
        justify: Literal["left", "right"] = "right" if name in right else "left"
        table.add_column(name.upper(), justify=justify, no_wrap=not gives_way, overflow="fold")
    return table


def text(value: object) -> str:
    """Text that rich must not read as markup."""
    from rich.markup import escape

    return escape(str(value))


def clean(value: object) -> str:
    """Text on one line with nothing in it that a terminal would obey."""
    return "".join(char if char.isprintable() else " " if char.isspace() else "�" for char in str(value))


def number(value: object, digits: int = 2, unit: str = "") -> str:
    """A number with fixed digits, or "unknown"."""
    if not isinstance(value, int | float):
        return UNKNOWN
    return f"{value:.{digits}f}{unit}"


def percent(fraction: object, digits: int = 2) -> str:
    """A fraction as percent, or "unknown"."""
    return f"{fraction:.{digits}%}" if isinstance(fraction, int | float) else UNKNOWN


def duration(seconds: object) -> str:
    """A duration in its largest sensible unit: 0.4 s, 12 s, 5 min, 3.5 h, 2.1 d; "unknown" for none."""
    if not isinstance(seconds, int | float):
        return UNKNOWN
    size, sign = abs(seconds), "-" if seconds < 0 else ""
    for limit, unit, name, digits in _UNITS:
        if size < limit:
            return f"{sign}{size / unit:.{digits}f} {name}"
    return f"{sign}{size / 86_400:.1f} d"


def instant(value: object) -> str:
    """An instant of the contract to the second: 2026-01-02 03:04:05Z, or "unknown"."""
    if not isinstance(value, str) or not value:
        return UNKNOWN
    return value.replace("T", " ")[:19] + "Z"
