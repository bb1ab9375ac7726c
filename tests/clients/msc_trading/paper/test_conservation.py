"""Whatever is done: money and quantities are neither made nor lost, and the same is done again in the same way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from paper_builders import BALANCE, NOON, config

from msc_client import Side
from msc_trading.paper import BTCUSDT, ETHUSDT
from msc_trading.paper.engine import Engine, Rejected, margin
from msc_trading.paper.engine.positions import signed
from msc_trading.paper.engine.values import (
    AlgoStatus,
    IncomeType,
    NewAlgo,
    NewOrder,
    OrderType,
    SelfTrade,
    TimeInForce,
)

Act = Callable[[Engine], object]
SYMBOLS = st.sampled_from(["BTCUSDT", "ETHUSDT"])
SIDES = st.sampled_from(list(Side))
QUANTITIES = st.integers(1, 60_000).map(lambda thousandths: Decimal(thousandths) / 1000)
PRICES = st.integers(300_000, 700_000).map(lambda tenths: Decimal(tenths) / 10)
NOTIONALS = st.sampled_from([OrderType.MARKET, OrderType.LIMIT])


@dataclass(frozen=True)
class Attempt:
    """Something a person might do; what is refused counts as done."""

    name: str
    act: Act

    def __call__(self, exchange: Engine) -> None:
        try:
            self.act(exchange)
        except Rejected:
            assert exchange.state.drain() == [], "a refusal must not tell of anything"


@st.composite
def orders(draw: st.DrawFn) -> Attempt:
    price = draw(st.none() | PRICES)
    order = NewOrder(
        symbol=draw(SYMBOLS),
        side=draw(SIDES),
        order_type=OrderType.MARKET if price is None else OrderType.LIMIT,
        quantity=draw(QUANTITIES),
        price=price,
        time_in_force=TimeInForce.GTC if price is None else draw(st.sampled_from(list(TimeInForce)[:4])),
        reduce_only=draw(st.booleans()),
        self_trade=draw(st.sampled_from(list(SelfTrade))),
    )
    return Attempt(f"place {order}", lambda exchange: exchange.place(order, exchange.state.now))


@st.composite
def algos(draw: st.DrawFn) -> Attempt:
    closes = draw(st.booleans())
    kinds = [OrderType.STOP_MARKET, OrderType.TAKE_PROFIT_MARKET]
    kind = draw(st.sampled_from(kinds if closes else [*kinds, OrderType.STOP, OrderType.TRAILING_STOP_MARKET]))
    algo = NewAlgo(
        symbol=draw(SYMBOLS),
        side=draw(SIDES),
        order_type=kind,
        trigger_price=draw(PRICES),
        price=draw(PRICES) if kind is OrderType.STOP else None,
        callback_rate=Decimal(2) if kind is OrderType.TRAILING_STOP_MARKET else None,
        quantity=None if closes else draw(QUANTITIES),
        close_position=closes,
        reduce_only=not closes and draw(st.booleans()),
    )
    return Attempt(f"place {algo}", lambda exchange: exchange.place_algo(algo, exchange.state.now))


@st.composite
def moves(draw: st.DrawFn) -> Attempt:
    symbol, price, jumps = draw(SYMBOLS), draw(PRICES), draw(st.booleans())
    later = timedelta(seconds=draw(st.integers(0, 20_000)))
    return Attempt(
        f"move {symbol} {price}",
        lambda exchange: exchange.move(symbol, price, exchange.state.now + later, jumps=jumps),
    )


def cancel_everything(exchange: Engine) -> None:
    for symbol in exchange.state.markets:
        exchange.cancel_all(symbol, exchange.state.now)
        exchange.cancel_all_algos(symbol, exchange.state.now)


OTHERS = st.sampled_from(
    [
        Attempt("cancel all", cancel_everything),
        Attempt("liquidate", lambda exchange: exchange.liquidate("BTCUSDT", exchange.state.now)),
        Attempt("leverage", lambda exchange: exchange.set_leverage("BTCUSDT", 50, exchange.state.now)),
    ]
)
DAYS = st.lists(orders() | algos() | moves() | moves() | OTHERS, max_size=40)


def lived_through(day: list[Attempt], balance: Decimal = BALANCE) -> Engine:
    exchange = Engine(config(replace(BTCUSDT, mark_lag=Decimal("0.25")), ETHUSDT, starting_balance=balance), NOON)
    for symbol in exchange.state.markets:
        exchange.move(symbol, Decimal(50000), NOON, jumps=True)
    exchange.drain()
    for attempt in day:
        attempt(exchange)
        exchange.drain()
    return exchange


@given(DAYS)
def test_the_wallet_is_the_start_and_everything_that_was_earned_and_paid(day: list[Attempt]) -> None:
    state = lived_through(day).state

    assert state.wallet == sum(income.amount for income in state.incomes)
    trades = [trade for found in state.trades.values() for trade in found]
    by_kind: Counter[IncomeType] = Counter()
    for income in state.incomes:
        by_kind[income.kind] += income.amount  # type: ignore[assignment]  # a Counter of Decimals
    assert by_kind[IncomeType.REALIZED_PNL] == sum(trade.realized for trade in trades)
    assert by_kind[IncomeType.COMMISSION] == -sum(trade.fee for trade in trades)


@given(DAYS)
def test_a_position_is_the_sum_of_its_fills(day: list[Attempt]) -> None:
    state = lived_through(day).state

    for symbol, position in state.positions.items():
        assert position.quantity == sum(signed(trade.side, trade.quantity) for trade in state.trades[symbol])
        assert position.realized == sum(trade.realized for trade in state.trades[symbol])
        assert (position.entry_price == 0) is (position.quantity == 0)


@given(DAYS)
def test_an_order_is_the_sum_of_its_fills_and_only_open_ones_are_listed_as_open(day: list[Attempt]) -> None:
    state = lived_through(day).state

    for order in state.orders.values():
        fills = [trade for trade in state.trades[order.symbol] if trade.order_id == order.order_id]
        assert order.executed == sum(trade.quantity for trade in fills) <= order.quantity
        assert order.quote == sum(trade.quote for trade in fills)
        assert (order.order_id in state.open_orders[order.symbol]) is order.status.is_open
    for algo in state.algos.values():
        assert (algo.algo_id in state.open_algos[algo.asked.symbol]) is (algo.status is AlgoStatus.NEW)


@given(DAYS)
def test_equity_is_what_closing_everything_at_the_mark_would_leave(day: list[Attempt]) -> None:
    state = lived_through(day).state

    bought = sum((signed(trade.side, trade.quote) for found in state.trades.values() for trade in found), Decimal(0))
    worth = sum(
        (position.quantity * state.markets[symbol].mark for symbol, position in state.positions.items()), Decimal(0)
    )
    other = sum((income.amount for income in state.incomes if income.kind is not IncomeType.REALIZED_PNL), Decimal(0))
    assert abs(margin.of_account(state).equity - (worth - bought + other)) < Decimal("0.0001")


@given(DAYS)
def test_no_resting_order_is_on_the_wrong_side_of_the_price(day: list[Attempt]) -> None:
    state = lived_through(day).state

    for symbol, found in state.open_orders.items():
        for order in found.values():
            market = state.markets[symbol]
            # One that was just touched may wait for the next level.
            assert order.price <= market.ask if order.side is Side.BUY else order.price >= market.bid


@given(st.lists(moves() | orders(), max_size=40), st.integers(2_000, 50_000))
def test_a_small_account_survives_every_move_with_no_debt(day: list[Attempt], balance: int) -> None:
    state = lived_through(day, Decimal(balance)).state

    assert state.wallet >= 0 or state.holds_anything
    if state.holds_anything:
        account = margin.of_account(state)
        assert account.equity > account.maintenance


@given(DAYS)
def test_the_same_day_twice_gives_the_same_orders_ids_and_trades(day: list[Attempt]) -> None:
    one, other = lived_through(day).state, lived_through(day).state

    assert (one.orders, one.algos, one.trades, one.incomes, one.wallet) == (
        other.orders,
        other.algos,
        other.trades,
        other.incomes,
        other.wallet,
    )


def test_another_seed_gives_other_ids() -> None:
    one, other = (Engine(config(seed=seed), NOON).state for seed in (1, 2))

    assert one.take_order_id() != other.take_order_id()
    assert one.make_client_id() != other.make_client_id()
