"""What an evaluation judges: the survey, seen through the state the controller is in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from msc_authority.core.config import DecisionConfig
from msc_authority.core.grade import GradeInputs, Grading, grade
from msc_authority.core.high_water import HighWaterMark
from msc_authority.core.hysteresis import Circumstances
from msc_authority.core.ledger import Ledger
from msc_authority.core.rebase import DrawdownReference, drawdown_reference
from msc_authority.core.state import ControllerState
from msc_authority.core.survey import Survey, survey


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """Everything known before anything is decided. `hard_drawdown_pct` is since the last reset by a person."""

    seen: Survey
    now: Circumstances
    reference: DrawdownReference
    hard_mark: HighWaterMark
    hard_drawdown_pct: float | None
    inputs: GradeInputs
    grading: Grading


def assess(
    ledger: Ledger,
    state: ControllerState,
    config: DecisionConfig,
    as_of: datetime,
    newest_fact_at: datetime | None,
) -> Assessment:
    """Returns the assessment of the ledger as of `as_of`.

    Raises:
        ValueError: the ledger holds evidence later than `as_of`.
    """
    seen = survey(ledger, config, as_of)
    now = _circumstances(state, config, as_of, _newest(ledger.watermark, newest_fact_at, as_of))
    reference = drawdown_reference(state, seen, facts_fresh=now.facts_fresh, config=config.rebase)
    hard_mark, hard_drawdown_pct = _hard_drawdown(state.hard_mark, seen)
    inputs = _inputs(seen, reference, state, now)
    return Assessment(
        seen=seen,
        now=now,
        reference=reference,
        hard_mark=hard_mark,
        hard_drawdown_pct=hard_drawdown_pct,
        inputs=inputs,
        grading=grade(inputs, config.grade),
    )


def recent_changes(state: ControllerState, config: DecisionConfig, as_of: datetime) -> tuple[datetime, ...]:
    """Returns the instants of risk-increasing changes that still count. One in the future counts, too."""
    window = timedelta(seconds=config.hysteresis.changes_window_s)
    return tuple(at for at in state.changes if as_of - at < window)


def _newest(watermark: datetime | None, newest_fact_at: datetime | None, as_of: datetime) -> datetime | None:
    known = [at for at in (watermark, newest_fact_at) if at is not None and at <= as_of]
    return max(known, default=None)


def _circumstances(
    state: ControllerState, config: DecisionConfig, as_of: datetime, newest: datetime | None
) -> Circumstances:
    age_s = None if newest is None else (as_of - newest).total_seconds()
    return Circumstances(
        as_of=as_of,
        facts_age_s=age_s,
        facts_fresh=age_s is not None and age_s <= config.facts_max_age_s,
        changes=len(recent_changes(state, config, as_of)),
    )


def _hard_drawdown(mark: HighWaterMark, seen: Survey) -> tuple[HighWaterMark, float | None]:
    if seen.equity is None:
        return mark, None
    raised = mark.raised(seen.curve, seen.equity.nav, seen.origin)
    return raised, raised.drawdown_pct(seen.equity.nav)


def _inputs(seen: Survey, reference: DrawdownReference, state: ControllerState, now: Circumstances) -> GradeInputs:
    slope, winrate = seen.slope, seen.winrate
    # Silence while nobody may trade is expected, and loosens nothing: a step toward risk needs fresh facts anyway.
    stale = state.trading_is_on and not now.facts_fresh
    return GradeInputs(
        drawdown_pct=reference.drawdown_pct,
        full_drawdown_pct=reference.full_drawdown_pct,
        winrate_fraction=winrate.rate if winrate is not None else None,
        trades_n=winrate.trades if winrate is not None else None,
        expectancy=seen.expectancy,
        slope_pct_per_day=slope.slope if slope is not None else None,
        slope_high_pct_per_day=slope.high if slope is not None else None,
        loss_streak=seen.loss_streak,
        days_without_profit=seen.days_without_profit,
        volatility_ratio=seen.equity.volatility_ratio if seen.equity is not None else None,
        nav=seen.nav,
        valid=seen.valid,
        known=seen.known,
        stale_for_s=now.facts_age_s if stale else None,
    )
