from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msc_authority.app.tidy import tidy


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("drawdown 3.10 % is above 2.00 %", "drawdown 3.10 % is above 2.00 %"),
        ("  two\nlines\tand\x07a bell ", "two lines and a bell"),
        ("reversed \u202e text", "reversed text"),
        ("half a pair \ud83d!", "half a pair !"),
        ("\x00\x01", ""),
        ("", ""),
        ("exactly ten", "exactly t…"),
        ("0123456789", "0123456789"),
    ],
)
def test_text_is_one_printable_line(text: str, shown: str) -> None:
    assert tidy(text, 10 if len(text) < 12 else 80) == shown


@given(st.text(st.characters(), max_size=200), st.integers(1, 50))
def test_whatever_the_text_it_is_short_printable_and_can_be_sent(text: str, most: int) -> None:
    shown = tidy(text, most)

    assert len(shown) <= most
    assert shown.isprintable()
    assert json.loads(json.dumps(shown).encode("utf-8")) == shown
    assert shown.encode("utf-8").decode() == shown
    assert tidy(shown, most) == shown
