"""The controller: ledger, state and configuration in, a verdict and the next state out. Pure, and explained."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from msc_authority.core.assessment import Assessment, assess, recent_changes
from msc_authority.core.config import DecisionConfig
from msc_authority.core.document import content_of, rankings_as_granted
from msc_authority.core.effective import Effective
from msc_authority.core.evaluation import Verdict
from msc_authority.core.high_water import HighWaterMark
from msc_authority.core.hysteresis import Circumstances, ModeState, changes_used_up, facts_too_old, next_mode
from msc_authority.core.ledger import Ledger
from msc_authority.core.limits import limits_for
from msc_authority.core.overrides import Override
from msc_authority.core.overriding import Overridden, apply_overrides, expired, in_force
from msc_authority.core.policy import Limits, Reason, RiskMode, StrategyState, TradingState
from msc_authority.core.rebase import reduced_risk
from msc_authority.core.report import judged_metrics, measured, other_metrics
from msc_authority.core.state import ControllerState
from msc_authority.core.strategies.selection import StrategyOutcome, judge
from msc_authority.core.survey import origin_of
from msc_authority.core.trading_state import next_trading_state
from msc_authority.core.what_if import what_if

__all__ = ["ControllerState", "Decision", "clear_halt", "decide", "halt", "what_if"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided, and the state that the next evaluation starts from. `expired` are overrides that ended."""

    verdict: Verdict
    state: ControllerState
    expired: tuple[Override, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Course:
    """The way from the last permission to the next one. `published` is `effective` under the overrides."""

    mode: ModeState
    outcome: StrategyOutcome
    effective: Effective
    published: Overridden
    changes: tuple[datetime, ...]
    reasons: tuple[Reason, ...]


def decide(
    ledger: Ledger,
    state: ControllerState,
    config: DecisionConfig,
    as_of: datetime,
    *,
    newest_fact_at: datetime | None = None,
) -> Decision:
    """Returns the decision from all evidence up to `as_of`. The ledger is only read.

    `newest_fact_at` is the instant of the newest fact of any kind, also of those that are no evidence; it counts for
    freshness unless it is later than `as_of`.

    Raises:
        ValueError: the ledger holds evidence later than `as_of`. Fold only what happened up to then.
    """
    assessment = assess(ledger, state, config, as_of, newest_fact_at)
    course = _plot(assessment, ledger, state, config)
    return Decision(
        verdict=_verdict(assessment, course, state, config),
        state=_state_after(assessment, course, state),
        expired=expired(state.overrides, as_of),
    )


def clear_halt(state: ControllerState, ledger: Ledger, as_of: datetime) -> ControllerState:
    """Returns the state after a person's reset: no halt, and the hard high-water mark at the current NAV.

    A halted system goes on as REDUCING. The next evaluation lets entries resume if the drawdown allows it.
    """
    reading = ledger.curve.settled().reading(as_of)
    nav = reading.nav if reading is not None else None
    mark = HighWaterMark(since=as_of, nav=nav, origin=origin_of(ledger, reading))
    if state.trading_state is not TradingState.HALTED:
        return replace(state, hard_mark=mark)
    return replace(_in_trading_state(state, TradingState.REDUCING), hard_mark=mark, halted_because=None)


def halt(state: ControllerState, because: Reason | None = None) -> ControllerState:
    """Returns the state after a person has stopped trading, `because` of something. Only `clear_halt` ends it."""
    return replace(_in_trading_state(state, TradingState.HALTED), halted_because=because)


def _in_trading_state(state: ControllerState, trading_state: TradingState) -> ControllerState:
    # What was decided last moves along, so that a person's word is no change of the evaluations' own.
    last = state.effective
    effective = None if last is None else replace(last, trading_state=trading_state)
    return replace(state, trading_state=trading_state, effective=effective)


def _plot(assessment: Assessment, ledger: Ledger, state: ControllerState, config: DecisionConfig) -> _Course:
    now, reference = assessment.now, assessment.reference
    mode, mode_reasons = next_mode(state.mode, assessment.grading, assessment.inputs, now, config.hysteresis)
    trading_state, trading_reason = next_trading_state(
        state.trading_state,
        drawdown_pct=reference.drawdown_pct,
        hard_drawdown_pct=assessment.hard_drawdown_pct,
        config=config.trading_state,
    )
    seats = config.modes.of(mode.mode).max_strategies
    outcome = judge(ledger.book, state.lives, mode.mode, config.strategies, now.as_of, max_strategies=seats)
    reduction = reduced_risk(reference.mark, now.as_of, config.rebase)
    wanted = Effective(
        mode=mode.mode,
        trading_state=trading_state,
        limits=_limits(mode.mode, reduction, config),
        grants=outcome.grants,
    )
    effective, changes, held = _permitted(wanted, state, config, now)
    retired = outcome.lives.in_state(StrategyState.RETIRED)
    published = apply_overrides(effective, state.overrides, config.modes, now.as_of, retired=retired)
    nobody = _nobody(published.effective)
    reasons = _told_once(*mode_reasons, trading_reason, state.halted_because, reference.reason, reduction, held, nobody)
    return _Course(
        mode=mode, outcome=outcome, effective=effective, published=published, changes=changes, reasons=reasons
    )


def _limits(mode: RiskMode, reduction: Reason | None, config: DecisionConfig) -> Limits:
    multiplier = config.rebase.reduced_risk_multiplier if reduction is not None else 1.0
    return limits_for(mode, config.modes, risk_multiplier=multiplier)


def _told_once(*reasons: Reason | None) -> tuple[Reason, ...]:
    return tuple(dict.fromkeys(reason for reason in reasons if reason is not None))


def _permitted(
    wanted: Effective, state: ControllerState, config: DecisionConfig, now: Circumstances
) -> tuple[Effective, tuple[datetime, ...], Reason | None]:
    # Whatever is looser in any way is a risk-increasing change: it needs fresh facts, and there are only so many.
    recent, last = recent_changes(state, config, now.as_of), state.effective
    if last is None or not wanted.is_looser_than(last):
        return wanted, recent, None
    held = facts_too_old(now) or changes_used_up(now, config.hysteresis)
    if held is not None:
        return wanted.tightened_to(last), recent, held
    return wanted, (*recent, now.as_of), None


def _nobody(effective: Effective) -> Reason | None:
    if effective.grants:
        return None
    return Reason(code="NOBODY_ALLOWED", text="no strategy is allowed to open positions")


def _state_after(assessment: Assessment, course: _Course, state: ControllerState) -> ControllerState:
    return ControllerState(
        mode=course.mode,
        trading_state=course.effective.trading_state,
        changes=course.changes,
        hard_mark=assessment.hard_mark,
        rebase_mark=assessment.reference.mark,
        effective=course.effective,
        evaluated_at=assessment.now.as_of,
        lives=course.outcome.lives,
        overrides=in_force(state.overrides, assessment.now.as_of),
        halted_because=state.halted_because,
    )


def _verdict(assessment: Assessment, course: _Course, state: ControllerState, config: DecisionConfig) -> Verdict:
    seen, inputs, grading = assessment.seen, assessment.inputs, assessment.grading
    provenances, published = measured(seen, config), course.published
    reasons = (*published.reasons, *grading.reasons, *course.reasons)
    return Verdict(
        as_of=assessment.now.as_of,
        system_health=grading.health,
        warning_points=grading.warning_points,
        mode_before=state.mode.mode if state.evaluated_at is not None else None,
        mode_target=grading.target,
        mode_after=course.mode.mode,
        metrics=judged_metrics(inputs, grading.points, config, provenances)
        + other_metrics(seen, assessment.hard_drawdown_pct, inputs, config, provenances),
        reasons=reasons,
        candidate=content_of(
            published.effective, inputs, grading, seen.equity_source, reasons, rollback_of=published.rollback_of
        ),
        strategies=rankings_as_granted(course.outcome.rankings, published.effective),
        transitions=course.outcome.transitions,
    )
