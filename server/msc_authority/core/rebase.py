"""No death latch: after a quiet day in DEFENSIVE the drawdown is measured anew, at reduced risk for a while."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from msc_authority.core.config import RebaseConfig
from msc_authority.core.high_water import HighWaterMark
from msc_authority.core.policy import Reason, RiskMode, TradingState
from msc_authority.core.state import ControllerState
from msc_authority.core.survey import Survey


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawdownReference:
    """The mark that the drawdown is measured from after a re-base, and the drawdown itself, in percent.

    `mark` None: never re-based. `full_drawdown_pct` is from the rolling high-water mark, whatever was re-based.
    """

    mark: HighWaterMark | None
    drawdown_pct: float | None
    full_drawdown_pct: float | None
    reason: Reason | None = None


def drawdown_reference(
    state: ControllerState, survey: Survey, *, facts_fresh: bool, config: RebaseConfig
) -> DrawdownReference:
    """Returns the drawdown as it is to be judged, re-based now where that is due."""
    equity = survey.equity
    if equity is None:
        return DrawdownReference(mark=state.rebase_mark, drawdown_pct=None, full_drawdown_pct=None)
    full = equity.drawdown_pct
    mark = state.rebase_mark
    if mark is not None:
        mark = mark.raised(survey.curve, equity.nav, survey.origin)
    judged = _smaller(full, mark.drawdown_pct(equity.nav) if mark is not None else None)
    if not facts_fresh or not _is_due(state, survey, judged, config):
        return DrawdownReference(mark=mark, drawdown_pct=judged, full_drawdown_pct=full)
    return DrawdownReference(
        mark=HighWaterMark(since=survey.as_of, nav=equity.nav, origin=survey.origin),
        drawdown_pct=0.0,
        full_drawdown_pct=full,
        reason=_recorded(judged, equity.nav, config),
    )


def reduced_risk(mark: HighWaterMark | None, as_of: datetime, config: RebaseConfig) -> Reason | None:
    """Why risk is reduced after a re-base, or None where it is not."""
    if mark is None:
        return None
    until = mark.since + timedelta(seconds=config.reduced_risk_for_s)
    if as_of >= until:
        return None
    return Reason(
        code="RISK_REDUCED",
        text=f"max_risk_per_trade times {config.reduced_risk_multiplier:g} until {until.isoformat()}: "
        "the drawdown was measured anew",
        metric="risk_multiplier",
        value=config.reduced_risk_multiplier,
    )


def _smaller(full: float | None, rebased: float | None) -> float | None:
    if full is None or rebased is None:
        return full
    return min(full, rebased)


def _is_due(state: ControllerState, survey: Survey, judged: float | None, config: RebaseConfig) -> bool:
    quiet = timedelta(seconds=config.after_quiet_s)
    as_of, nav, last = survey.as_of, survey.nav, state.rebase_mark
    return (
        state.mode.mode is RiskMode.DEFENSIVE
        and state.trading_state is not TradingState.HALTED
        and survey.valid
        and nav is not None
        and nav > 0.0
        and judged is not None
        and judged >= config.min_drawdown_pct
        and as_of - state.mode.since >= quiet
        and (survey.last_loss_at is None or as_of - survey.last_loss_at >= quiet)
        and (last is None or as_of - last.since >= timedelta(seconds=config.min_interval_s))
    )


def _recorded(judged: float | None, nav: float, config: RebaseConfig) -> Reason:
    return Reason(
        code="DRAWDOWN_REBASED",
        text=f"drawdown {judged or 0.0:.2f} % is measured anew from NAV {nav:.6g} after "
        f"{config.after_quiet_s / 3600:g} h in DEFENSIVE without a losing trade",
        metric="drawdown_pct",
        value=judged,
        threshold=config.min_drawdown_pct,
    )
