"""Parameters as they come over the wire."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from msc_client import Side
from msc_trading.paper.engine import Rejected
from msc_trading.paper.engine.values import NewAlgo, OrderType, TimeInForce
from msc_trading.paper.http import reading
from msc_trading.paper.http.params import Params

MARKET = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.5"}
LIMIT = MARKET | {"type": "LIMIT", "price": "49000", "timeInForce": "GTC"}
STOP = {
    "algoType": "CONDITIONAL",
    "symbol": "BTCUSDT",
    "side": "SELL",
    "type": "STOP_MARKET",
    "triggerPrice": "49000",
    "closePosition": "true",
}


def refusal(read: Callable[[], object]) -> Rejected:
    with pytest.raises(Rejected) as refused:
        read()
    return refused.value


@pytest.mark.parametrize(
    "text", ["1e-05", "1E+2", "True", "-1", "+1", "1.", ".5", "0x1", "NaN", "Infinity", "1,5", "\u0661"]
)
def test_only_plain_numbers_are_numbers(text: str) -> None:
    refused = refusal(lambda: Params({"quantity": text}).decimal("quantity"))

    assert refused.code == -1100
    assert "'quantity'" in refused.message


@pytest.mark.parametrize("text", ["1", "0.001", "00.10", "123456789.12345678"])
def test_plain_numbers_are_read_as_written(text: str) -> None:
    assert Params({"quantity": text}).decimal("quantity") == Decimal(text)


@pytest.mark.parametrize(("text", "expected"), [("true", True), ("True", True), ("FALSE", False), ("", False)])
def test_truth_values_may_be_written_large(text: str, expected: bool) -> None:
    assert Params({"reduceOnly": text}).flag("reduceOnly") is expected


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"symbol": ""}, -1102),
        ({"quantity": ""}, -1102),
        ({"side": "LONG"}, -1117),
        ({"side": ""}, -1102),
        ({"type": "ICEBERG"}, -1116),
        ({"type": "LIQUIDATION"}, -1116),
        ({"type": "STOP_MARKET"}, -4120),
        ({"type": "TRAILING_STOP_MARKET"}, -4120),
        ({"price": "49000"}, -1106),
        ({"timeInForce": "GTC"}, -1106),
        ({"stopPrice": "49000"}, -1106),
        ({"reduceOnly": "yes"}, -1130),
        ({"closePosition": "true"}, -4136),
        ({"positionSide": "UP"}, -1130),
        ({"priceMatch": "QUEUE"}, -1020),
        ({"newClientOrderId": "a" * 37}, -4015),
        ({"newClientOrderId": "a b"}, -1100),
        ({"selfTradePreventionMode": "MAYBE"}, -1130),
    ],
)
def test_a_market_order_that_is_badly_written_is_refused(changes: dict[str, str], code: int) -> None:
    assert refusal(lambda: reading.new_order(Params(MARKET | changes))).code == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"price": ""}, -1102),
        ({"timeInForce": ""}, -1102),
        ({"timeInForce": "DAY"}, -1115),
        ({"timeInForce": "GTD"}, -1102),
    ],
)
def test_a_limit_order_that_is_badly_written_is_refused(changes: dict[str, str], code: int) -> None:
    assert refusal(lambda: reading.new_order(Params(LIMIT | changes))).code == code


def test_a_limit_order_is_read() -> None:
    order = reading.new_order(Params(LIMIT | {"newClientOrderId": "a-1_B", "reduceOnly": "true"}))

    assert (order.side, order.order_type, order.time_in_force) == (Side.BUY, OrderType.LIMIT, TimeInForce.GTC)
    assert (order.price, order.client_order_id, order.reduce_only) == (Decimal(49000), "a-1_B", True)


def test_a_protective_stop_is_read() -> None:
    algo = reading.new_algo(Params(STOP | {"clientAlgoId": "stop-1"}))

    assert algo == NewAlgo(
        symbol="BTCUSDT",
        side=Side.SELL,
        order_type=OrderType.STOP_MARKET,
        trigger_price=Decimal(49000),
        close_position=True,
        client_algo_id="stop-1",
    )


@pytest.mark.parametrize(
    ("changes", "code"), [({"algoType": "VP"}, -1130), ({"algoType": ""}, -1102), ({"workingType": "LAST"}, -1130)]
)
def test_a_conditional_order_that_is_badly_written_is_refused(changes: dict[str, str], code: int) -> None:
    assert refusal(lambda: reading.new_algo(Params(STOP | changes))).code == code


def test_rows_are_limited_to_the_largest_page() -> None:
    assert Params({}).limit(500, 1000) == 500
    assert Params({"limit": "5000"}).limit(500, 1000) == 1000
    assert refusal(lambda: Params({"limit": "0"}).limit(500, 1000)).code == -1130
