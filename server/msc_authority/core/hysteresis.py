"""The way between modes: toward safety at once, toward risk one careful step at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from msc_authority.core.config import HysteresisConfig
from msc_authority.core.grade import GradeInputs, Grading
from msc_authority.core.policy import Reason, RiskMode


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeState:
    """The present mode, since when, and how many evaluations in a row have agreed on a step toward risk."""

    mode: RiskMode
    since: datetime
    streak: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What a step toward risk needs beside the grade. `changes` counts risk-increasing changes in the window."""

    as_of: datetime
    facts_age_s: float | None
    facts_fresh: bool
    changes: int


def next_mode(
    before: ModeState, grading: Grading, inputs: GradeInputs, now: Circumstances, config: HysteresisConfig
) -> tuple[ModeState, tuple[Reason, ...]]:
    """Returns the mode after one evaluation, and why it moved or was held."""
    target = grading.target
    if before.mode is RiskMode.AGGRESSIVE and target is RiskMode.NORMAL and _stays(grading, inputs, config):
        return _kept(before), (_stays_reason(inputs, config),)
    if target < before.mode:
        return ModeState(mode=target, since=now.as_of), (_moved("MODE_LOWERED", before.mode, target, grading),)
    if target == before.mode:
        return _kept(before), ()
    return _toward_risk(before, grading, inputs, now, config)


def _kept(before: ModeState) -> ModeState:
    return ModeState(mode=before.mode, since=before.since)


def _moved(code: str, before: RiskMode, after: RiskMode, grading: Grading) -> Reason:
    return Reason(code=code, text=f"risk mode {before.name} -> {after.name}: the grade is {grading.health}")


def _toward_risk(
    before: ModeState, grading: Grading, inputs: GradeInputs, now: Circumstances, config: HysteresisConfig
) -> tuple[ModeState, tuple[Reason, ...]]:
    beyond = _not_past_exit_line(before.mode, grading, inputs, config)
    streak = before.streak + 1 if beyond is None and now.facts_fresh else 0
    holds = (
        _too_soon(before, now, config),
        beyond if beyond is not None else _too_few_agree(streak, config),
        facts_too_old(now),
        changes_used_up(now, config),
    )
    held = tuple(reason for reason in holds if reason is not None)
    if held:
        return ModeState(mode=before.mode, since=before.since, streak=streak), held
    after = RiskMode(before.mode + 1)
    return ModeState(mode=after, since=now.as_of), (_moved("MODE_RAISED", before.mode, after, grading),)


def _too_soon(before: ModeState, now: Circumstances, config: HysteresisConfig) -> Reason | None:
    in_mode_s, needed_s = (now.as_of - before.since).total_seconds(), config.min_time_in_mode_s
    if in_mode_s >= needed_s:
        return None
    return Reason(
        code="HELD_TIME_IN_MODE",
        text=f"held in {before.mode.name}: {in_mode_s / 60:.0f} of {needed_s / 60:.0f} min in this mode",
        metric="time_in_mode_s",
        value=in_mode_s,
        threshold=needed_s,
    )


def _too_few_agree(streak: int, config: HysteresisConfig) -> Reason | None:
    if streak >= config.min_agreeing_evaluations:
        return None
    return Reason(
        code="HELD_AGREEMENT",
        text=f"held: {streak} of {config.min_agreeing_evaluations} evaluations in a row agree",
        metric="agreeing_evaluations",
        value=streak,
        threshold=config.min_agreeing_evaluations,
    )


def facts_too_old(now: Circumstances) -> Reason | None:
    """Why nothing may become looser on these facts, or None where they are fresh."""
    if now.facts_fresh:
        return None
    age = "there is no fact" if now.facts_age_s is None else f"the newest fact is {now.facts_age_s / 3600:.1f} h old"
    return Reason(code="HELD_STALE_FACTS", text=f"held: {age}", metric="facts_age_s", value=now.facts_age_s)


def changes_used_up(now: Circumstances, config: HysteresisConfig) -> Reason | None:
    """Why nothing may become looser any more within the window, or None where it may."""
    if now.changes < config.max_changes_per_window:
        return None
    return Reason(
        code="HELD_CHANGES",
        text=f"held: {now.changes} risk-increasing changes within {config.changes_window_s / 60:.0f} min",
        metric="risk_increasing_changes",
        value=now.changes,
        threshold=config.max_changes_per_window,
    )


def _not_past_exit_line(
    mode: RiskMode, grading: Grading, inputs: GradeInputs, config: HysteresisConfig
) -> Reason | None:
    if mode is not RiskMode.DEFENSIVE:
        return None
    drawdown, points = inputs.drawdown_pct, grading.warning_points
    line: float = config.exit_defensive_drawdown_pct
    if drawdown is None:
        return _exit_line("drawdown unknown", "drawdown_pct", None, line)
    if drawdown >= line:
        return _exit_line(f"drawdown {drawdown:.2f} % not below {line:g} %", "drawdown_pct", drawdown, line)
    if points > config.exit_defensive_warning_points:
        line = config.exit_defensive_warning_points
        return _exit_line(f"{points} warning points, at most {line}", "warning_points", points, line)
    if _earns(inputs, config):
        return None
    winrate, line = inputs.winrate_fraction, config.exit_defensive_winrate_fraction
    return _exit_line(f"win rate {winrate:.1%} and expectancy not positive", "winrate_fraction", winrate, line)


def _earns(inputs: GradeInputs, config: HysteresisConfig) -> bool:
    winrate, expectancy = inputs.winrate_fraction, inputs.expectancy
    if winrate is None or winrate > config.exit_defensive_winrate_fraction:
        return True
    return expectancy is not None and expectancy > 0.0


def _exit_line(text: str, metric: str, value: float | None, line: float) -> Reason:
    return Reason(code="HELD_EXIT_LINE", text=f"held in DEFENSIVE: {text}", metric=metric, value=value, threshold=line)


def _stays(grading: Grading, inputs: GradeInputs, config: HysteresisConfig) -> bool:
    drawdown, winrate = inputs.full_drawdown_pct, inputs.winrate_fraction
    if drawdown is None or winrate is None or grading.warning_points:
        return False
    return drawdown <= config.stay_aggressive_drawdown_pct and winrate >= config.stay_aggressive_winrate_fraction


def _stays_reason(inputs: GradeInputs, config: HysteresisConfig) -> Reason:
    return Reason(
        code="STAYS_AGGRESSIVE",
        text=f"stays AGGRESSIVE: drawdown {inputs.full_drawdown_pct:.2f} % within "
        f"{config.stay_aggressive_drawdown_pct:g} %, win rate {inputs.winrate_fraction:.1%} at least "
        f"{config.stay_aggressive_winrate_fraction:.1%}",
        metric="drawdown_pct",
        value=inputs.full_drawdown_pct,
        threshold=config.stay_aggressive_drawdown_pct,
    )
