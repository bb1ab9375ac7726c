"""The run as a whole: its clock, what the controller hears, and what holds for every market."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path

import pytest
from backtest_builders import BTC, ETH, START, Say, Scripted, ScriptedController, always, bars, leave, played, policy
from hypothesis import given, settings
from hypothesis import strategies as st

from msc_client.facts import ClosedTrade, EquityPoint
from msc_client.policy import Policy, RiskMode, TradingState
from msc_trading.backtest import BacktestConfig, BacktestReport, Side, fixed_normal, report_text, run_backtest
from msc_trading.market import MINUTE, Candle, generated_candles, read_candles
from msc_trading.strategies import strategy_set

REAL_MONTH = Path(__file__).parents[5] / "shared" / "data" / "btc-perp-20211231-20220201_1m.csv.gz"
IDS = tuple(strategy.strategy_id for strategy in strategy_set())


def market(seed: int, minutes: int) -> Iterator[Candle]:
    feeds = [generated_candles(symbol, seed=seed, start=START) for symbol in (BTC, ETH)]
    for pair in islice(zip(*feeds, strict=True), minutes):
        yield from pair


@dataclass(slots=True)
class Moody:
    """A controller that changes its mind at every evaluation, from the sum of what it was told."""

    version: int = 0
    told: int = 0
    given: dict[int, Policy] = field(default_factory=dict)

    def on_trade(self, trade: ClosedTrade) -> None:
        self.told += 7

    def on_equity(self, point: EquityPoint) -> None:
        self.told += int(point.wallet_balance) % 5

    def evaluate(self, as_of: datetime) -> Policy:
        self.version += 1
        mood = self.told % 6
        made = policy(
            self.version,
            allowed=IDS[mood:],
            probation=IDS[-2:] if mood % 2 else (),
            risk_mode=RiskMode(1 + mood % 3),
            max_risk_per_trade=0.003 * (1 + mood),
            global_min_confidence=0.5 + 0.05 * mood,
            max_positions=1 + mood % 2,
            max_daily_trades=10 + mood,
            trading_state=TradingState.REDUCING if mood == 5 else TradingState.ACTIVE,
        )
        self.given[self.version] = made
        return made


def test_without_candles_there_is_no_backtest() -> None:
    with pytest.raises(ValueError, match=r"^candles: there are none"):
        played([])


def test_candles_out_of_order_are_refused() -> None:
    first, second = bars(100, 100)
    with pytest.raises(ValueError, match=r"^candles: .* comes after "):
        played([second, first])
    with pytest.raises(ValueError, match=r"^candles: a symbol comes twice"):
        played([first, first])


def test_evaluations_are_on_the_half_hour_and_at_the_start() -> None:
    controller = always()
    candles = bars(*[100] * 100, first=7)
    report = played(candles, controller=controller)
    assert controller.evaluations == [START + minute * MINUTE for minute in (7, 30, 60, 90)]
    assert report.evaluations == 4


def test_a_gap_over_several_evaluations_brings_one() -> None:
    controller = always()
    played([*bars(100, 100), *bars(100, 100, first=200)], controller=controller)
    assert controller.evaluations == [START, START + 201 * MINUTE]


def test_the_controller_hears_of_nothing_before_it_happened_and_in_order() -> None:
    controller = always(allowed=("A_001",))
    script = Scripted(*[say for minute in range(0, 80, 8) for say in (Say(minute=minute), leave(minute + 4))])
    other = Scripted(Say(minute=3), leave(37), strategy_id="B_001")
    played(bars(*[100, 101] * 50), script, other, controller=controller)
    instants = [
        item.closed_at if isinstance(item, ClosedTrade) else item.at if isinstance(item, EquityPoint) else item
        for item in controller.heard
    ]
    assert instants == sorted(instants)
    assert len(controller.trades) == 11
    for earlier, later in zip(controller.heard, controller.heard[1:], strict=False):
        both = (earlier, later)
        if isinstance(earlier, EquityPoint) and isinstance(later, ClosedTrade):
            assert later.closed_at > earlier.at, both


def test_equity_is_told_every_minute_or_as_seldom_as_asked() -> None:
    every, seldom = always(), always()
    played(bars(*[100] * 60), controller=every)
    played(bars(*[100] * 60), controller=seldom, equity_every_min=15)
    assert [point.at for point in every.points] == [START + minute * MINUTE for minute in range(1, 61)]
    assert [point.at for point in seldom.points] == [START + minute * MINUTE for minute in (15, 30, 45, 60)]


def test_a_reading_splits_equity_into_wallet_and_what_is_not_realised() -> None:
    controller = always()
    report = played(bars(100, 100, 103, 103), Scripted(Say(minute=0)), controller=controller)
    (trade,) = report.controlled.trades
    entry_fee = 100 * trade.quantity * Decimal("0.0004")
    assert [(point.wallet_balance, point.unrealized_pnl) for point in controller.points] == [
        (Decimal(10_000), Decimal(0)),
        (10_000 - entry_fee, Decimal(0)),
        (10_000 - entry_fee, 3 * trade.quantity),
        (10_000 - entry_fee, 3 * trade.quantity),
    ]


def test_time_in_each_mode_covers_the_run() -> None:
    modes = {0: RiskMode.DEFENSIVE, 30: RiskMode.NORMAL, 60: RiskMode.AGGRESSIVE, 90: RiskMode.NORMAL}
    controller = ScriptedController(
        {minute: policy(1 + number, risk_mode=mode) for number, (minute, mode) in enumerate(modes.items())}
    )
    report = played(bars(*[100] * 130), controller=controller)
    assert report.controlled.minutes_in_mode == {
        RiskMode.DEFENSIVE: 30,
        RiskMode.NORMAL: 70,
        RiskMode.AGGRESSIVE: 30,
    }
    assert report.controlled.time_in_mode(RiskMode.NORMAL) == pytest.approx(70 / 130)
    assert report.fixed.time_in_mode(RiskMode.NORMAL) == 1.0


def test_a_policy_that_is_confirmed_is_no_new_one() -> None:
    controller = ScriptedController({0: policy(1), 60: policy(2)})
    report = played(bars(*[100] * 130), controller=controller)
    assert [step.at for step in report.controlled.policies] == [START, START + 60 * MINUTE]
    assert report.evaluations == 5


@pytest.mark.parametrize(
    ("field_name", "value"),
    [
        ("account_id", " "),
        ("starting_equity", Decimal(0)),
        ("starting_equity", Decimal("NaN")),
        ("max_leverage", Decimal(-1)),
        ("evaluate_every_min", 7),
        ("evaluate_every_min", 0),
        ("equity_every_min", 4),
    ],
)
def test_a_setting_out_of_sense_is_named(field_name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"^{field_name}: "):
        BacktestConfig(**{field_name: value})  # type: ignore[arg-type] # wrong values are the point


def backtest(seed: int, days: int, controller: Moody | ScriptedController) -> BacktestReport:
    return run_backtest(market(seed, days * 1440), strategy_set(), BacktestConfig(), controller)


def check_money(side: Side) -> None:
    assert side.final_equity == side.starting_equity + side.net_pnl
    assert side.entries >= len(side.trades)
    assert 0.0 <= side.max_drawdown_pct < 100.0
    assert all(trade.opened_at <= trade.closed_at for trade in side.trades)


def test_the_same_run_gives_the_same_report() -> None:
    assert backtest(5, 4, Moody()) == backtest(5, 4, Moody())


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_controller_that_says_what_is_fixed_makes_no_difference(seed: int) -> None:
    report = backtest(seed, 4, ScriptedController({0: fixed_normal(IDS)}))
    assert report.controlled == report.fixed
    assert len(report.fixed.trades) > 5


@settings(max_examples=6)
@given(seed=st.integers(0, 10_000))
def test_every_trade_obeys_the_policy_it_was_opened_under(seed: int) -> None:
    controller = Moody()
    report = backtest(seed, 4, controller)
    side = report.controlled
    check_money(side)
    check_money(report.fixed)
    since = {step.policy.ref.version: step.at for step in side.policies}
    for trade in side.trades:
        held = controller.given[trade.policy_version]
        assert held.trading_state is TradingState.ACTIVE
        assert trade.strategy_id in held.allowed
        assert trade.opened_at > since[trade.policy_version]
        assert trade.opened_at < since.get(trade.policy_version + 1, report.last_at) + timedelta(seconds=2)
    for trade in side.shadow_trades:
        assert trade.strategy_id not in controller.given[trade.policy_version].allowed
    by_day = Counter(trade.opened_at.date() for trade in side.trades)
    assert all(count <= 15 for count in by_day.values())


@settings(max_examples=6)
@given(seed=st.integers(0, 10_000))
def test_never_more_positions_at_once_than_the_loosest_policy_allows(seed: int) -> None:
    side = backtest(seed, 4, Moody()).controlled
    for trade in side.trades:
        together = [other for other in side.trades if other.opened_at <= trade.opened_at < other.closed_at]
        assert len(together) <= 2
        assert len({other.symbol for other in together}) == len(together)


def test_a_report_reads_as_text_with_both_sides_and_every_reason() -> None:
    report = backtest(5, 5, Moody())
    text = str(report)
    assert text == report_text(report)
    for wanted in (
        "Backtest 2026-01-01 00:00 to 2026-01-06 00:00 UTC",
        "BTCUSDT, ETHUSDT: 14400 candles",
        f"{report.controlled.net_pnl:,.2f}",
        f"{report.fixed.net_pnl:,.2f}",
        f"{report.fixed.max_drawdown_pct:.2f} %",
        "time in DEFENSIVE",
        "policies, the last 12 of",
        *IDS,
        *report.controlled.blocks_by_reason,
    ):
        assert wanted in text
    assert max(len(line) for line in text.splitlines()) <= 100


def test_a_short_report_says_unknown_instead_of_a_number() -> None:
    text = str(played([*bars(100), *bars(100, first=3)], controller=always(allowed=())))
    assert "2 candles, 2 minutes missing" in text
    assert text.splitlines()[-1] == "  01-01 00:00  v1 NORMAL ACTIVE: nobody"
    assert [line.split() for line in text.splitlines() if line.startswith("win rate")] == [
        ["win", "rate", "unknown", "unknown"]
    ]


@pytest.mark.skipif(not REAL_MONTH.exists(), reason="the month of real bars is not beside the repository")
def test_a_real_month_is_played_whole_on_both_sides() -> None:
    candles = read_candles(REAL_MONTH, symbol=BTC)
    report = run_backtest(candles, strategy_set(), BacktestConfig(), Moody())
    assert (report.candles, report.missing_minutes) == (45_031, 0)
    assert report.evaluations == 1502
    check_money(report.controlled)
    check_money(report.fixed)
    assert len(report.fixed.trades) > 50
    assert sum(report.controlled.minutes_in_mode.values()) == 45_031
