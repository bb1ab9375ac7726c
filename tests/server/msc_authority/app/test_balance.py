"""How many watchers a replica sends to the others."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msc_authority.app.balance import MOST_AT_ONCE, TOLERATED_FACTOR, TOLERATED_SURPLUS, to_send_away

counts = st.integers(min_value=0, max_value=10_000)


@pytest.mark.parametrize(
    ("mine", "others", "expected"),
    [
        (1000, [], 0),  # nobody to send them to
        (10, [0, 0], 0),  # too few to bother
        (40, [30, 30], 0),  # not far from a third
        (99, [0, 0], 9),
        (60, [0], 6),
        (6000, [0, 0], MOST_AT_ONCE),
        (0, [99, 99], 0),
    ],
)
def test_a_tenth_goes_when_far_more_are_here_than_a_share(mine: int, others: list[int], expected: int) -> None:
    assert to_send_away(mine, others) == expected


@given(mine=counts, others=st.lists(counts, max_size=6))
def test_nobody_is_sent_below_the_share_and_never_more_than_a_few(mine: int, others: list[int]) -> None:
    away = to_send_away(mine, others)

    assert 0 <= away <= MOST_AT_ONCE
    if away:
        assert mine - away >= math.ceil((mine + sum(others)) / (len(others) + 1))


@given(counts=st.lists(counts, min_size=2, max_size=5))
def test_sending_on_comes_to_rest_where_all_are_near_their_share(counts: list[int]) -> None:
    for _ in range(2000):
        mine = max(counts)
        here, least = counts.index(mine), counts.index(min(counts))
        away = to_send_away(mine, counts[:here] + counts[here + 1 :])
        if not away:
            break
        counts[here] -= away
        counts[least] += away

    share = math.ceil(sum(counts) / len(counts))
    assert max(counts) <= share * TOLERATED_FACTOR + TOLERATED_SURPLUS
