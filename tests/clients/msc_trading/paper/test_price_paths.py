"""Properties of prices on their way: what they pass, what they trigger, what is paid."""

from __future__ import annotations

import itertools
from decimal import Decimal

from hypothesis import assume, given
from hypothesis import strategies as st
from paper_builders import DEEP, NOON, Changes, engine, go, limit, market, stop

from msc_client import Side
from msc_trading.market import Candle
from msc_trading.paper.engine.values import AlgoStatus, OrderType, Status
from msc_trading.paper.feed import Feed, walk

TENTHS = st.integers(450_000, 550_000).map(lambda tenths: Decimal(tenths) / 10)
WAYS = st.lists(TENTHS, min_size=1, max_size=12)
ONE: Changes = {"close_position": False, "quantity": Decimal(1)}


@st.composite
def minutes(draw: st.DrawFn) -> list[Candle]:
    found = []
    for number in range(draw(st.integers(1, 6))):
        low, opened, closed, high = sorted(draw(st.tuples(TENTHS, TENTHS, TENTHS, TENTHS)))
        if draw(st.booleans()):
            opened, closed = closed, opened
        found.append(
            Candle(
                symbol="BTCUSDT",
                open_time=NOON.replace(minute=number),
                open=opened,
                high=high,
                low=low,
                close=closed,
                volume=Decimal(draw(st.integers(0, 1000))),
            )
        )
    return found


@given(minutes())
def test_a_way_touches_all_four_prices_and_leaves_the_bar_nowhere(candles: list[Candle]) -> None:
    for candle in candles:
        prices = [point.price for point in walk(candle)]

        assert prices[0] == candle.open
        assert prices[-1] == candle.close
        assert (max(prices), min(prices)) == (candle.high, candle.low)


@given(minutes())
def test_the_bars_made_of_a_way_are_the_candles_it_came_from(candles: list[Candle]) -> None:
    exchange = engine(DEEP)
    feed = Feed({"BTCUSDT": candles}, origin=NOON)

    for point in feed.until(NOON.replace(hour=23)):
        exchange.move(
            point.symbol, point.price, point.at, quantity=point.quantity, jumps=point.jumps, closes_bar=point.closes_bar
        )

    made = list(exchange.state.markets["BTCUSDT"].bars.of("1m"))[-len(candles) :]
    # The first minute also holds the price that the engine started with.
    for bar, candle in list(zip(made, candles, strict=True))[1:]:
        assert (bar.open, bar.high, bar.low, bar.close) == (candle.open, candle.high, candle.low, candle.close)
        assert bar.closed


@given(TENTHS, WAYS)
def test_a_stop_on_a_way_without_jumps_is_filled_at_its_price(trigger: Decimal, way: list[Decimal]) -> None:
    assume(trigger < 50_000)
    exchange = engine(DEEP)
    exchange.place(market(), NOON)
    algo = exchange.place_algo(stop(Side.SELL, str(trigger)), NOON)

    for price in way:
        go(exchange, str(price))

    reached = min(way) <= trigger
    after = exchange.state.algos[algo.algo_id]
    assert (after.status is AlgoStatus.FINISHED) is reached
    if reached:
        assert after.average_price == trigger


@given(TENTHS, WAYS, st.sampled_from(list(Side)))
def test_a_resting_order_is_filled_at_its_price_when_the_price_goes_through_it(
    price: Decimal, way: list[Decimal], side: Side
) -> None:
    assume(price < 50_000 if side is Side.BUY else price > 50_001)
    exchange = engine(DEEP)
    order = exchange.place(limit(side, "1", str(price)), NOON)

    for each in way:
        go(exchange, str(each))

    after = exchange.state.orders[order.order_id]
    tick = DEEP.tick_size
    through = min(way) + tick <= price if side is Side.BUY else max(way) >= price
    assert (after.status is Status.FILLED) is through
    if through:
        assert after.average_price == price


@given(WAYS, st.sampled_from([Side.BUY, Side.SELL]), st.integers(1, 50).map(lambda tenths: Decimal(tenths) / 10))
def test_a_trailing_stop_never_gives_back_more_than_its_rate(way: list[Decimal], side: Side, rate: Decimal) -> None:
    exchange = engine(DEEP)
    asked = stop(side, order_type=OrderType.TRAILING_STOP_MARKET, callback_rate=rate, trigger_price=None, **ONE)
    algo = exchange.place_algo(asked, NOON)

    for price in way:
        go(exchange, str(price))

    after = exchange.state.algos[algo.algo_id]
    assert after.extreme is not None
    fraction = rate / 100
    furthest = after.extreme * (1 - fraction if side is Side.SELL else 1 + fraction)
    assert after.trigger_price == furthest
    if after.status is AlgoStatus.FINISHED:
        # A tick for the trigger off the tick, another for the spread.
        assert abs(after.average_price - furthest) <= 2 * DEEP.tick_size


@given(st.lists(TENTHS, min_size=2, max_size=10))
def test_where_a_way_is_cut_does_not_change_what_stops_do(way: list[Decimal]) -> None:
    def ended(points: list[Decimal]) -> list[tuple[Decimal, Decimal]]:
        exchange = engine(DEEP)
        exchange.place(market(quantity="3"), NOON)
        for trigger in ("49500", "49000", "48000"):
            exchange.place_algo(stop(Side.SELL, trigger, **ONE), NOON)
        for price in points:
            go(exchange, str(price))
        return [(trade.price, trade.quantity) for trade in exchange.state.trades["BTCUSDT"]]

    halves = [Decimal(50_000), *way]
    cut = [
        price
        for before, after in itertools.pairwise(halves)
        for price in (((before + after) / 2).quantize(Decimal("0.1")), after)
    ]

    assert ended(way) == ended(cut)
