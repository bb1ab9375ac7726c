"""Numbers, spans and instants as the page says them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msc_authority.http.dashboard import text


@pytest.mark.parametrize(
    ("value", "digits", "said"),
    [
        (1234.5, 2, "1,234.50"),
        (-0.004, 2, "0.00"),
        (-3, 1, "−3.0"),
        (Decimal("0.125"), 3, "0.125"),
        (None, 2, "unknown"),
    ],
)
def test_a_number_has_thousands_apart_a_true_minus_and_no_minus_zero(
    value: float | Decimal | None, digits: int, said: str
) -> None:
    assert text.number(value, digits) == said


@pytest.mark.parametrize(
    ("value", "said"), [(1.5, "+1.50"), (-1.5, "−1.50"), (0.0, "0.00"), (0.001, "0.00"), (None, "unknown")]
)
def test_a_signed_number_says_on_which_side_of_zero_it_is(value: float | None, said: str) -> None:
    assert text.signed(value) == said


def test_a_fraction_is_said_as_percent() -> None:
    assert text.percent(0.1234) == "12.3 %"
    assert text.percent(None) == "unknown"


@pytest.mark.parametrize(("fraction", "said"), [(0.0075, "0.75 %"), (0.6, "60 %"), (0.003, "0.3 %"), (1.0, "100 %")])
def test_a_limit_has_no_zeros_that_say_nothing(fraction: float, said: str) -> None:
    assert text.short_percent(fraction) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (11_580, "3 h 13 min"),
        (86_400, "1 d"),
        (180_000, "2 d 2 h"),
    ],
)
def test_a_span_is_said_in_its_two_greatest_units(seconds: float, said: str) -> None:
    assert text.span(seconds) == said


@given(st.floats(0, 59.99))
def test_a_calm_span_does_not_change_within_its_first_minute(seconds: float) -> None:
    assert text.calm_span(seconds) == "less than 1 min"


def test_an_instant_is_said_for_people_and_for_machines() -> None:
    at = datetime(2025, 11, 3, 9, 5, 7, 900_000, tzinfo=UTC)

    assert text.day_and_time(at) == "3 Nov 09:05"
    assert text.clock_time(at) == "09:05:07"
    assert text.iso(at) == "2025-11-03T09:05:07Z"


def test_counts_have_a_noun_and_codes_become_words() -> None:
    assert text.plural(1, "alert") == "1 alert"
    assert text.plural(1200, "alert") == "1,200 alerts"
    assert text.plural(2, "entry", "entries") == "2 entries"
    assert text.words("STRATEGY_NOT_ALLOWED") == "strategy not allowed"
