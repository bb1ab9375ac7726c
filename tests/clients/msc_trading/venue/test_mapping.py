"""What REST answers mean."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from scripted_exchange import BTC_FILTERS, EXCHANGE_INFO, START_MS, order_answer
from venue_builders import NOON

from msc_client import Side
from msc_trading.venue import mapping
from msc_trading.venue.port import OrderStatus
from msc_trading.venue.wire import Json, Malformed

STOP_ROW: dict[str, object] = {
    "algoId": 2148627, "clientAlgoId": "stop-1", "algoType": "CONDITIONAL", "orderType": "STOP_MARKET",
    "symbol": "BTCUSDT", "side": "SELL", "algoStatus": "NEW", "triggerPrice": "48000.00", "closePosition": True,
}  # fmt: skip
POSITION_ROW: dict[str, object] = {
    "symbol": "BTCUSDT", "positionSide": "BOTH", "positionAmt": "-0.020", "entryPrice": "50000.0",
    "markPrice": "49000.00000000", "unRealizedProfit": "20.00000000",
}  # fmt: skip
BALANCE_ROWS: list[dict[str, object]] = [
    {"asset": "BNB", "balance": "1.0", "crossUnPnl": "0", "availableBalance": "1.0"},
    {"asset": "USDT", "balance": "1000.5", "crossUnPnl": "-20.25", "availableBalance": "900.0"},
]
TRADE_ROW: dict[str, object] = {
    "id": 698759, "orderId": 77, "symbol": "BTCUSDT", "side": "SELL", "qty": "0.010", "price": "50000.0",
    "commission": "0.2", "commissionAsset": "USDT", "realizedPnl": "5.5", "time": START_MS,
}  # fmt: skip


def btc(filters: list[dict[str, object]] | None = None, **changes: object) -> Json:
    return {"symbol": "BTCUSDT", "status": "TRADING", "pricePrecision": 2, "filters": filters or BTC_FILTERS} | changes


def test_the_tick_comes_from_the_filter_not_from_the_precision() -> None:
    rules = mapping.symbol_rules(btc())

    assert rules.tick_size == Decimal("0.10")
    assert rules.trading


def test_every_filter_is_read_exactly() -> None:
    rules = mapping.symbol_rules(btc())

    assert (rules.min_price, rules.max_price) == (Decimal("556.80"), Decimal(4529764))
    assert (rules.step_size, rules.min_quantity, rules.max_quantity) == (
        Decimal("0.001"),
        Decimal("0.001"),
        Decimal(1000),
    )
    assert (rules.market_step_size, rules.market_min_quantity, rules.market_max_quantity) == (
        Decimal("0.001"),
        Decimal("0.001"),
        Decimal(120),
    )
    assert (rules.min_notional, rules.multiplier_up, rules.multiplier_down) == (
        Decimal(5),
        Decimal("1.0500"),
        Decimal("0.9500"),
    )


@pytest.mark.parametrize("status", ["BREAK", "SETTLING", "PENDING_TRADING", "HALT", ""])
def test_a_symbol_in_any_other_state_is_not_trading(status: str) -> None:
    assert not mapping.symbol_rules(btc(status=status)).trading


@pytest.mark.parametrize("missing", ["PRICE_FILTER", "LOT_SIZE", "MARKET_LOT_SIZE", "MIN_NOTIONAL", "PERCENT_PRICE"])
def test_a_missing_filter_is_no_freedom(missing: str) -> None:
    filters = [dict(row) for row in BTC_FILTERS if row["filterType"] != missing]

    with pytest.raises(Malformed, match=missing):
        mapping.symbol_rules(btc(filters))


def test_a_symbol_that_cannot_be_read_does_not_hide_the_others() -> None:
    assert set(mapping.symbol_rows(EXCHANGE_INFO)) == {"BTCUSDT", "ODDUSDT"}


def test_an_order_is_read_in_decimals_and_utc() -> None:
    state = mapping.order_state(order_answer())

    assert (state.order_id, state.client_order_id, state.side) == ("77", "id-1", Side.BUY)
    assert (state.status, state.quantity, state.filled_quantity) == (
        OrderStatus.FILLED,
        Decimal("0.010"),
        Decimal("0.010"),
    )
    assert state.average_price == Decimal("50000.10")
    assert state.updated_at == datetime.fromtimestamp(START_MS / 1000, UTC)


def test_the_answer_to_a_cancel_has_an_average_all_the_same() -> None:
    answer = order_answer(status="CANCELED", executedQty="0.004", cumQuote="200.4")
    del answer["avgPrice"]

    assert mapping.order_state(answer).average_price == Decimal(50100)


def test_an_average_of_zero_is_taken_for_the_missing_one_it_is() -> None:
    state = mapping.order_state(order_answer(avgPrice="0.00", executedQty="0.004", cumQuote="200.4"))

    assert state.average_price == Decimal(50100)


def test_without_a_fill_there_is_no_average() -> None:
    assert mapping.order_state(order_answer(executedQty="0", avgPrice="0.00")).average_price is None


@pytest.mark.parametrize("status", list(OrderStatus))
def test_every_status_of_the_venue_is_known(status: OrderStatus) -> None:
    assert mapping.to_status(status.value) is status


@pytest.mark.parametrize("status", ["NEW_INSURANCE", "NEW_ADL", "PENDING_CANCEL", ""])
def test_a_status_that_is_new_decides_nothing(status: str) -> None:
    state = mapping.to_status(status)

    assert state is OrderStatus.UNKNOWN
    assert not state.is_final


@pytest.mark.parametrize(
    ("client_order_id", "reduce_only", "close_position", "reduces"),
    [
        ("id-1", False, False, False),
        ("id-1", True, False, True),
        ("id-1", False, True, True),
        ("autoclose-1602", False, False, True),
        ("adl_autoclose", False, False, True),
        ("settlement_autoclose-7", False, False, True),
        ("my-autoclose-1", False, False, False),
    ],
)
def test_reducing_orders_are_told_by_flag_or_by_the_venues_own_names(
    client_order_id: str, reduce_only: bool, close_position: bool, reduces: bool
) -> None:
    answer = order_answer(clientOrderId=client_order_id, reduceOnly=reduce_only, closePosition=close_position)

    assert mapping.order_state(answer).reduce_only is reduces


@pytest.mark.parametrize("name", ["orderId", "clientOrderId", "status", "origQty", "executedQty", "side", "updateTime"])
def test_an_order_without_one_of_its_fields_is_not_guessed_at(name: str) -> None:
    answer = order_answer()
    del answer[name]

    with pytest.raises(Malformed, match=name):
        mapping.order_state(answer)


def test_armed_stops_that_close_a_position_are_ours() -> None:
    (stop,) = mapping.protective_stops([STOP_ROW])

    assert (stop.client_algo_id, stop.symbol, stop.side) == ("stop-1", "BTCUSDT", Side.SELL)
    assert (stop.trigger_price, stop.active) == (Decimal(48000), True)


@pytest.mark.parametrize(
    "changes",
    [
        {"orderType": "TAKE_PROFIT_MARKET"},
        {"orderType": "STOP"},
        {"closePosition": False},
        {"closePosition": "false"},
        {"algoStatus": "TRIGGERED"},
        {"algoStatus": "CANCELED"},
    ],
)
def test_what_does_not_protect_a_whole_position_is_left_out(changes: dict[str, object]) -> None:
    assert mapping.protective_stops([STOP_ROW | changes]) == []


def test_positions_are_signed_and_flat_ones_left_out() -> None:
    held, hedged = mapping.positions([POSITION_ROW, POSITION_ROW | {"symbol": "ETHUSDT", "positionAmt": "0.000"}])

    assert [(row.symbol, row.quantity, row.unrealized_pnl) for row in held] == [
        ("BTCUSDT", Decimal("-0.020"), Decimal(20))
    ]
    assert hedged == []


def test_positions_of_hedge_mode_are_named() -> None:
    rows = [POSITION_ROW | {"positionSide": "LONG"}, POSITION_ROW | {"positionSide": "SHORT", "positionAmt": "0"}]

    assert mapping.positions(rows)[1] == ["BTCUSDT"]


def test_equity_is_wallet_plus_unrealised_pnl_in_the_margin_asset() -> None:
    balance = mapping.balance(BALANCE_ROWS, asset="USDT", at=NOON)

    assert (balance.equity, balance.available, balance.at) == (Decimal("980.25"), Decimal(900), NOON)


def test_no_balance_in_the_margin_asset_is_not_a_balance_of_zero() -> None:
    with pytest.raises(Malformed, match="USDC"):
        mapping.balance(BALANCE_ROWS, asset="USDC", at=NOON)


def test_a_trade_takes_what_the_list_leaves_out_from_its_order() -> None:
    fill = mapping.trade(TRADE_ROW, client_order_id="id-9", reduce_only=True, asset="USDT")

    assert (fill.trade_id, fill.order_id, fill.client_order_id, fill.reduce_only) == ("698759", "77", "id-9", True)
    assert (fill.fee, fill.realized_pnl) == (Decimal("0.2"), Decimal("5.5"))


@pytest.mark.parametrize(
    ("paid", "paid_in", "expected"),
    [("0.2", "USDT", "0.2"), ("-0.1", "USDT", "-0.1"), ("0", "BNB", "0"), ("0", None, "0"), ("0.0003", "BNB", "0.25")],
)
def test_a_fee_in_another_asset_is_taken_for_the_dearest_never_for_nothing(
    paid: str, paid_in: object, expected: str
) -> None:
    assert mapping.fee(Decimal(paid), paid_in, asset="USDT", notional=Decimal(500)) == Decimal(expected)


def test_a_candle_row_is_read_in_decimals() -> None:
    bar = mapping.candle("BTCUSDT", [START_MS, "1.1", "1.3", "1.0", "1.2", "7.5", START_MS + 59_999, "9", 3])

    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == tuple(
        Decimal(words) for words in ("1.1", "1.3", "1.0", "1.2", "7.5")
    )


@pytest.mark.parametrize("row", [[], {}, [START_MS, "1", "1", "1", "1"], [START_MS, "1", "1", "1", "x", "1", 0]])
def test_a_candle_row_that_cannot_be_read_is_refused(row: object) -> None:
    with pytest.raises(Malformed):
        mapping.candle("BTCUSDT", row)


@pytest.mark.parametrize(("words", "hedged"), [(True, True), (False, False), ("true", True)])
def test_hedge_mode_is_seen(words: object, hedged: bool) -> None:
    assert mapping.is_hedged({"dualSidePosition": words}) is hedged


def test_a_mode_that_is_not_told_is_not_taken_for_one_way() -> None:
    with pytest.raises(Malformed):
        mapping.is_hedged({})
