"""How sections share the lines of a screen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msc_authority.cli.top_layout import share

SECTIONS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5)), max_size=6)


@pytest.mark.parametrize(
    ("wanted", "least", "room", "given_rows"),
    [
        ([3, 3], [1, 1], 10, [3, 3]),
        ([3, 3], [1, 1], 2, [1, 1]),
        ([9, 1], [1, 1], 5, [4, 1]),
        ([9, 9], [1, 1], 5, [3, 2]),
        ([9, 9], [4, 4], 5, [4, 1]),
        ([9, 9], [1, 1], 0, [0, 0]),
        ([], [], 5, []),
    ],
)
def test_each_has_its_least_and_the_rest_is_divided_in_turn(
    wanted: list[int], least: list[int], room: int, given_rows: list[int]
) -> None:
    assert share(wanted, least, room) == given_rows


@given(sections=SECTIONS, room=st.integers(0, 100))
def test_all_room_is_used_and_no_more_and_nobody_gets_more_than_it_wants(
    sections: list[tuple[int, int]], room: int
) -> None:
    wanted = [most for most, _ in sections]

    rows = share(wanted, [floor for _, floor in sections], room)

    assert sum(rows) == min(room, sum(wanted))
    assert all(0 <= got <= most for got, most in zip(rows, wanted, strict=True))
