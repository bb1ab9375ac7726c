"""The grade of the whole system, from measured or supplied metrics, with the reason of each step."""

from __future__ import annotations

from dataclasses import dataclass

from msc_authority.core.config import GradeConfig
from msc_authority.core.metrics_trades import wilson_interval
from msc_authority.core.policy import Reason, RiskMode, SystemHealth

_MODES = {
    SystemHealth.UNKNOWN: RiskMode.DEFENSIVE,
    SystemHealth.CRITICAL: RiskMode.DEFENSIVE,
    SystemHealth.POOR: RiskMode.DEFENSIVE,
    SystemHealth.NORMAL: RiskMode.NORMAL,
    SystemHealth.GOOD: RiskMode.NORMAL,
    SystemHealth.EXCELLENT: RiskMode.AGGRESSIVE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GradeInputs:
    """What a grade is judged by. None: unknown, or not supplied.

    `drawdown_pct` is measured from the reference in force, `full_drawdown_pct` from the high-water mark itself: where
    they differ, good grades are judged by the full one. `what_if` leaves unknown metrics out of account; otherwise
    they block EXCELLENT. `slope_high_pct_per_day` is the upper end of the slope's interval.
    """

    drawdown_pct: float | None = None
    full_drawdown_pct: float | None = None
    winrate_fraction: float | None = None
    trades_n: float | None = None
    expectancy: float | None = None
    slope_pct_per_day: float | None = None
    slope_high_pct_per_day: float | None = None
    loss_streak: int | None = None
    days_without_profit: float | None = None
    volatility_ratio: float | None = None
    nav: float | None = None
    valid: bool = True
    known: bool = True
    stale_for_s: float | None = None
    what_if: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Grading:
    """A grade, the warning points by metric, and why."""

    health: SystemHealth
    points: dict[str, int]
    reasons: tuple[Reason, ...]

    @property
    def warning_points(self) -> int:
        """Sum of the warning points."""
        return sum(self.points.values())

    @property
    def target(self) -> RiskMode:
        """The mode that the grade alone asks for."""
        return _MODES[self.health]


def grade(inputs: GradeInputs, config: GradeConfig) -> Grading:
    """Returns the first grade whose conditions hold, from UNKNOWN over CRITICAL to EXCELLENT, else NORMAL."""
    warnings = _warnings(inputs, config)
    points = {reason.metric: cost for reason, cost in warnings}
    total = sum(points.values())
    health, decisive = _first_match(inputs, total, config)
    return Grading(health=health, points=points, reasons=(decisive, *(reason for reason, _ in warnings)))


def _first_match(inputs: GradeInputs, points: int, config: GradeConfig) -> tuple[SystemHealth, Reason]:
    unknown = _unknown(inputs)
    if unknown is not None:
        return SystemHealth.UNKNOWN, unknown
    critical = _critical(inputs, config)
    if critical is not None:
        return SystemHealth.CRITICAL, critical
    poor = _poor(inputs, points, config)
    if poor is not None:
        return SystemHealth.POOR, poor
    why_not_excellent = _short_of_excellent(inputs, points, config)
    if not why_not_excellent:
        return SystemHealth.EXCELLENT, Reason(code="GRADE_EXCELLENT", text="EXCELLENT: every condition holds")
    why_not_good = _short_of_good(inputs, points, config)
    if not why_not_good:
        missing = "; ".join(why_not_excellent)
        return SystemHealth.GOOD, Reason(code="GRADE_GOOD", text=f"GOOD, short of EXCELLENT: {missing}")
    return SystemHealth.NORMAL, Reason(code="GRADE_NORMAL", text=f"NORMAL, short of GOOD: {'; '.join(why_not_good)}")


def _unknown(inputs: GradeInputs) -> Reason | None:
    if not inputs.known:
        return Reason(code="NO_FACTS", text="UNKNOWN: no closed LIVE trade and no equity reading")
    if inputs.stale_for_s is not None:
        hours = inputs.stale_for_s / 3600.0
        return Reason(
            code="FACTS_STALE",
            text=f"UNKNOWN: the newest fact is {hours:.1f} h old while trading is on",
            metric="facts_age_s",
            value=inputs.stale_for_s,
        )
    return None


def _critical(inputs: GradeInputs, config: GradeConfig) -> Reason | None:
    if not inputs.valid:
        return Reason(code="INPUTS_INVALID", text="CRITICAL: facts hold numbers that make no sense")
    if inputs.nav is not None and inputs.nav <= 0.0:
        return Reason(
            code="NAV_NOT_POSITIVE",
            text=f"CRITICAL: NAV {inputs.nav:.6g} is not positive",
            metric="nav",
            value=inputs.nav,
            threshold=0.0,
        )
    return _beyond(inputs.drawdown_pct, config.critical_drawdown_pct, "DRAWDOWN_CRITICAL", "CRITICAL: drawdown")


def _poor(inputs: GradeInputs, points: int, config: GradeConfig) -> Reason | None:
    by_drawdown = _beyond(inputs.drawdown_pct, config.poor_drawdown_pct, "DRAWDOWN_POOR", "POOR: drawdown")
    if by_drawdown is not None or points < config.poor_warning_points:
        return by_drawdown
    return Reason(
        code="WARNING_POINTS",
        text=f"POOR: {points} warning points, the line is {config.poor_warning_points}",
        metric="warning_points",
        value=points,
        threshold=config.poor_warning_points,
    )


def _beyond(drawdown_pct: float | None, line: float, code: str, subject: str) -> Reason | None:
    if drawdown_pct is None or drawdown_pct < line:
        return None
    return Reason(
        code=code,
        text=f"{subject} {drawdown_pct:.2f} % has reached {line:g} %",
        metric="drawdown_pct",
        value=drawdown_pct,
        threshold=line,
    )


def _short_of_good(inputs: GradeInputs, points: int, config: GradeConfig) -> list[str]:
    # Drawdown and win rate are what a good grade rests on: unknown, they vouch for nothing, not even in a what-if.
    return [
        *_short_of_drawdown(inputs.full_drawdown_pct, config.good_drawdown_pct),
        *_short_of_winrate(inputs.winrate_fraction, config.good_winrate_fraction),
        *([f"{points} warning point{'s' if points > 1 else ''}"] if points else []),
    ]


def _short_of_excellent(inputs: GradeInputs, points: int, config: GradeConfig) -> list[str]:
    return [
        *_short_of_drawdown(inputs.full_drawdown_pct, config.excellent_drawdown_pct),
        *_short_of_winrate(inputs.winrate_fraction, config.excellent_winrate_fraction),
        *_short_of_certainty(inputs, config),
        *_short_of_rise(inputs),
        *([] if inputs.what_if else _unmeasured(inputs)),
        *([f"{points} warning point{'s' if points > 1 else ''}"] if points else []),
    ]


def _short_of_drawdown(drawdown_pct: float | None, line: float) -> list[str]:
    if drawdown_pct is None:
        return ["drawdown unknown"]
    return [] if drawdown_pct <= line else [f"drawdown {drawdown_pct:.2f} % above {line:g} %"]


def _short_of_winrate(winrate: float | None, line: float) -> list[str]:
    if winrate is None:
        return ["win rate unknown"]
    return [] if winrate >= line else [f"win rate {winrate:.1%} below {line:.1%}"]


def _short_of_certainty(inputs: GradeInputs, config: GradeConfig) -> list[str]:
    if inputs.trades_n is None or inputs.winrate_fraction is None:
        return [] if inputs.what_if else ["number of trades unknown"]
    short = []
    if inputs.trades_n < config.excellent_min_trades:
        short.append(f"{inputs.trades_n:.0f} trades, fewer than {config.excellent_min_trades}")
    interval = wilson_interval(inputs.winrate_fraction, inputs.trades_n)
    low = interval[0] if interval is not None else 0.0
    if low <= config.excellent_wilson_low_fraction:
        short.append(f"win rate's lower bound {low:.1%} not above {config.excellent_wilson_low_fraction:.1%}")
    return short


def _short_of_rise(inputs: GradeInputs) -> list[str]:
    slope = inputs.slope_pct_per_day
    if slope is None:
        return [] if inputs.what_if else ["equity slope unknown"]
    return [] if slope > 0.0 else [f"equity slope {slope:+.3f} %/d not above 0"]


def _unmeasured(inputs: GradeInputs) -> list[str]:
    named = {
        "expectancy": inputs.expectancy,
        "loss streak": inputs.loss_streak,
        "days without profit": inputs.days_without_profit,
        "volatility": inputs.volatility_ratio,
    }
    return [f"{name} unknown" for name, value in named.items() if value is None]


def _warnings(inputs: GradeInputs, config: GradeConfig) -> list[tuple[Reason, int]]:
    found = (
        _drawdown_warning(inputs, config),
        _winrate_warning(inputs, config),
        _slope_warning(inputs, config),
        _streak_warning(inputs, config),
        _profit_warning(inputs, config),
        _volatility_warning(inputs, config),
    )
    return [warning for warning in found if warning is not None and warning[1] > 0]


def _warning(code: str, metric: str, value: float, line: float, points: int, text: str) -> tuple[Reason, int]:
    noun = "point" if points == 1 else "points"
    return Reason(
        code=code, text=f"{text}: {points} warning {noun}", metric=metric, value=value, threshold=line
    ), points


def _drawdown_warning(inputs: GradeInputs, config: GradeConfig) -> tuple[Reason, int] | None:
    value, line = inputs.drawdown_pct, config.warning_drawdown_pct
    if value is None or value < line:
        return None
    text = f"drawdown {value:.2f} % has reached {line:g} %"
    return _warning("DRAWDOWN_WARNING", "drawdown_pct", value, line, config.warning_drawdown_points, text)


def _winrate_warning(inputs: GradeInputs, config: GradeConfig) -> tuple[Reason, int] | None:
    value, line, trades = inputs.winrate_fraction, config.low_winrate_fraction, inputs.trades_n
    few = trades < config.low_winrate_min_trades if trades is not None else not inputs.what_if
    if value is None or value > line or few:
        return None
    losing = inputs.expectancy is not None and inputs.expectancy <= 0.0
    points = config.low_winrate_losing_points if losing else config.low_winrate_points
    text = f"win rate {value:.1%} is not above {line:.1%}" + (" and the expectancy not positive" if losing else "")
    return _warning("WINRATE_LOW", "winrate_fraction", value, line, points, text)


def _slope_warning(inputs: GradeInputs, config: GradeConfig) -> tuple[Reason, int] | None:
    value, line, high = inputs.slope_pct_per_day, config.falling_slope_pct_per_day, inputs.slope_high_pct_per_day
    certain = high < 0.0 if high is not None else inputs.what_if
    if value is None or value >= line or not certain:
        return None
    text = f"equity slope {value:+.3f} %/d is below {line:+g} %/d"
    return _warning("SLOPE_FALLING", "slope_pct_per_day", value, line, config.falling_slope_points, text)


def _streak_warning(inputs: GradeInputs, config: GradeConfig) -> tuple[Reason, int] | None:
    value = inputs.loss_streak
    if value is None or value < config.loss_streak_trades:
        return None
    long = value >= config.long_loss_streak_trades
    line = config.long_loss_streak_trades if long else config.loss_streak_trades
    points = config.long_loss_streak_points if long else config.loss_streak_points
    return _warning("LOSS_STREAK", "loss_streak", value, line, points, f"{value} losing trades in a row (line {line})")


def _profit_warning(inputs: GradeInputs, config: GradeConfig) -> tuple[Reason, int] | None:
    value, line = inputs.days_without_profit, config.without_profit_d
    if value is None or value < line:
        return None
    text = f"{value:.1f} days without a profitable trade (line {line:g})"
    return _warning("WITHOUT_PROFIT", "days_without_profit", value, line, config.without_profit_points, text)


def _volatility_warning(inputs: GradeInputs, config: GradeConfig) -> tuple[Reason, int] | None:
    value = inputs.volatility_ratio
    if value is None or value <= config.high_volatility_ratio:
        return None
    extreme = value > config.extreme_volatility_ratio
    line = config.extreme_volatility_ratio if extreme else config.high_volatility_ratio
    points = config.extreme_volatility_points if extreme else config.high_volatility_points
    code = "VOLATILITY_EXTREME" if extreme else "VOLATILITY_HIGH"
    return _warning(code, "volatility_ratio", value, line, points, f"volatility {value:.2f} times its median")
