"""How orders become trades: prices, fees, stops and sizes."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from backtest_builders import BTC, ETH, START, Say, Scripted, always, bars, leave, merged, played

from msc_client.facts import ClosedTrade, Direction
from msc_trading.backtest import BacktestReport, Side
from msc_trading.market import MINUTE

SHORT = Direction.SHORT
SECOND = timedelta(seconds=1)


def only(report: BacktestReport) -> ClosedTrade:
    (trade,) = report.controlled.trades
    return trade


def test_an_order_is_filled_at_the_open_after_its_signal() -> None:
    candles = bars(100, (101, 103, 100, 102), 105, (104, 106, 103, 105))
    trade = only(played(candles, Scripted(Say(minute=0), leave(2))))
    assert (trade.entry_price, trade.exit_price) == (Decimal(101), Decimal(104))
    assert trade.opened_at == START + MINUTE + SECOND
    assert trade.closed_at == START + 3 * MINUTE + SECOND


def test_both_sides_of_a_trade_pay_the_fee() -> None:
    trade = only(played(bars(100, 100, 110, 110), Scripted(Say(minute=0), leave(2))))
    quantity = trade.quantity
    assert trade.gross_pnl == 10 * quantity
    assert trade.fees == (100 + 110) * quantity * Decimal("0.0004")
    assert trade.net_pnl == trade.gross_pnl - trade.fees
    assert trade.funding == 0


def test_a_short_wins_when_the_price_falls() -> None:
    script = Scripted(Say(minute=0, direction=SHORT, stop=110), leave(2, SHORT))
    trade = only(played(bars(100, 100, 90, 90), script))
    assert trade.gross_pnl == 10 * trade.quantity


@pytest.mark.parametrize(
    ("direction", "stop", "minute", "price"),
    [
        (Direction.LONG, 95, (100, 101, 94, 100), 95),
        (Direction.LONG, 95, (100, 101, 95, 100), 95),
        (Direction.LONG, 95, (93, 99, 92, 98), 93),
        (SHORT, 105, (100, 106, 99, 100), 105),
        (SHORT, 105, (107, 108, 101, 102), 107),
    ],
    ids=["inside the bar", "touched", "gapped through", "short inside", "short gapped through"],
)
def test_a_stop_fills_at_its_price_or_at_a_worse_open(
    direction: Direction, stop: float, minute: tuple[float, float, float, float], price: int
) -> None:
    trade = only(played(bars(100, 100, minute, 100), Scripted(Say(minute=0, direction=direction, stop=stop))))
    assert trade.exit_price == price
    assert trade.closed_at == START + 3 * MINUTE


def test_a_minute_that_reaches_the_stop_is_a_loss_whatever_else_it_reached() -> None:
    trade = only(played(bars(100, 100, (100, 150, 89, 150), 150), Scripted(Say(minute=0, stop=90))))
    assert trade.exit_price == 90
    assert trade.net_pnl < 0


def test_a_position_can_be_stopped_in_its_first_minute() -> None:
    trade = only(played(bars(100, (100, 101, 89, 100), 100), Scripted(Say(minute=0, stop=90))))
    assert (trade.entry_price, trade.exit_price) == (Decimal(100), Decimal(90))
    assert trade.opened_at < trade.closed_at


def test_an_exit_that_waits_goes_before_the_stop_of_its_minute() -> None:
    trade = only(played(bars(100, 100, 100, (99, 99, 80, 80)), Scripted(Say(minute=0, stop=90), leave(2))))
    assert trade.exit_price == 99


def test_an_exit_cancels_an_entry_that_has_not_been_filled() -> None:
    report = played(bars(100, 100, 100), Scripted(Say(minute=0), leave(0)))
    assert report.controlled.trades == ()
    assert report.controlled.entries == 1
    assert report.controlled.final_equity == 10_000


def test_an_exit_with_nothing_to_close_does_nothing() -> None:
    report = played(bars(100, 100, 100), Scripted(leave(0)))
    assert (report.controlled.trades, report.exit_signals) == ((), 1)


def test_what_is_open_at_the_end_is_closed_at_the_last_close() -> None:
    controller = always()
    report = played(bars(100, 100, 104), Scripted(Say(minute=0)), controller=controller)
    assert only(report).exit_price == 104
    assert report.controlled.closed_at_end == 1
    assert controller.trades == []


def test_an_order_at_the_last_close_finds_no_price_any_more() -> None:
    report = played(bars(100, 100), Scripted(Say(minute=1)))
    assert (report.controlled.entries, report.controlled.trades) == (1, ())


def test_a_reversal_closes_and_opens_at_the_same_price() -> None:
    script = Scripted(Say(minute=0), leave(1), Say(minute=1, direction=SHORT, stop=120), leave(3, SHORT))
    report = played(bars(100, 100, 110, 110, 100), script)
    first, second = report.controlled.trades
    assert (first.exit_price, second.entry_price) == (Decimal(110), Decimal(110))
    assert (first.direction, second.direction) == (Direction.LONG, SHORT)


def test_an_order_waits_for_the_next_price_of_its_own_symbol() -> None:
    eth = [*bars(50, symbol=ETH), *bars(52, 52, symbol=ETH, first=3)]
    report = played(merged(bars(100, 100, 100, 100, 100), eth), Scripted(Say(minute=0, symbol=ETH, stop=40)))
    trade = only(report)
    assert (trade.symbol, trade.entry_price) == (ETH, Decimal(52))
    assert report.missing_minutes == 2


def test_the_size_loses_at_its_stop_what_the_policy_allows() -> None:
    trade = only(played(bars(100, 100, (100, 100, 90, 90), 90), Scripted(Say(minute=0, stop=90))))
    # 1 % of 10,000, fees included, rounded down to a step of 0.001.
    assert trade.quantity == Decimal("9.924")
    assert trade.risk_at_entry is not None
    assert Decimal("99.9") < trade.risk_at_entry <= 100
    assert -trade.net_pnl == trade.risk_at_entry


def test_a_narrow_stop_does_not_buy_more_than_the_leverage_allows() -> None:
    trade = only(played(bars(100, 100, 100), Scripted(Say(minute=0, stop=99.9)), max_leverage=Decimal(1)))
    assert trade.quantity == 100


def test_a_quantity_has_no_more_places_than_it_needs() -> None:
    trade = only(played(bars(97.3, 97.3, 97.3), Scripted(Say(minute=0, stop=91.7))))
    assert trade.quantity.as_tuple().exponent == -3


def test_size_follows_equity() -> None:
    script = Scripted(Say(minute=0), leave(1), Say(minute=3), leave(4))
    winner, later = played(bars(100, 100, 200, 100, 100, 100), script).controlled.trades
    assert winner.net_pnl > 900
    assert later.quantity > winner.quantity


def test_equity_is_what_it_began_with_and_every_trade() -> None:
    script = Scripted(Say(minute=0), leave(2), Say(minute=3, direction=SHORT, stop=110), Say(minute=9))
    report = played(bars(100, 101, 103, 104, (98, 115, 97, 100), 100, 100), script)
    side = report.controlled
    assert len(side.trades) == 2
    assert side.final_equity == side.starting_equity + side.net_pnl
    assert side.fees == sum(trade.fees for trade in side.trades)
    assert side.winrate == 0.5


def test_the_drawdown_is_the_deepest_fall_of_equity_by_closes() -> None:
    controller = always()
    closes = (100, 100, 108, 104, 111, 93, 97, 96)
    report = played(bars(*closes), Scripted(Say(minute=0, stop=80)), controller=controller)
    equities = [Decimal(10_000), *(point.wallet_balance + point.unrealized_pnl for point in controller.points)]
    falls = [1 - equity / max(equities[: number + 1]) for number, equity in enumerate(equities)]
    assert report.controlled.max_drawdown_pct == pytest.approx(float(max(falls)) * 100)
    assert report.controlled.max_drawdown_pct > 0.5


def test_an_account_that_is_ruined_opens_nothing_more() -> None:
    script = Scripted(Say(minute=0, stop=99.9), Say(minute=3, stop=1))
    report = played(bars(100, 100, (10, 10, 10, 10), 10, 10, 10), script, max_leverage=Decimal(2))
    assert report.controlled.final_equity < 0
    assert len(report.controlled.trades) == 1
    assert sum(report.controlled.blocks.values()) == 1


def sides(report: BacktestReport) -> tuple[Side, Side]:
    return report.controlled, report.fixed


def test_a_strategy_in_a_symbol_is_not_let_in_again() -> None:
    report = played(bars(100, 100, 100, 100), Scripted(Say(minute=0), Say(minute=1), Say(minute=2)))
    for side in sides(report):
        assert (side.entries, side.repeated, len(side.trades)) == (1, 2, 1)


def test_signals_are_counted_by_kind() -> None:
    report = played(bars(100, 100, 100), Scripted(Say(minute=0), leave(1), leave(2)))
    assert (report.entry_signals, report.exit_signals) == (1, 2)
    assert report.symbols == (BTC,)
