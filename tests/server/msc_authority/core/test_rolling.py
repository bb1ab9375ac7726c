"""The greatest value of a sliding window."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from msc_core_builders import T0

from msc_authority.core.rolling import RollingMax

VALUES = st.lists(st.floats(-100, 100), min_size=1, max_size=40)


@given(VALUES, st.integers(1, 10))
def test_the_highest_is_the_maximum_of_the_window(values: list[float], length: int) -> None:
    window = RollingMax()
    for step, value in enumerate(values):
        window.push(step, value, T0 + timedelta(hours=step))
        window.expire(step - length + 1)
        assert window.highest(otherwise=-1.0) == max(values[max(0, step - length + 1) : step + 1])


@given(VALUES, st.integers(-1, 40))
def test_the_highest_after_an_instant_looks_at_later_values_only(values: list[float], step: int) -> None:
    window = RollingMax()
    for number, value in enumerate(values):
        window.push(number, value, T0 + timedelta(hours=number))
    assert window.highest_after(T0 + timedelta(hours=step)) == max(values[step + 1 :], default=None)


@given(VALUES)
def test_a_stored_window_is_the_same_window(values: list[float]) -> None:
    window = RollingMax()
    for number, value in enumerate(values):
        window.push(number, value, T0 + timedelta(hours=number))
    assert RollingMax.decode(window.encode()).encode() == window.encode()


def test_an_empty_window_has_no_highest_value() -> None:
    assert RollingMax().highest(otherwise=-1.0) == -1.0
    assert RollingMax().highest_after(T0) is None
