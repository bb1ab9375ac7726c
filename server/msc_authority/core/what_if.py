"""What would be decided from supplied metrics alone. Nothing is written, nobody's life changes."""

from __future__ import annotations

import math
from datetime import datetime

from msc_authority.core.config import DecisionConfig
from msc_authority.core.document import content_of, rankings_as_granted
from msc_authority.core.effective import Effective
from msc_authority.core.evaluation import SuppliedMetrics, Verdict
from msc_authority.core.grade import GradeInputs, grade
from msc_authority.core.ledger import Ledger
from msc_authority.core.limits import limits_for
from msc_authority.core.policy import Reason, TradingState
from msc_authority.core.report import SUPPLIED, judged_metrics, supplied
from msc_authority.core.state import ControllerState
from msc_authority.core.strategies.selection import judge
from msc_authority.core.survey import refuse_look_ahead
from msc_authority.core.trading_state import next_trading_state

_MAX_COUNT = 2**32 - 1
_RANGES = {
    "drawdown_pct": (0.0, 100.0),
    "winrate_fraction": (0.0, 1.0),
    "trades_n": (0, _MAX_COUNT),
    "slope_pct_per_day": (-100.0, math.inf),
    "loss_streak": (0, _MAX_COUNT),
    "days_without_profit": (0.0, math.inf),
    "expectancy": (-math.inf, math.inf),
    "volatility_ratio": (0.0, math.inf),
}
_COUNTS = ("trades_n", "loss_streak")


def what_if(
    supplied_metrics: SuppliedMetrics, ledger: Ledger, state: ControllerState, config: DecisionConfig, as_of: datetime
) -> Verdict:
    """Returns the verdict on supplied metrics: grade, its mode and limits, without hysteresis or reductions.

    A metric that is not supplied is left out of account. The trading state follows from the supplied drawdown, else
    it is the present one. Strategies are those whose evidence allows them in the resulting mode.

    Raises:
        ValueError: a supplied metric is outside sense ("name: what is wrong"), or the ledger holds evidence later
            than `as_of`.
    """
    _check(supplied_metrics)
    refuse_look_ahead(ledger, as_of)
    inputs = _inputs(supplied_metrics)
    grading = grade(inputs, config.grade)
    trading_state, reason = _trading_state(supplied_metrics.drawdown_pct, state, config)
    seats = config.modes.of(grading.target).max_strategies
    outcome = judge(
        ledger.book, state.lives, grading.target, config.strategies, as_of, max_strategies=seats, as_what_if=True
    )
    effective = Effective(
        mode=grading.target,
        trading_state=trading_state,
        limits=limits_for(grading.target, config.modes),
        grants=outcome.grants,
    )
    reasons = grading.reasons if reason is None else (*grading.reasons, reason)
    return Verdict(
        as_of=as_of,
        system_health=grading.health,
        warning_points=grading.warning_points,
        mode_before=state.mode.mode if state.evaluated_at is not None else None,
        mode_target=grading.target,
        mode_after=grading.target,
        metrics=judged_metrics(inputs, grading.points, config, supplied()),
        reasons=reasons,
        candidate=content_of(effective, inputs, grading, SUPPLIED, reasons),
        strategies=rankings_as_granted(outcome.rankings, effective),
        transitions=(),
    )


def _check(metrics: SuppliedMetrics) -> None:
    for name, (low, high) in _RANGES.items():
        value: float | int | None = getattr(metrics, name)
        if value is None:
            continue
        whole = name in _COUNTS
        kind_ok = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if not kind_ok or not math.isfinite(value) or not low <= value <= high:
            kind = "a whole number" if whole else "a finite number"
            raise ValueError(f"{name}: must be {kind} from {low:g} to {high:g}, not {value!r}")


def _inputs(metrics: SuppliedMetrics) -> GradeInputs:
    return GradeInputs(
        drawdown_pct=metrics.drawdown_pct,
        full_drawdown_pct=metrics.drawdown_pct,
        winrate_fraction=metrics.winrate_fraction,
        trades_n=metrics.trades_n,
        expectancy=metrics.expectancy,
        slope_pct_per_day=metrics.slope_pct_per_day,
        loss_streak=metrics.loss_streak,
        days_without_profit=metrics.days_without_profit,
        volatility_ratio=metrics.volatility_ratio,
        known=metrics != SuppliedMetrics(),
        what_if=True,
    )


def _trading_state(
    drawdown_pct: float | None, state: ControllerState, config: DecisionConfig
) -> tuple[TradingState, Reason | None]:
    if drawdown_pct is None:
        return state.trading_state, None
    return next_trading_state(
        TradingState.ACTIVE,
        drawdown_pct=drawdown_pct,
        hard_drawdown_pct=drawdown_pct,
        config=config.trading_state,
    )
