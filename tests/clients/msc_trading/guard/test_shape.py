"""Whether an intent makes sense: what is not a number gets no further, and the field is named."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest
from guard_builders import AT, Desk, facts, intent, position, positions, reduce_intent, rules

from msc_trading.guard import PositionSide, ReasonCode, blocked_execution
from msc_trading.venue.port import OrderType

D = Decimal
NAN = float("nan")
BAD_NUMBERS = ["NaN", "sNaN", "Infinity", "-Infinity", "0", "-1", "1000000000000000", "0.0000000000000000001"]


@pytest.mark.parametrize("number", BAD_NUMBERS)
@pytest.mark.parametrize("field", ["quantity", "price", "stop_price", "ref_price"])
def test_a_number_that_is_none_is_refused_by_name(field: str, number: str) -> None:
    overrides: dict[str, object] = {field: D(number)}
    if field == "price":
        overrides["order_type"] = OrderType.LIMIT

    decision = Desk().ask(intent(**overrides))

    assert decision.reason_code is ReasonCode.INVALID_INPUT
    assert decision.text.startswith(f"{field}: ")


@pytest.mark.parametrize("number", BAD_NUMBERS)
def test_a_reduction_with_a_quantity_that_is_none_is_refused_as_well(number: str) -> None:
    decision = Desk().ask(reduce_intent(quantity=D(number)), facts(positions=positions(position())))

    assert decision.reason_code is ReasonCode.INVALID_INPUT


@pytest.mark.parametrize("value", [NAN, float("inf"), -0.1, 1.01, True, "0.7"])
def test_a_confidence_that_is_no_fraction_is_refused(value: object) -> None:
    decision = Desk().ask(intent(confidence=value))

    assert decision.reason_code is ReasonCode.INVALID_INPUT
    assert decision.text.startswith("confidence: ")


@pytest.mark.parametrize("value", [0.1, 1, "0.1", None])
def test_a_quantity_must_be_a_decimal(value: object) -> None:
    decision = Desk().ask(intent(quantity=value))

    assert decision.reason_code is ReasonCode.INVALID_INPUT
    assert decision.text.startswith("quantity: must be a Decimal")


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        ({"account_id": "other"}, "account_id: 'other' is not 'main', which this guard keeps"),
        ({"client_order_id": "a:b"}, "client_order_id: 'a:b' is not 1 to 36 of A-Z a-z 0-9 _ -"),
        ({"client_order_id": ""}, "client_order_id: '' is not 1 to 36 of A-Z a-z 0-9 _ -"),
        ({"client_order_id": 7}, "client_order_id: 7 is not 1 to 36 of A-Z a-z 0-9 _ -"),
        ({"symbol": ""}, "symbol: must be text of 1 to 128 characters"),
        ({"symbol": "BTC\nUSDT"}, "symbol: has control characters, or blanks at its ends"),
        ({"executor_id": " e"}, "executor_id: has control characters, or blanks at its ends"),
        ({"strategy_id": "x" * 129}, "strategy_id: must be text of 1 to 128 characters"),
        ({"strategy_id": None}, "strategy_id: must be text of 1 to 128 characters"),
        ({"side": "HOLD"}, "side: 'HOLD' is none of BUY, SELL"),
        ({"order_type": "STOP"}, "order_type: 'STOP' is none of MARKET, LIMIT"),
        (
            {"position_side": PositionSide.LONG},
            "position_side: LONG belongs to hedge mode, which is not supported; use BOTH",
        ),
        ({"order_type": OrderType.LIMIT}, "price: a LIMIT order needs one"),
        ({"price": D(1)}, "price: a MARKET order has none"),
        ({"signal_at": datetime(2026, 1, 1)}, "signal_at: must be an aware datetime"),
        ({"signal_at": None}, "signal_at: must be an aware datetime"),
        (
            {"stop_price": D(40_000)},
            "stop_price: 40000 does not protect a BUY at 40000; it must be on the losing side",
        ),
    ],
)
def test_what_makes_no_sense_is_said(overrides: dict[str, object], text: str) -> None:
    decision = Desk().ask(intent(**overrides))

    assert (decision.reason_code, decision.text) == (ReasonCode.INVALID_INPUT, text)


def test_an_entry_in_a_symbol_without_rules_is_refused() -> None:
    assert Desk().ask(known=facts(rules=None)).text == "symbol: the venue's rules of BTCUSDT are not known"
    mixed = Desk().ask(known=facts(rules=rules("ETHUSDT")))
    assert mixed.text == "symbol: the rules given are those of ETHUSDT, not of BTCUSDT"


def test_an_entry_at_an_instant_without_a_zone_is_refused() -> None:
    decision = Desk().ask(known=facts(now=AT.replace(tzinfo=None)))

    assert decision.text == "now: must be an aware datetime"


def test_what_a_reduction_does_not_send_is_not_asked_of_it() -> None:
    exit_ = reduce_intent(confidence=NAN, ref_price=D("NaN"), stop_price=D("NaN"), strategy_id="")

    assert Desk().ask(exit_, facts(positions=positions(position()))).allowed


def test_what_was_invalid_is_judged_anew_when_it_is_put_right() -> None:
    desk = Desk()
    desk.ask(intent(client_order_id="fixed", quantity=D("NaN")))

    assert desk.ask(intent(client_order_id="fixed")).allowed


@pytest.mark.parametrize(
    "known",
    [
        {"equity": D("NaN")},
        {"equity": D("Infinity")},
        {"equity": D(0)},
        {"equity": D(-5)},
        {"equity_age_s": NAN},
        {"equity_age_s": -1.0},
        {"positions_age_s": NAN},
        {"reference_price": D("NaN")},
        {"reference_price": D(0)},
        {"reference_price_age_s": NAN},
        {"day_pnl": D("NaN")},
        {"clock_offset_s": NAN},
    ],
)
def test_a_fact_that_is_no_number_is_unknown_and_unknown_refuses(known: dict[str, object]) -> None:
    assert not Desk().ask(known=facts(**known)).allowed


def test_a_position_that_is_no_number_is_stopped_where_it_comes_in() -> None:
    with pytest.raises(ValueError, match="quantity: the position in BTCUSDT is NaN"):
        positions(position(quantity="NaN"))
    with pytest.raises(ValueError, match="mark_price: of BTCUSDT is 0"):
        positions(position(mark="0"))


def test_a_malformed_intent_still_makes_a_readable_decision() -> None:
    decision = Desk().ask(intent(quantity=D("NaN"), side="HOLD"))

    assert '"quantity":"NaN"' in decision.as_json()
    assert blocked_execution(decision) is None
