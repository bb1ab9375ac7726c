"""Sections of a screen, and how they share its lines: nothing is wider than it, and what is left out is counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from msc_authority.cli.output import clean

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

GAP = 2
WIDE = 140
"""From here on the sections stand side by side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Rows under one line of headings; the first heading is its name. `least` rows stay when lines are scarce.

    Where the screen is narrow, the column `flexible` is cut off, and no other.
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[Text, ...], ...]
    right: frozenset[int] = frozenset()
    least: int = 1
    flexible: int = 0

    def width_of(self, column: int) -> int:
        """Characters that a column needs."""
        cells = [row[column].cell_len for row in self.rows if column < len(row)]
        return max([len(self.headings[column]), *cells])

    @property
    def height(self) -> int:
        """Lines it would like."""
        return 1 + len(self.rows)


def words(value: object, style: str = "") -> Text:
    """Text as it is, without markup and without anything a terminal would obey."""
    from rich.text import Text

    return Text(clean(value), style=style, no_wrap=True, overflow="ellipsis")


def line(*parts: Text | str) -> Text:
    """Parts side by side on one line, cut off where the screen ends."""
    from rich.text import Text

    joined = Text(" " * GAP).join(part if isinstance(part, Text) else words(part) for part in parts)
    joined.no_wrap, joined.overflow = True, "ellipsis"
    return joined


def lines(width: int, *parts: Text | str) -> list[Text]:
    """Parts side by side on as many lines as it takes; cut off is only a part that is wider than the screen."""
    from rich.cells import cell_len

    rows: list[list[Text | str]] = [[]]
    used = 0
    for part in parts:
        taken = cell_len(part if isinstance(part, str) else part.plain)
        if rows[-1] and used + GAP + taken > width:
            rows.append([])
        used = used + GAP + taken if rows[-1] else taken
        rows[-1].append(part)
    return [line(*row) for row in rows]


def share(wanted: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Returns how many rows each section gets of `room` rows: its least first, then in turn, never more than wanted."""
    given = [0] * len(wanted)
    for number, (most, floor) in enumerate(zip(wanted, least, strict=True)):
        given[number] = min(most, floor, room)
        room -= given[number]
    while room > 0 and given != list(wanted):
        for number, most in enumerate(wanted):
            if given[number] < most and room > 0:
                given[number] += 1
                room -= 1
    return given


def stacked(sections: Sequence[Section], height: int | None) -> Sequence[RenderableType]:
    """Returns the sections one above the other within `height` lines; None: as many as they need."""
    wanted = [len(section.rows) for section in sections]
    if height is None:
        return _spaced([_table(section, len(section.rows)) for section in sections])
    full = sum(section.height for section in sections)
    given = share(wanted, [section.least for section in sections], max(0, height - len(sections)))
    tables: list[RenderableType] = [_table(section, rows) for section, rows in zip(sections, given, strict=True)]
    return _spaced(tables) if height >= full + len(sections) - 1 else tables


def beside(left: Sequence[RenderableType], right: Sequence[RenderableType]) -> Table:
    """Returns two columns of the same width."""
    from rich.console import Group
    from rich.table import Table

    both = Table.grid(expand=True, padding=(0, 0, 0, GAP))
    both.add_column(ratio=1)
    both.add_column(ratio=1)
    both.add_row(Group(*left), Group(*right))
    return both


def _spaced(tables: Sequence[RenderableType]) -> list[RenderableType]:
    return [part for table in tables for part in (table, "")][:-1]


def _table(section: Section, rows: int) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold underline")
    for number, heading in enumerate(section.headings):
        justify: Literal["left", "right"] = "right" if number in section.right else "left"
        floor = None if number == section.flexible else section.width_of(number)
        table.add_column(heading, justify=justify, no_wrap=True, overflow="ellipsis", min_width=floor)
    left_out = len(section.rows) - rows
    counted = left_out > 0 and rows > 1
    for row in section.rows[: rows - counted]:
        table.add_row(*row)
    if counted:
        table.add_row(words(f"… {left_out + 1} more", "dim"))
    return table
