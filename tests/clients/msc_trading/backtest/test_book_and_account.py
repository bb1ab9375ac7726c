from __future__ import annotations

from decimal import Decimal

import pytest
from backtest_builders import BTC, ETH, START, bar
from hypothesis import given
from hypothesis import strategies as st

from msc_client.facts import Direction, TradeSource
from msc_trading.backtest.account import Account
from msc_trading.backtest.book import Book, Leg, Order, fee_of
from msc_trading.market import MINUTE

FEE = Decimal("0.0004")


def order(strategy_id: str = "A_001", symbol: str = BTC, *, long: bool = True, quantity: str = "2") -> Order:
    return Order(
        trade_id=f"t-{strategy_id}-{symbol}",
        strategy_id=strategy_id,
        symbol=symbol,
        direction=Direction.LONG if long else Direction.SHORT,
        quantity=Decimal(quantity),
        stop=Decimal(90 if long else 110),
        risk=Decimal(20),
        notional=Decimal(quantity) * 100,
        policy_version=3,
    )


def test_an_order_becomes_a_leg_and_a_leg_ends_once() -> None:
    book = Book()
    book.enter(order())
    assert book.holds(("A_001", BTC))
    (leg,) = book.entered(bar(1, [100]), START)
    assert (leg.entry_price, book.waiting) == (Decimal(100), {})
    book.leave(("A_001", BTC))
    assert not book.holds(("A_001", BTC))
    assert book.left(bar(2, [104])) == [leg]
    assert book.left(bar(3, [104])) == []
    assert not book.is_busy


def test_prices_of_another_symbol_fill_nothing() -> None:
    book = Book()
    book.enter(order())
    other = bar(1, [1], symbol=ETH)
    assert book.entered(other, START) == []
    book.entered(bar(1, [100]), START)
    book.leave(("A_001", BTC))
    assert (book.left(other), book.stopped(other)) == ([], [])
    assert book.is_busy


def test_every_leg_has_its_own_stop() -> None:
    book = Book()
    book.enter(order("A_001"))
    book.enter(order("B_001", long=False))
    book.entered(bar(1, [100]), START)
    hit = book.stopped(bar(2, [100, 111, 95, 100]))
    assert [(leg.order.strategy_id, price) for leg, price in hit] == [("B_001", Decimal(110))]
    assert set(book.legs) == {("A_001", BTC)}


def test_a_trade_says_what_the_leg_was() -> None:
    leg = Leg(order=order(long=False), entry_price=Decimal(100), opened_at=START)
    trade = leg.closed(Decimal(95), START + MINUTE, fee_rate=FEE, source=TradeSource.SHADOW)
    assert (trade.trade_id, trade.policy_version, trade.risk_at_entry) == ("t-A_001-BTCUSDT", 3, Decimal(20))
    assert (trade.gross_pnl, trade.fees) == (Decimal(10), Decimal("0.156"))
    assert trade.net_pnl == Decimal("9.844")
    assert (trade.direction, trade.source) == (Direction.SHORT, TradeSource.SHADOW)


def test_a_fee_is_kept_to_the_eighth_place() -> None:
    assert fee_of(Decimal("0.001"), Decimal("46377.123456"), FEE) == Decimal("0.01855085")


MOVES = st.lists(
    st.tuples(
        st.sampled_from(["A_001", "B_001"]),
        st.sampled_from([BTC, ETH]),
        st.booleans(),
        st.integers(1, 50),
        st.integers(50, 150),
    ),
    min_size=1,
    max_size=30,
)


@given(moves=MOVES)
def test_equity_is_the_start_plus_every_gain_minus_every_fee(moves: list[tuple[str, str, bool, int, int]]) -> None:
    account = Account("backtest", Decimal(10_000), FEE)
    legs: dict[tuple[str, str], Leg] = {}
    realised = fees = Decimal(0)
    lowest = peak = Decimal(10_000)
    fall = Decimal(0)
    for strategy_id, symbol, long, quantity, price in moves:
        key, mark = (strategy_id, symbol), Decimal(price)
        account.marks[symbol] = mark
        leg = legs.pop(key, None)
        if leg is None:
            legs[key] = Leg(
                order=order(strategy_id, symbol, long=long, quantity=str(quantity)), entry_price=mark, opened_at=START
            )
            account.opened(legs[key])
            fees += fee_of(Decimal(quantity), mark, FEE)
        else:
            trade = leg.closed(mark, START, fee_rate=FEE, source=TradeSource.LIVE)
            account.closed(leg, trade)
            realised += trade.gross_pnl
            fees += fee_of(leg.order.quantity, mark, FEE)
        account.mark()
        open_gain = sum(
            (item.order.signed * (account.marks[item.order.symbol] - item.entry_price) for item in legs.values()),
            Decimal(0),
        )
        assert account.wallet == 10_000 + realised - fees
        assert account.equity == account.wallet + open_gain
        reading = account.reading(START)
        assert reading.wallet_balance + reading.unrealized_pnl == account.equity
        peak, lowest = max(peak, account.equity), min(lowest, account.equity)
        fall = max(fall, (peak - account.equity) / peak)
    assert account.max_drawdown == fall
    assert (account.max_drawdown > 0) is (lowest < 10_000 or fall > 0)


@pytest.mark.parametrize("long", [True, False])
def test_a_flat_account_is_worth_its_wallet_wherever_prices_go(long: bool) -> None:
    account = Account("backtest", Decimal(10_000), FEE)
    leg = Leg(order=order(long=long), entry_price=Decimal(100), opened_at=START)
    account.marks[BTC] = Decimal(100)
    account.opened(leg)
    account.closed(leg, leg.closed(Decimal(101), START, fee_rate=FEE, source=TradeSource.LIVE))
    for price in (1, 1_000_000):
        account.marks[BTC] = Decimal(price)
        account.mark()
        assert account.equity == account.wallet
