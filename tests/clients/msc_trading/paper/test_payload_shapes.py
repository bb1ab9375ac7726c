"""For each recorded payload: the same keys, and values of the same types."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import pytest
from paper_builders import NOON, Changes, Json, config, engine, go, limit, market, payload, stop

from msc_trading.paper import BTCUSDT
from msc_trading.paper.engine import Engine
from msc_trading.paper.engine.events import Event, OrderEvent, PriceMoved
from msc_trading.paper.engine.values import Execution
from msc_trading.paper.http import account_shapes, market_shapes, order_shapes
from msc_trading.paper.http.market_messages import channel_of, market_message
from msc_trading.paper.http.private_messages import private_message

SYMBOLS = frozenset({"BTCUSDT"})


def shape(value: Json) -> Json:
    """Returns keys and types; of a list, the shape that its entries have in common."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in sorted(value.items())}
    if isinstance(value, list):
        return [shape(each) for each in value[:1]]
    return type(value).__name__


def assert_same_shape(ours: Json, recorded: Json) -> None:
    assert shape(ours) == shape(recorded)


def assert_holds_shape(ours: Json, recorded: Json) -> None:
    """Ours may say more: the venue has added to these answers since they were recorded."""
    expected, given = shape(recorded), shape(ours)
    assert {key: given.get(key) for key in expected} == expected


def lived() -> tuple[Engine, list[Event]]:
    """Returns an engine in which an order, a stop and a resting order were placed, and what it told."""
    exchange = engine(BTCUSDT)
    exchange.place(market(), NOON)
    exchange.place_algo(stop(), NOON)
    exchange.place(limit(), NOON)
    return exchange, exchange.drain()


def message(kind: str, **wanted: Changes) -> Json:
    """Returns the first private message of a kind."""
    exchange, events = lived()
    messages = [private_message(exchange.state, event) for event in events if matches(event, wanted)]
    return next(each for each in messages if each is not None and each["e"] == kind)


def matches(event: Event, wanted: dict[str, object]) -> bool:
    return all(getattr(event, name, None) == value for name, value in wanted.items())


def test_exchange_info_says_what_the_venue_says() -> None:
    recorded = payload("exchange_info__btcusdt")

    ours = market_shapes.symbol_shape(BTCUSDT)

    def by_type(filters: Iterable[Json]) -> dict[str, Json]:
        return {each["filterType"]: each for each in filters}

    filters: Json = ours.pop("filters")
    assert by_type(filters) == by_type(recorded.pop("filters"))
    assert ours == recorded


def test_an_order() -> None:
    exchange, _ = lived()

    assert_same_shape(
        order_shapes.order_shape(BTCUSDT, next(iter(exchange.state.orders.values()))),
        payload("http_json__order_response"),
    )


def test_open_conditional_orders() -> None:
    exchange, _ = lived()
    (recorded,) = payload("http_json__open_algo_orders")

    assert_holds_shape(order_shapes.algo_shape(BTCUSDT, next(iter(exchange.state.algos.values()))), recorded)


def test_the_balance() -> None:
    exchange, _ = lived()

    assert_same_shape(account_shapes.balance_shapes(exchange.state), payload("http_json__balance"))


def test_a_position() -> None:
    exchange, _ = lived()
    (recorded,) = payload("http_json__position_risk")

    assert_holds_shape(account_shapes.position_shape(exchange.state, exchange.state.positions["BTCUSDT"]), recorded)


def test_a_new_order_on_the_stream() -> None:
    assert_same_shape(
        message("ORDER_TRADE_UPDATE", execution=Execution.NEW), payload("user_data_json__order_update_new")
    )


def test_a_fill_on_the_stream() -> None:
    assert_same_shape(
        message("ORDER_TRADE_UPDATE", execution=Execution.TRADE), payload("user_data_json__order_update_trade")
    )


@pytest.mark.parametrize(
    ("kind", "recording"),
    [
        ("TRADE_LITE", "user_data_json__trade_lite"),
        ("ACCOUNT_UPDATE", "user_data_json__account_update"),
        ("ALGO_UPDATE", "user_data_json__algo_update_new"),
    ],
)
def test_other_messages_of_the_account(kind: str, recording: str) -> None:
    assert_same_shape(message(kind), payload(recording))


@pytest.mark.parametrize(
    ("stream", "recording"),
    [
        ("btcusdt@aggTrade", "market_data_json__agg_trade_stream"),
        ("btcusdt@bookTicker", "market_data_json__book_ticker_stream"),
        ("btcusdt@kline_1m", "market_data_json__kline_stream_closed"),
        ("btcusdt@markPrice@1s", "market_data_json__mark_price_stream"),
    ],
)
def test_messages_of_the_market(stream: str, recording: str) -> None:
    exchange = engine(BTCUSDT)
    go(exchange, "50010", quantity=Decimal(2), after_s=59.999, closes_bar=True)
    (moved,) = [event for event in exchange.drain() if isinstance(event, PriceMoved)]
    channel = channel_of(stream, SYMBOLS)
    assert channel is not None

    assert_same_shape(market_message(exchange, channel, moved), payload(recording))


def test_a_closed_bar_says_so_and_is_told_when_the_next_minute_starts() -> None:
    exchange = engine(BTCUSDT)
    go(exchange, "50010", quantity=Decimal(2), after_s=59.999, closes_bar=True)
    (moved,) = [event for event in exchange.drain() if isinstance(event, PriceMoved)]
    channel = channel_of("btcusdt@kline_1m", SYMBOLS)
    assert channel is not None

    told: Json = market_message(exchange, channel, moved)

    assert (told["k"]["x"], told["k"]["c"], told["E"] - told["k"]["t"]) == (True, "50010.00", 60_000)


def test_a_rejected_reduce_is_never_reported_as_an_order() -> None:
    exchange = engine(BTCUSDT)
    exchange.place_algo(stop(), NOON)
    go(exchange, "48000")

    assert not [event for event in exchange.drain() if isinstance(event, OrderEvent)]


def test_a_book_without_a_price_is_empty_and_says_zero_for_its_best() -> None:
    quiet = Engine(config(), NOON).state.markets["BTCUSDT"]

    ticker = market_shapes.book_ticker_shape(quiet, NOON)
    depth = market_shapes.depth_shape(quiet, 5, NOON)

    assert (ticker["bidPrice"], ticker["bidQty"], ticker["askPrice"], ticker["askQty"]) == ("0.00", "0.000") * 2
    assert (depth["bids"], depth["asks"]) == ([], [])
