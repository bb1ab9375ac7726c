"""Every number that decides, in one frozen object. Units are in the names; money is in account currency."""

from __future__ import annotations

from dataclasses import dataclass, field

from msc_authority.core.bounded import check_numbers, check_rising, count, fraction, number, percent, positive
from msc_authority.core.policy import RiskMode
from msc_authority.core.strategies.config import StrategyConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeConfig:
    """The tape of newest closed LIVE trades, and how its win rate fades while nothing trades."""

    length_trades: int = count(200, low=1, high=10_000)
    idle_grace_s: float = number(86_400.0, low=0.0)
    winrate_idle_half_life_s: float = positive(3 * 86_400.0)
    winrate_prior_fraction: float = fraction(0.50)
    winrate_forgotten_weight: float = fraction(0.10)

    def __post_init__(self) -> None:
        check_numbers(self, "tape")


@dataclass(frozen=True, slots=True, kw_only=True)
class EquityConfig:
    """The equity curve: windows, and the capital assumed while there is no reading of the account."""

    starting_capital: float = positive(10_000.0)
    high_water_window_d: int = count(30, low=1, high=3650)
    slope_window_d: int = count(7, low=2, high=90)
    slope_min_days: int = count(5, low=2, high=90)
    daily_window_d: int = count(90, low=7, high=3650)
    ratios_min_days: int = count(14, low=2, high=3650)
    volatility_half_life_s: float = positive(86_400.0)
    volatility_min_points: int = count(30, low=1)
    volatility_min_days: int = count(5, low=1, high=3650)

    def __post_init__(self) -> None:
        check_numbers(self, "equity")
        check_rising(
            "equity",
            slope_min_days=self.slope_min_days,
            slope_window_d=self.slope_window_d,
            daily_window_d=self.daily_window_d,
        )
        check_rising("equity", ratios_min_days=self.ratios_min_days, daily_window_d=self.daily_window_d)
        check_rising("equity", volatility_min_days=self.volatility_min_days, daily_window_d=self.daily_window_d)


@dataclass(frozen=True, slots=True, kw_only=True)
class GradeConfig:
    """The lines of the grade, and what crossing a warning line costs in points."""

    critical_drawdown_pct: float = percent(8.0)
    poor_drawdown_pct: float = percent(4.0)
    good_drawdown_pct: float = percent(2.0)
    excellent_drawdown_pct: float = percent(1.0)
    good_winrate_fraction: float = fraction(0.55)
    excellent_winrate_fraction: float = fraction(0.62)
    excellent_min_trades: int = count(50)
    excellent_wilson_low_fraction: float = fraction(0.50)
    poor_warning_points: int = count(3, low=1)
    warning_drawdown_pct: float = percent(3.0)
    warning_drawdown_points: int = count(1)
    low_winrate_fraction: float = fraction(0.45)
    low_winrate_min_trades: int = count(20)
    low_winrate_points: int = count(1)
    low_winrate_losing_points: int = count(2)
    falling_slope_pct_per_day: float = number(-0.5, high=0.0)
    falling_slope_points: int = count(2)
    loss_streak_trades: int = count(5, low=1)
    loss_streak_points: int = count(1)
    long_loss_streak_trades: int = count(8, low=1)
    long_loss_streak_points: int = count(2)
    without_profit_d: float = positive(3.0)
    without_profit_points: int = count(1)
    low_volatility_ratio: float = number(0.6, low=0.0)
    high_volatility_ratio: float = positive(1.5)
    high_volatility_points: int = count(1)
    extreme_volatility_ratio: float = positive(2.5)
    extreme_volatility_points: int = count(2)

    def __post_init__(self) -> None:
        check_numbers(self, "grade")
        check_rising(
            "grade",
            excellent_drawdown_pct=self.excellent_drawdown_pct,
            good_drawdown_pct=self.good_drawdown_pct,
            warning_drawdown_pct=self.warning_drawdown_pct,
            poor_drawdown_pct=self.poor_drawdown_pct,
            critical_drawdown_pct=self.critical_drawdown_pct,
        )
        check_rising(
            "grade",
            low_winrate_fraction=self.low_winrate_fraction,
            good_winrate_fraction=self.good_winrate_fraction,
            excellent_winrate_fraction=self.excellent_winrate_fraction,
        )
        check_rising(
            "grade",
            low_winrate_points=self.low_winrate_points,
            low_winrate_losing_points=self.low_winrate_losing_points,
        )
        check_rising(
            "grade", loss_streak_trades=self.loss_streak_trades, long_loss_streak_trades=self.long_loss_streak_trades
        )
        check_rising(
            "grade", loss_streak_points=self.loss_streak_points, long_loss_streak_points=self.long_loss_streak_points
        )
        check_rising(
            "grade",
            low_volatility_ratio=self.low_volatility_ratio,
            high_volatility_ratio=self.high_volatility_ratio,
            extreme_volatility_ratio=self.extreme_volatility_ratio,
        )
        check_rising(
            "grade",
            high_volatility_points=self.high_volatility_points,
            extreme_volatility_points=self.extreme_volatility_points,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeLimits:
    """What one mode allows. `max_risk_per_trade` is a fraction of equity, `global_min_confidence` a fraction."""

    max_risk_per_trade: float = positive(0.0030, high=1.0)
    global_min_confidence: float = fraction(0.70)
    max_positions: int = count(8, low=1)
    max_daily_trades: int = count(10, low=1)
    max_strategies: int = count(4, low=1)

    def __post_init__(self) -> None:
        check_numbers(self, "limits")


def _normal() -> ModeLimits:
    return ModeLimits(
        max_risk_per_trade=0.0075, global_min_confidence=0.60, max_positions=10, max_daily_trades=30, max_strategies=8
    )


def _aggressive() -> ModeLimits:
    return ModeLimits(
        max_risk_per_trade=0.0150, global_min_confidence=0.50, max_positions=15, max_daily_trades=50, max_strategies=10
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModesConfig:
    """The table of limits. A tighter mode is nowhere looser than the next one."""

    defensive: ModeLimits = field(default_factory=ModeLimits)
    normal: ModeLimits = field(default_factory=_normal)
    aggressive: ModeLimits = field(default_factory=_aggressive)

    def __post_init__(self) -> None:
        for name in ("max_risk_per_trade", "max_positions", "max_daily_trades", "max_strategies"):
            self._check_rising(name, 1)
        self._check_rising("global_min_confidence", -1)

    def _check_rising(self, name: str, direction: int) -> None:
        values = [direction * getattr(mode, name) for mode in (self.defensive, self.normal, self.aggressive)]
        if values != sorted(values):
            order = "rise" if direction > 0 else "fall"
            raise ValueError(f"modes: {name} must {order} (or stay) from defensive over normal to aggressive")

    def of(self, mode: RiskMode) -> ModeLimits:
        """What `mode` allows."""
        table = {
            RiskMode.DEFENSIVE: self.defensive,
            RiskMode.NORMAL: self.normal,
            RiskMode.AGGRESSIVE: self.aggressive,
        }
        return table[mode]


@dataclass(frozen=True, slots=True, kw_only=True)
class HysteresisConfig:
    """How calm the way toward risk is. The way toward safety has no numbers: it is at once."""

    min_time_in_mode_s: float = number(3_600.0, low=0.0)
    min_agreeing_evaluations: int = count(2, low=1)
    changes_window_s: float = positive(3_600.0)
    max_changes_per_window: int = count(5, low=1, high=1000)
    exit_defensive_drawdown_pct: float = percent(3.0)
    exit_defensive_warning_points: int = count(1)
    exit_defensive_winrate_fraction: float = fraction(0.50)
    stay_aggressive_drawdown_pct: float = percent(1.5)
    stay_aggressive_winrate_fraction: float = fraction(0.58)

    def __post_init__(self) -> None:
        check_numbers(self, "hysteresis")


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingStateConfig:
    """The drawdowns at which entries stop, and at which they may resume."""

    reducing_until_drawdown_pct: float = percent(8.0)
    reducing_from_drawdown_pct: float = percent(10.0)
    halted_from_drawdown_pct: float = percent(15.0)

    def __post_init__(self) -> None:
        check_numbers(self, "trading_state")
        check_rising(
            "trading_state",
            reducing_until_drawdown_pct=self.reducing_until_drawdown_pct,
            reducing_from_drawdown_pct=self.reducing_from_drawdown_pct,
            halted_from_drawdown_pct=self.halted_from_drawdown_pct,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RebaseConfig:
    """When the drawdown is measured anew, so that an old loss does not keep the system DEFENSIVE for ever."""

    after_quiet_s: float = positive(86_400.0)
    min_drawdown_pct: float = positive(3.0, high=100.0)
    min_interval_s: float = positive(7 * 86_400.0)
    reduced_risk_for_s: float = number(86_400.0, low=0.0)
    reduced_risk_multiplier: float = positive(0.5, high=1.0)

    def __post_init__(self) -> None:
        check_numbers(self, "rebase")


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionConfig:
    """Everything an evaluation is decided by, apart from the facts and the state."""

    facts_max_age_s: float = positive(6 * 3_600.0)
    tape: TapeConfig = field(default_factory=TapeConfig)
    equity: EquityConfig = field(default_factory=EquityConfig)
    grade: GradeConfig = field(default_factory=GradeConfig)
    modes: ModesConfig = field(default_factory=ModesConfig)
    hysteresis: HysteresisConfig = field(default_factory=HysteresisConfig)
    trading_state: TradingStateConfig = field(default_factory=TradingStateConfig)
    rebase: RebaseConfig = field(default_factory=RebaseConfig)
    strategies: StrategyConfig = field(default_factory=StrategyConfig)

    def __post_init__(self) -> None:
        check_numbers(self, "decision")
        self._check_exit_lines()
        self._check_rebase_line()

    def _check_exit_lines(self) -> None:
        grade, hysteresis = self.grade, self.hysteresis
        if hysteresis.exit_defensive_drawdown_pct > grade.poor_drawdown_pct:
            raise ValueError("hysteresis.exit_defensive_drawdown_pct must not be greater than grade.poor_drawdown_pct")
        if hysteresis.exit_defensive_warning_points >= grade.poor_warning_points:
            raise ValueError("hysteresis.exit_defensive_warning_points must be less than grade.poor_warning_points")
        if hysteresis.stay_aggressive_drawdown_pct < grade.excellent_drawdown_pct:
            raise ValueError(
                "hysteresis.stay_aggressive_drawdown_pct must not be less than grade.excellent_drawdown_pct"
            )
        if hysteresis.stay_aggressive_winrate_fraction > grade.excellent_winrate_fraction:
            raise ValueError(
                "hysteresis.stay_aggressive_winrate_fraction must not be greater than grade.excellent_winrate_fraction"
            )

    def _check_rebase_line(self) -> None:
        # Below this line a drawdown must cost nothing yet: otherwise a greater drawdown, measured anew, would be
        # judged more mildly than a smaller one that is not.
        free = min(self.grade.warning_drawdown_pct, self.hysteresis.exit_defensive_drawdown_pct)
        if self.rebase.min_drawdown_pct > free:
            raise ValueError(
                "rebase.min_drawdown_pct must not be greater than grade.warning_drawdown_pct and "
                "hysteresis.exit_defensive_drawdown_pct"
            )
