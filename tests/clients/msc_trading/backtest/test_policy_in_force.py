"""What a policy does to signals, and what the side without a controller does meanwhile."""

from __future__ import annotations

from decimal import Decimal

import pytest
from backtest_builders import (
    ETH,
    START,
    Say,
    Scripted,
    ScriptedController,
    always,
    bars,
    leave,
    merged,
    played,
    policy,
)

from msc_client.facts import Direction, TradeSource
from msc_client.policy import RiskMode, TradingState
from msc_trading.backtest import BacktestReport
from msc_trading.guard import GuardConfig
from msc_trading.market import MINUTE

FLAT = bars(*[100] * 6)


def blocks(report: BacktestReport) -> dict[str, int]:
    return report.controlled.blocks_by_reason


def test_nobody_on_the_list_means_nobody_trades() -> None:
    report = played(FLAT, Scripted(Say(minute=0)), controller=always(allowed=()))
    assert report.controlled.trades == ()
    assert blocks(report) == {"STRATEGY_NOT_ALLOWED": 1}
    assert report.controlled.final_equity == 10_000


def test_the_fixed_side_trades_what_the_controller_refuses() -> None:
    report = played(FLAT, Scripted(Say(minute=0)), controller=always(allowed=()))
    (trade,) = report.fixed.trades
    assert trade.risk_at_entry is not None
    assert Decimal("74.9") < trade.risk_at_entry <= 75
    assert report.fixed.blocks == {}
    assert [step.policy.risk_mode for step in report.fixed.policies] == [RiskMode.NORMAL]


def test_a_strategy_without_a_name_never_enters_not_even_on_paper() -> None:
    report = played(FLAT, Scripted(Say(minute=0), strategy_id=""), controller=always(allowed=("",)))
    for side in (report.controlled, report.fixed):
        assert side.blocks == {("", "STRATEGY_NOT_ALLOWED"): 1}
        assert (side.trades, side.shadow_trades) == ((), ())


@pytest.mark.parametrize(("confidence", "entries"), [(0.6, 1), (0.5999, 0), (None, 0), (float("nan"), 0)])
def test_a_confidence_equal_to_the_threshold_passes(confidence: float | None, entries: int) -> None:
    report = played(FLAT, Scripted(Say(minute=0, confidence=confidence)))
    assert report.controlled.entries == entries
    assert blocks(report) == ({} if entries else {"CONFIDENCE_TOO_LOW": 1})


@pytest.mark.parametrize("stop", [None, 100.0, 101.0])
def test_an_entry_without_a_stop_that_protects_is_refused(stop: float | None) -> None:
    report = played(FLAT, Scripted(Say(minute=0, stop=stop)))
    assert blocks(report) == {"RISK_PER_TRADE": 1}


@pytest.mark.parametrize(
    ("state", "reason"),
    [(TradingState.REDUCING, "TRADING_REDUCING"), (TradingState.HALTED, "TRADING_HALTED")],
)
def test_a_stop_of_trading_refuses_entries_and_lets_exits_through(state: TradingState, reason: str) -> None:
    controller = ScriptedController({0: policy(), 2: policy(2, trading_state=state)})
    script = Scripted(Say(minute=0), leave(2), Say(minute=3))
    report = played(FLAT, script, controller=controller, evaluate_every_min=1)
    (trade,) = report.controlled.trades
    assert trade.closed_at < START + 4 * MINUTE
    assert blocks(report) == {reason: 1}
    assert len(report.fixed.trades) == 2


def test_the_policy_of_the_moment_of_the_signal_decides() -> None:
    controller = ScriptedController({0: policy(), 2: policy(2, allowed=())})
    script = Scripted(Say(minute=0), leave(0), Say(minute=1))
    report = played(FLAT, script, controller=controller, evaluate_every_min=1)
    # Both are of the instant after minute 1: the evaluation of that instant comes first.
    assert blocks(report) == {"STRATEGY_NOT_ALLOWED": 1}
    assert [step.policy.ref.version for step in report.controlled.policies] == [1, 2]
    assert report.controlled.policies[1].at == START + 2 * MINUTE


def test_a_position_outlives_the_policy_that_let_it_in() -> None:
    controller = ScriptedController({0: policy(), 2: policy(2, allowed=())})
    report = played(FLAT, Scripted(Say(minute=0), leave(3)), controller=controller, evaluate_every_min=1)
    (trade,) = report.controlled.trades
    assert (trade.policy_version, trade.source) == (1, TradeSource.LIVE)
    assert trade.closed_at > START + 4 * MINUTE


def test_a_policy_with_an_older_number_lets_nobody_in() -> None:
    controller = ScriptedController({0: policy(5), 1: policy(4)})
    report = played(FLAT, Scripted(Say(minute=2)), controller=controller, evaluate_every_min=1)
    assert blocks(report) == {"POLICY_REGRESSED": 1}


def test_probation_risks_its_share_and_has_its_own_counts() -> None:
    script = Scripted(Say(minute=0), leave(1), Say(minute=3))
    controller = always(allowed=("A_001",), probation=("A_001",), max_daily_trades=10)
    report = played(FLAT, script, controller=controller)
    (trade,) = report.controlled.trades
    assert trade.risk_at_entry is not None
    assert Decimal("24.9") < trade.risk_at_entry <= 25
    assert blocks(report) == {"STRATEGY_CAP": 1}


def test_probation_holds_one_position() -> None:
    candles = merged(FLAT, bars(*[50] * 6, symbol=ETH))
    script = Scripted(Say(minute=0), Say(minute=1, symbol=ETH, stop=45))
    controller = always(probation=("A_001",), max_daily_trades=100)
    assert blocks(played(candles, script, controller=controller)) == {"STRATEGY_CAP": 1}


def test_the_days_trades_end_at_the_limit_and_begin_again_at_midnight() -> None:
    says = [say for minute in range(0, 9, 2) for say in (Say(minute=minute), leave(minute + 1))]
    tomorrow = [Say(minute=1440 + 5), leave(1440 + 6)]
    candles = bars(*[100] * 1460)
    report = played(candles, Scripted(*says, *tomorrow), controller=always(max_daily_trades=3))
    assert blocks(report) == {"MAX_DAILY_TRADES": 2}
    assert len(report.controlled.trades) == 4
    assert len(report.fixed.trades) == 6


def test_positions_are_limited_by_symbol() -> None:
    candles = merged(FLAT, bars(*[50] * 6, symbol=ETH))
    scripts = (Scripted(Say(minute=0)), Scripted(Say(minute=0, symbol=ETH, stop=45), strategy_id="B_001"))
    controller = always(allowed=("A_001", "B_001"), max_positions=1)
    report = played(candles, *scripts, controller=controller)
    assert report.controlled.blocks == {("B_001", "MAX_POSITIONS"): 1}
    assert len(report.fixed.trades) == 2


def test_a_symbol_has_one_owner_unless_it_is_shared() -> None:
    scripts = [Scripted(Say(minute=0), strategy_id=id_) for id_ in ("A_001", "B_001")]
    both = always(allowed=("A_001", "B_001"))
    alone = played(FLAT, *scripts, controller=both)
    assert alone.controlled.blocks == {("B_001", "SYMBOL_HELD"): 1}
    shared = played(FLAT, *scripts, controller=both, share_symbols=True)
    assert {trade.strategy_id for trade in shared.controlled.trades} == {"A_001", "B_001"}


def test_sharing_strategies_do_not_enter_against_each_other() -> None:
    against = Scripted(Say(minute=2, direction=Direction.SHORT, stop=110), strategy_id="B_001")
    both = always(allowed=("A_001", "B_001"))
    report = played(FLAT, Scripted(Say(minute=0)), against, controller=both, share_symbols=True)
    assert report.controlled.blocks == {("B_001", "FLIP_NOT_ALLOWED"): 1}


def test_sharing_strategies_stay_within_the_exposure_together() -> None:
    scripts = [Scripted(Say(minute=0, stop=99.9), strategy_id=id_) for id_ in ("A_001", "B_001")]
    report = played(FLAT, *scripts, controller=always(allowed=("A_001", "B_001")), share_symbols=True)
    # Each would take twice the equity; three times is the guard's limit for a symbol.
    assert report.controlled.blocks == {("B_001", "MAX_EXPOSURE"): 1}


def test_a_limit_that_latches_stays_because_nobody_clears_it() -> None:
    guard = GuardConfig(max_order_notional=Decimal(10**9), max_losing_streak=1)
    script = Scripted(Say(minute=0), leave(1), Say(minute=2), Say(minute=4))
    report = played(FLAT, script, guard=guard)
    assert blocks(report) == {"LOSS_STREAK": 2}


def test_a_benched_strategy_goes_on_on_paper() -> None:
    controller = always(allowed=())
    script = Scripted(Say(minute=0), leave(3))
    report = played(bars(100, 100, 100, 106, 106, 106), script, controller=controller)
    (trade,) = report.controlled.shadow_trades
    assert trade.source is TradeSource.SHADOW
    assert (trade.entry_price, trade.exit_price) == (Decimal(100), Decimal(106))
    assert controller.trades == [trade]
    assert {point.wallet_balance for point in controller.points} == {Decimal(10_000)}
    assert report.fixed.shadow_trades == ()


def test_a_trade_on_paper_is_stopped_like_one_with_money() -> None:
    script = Scripted(Say(minute=0, stop=90))
    report = played(bars(100, 100, (100, 101, 88, 95), 95), script, controller=always(allowed=()))
    (trade,) = report.controlled.shadow_trades
    assert trade.exit_price == 90
    assert trade.risk_at_entry == -trade.net_pnl


def test_a_strategy_on_paper_is_in_a_symbol_once_and_takes_no_place() -> None:
    benched = Scripted(Say(minute=0), Say(minute=1), leave(3), strategy_id="B_001")
    report = played(FLAT, benched, Scripted(Say(minute=2)))
    assert [trade.strategy_id for trade in report.controlled.shadow_trades] == ["B_001"]
    assert [trade.strategy_id for trade in report.controlled.trades] == ["A_001"]


def test_a_strategy_that_is_let_in_while_on_paper_ends_both_with_its_exit() -> None:
    controller = ScriptedController({0: policy(allowed=()), 2: policy(2)})
    script = Scripted(Say(minute=0), Say(minute=2), leave(3))
    report = played(FLAT, script, controller=controller, evaluate_every_min=1)
    assert len(report.controlled.shadow_trades) == len(report.controlled.trades) == 1


def test_an_entry_that_is_refused_for_another_reason_is_not_tried_on_paper() -> None:
    report = played(FLAT, Scripted(Say(minute=0, confidence=0.1), leave(2)))
    assert report.controlled.shadow_trades == ()
