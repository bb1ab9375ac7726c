"""Toward safety at once, toward risk step by step: each rule alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_core_builders import CONFIG, HOUR, MINUTE, T0, changed

from msc_authority.core.grade import GradeInputs, Grading
from msc_authority.core.hysteresis import Circumstances, ModeState, next_mode
from msc_authority.core.policy import RiskMode, SystemHealth

DEFENSIVE, NORMAL, AGGRESSIVE = RiskMode
HEALTHS = list(SystemHealth)
CALM = GradeInputs(drawdown_pct=1.2, full_drawdown_pct=1.2, winrate_fraction=0.6, trades_n=100, expectancy=1.0)


def a_grading(health: SystemHealth, points: int = 0) -> Grading:
    return Grading(health=health, points={"loss_streak": points} if points else {}, reasons=())


def circumstances(
    *, minutes: float = 60, age_s: float | None = 60.0, fresh: bool = True, changes: int = 0
) -> Circumstances:
    return Circumstances(
        as_of=T0 + minutes * MINUTE, facts_age_s=age_s, facts_fresh=fresh and age_s is not None, changes=changes
    )


def step(
    mode: RiskMode,
    health: SystemHealth,
    *,
    inputs: GradeInputs = CALM,
    points: int = 0,
    streak: int = 1,
    now: Circumstances | None = None,
) -> tuple[ModeState, list[str]]:
    before = ModeState(mode=mode, since=T0, streak=streak)
    after, reasons = next_mode(before, a_grading(health, points), inputs, now or circumstances(), CONFIG.hysteresis)
    return after, [reason.code for reason in reasons]


@pytest.mark.parametrize(
    ("before", "health", "after"),
    [
        (AGGRESSIVE, SystemHealth.POOR, DEFENSIVE),
        (AGGRESSIVE, SystemHealth.CRITICAL, DEFENSIVE),
        (AGGRESSIVE, SystemHealth.UNKNOWN, DEFENSIVE),
        (NORMAL, SystemHealth.POOR, DEFENSIVE),
        (NORMAL, SystemHealth.UNKNOWN, DEFENSIVE),
    ],
)
def test_toward_safety_it_goes_in_one_evaluation_whatever_else(
    before: RiskMode, health: SystemHealth, after: RiskMode
) -> None:
    now = circumstances(minutes=0, fresh=False, changes=5)
    state, codes = step(before, health, now=now)
    assert state == ModeState(mode=after, since=T0)
    assert codes == ["MODE_LOWERED"]


def test_toward_risk_it_goes_one_step_when_every_rule_is_kept() -> None:
    state, codes = step(DEFENSIVE, SystemHealth.EXCELLENT)
    assert state == ModeState(mode=NORMAL, since=T0 + HOUR)
    assert codes == ["MODE_RAISED"]
    assert step(NORMAL, SystemHealth.EXCELLENT)[0].mode is AGGRESSIVE


def test_a_it_waits_for_sixty_minutes_in_the_present_mode() -> None:
    state, codes = step(NORMAL, SystemHealth.EXCELLENT, now=circumstances(minutes=59.99))
    assert (state.mode, state.since, codes) == (NORMAL, T0, ["HELD_TIME_IN_MODE"])
    assert step(NORMAL, SystemHealth.EXCELLENT, now=circumstances(minutes=60))[0].mode is AGGRESSIVE


def test_b_it_waits_for_two_evaluations_in_a_row() -> None:
    first, codes = step(DEFENSIVE, SystemHealth.NORMAL, streak=0)
    assert (first.mode, first.streak, codes) == (DEFENSIVE, 1, ["HELD_AGREEMENT"])
    assert step(DEFENSIVE, SystemHealth.NORMAL, streak=first.streak)[0].mode is NORMAL


def test_b_an_evaluation_that_does_not_agree_starts_the_count_anew() -> None:
    assert step(NORMAL, SystemHealth.GOOD, streak=1)[0].streak == 0
    assert step(DEFENSIVE, SystemHealth.POOR, streak=1)[0].streak == 0
    assert step(DEFENSIVE, SystemHealth.NORMAL, points=2, streak=1)[0].streak == 0


@pytest.mark.parametrize("age_s", [None, 30_000.0])
def test_c_it_waits_for_fresh_facts_and_stale_ones_do_not_agree(age_s: float | None) -> None:
    state, codes = step(NORMAL, SystemHealth.EXCELLENT, now=circumstances(age_s=age_s, fresh=False))
    assert (state.mode, state.streak) == (NORMAL, 0)
    assert codes == ["HELD_AGREEMENT", "HELD_STALE_FACTS"]


def test_d_it_waits_while_five_changes_are_within_the_hour() -> None:
    state, codes = step(NORMAL, SystemHealth.EXCELLENT, now=circumstances(changes=5))
    assert (state.mode, codes) == (NORMAL, ["HELD_CHANGES"])
    assert step(NORMAL, SystemHealth.EXCELLENT, now=circumstances(changes=4))[0].mode is AGGRESSIVE


@pytest.mark.parametrize(
    ("changes", "points", "leaves"),
    [
        ({"drawdown_pct": 2.99}, 0, True),
        ({"drawdown_pct": 3.0}, 0, False),
        ({"drawdown_pct": None}, 0, False),
        ({}, 1, True),
        ({}, 2, False),
        ({"winrate_fraction": 0.51, "expectancy": -1.0}, 0, True),
        ({"winrate_fraction": 0.50, "expectancy": 0.1}, 0, True),
        ({"winrate_fraction": 0.50, "expectancy": 0.0}, 0, False),
        ({"winrate_fraction": 0.50, "expectancy": None}, 0, False),
        ({"winrate_fraction": None, "expectancy": -1.0}, 0, True),
    ],
)
def test_the_exit_line_of_defensive(changes: dict[str, float], points: int, leaves: bool) -> None:
    inputs = changed(CALM, changes)
    state, codes = step(DEFENSIVE, SystemHealth.NORMAL, inputs=inputs, points=points)
    assert (state.mode is NORMAL) is leaves
    assert codes == (["MODE_RAISED"] if leaves else ["HELD_EXIT_LINE"])


@pytest.mark.parametrize(
    ("changes", "points", "stays"),
    [
        ({"full_drawdown_pct": 1.5}, 0, True),
        ({"full_drawdown_pct": 1.51}, 0, False),
        ({"full_drawdown_pct": None}, 0, False),
        ({"winrate_fraction": 0.58}, 0, True),
        ({"winrate_fraction": 0.579}, 0, False),
        ({"winrate_fraction": None}, 0, False),
        ({}, 1, False),
    ],
)
def test_the_line_within_which_aggressive_stays(changes: dict[str, float], points: int, stays: bool) -> None:
    inputs = changed(CALM, changes)
    state, codes = step(AGGRESSIVE, SystemHealth.GOOD, inputs=inputs, points=points)
    assert state.mode is (AGGRESSIVE if stays else NORMAL)
    assert codes == (["STAYS_AGGRESSIVE"] if stays else ["MODE_LOWERED"])


def test_all_that_holds_is_said_at_once() -> None:
    now = circumstances(minutes=10, fresh=False, changes=5)
    _, codes = step(DEFENSIVE, SystemHealth.GOOD, points=2, now=now)
    assert codes == ["HELD_TIME_IN_MODE", "HELD_EXIT_LINE", "HELD_STALE_FACTS", "HELD_CHANGES"]


def test_a_clock_that_ran_back_holds() -> None:
    _, codes = step(NORMAL, SystemHealth.EXCELLENT, now=circumstances(minutes=-5))
    assert codes == ["HELD_TIME_IN_MODE"]


@given(
    st.sampled_from(list(RiskMode)),
    st.integers(0, 3),
    st.sampled_from(HEALTHS),
    st.sampled_from(HEALTHS),
    st.tuples(st.floats(0, 20), st.floats(0, 20)),
    st.tuples(st.integers(0, 3), st.integers(0, 3)),
    st.floats(0, 90),
)
def test_worse_inputs_never_lead_to_a_looser_mode_or_a_longer_streak(
    mode: RiskMode,
    streak: int,
    one: SystemHealth,
    other: SystemHealth,
    drawdowns: tuple[float, float],
    points: tuple[int, int],
    minutes: float,
) -> None:
    worse, better = sorted((one, other), key=HEALTHS.index)
    before = ModeState(mode=mode, since=T0, streak=streak)
    now = circumstances(minutes=minutes)
    outcomes = []
    for health, drawdown, count in ((better, min(drawdowns), min(points)), (worse, max(drawdowns), max(points))):
        inputs = replace(CALM, drawdown_pct=drawdown, full_drawdown_pct=drawdown)
        outcomes.append(next_mode(before, a_grading(health, count), inputs, now, CONFIG.hysteresis)[0])
    looser, tighter = outcomes
    assert tighter.mode <= looser.mode
    if tighter.mode is looser.mode is mode:
        assert tighter.streak <= looser.streak


@given(st.lists(st.tuples(st.sampled_from(HEALTHS), st.floats(0.1, 40)), max_size=60))
def test_whatever_the_grades_do_the_mode_rises_at_most_one_step_an_hour(
    grades: list[tuple[SystemHealth, float]],
) -> None:
    state, at = ModeState(mode=DEFENSIVE, since=T0), T0
    raised = []
    for health, minutes in grades:
        at += timedelta(minutes=minutes)
        now = Circumstances(as_of=at, facts_age_s=0.0, facts_fresh=True, changes=0)
        after, _ = next_mode(state, a_grading(health), CALM, now, CONFIG.hysteresis)
        assert after.mode <= state.mode + 1
        if after.mode > state.mode:
            raised.append(at)
        state = after
    assert all(later - earlier >= HOUR for earlier, later in pairwise(raised))
