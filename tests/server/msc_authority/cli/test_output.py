"""What people read: numbers with units, and no markup from outside."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from msc_authority.cli.output import duration, grid, instant, number, percent, text


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.04, "0.0 s"),
        (0.44, "0.4 s"),
        (9.96, "10 s"),
        (89, "89 s"),
        (90, "2 min"),
        (3600, "60 min"),
        (5400, "1.5 h"),
        (129_600, "1.5 d"),
        (-30, "-30 s"),
        (None, "unknown"),
    ],
)
def test_a_duration_is_shown_in_its_largest_sensible_unit(seconds: float | None, shown: str) -> None:
    assert duration(seconds) == shown


@given(st.floats(min_value=0, max_value=1e9))
def test_every_duration_is_short(seconds: float) -> None:
    assert len(duration(seconds)) <= 9


def test_unknown_is_a_word_not_a_number() -> None:
    assert (number(None), percent(None), instant(None)) == ("unknown", "unknown", "unknown")


def test_fractions_are_shown_as_percent_and_instants_to_the_second() -> None:
    assert percent(0.0075) == "0.75%"
    assert instant("2026-01-02T03:04:05.678901Z") == "2026-01-02 03:04:05Z"


def test_text_from_outside_is_not_markup() -> None:
    table = grid("name")
    table.add_row(text("[red]x[/red]"))

    out = io.StringIO()
    Console(width=40, file=out).print(table)

    assert "[red]x[/red]" in out.getvalue()
