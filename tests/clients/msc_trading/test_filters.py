"""The venue's filters: refused here before the venue has to."""

from __future__ import annotations

from decimal import Decimal

import pytest
from guard_builders import rules
from hypothesis import given
from hypothesis import strategies as st

from msc_client.facts import Side
from msc_trading.filters import (
    FilterCode,
    is_client_order_id,
    notional_breach,
    percent_price_breach,
    plain,
    price_breach,
    quantity_breach,
    round_down_quantity,
    round_to_tick,
)
from msc_trading.venue.port import OrderType

D = Decimal
QUANTITIES = st.decimals(min_value=0, max_value=5000, allow_nan=False, places=8)
STEPS = st.sampled_from([D("0.001"), D("0.01"), D("0.003"), D(1), D(10)])
MINIMA = st.sampled_from([D("0.001"), D("0.005"), D(1), D(7)])


@pytest.mark.parametrize(
    ("quantity", "order_type", "code"),
    [
        ("0.001", OrderType.LIMIT, None),
        ("1000", OrderType.LIMIT, None),
        ("0.0009", OrderType.LIMIT, FilterCode.LOT_SIZE),
        ("1000.001", OrderType.LIMIT, FilterCode.LOT_SIZE),
        ("0.0015", OrderType.LIMIT, FilterCode.STEP_SIZE),
        ("120", OrderType.MARKET, None),
        ("120.001", OrderType.MARKET, FilterCode.MARKET_LOT_SIZE),
        ("120.001", OrderType.LIMIT, None),
    ],
)
def test_a_quantity_keeps_to_the_lots_of_its_order_type(
    quantity: str, order_type: OrderType, code: FilterCode | None
) -> None:
    breach = quantity_breach(D(quantity), rules(), order_type)

    assert (None if breach is None else breach.code) == code


def test_a_market_step_of_its_own_is_asked_for() -> None:
    coarse = rules(market_step_size=D("0.1"), market_min_quantity=D("0.1"))

    breach = quantity_breach(D("0.25"), coarse, OrderType.MARKET)

    assert breach is not None
    assert (breach.code, breach.limit) == (FilterCode.MARKET_LOT_SIZE, D("0.1"))


def test_steps_are_counted_from_the_smallest_quantity() -> None:
    offset = rules(min_quantity=D("0.005"), step_size=D("0.01"))

    assert quantity_breach(D("0.025"), offset, OrderType.LIMIT) is None
    assert quantity_breach(D("0.02"), offset, OrderType.LIMIT) is not None


@pytest.mark.parametrize(
    ("price", "code"),
    [
        ("0.1", None),
        ("40000.1", None),
        ("1000000", None),
        ("0.05", FilterCode.PRICE_RANGE),
        ("1000000.1", FilterCode.PRICE_RANGE),
        ("40000.15", FilterCode.TICK_SIZE),
    ],
)
def test_a_price_keeps_to_range_and_tick(price: str, code: FilterCode | None) -> None:
    breach = price_breach(D(price), rules())

    assert (None if breach is None else breach.code) == code


def test_ticks_are_counted_from_the_lowest_price() -> None:
    offset = rules(min_price=D("0.05"))

    assert price_breach(D("40000.05"), offset) is None
    assert price_breach(D("40000.1"), offset) is not None


def test_a_filter_that_is_off_refuses_nothing() -> None:
    off = rules(tick_size=D(0), step_size=D(0), max_quantity=D(0), max_price=D(0), market_step_size=D(0))

    assert price_breach(D("99999999.123456"), off) is None
    assert quantity_breach(D("99999.123456"), off, OrderType.LIMIT) is None
    assert round_down_quantity(D("99999.123456"), off, OrderType.LIMIT) == D("99999.123456")


@pytest.mark.parametrize(
    ("side", "price", "refused"),
    [
        (Side.BUY, "42000", False),
        (Side.BUY, "42000.1", True),
        (Side.BUY, "1", False),
        (Side.SELL, "38000", False),
        (Side.SELL, "37999.9", True),
        (Side.SELL, "99999", False),
    ],
)
def test_percent_price_binds_the_side_that_would_fill_at_once(side: Side, price: str, refused: bool) -> None:
    breach = percent_price_breach(side, D(price), D(40_000), rules())

    assert (breach is not None) is refused


def test_the_smallest_notional_itself_passes() -> None:
    assert notional_breach(D(100), rules()) is None
    breach = notional_breach(D("99.99"), rules())
    assert breach is not None
    assert breach.text == "notional 99.99 is below 100"


@given(QUANTITIES, STEPS, MINIMA, st.sampled_from(OrderType))
def test_a_rounded_quantity_is_taken_or_nothing_is_left(
    quantity: Decimal, step: Decimal, minimum: Decimal, order_type: OrderType
) -> None:
    of = rules(step_size=step, min_quantity=minimum)

    rounded = round_down_quantity(quantity, of, order_type)

    assert rounded <= quantity
    assert rounded == 0 or quantity_breach(rounded, of, order_type) is None


@given(QUANTITIES.filter(lambda quantity: D("0.001") <= quantity <= 1000))
def test_rounding_down_loses_less_than_a_step(quantity: Decimal) -> None:
    assert quantity - round_down_quantity(quantity, rules(), OrderType.LIMIT) < D("0.001")


def test_a_rounded_quantity_has_no_more_decimal_places_than_the_grid() -> None:
    assert str(round_down_quantity(D(1) / D(3), rules(), OrderType.MARKET)) == "0.333"


def test_a_quantity_above_the_largest_lot_is_cut_to_it() -> None:
    assert round_down_quantity(D(5000), rules(), OrderType.MARKET) == D(120)


def test_grids_that_never_meet_leave_nothing() -> None:
    apart = rules(step_size=D(2), min_quantity=D(2), market_step_size=D(2), market_min_quantity=D(1))

    assert round_down_quantity(D(50), apart, OrderType.MARKET) == 0


@pytest.mark.parametrize(
    ("price", "up", "rounded"),
    [("40000.17", False, "40000.1"), ("40000.17", True, "40000.2"), ("40000.1", True, "40000.1")],
)
def test_a_price_is_rounded_to_the_side_that_is_asked_for(price: str, up: bool, rounded: str) -> None:
    assert round_to_tick(D(price), rules(), up=up) == D(rounded)


def test_a_price_without_a_tick_stays() -> None:
    assert round_to_tick(D("1.2345"), rules(tick_size=D(0)), up=True) == D("1.2345")


@pytest.mark.parametrize("value", ["1E+2", "1E-7", "100", "0.0000001"])
def test_numbers_go_out_without_an_exponent(value: str) -> None:
    text = plain(D(value))

    assert "E" not in text
    assert D(text) == D(value)


@pytest.mark.parametrize("text", ["a", "A-b_9", "x" * 36])
def test_ids_of_the_safe_alphabet_are_taken(text: str) -> None:
    assert is_client_order_id(text)


@pytest.mark.parametrize("text", ["", "x" * 37, "a:b", "a/b", "a.b", "a b", "ä", "a\n"])
def test_other_ids_are_not(text: str) -> None:
    assert not is_client_order_id(text)
