"""Waits between attempts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msc_trading.venue.backoff import Backoff, wait_s


def test_the_first_attempt_is_at_once_and_each_wait_doubles_up_to_the_longest() -> None:
    waits = [wait_s(attempt, shortest_s=0.25, longest_s=1.5, chance=0.0) for attempt in range(6)]

    assert waits == [0.0, 0.25, 0.5, 1.0, 1.5, 1.5]


@given(attempt=st.integers(1, 10_000), chance=st.floats(0.0, 1.0))
def test_chance_takes_away_up_to_half_and_nothing_is_ever_longer_than_the_longest(attempt: int, chance: float) -> None:
    full = wait_s(attempt, shortest_s=0.25, longest_s=30.0, chance=0.0)

    assert full / 2 <= wait_s(attempt, shortest_s=0.25, longest_s=30.0, chance=chance) <= full <= 30.0


@pytest.mark.parametrize(("held_s", "next_wait_s"), [(29.9, 0.5), (30.0, 0.0)])
def test_only_a_connection_that_held_starts_the_count_anew(held_s: float, next_wait_s: float) -> None:
    backoff = Backoff(shortest_s=0.25, longest_s=30.0, chance=lambda: 0.0)
    assert [backoff.next_s(), backoff.next_s()] == [0.0, 0.25]

    backoff.held(held_s)

    assert backoff.next_s() == next_wait_s
