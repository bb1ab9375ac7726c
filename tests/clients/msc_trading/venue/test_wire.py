"""Numbers and names of the venue's JSON."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msc_trading.venue import wire
from msc_trading.venue.wire import Malformed

PLAIN = re.compile(r"(0|[1-9]\d*)(\.\d*[1-9])?")
POSITIVE = st.decimals(min_value=Decimal("1e-18"), max_value=Decimal("1e18"), allow_nan=False, allow_infinity=False)


@given(POSITIVE.filter(lambda value: value > 0))
def test_a_number_goes_out_in_digits_that_mean_exactly_the_same(value: Decimal) -> None:
    words = wire.plain(value)

    assert PLAIN.fullmatch(words)
    assert Decimal(words) == value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Decimal("1e-05"), "0.00001"),
        (Decimal("1E+2"), "100"),
        (Decimal("0.0100"), "0.01"),
        (Decimal("100"), "100"),
        (Decimal("50000.10"), "50000.1"),
    ],
)
def test_no_exponent_and_no_trailing_zero_goes_out(value: Decimal, words: str) -> None:
    assert wire.plain(value) == words


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "0", "-0", "-1"])
def test_a_number_that_is_none_or_not_above_zero_does_not_go_out(value: str) -> None:
    with pytest.raises(ValueError, match="above zero"):
        wire.plain(Decimal(value))


def test_numbers_come_in_as_decimals_whether_quoted_or_not() -> None:
    told = wire.record(wire.parse('{"quoted": "0.10", "bare": 0.10, "whole": 7}'))

    assert [wire.number(told, name) for name in ("quoted", "bare", "whole")] == [
        Decimal("0.10"),
        Decimal("0.10"),
        Decimal(7),
    ]


@pytest.mark.parametrize("words", ['{"price": NaN}', '{"price": Infinity}', "<html>", "", '{"price": '])
def test_what_is_no_json_is_refused(words: str) -> None:
    with pytest.raises(Malformed):
        wire.parse(words)


@pytest.mark.parametrize("value", [None, True, 1.5, float("nan"), "NaN", "Infinity", "1,5", "", [], {}])
def test_a_field_that_is_no_finite_number_is_refused_by_name(value: object) -> None:
    with pytest.raises(Malformed, match=r"^price: "):
        wire.number({"price": value}, "price")


def test_a_refusal_does_not_repeat_the_value() -> None:
    with pytest.raises(Malformed) as refused:
        wire.number({"price": "s3cret"}, "price")

    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(("value", "words"), [("abc", "abc"), (8886774, "8886774")])
def test_an_id_is_text_either_way(value: object, words: str) -> None:
    assert wire.text({"orderId": value}, "orderId") == words


@pytest.mark.parametrize("value", [None, True, 1.5, ["a"]])
def test_what_is_no_text_is_refused(value: object) -> None:
    with pytest.raises(Malformed, match="orderId"):
        wire.text({"orderId": value}, "orderId")


@pytest.mark.parametrize(("value", "truth"), [(True, True), (False, False), ("true", True), ("false", False)])
def test_a_truth_may_be_written_as_text(value: object, truth: bool) -> None:
    assert wire.flag({"closePosition": value}, "closePosition") is truth


@pytest.mark.parametrize("value", ["True", "yes", 1, [], {}, None])
def test_what_is_no_truth_is_refused(value: object) -> None:
    with pytest.raises(Malformed, match="reduceOnly"):
        wire.flag({"reduceOnly": value}, "reduceOnly")


def test_an_absent_truth_is_what_the_reader_says() -> None:
    assert wire.flag({}, "reduceOnly", absent=False) is False


@given(st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)))
def test_an_instant_survives_the_way_there_and_back_to_the_millisecond(at: datetime) -> None:
    back = wire.instant({"time": wire.milliseconds(at)}, "time")

    assert timedelta(0) <= at - back < timedelta(milliseconds=1)


@pytest.mark.parametrize("value", ["soon", 1.5, "1.5", None, 10**20])
def test_what_is_no_instant_is_refused(value: object) -> None:
    with pytest.raises(Malformed, match="time"):
        wire.instant({"time": value}, "time")


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (wire.record, []),
        (wire.rows, {}),
        (wire.rows, [1]),
        (lambda value: wire.inner(wire.record(value), "o"), {"o": 1}),
        (lambda value: wire.inner(wire.record(value), "o"), {}),
    ],
)
def test_another_shape_than_expected_is_refused(read: object, value: object) -> None:
    assert callable(read)
    with pytest.raises(Malformed):
        read(value)
