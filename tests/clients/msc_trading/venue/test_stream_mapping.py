"""What stream messages mean."""

from __future__ import annotations

from decimal import Decimal

import pytest
from stream_messages import account_update, kline, order_report, position, stop_update, trade

from msc_client import Side
from msc_trading.venue import stream_mapping
from msc_trading.venue.port import OrderStatus, OrderUpdate, PositionUpdate, StreamLost, UserEvent
from msc_trading.venue.wire import Json, Malformed, inner


def events(message: Json) -> list[UserEvent]:
    return stream_mapping.user_events(message, asset="USDT")


def order_update(message: Json) -> OrderUpdate:
    (event,) = events(message)
    assert isinstance(event, OrderUpdate)
    return event


def position_updates(message: Json) -> list[PositionUpdate]:
    return [event for event in events(message) if isinstance(event, PositionUpdate)]


def test_a_trade_report_is_the_orders_state_and_a_fill() -> None:
    update = order_update(order_report(n="0.2", rp="3.5", R=True))

    assert (update.order.status, update.order.filled_quantity) == (OrderStatus.FILLED, Decimal("0.010"))
    assert update.fill is not None
    assert (update.fill.trade_id, update.fill.order_id, update.fill.client_order_id) == ("698759", "77", "id-1")
    assert (update.fill.quantity, update.fill.price, update.fill.side) == (
        Decimal("0.010"),
        Decimal("50000.1"),
        Side.BUY,
    )
    assert (update.fill.fee, update.fill.realized_pnl, update.fill.reduce_only) == (
        Decimal("0.2"),
        Decimal("3.5"),
        True,
    )


@pytest.mark.parametrize("execution", ["NEW", "CANCELED", "EXPIRED", "AMENDMENT", "REJECTED"])
def test_any_other_report_is_no_fill(execution: str) -> None:
    assert order_update(order_report(x=execution)).fill is None


def test_the_fill_of_a_liquidation_is_a_fill() -> None:
    update = order_update(order_report(x="CALCULATED", c="autoclose-1602"))

    assert update.fill is not None
    assert update.fill.reduce_only


def test_a_trade_report_that_filled_nothing_is_no_fill() -> None:
    assert order_update(order_report(l="0")).fill is None


def test_a_fill_without_a_fee_has_none() -> None:
    report = order_report()
    told = dict(inner(report, "o"))
    del told["n"], told["N"]

    fill = order_update(report | {"o": told}).fill

    assert fill is not None
    assert fill.fee == 0


def test_an_order_that_has_filled_nothing_has_no_average() -> None:
    assert order_update(order_report(x="NEW", X="NEW", z="0", ap="0")).order.average_price is None


def test_an_order_of_a_stop_reduces() -> None:
    assert order_update(order_report(cp=True)).order.reduce_only


def test_each_position_of_an_update_is_told_with_the_wallet() -> None:
    updates = position_updates(account_update(position(), position(s="ETHUSDT", pa="-2", ep="3000")))

    assert [(row.symbol, row.quantity, row.wallet_balance) for row in updates] == [
        ("BTCUSDT", Decimal("0.010"), Decimal("1000.5")),
        ("ETHUSDT", Decimal(-2), Decimal("1000.5")),
    ]


def test_a_position_that_was_closed_is_told_as_zero() -> None:
    (update,) = position_updates(account_update(position(pa="0", ep="0")))

    assert update.quantity == 0


def test_funding_moves_the_wallet_alone() -> None:
    (update,) = position_updates(account_update())

    assert (update.symbol, update.quantity, update.wallet_balance) == (None, None, Decimal("1000.5"))


def test_a_wallet_in_another_asset_is_not_ours() -> None:
    (update,) = position_updates(account_update(balances=[{"a": "BNB", "wb": "3"}]))

    assert update.wallet_balance is None


def test_a_position_of_hedge_mode_is_not_netted_into_ours() -> None:
    with pytest.raises(Malformed, match="hedge"):
        events(account_update(position(ps="LONG")))


@pytest.mark.parametrize("status", ["REJECTED", "EXPIRED"])
def test_a_stop_that_failed_is_a_reason_to_compare_with_the_venue(status: str) -> None:
    assert events(stop_update(status)) == [StreamLost(why=f"stop stop-1 is {status}")]


@pytest.mark.parametrize("status", ["NEW", "TRIGGERING", "TRIGGERED", "FINISHED", "CANCELED"])
def test_the_normal_life_of_a_stop_says_nothing_that_its_order_does_not_say(status: str) -> None:
    assert events(stop_update(status)) == []


@pytest.mark.parametrize("kind", ["TRADE_LITE", "ACCOUNT_CONFIG_UPDATE", "MARGIN_CALL", "something new"])
def test_what_nothing_depends_on_is_left_out(kind: str) -> None:
    assert events({"e": kind, "o": {}}) == []


@pytest.mark.parametrize("wrong", [{"l": "NaN"}, {"z": None}, {"S": "LONG"}, {"i": None}, {"x": 7.5}, {"T": "soon"}])
def test_a_report_that_cannot_be_read_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        events(order_report(**wrong))


def test_a_trade_is_a_price_at_its_time() -> None:
    price = stream_mapping.trade_price(inner(trade("50000.1", at_ms=1_700_000_000_123), "data"))

    assert (price.symbol, price.price, price.at.microsecond) == ("BTCUSDT", Decimal("50000.1"), 123_000)


def test_a_candle_is_told_once_its_minute_is_over() -> None:
    running = stream_mapping.closed_candle(inner(kline(0, closed=False), "data"))
    over = stream_mapping.closed_candle(inner(kline(0), "data"))

    assert running is None
    assert over is not None
    assert (over.symbol, over.open, over.close) == ("BTCUSDT", Decimal("1.1"), Decimal("1.2"))
