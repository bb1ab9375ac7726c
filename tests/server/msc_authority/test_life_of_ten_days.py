"""Ten days of evaluations, written out: what the authority said at every turn of an account's life, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from msc_life import BORN, BREAK_AT, CRASH_AT, FALL_AT, HOURS, hour, ten_days

from msc_authority.adapters.clock import SystemClock
from msc_authority.adapters.sql import open_store
from msc_authority.app.replay import ReplayStep
from msc_authority.compose.replay import replay_in_memory, replay_into
from msc_authority.core.config import DecisionConfig
from msc_authority.core.evaluation import Verdict
from msc_authority.core.facts import happened_at
from msc_authority.core.policy import Limits, RiskMode, StrategyState, TradingState

HALF_HOUR = timedelta(minutes=30)
ACTIVE, REDUCING, HALTED = TradingState
DEFENSIVE, NORMAL, AGGRESSIVE = RiskMode


@dataclass(frozen=True, slots=True)
class Turn:
    """One policy: the hour it was committed at, what it allows, to whom (* on probation), and the reasons' codes."""

    hour: float
    mode: str
    trading: str
    grade: str
    risk_pct: float
    allowed: str
    reasons: str


# Version by version, from 1.
LIFE = (
    Turn(
        0.0, "DEFENSIVE", "ACTIVE", "NORMAL", 0.30, "", "GRADE_NORMAL HELD_TIME_IN_MODE HELD_AGREEMENT NOBODY_ALLOWED"
    ),
    Turn(0.5, "DEFENSIVE", "ACTIVE", "GOOD", 0.30, "TREND*", "GRADE_GOOD HELD_TIME_IN_MODE"),
    Turn(1.0, "NORMAL", "ACTIVE", "GOOD", 0.75, "TREND*", "GRADE_GOOD MODE_RAISED"),
    Turn(1.5, "NORMAL", "ACTIVE", "GOOD", 0.75, "TREND* RANGE*", "GRADE_GOOD"),
    Turn(9.5, "NORMAL", "ACTIVE", "GOOD", 0.75, "TREND RANGE*", "GRADE_GOOD"),
    Turn(37.5, "NORMAL", "ACTIVE", "GOOD", 0.75, "TREND", "GRADE_GOOD"),
    Turn(121.0, "AGGRESSIVE", "ACTIVE", "EXCELLENT", 1.50, "TREND", "GRADE_EXCELLENT MODE_RAISED"),
    Turn(
        156.5,
        "DEFENSIVE",
        "ACTIVE",
        "POOR",
        0.30,
        "TREND",
        "DRAWDOWN_POOR DRAWDOWN_WARNING VOLATILITY_EXTREME MODE_LOWERED",
    ),
    Turn(
        180.5,
        "DEFENSIVE",
        "ACTIVE",
        "NORMAL",
        0.15,
        "TREND",
        "GRADE_NORMAL VOLATILITY_EXTREME HELD_EXIT_LINE DRAWDOWN_REBASED RISK_REDUCED",
    ),
    Turn(
        192.5,
        "DEFENSIVE",
        "ACTIVE",
        "NORMAL",
        0.15,
        "TREND NEWS*",
        "GRADE_NORMAL VOLATILITY_EXTREME HELD_EXIT_LINE RISK_REDUCED",
    ),
    Turn(204.5, "DEFENSIVE", "ACTIVE", "NORMAL", 0.30, "TREND NEWS*", "GRADE_NORMAL VOLATILITY_EXTREME HELD_EXIT_LINE"),
    Turn(213.5, "DEFENSIVE", "ACTIVE", "NORMAL", 0.30, "NEWS* TREND", "GRADE_NORMAL VOLATILITY_EXTREME HELD_EXIT_LINE"),
    Turn(
        216.5,
        "DEFENSIVE",
        "REDUCING",
        "CRITICAL",
        0.30,
        "NEWS* TREND",
        "DRAWDOWN_CRITICAL DRAWDOWN_WARNING VOLATILITY_EXTREME TRADING_REDUCING",
    ),
    Turn(
        217.0,
        "DEFENSIVE",
        "HALTED",
        "CRITICAL",
        0.30,
        "NEWS* TREND",
        "DRAWDOWN_CRITICAL DRAWDOWN_WARNING VOLATILITY_EXTREME TRADING_HALTED",
    ),
    Turn(
        219.5,
        "DEFENSIVE",
        "HALTED",
        "NORMAL",
        0.30,
        "TREND",
        "GRADE_NORMAL VOLATILITY_EXTREME HELD_EXIT_LINE HALT_LATCHED",
    ),
    Turn(
        227.5,
        "DEFENSIVE",
        "HALTED",
        "NORMAL",
        0.30,
        "",
        "GRADE_NORMAL VOLATILITY_EXTREME HELD_EXIT_LINE HALT_LATCHED NOBODY_ALLOWED",
    ),
)

# Each step in a strategy's life: hour, who, to where, why.
LIVES = (
    (0.5, "TREND", "PROBATION", "STRATEGY_NEW"),
    (1.5, "RANGE", "PROBATION", "STRATEGY_NEW"),
    (9.5, "TREND", "ACTIVE", "STRATEGY_PROBATION_PASSED"),
    (37.5, "RANGE", "BENCHED", "STRATEGY_PROBATION_FAILED"),
    (38.0, "RANGE", "SHADOW", "STRATEGY_SHADOWED"),
    (192.5, "NEWS", "PROBATION", "STRATEGY_NEW"),
    (219.5, "NEWS", "BENCHED", "STRATEGY_PROBATION_FAILED"),
    (220.0, "NEWS", "SHADOW", "STRATEGY_SHADOWED"),
    (227.5, "TREND", "BENCHED", "STRATEGY_PROBABILITY_LOW"),
    (228.0, "TREND", "SHADOW", "STRATEGY_SHADOWED"),
)


@pytest.fixture(scope="module")
def steps() -> list[ReplayStep]:
    """Every evaluation of the life, one each half hour."""
    return list(replay_in_memory(ten_days(), DecisionConfig(), HALF_HOUR))


def verdict_of(step: ReplayStep) -> Verdict:
    verdict = step.outcome.entry.verdict
    assert verdict is not None
    return verdict


def at_hour(step: ReplayStep) -> float:
    return (step.as_of - BORN) / timedelta(hours=1)


def turn_of(step: ReplayStep) -> Turn:
    content = step.outcome.candidate
    stars = {StrategyState.ACTIVE: "", StrategyState.PROBATION: "*"}
    return Turn(
        hour=at_hour(step),
        mode=content.risk_mode.name,
        trading=content.trading_state.name,
        grade=content.metrics.system_health.value,
        risk_pct=round(content.limits.max_risk_per_trade * 100, 10),
        allowed=" ".join(f"{grant.strategy_id}{stars[grant.state]}" for grant in content.grants),
        reasons=" ".join(reason.code for reason in content.reasons),
    )


def test_every_policy_of_the_life_is_the_one_written_here_version_by_version(steps: list[ReplayStep]) -> None:
    committed = [step for step in steps if step.outcome.entry.committed is not None]

    assert [turn_of(step) for step in committed] == list(LIFE)
    assert [step.outcome.head.ref.version for step in committed] == list(range(1, len(LIFE) + 1))


def test_between_two_policies_every_evaluation_confirms_the_last_one(steps: list[ReplayStep]) -> None:
    assert len(steps) == 2 * HOURS + 1
    for step in steps:
        expected = sum(turn.hour <= at_hour(step) for turn in LIFE)
        assert step.outcome.head.ref.version == expected, step.as_of
        assert step.outcome.head.evaluated_at == step.as_of


def test_every_strategy_goes_the_way_written_here(steps: list[ReplayStep]) -> None:
    found = [
        (at_hour(step), one.strategy_id, one.after.value, one.reason.code)
        for step in steps
        for one in verdict_of(step).transitions
    ]

    assert found == list(LIVES)


def test_in_each_mode_the_limits_are_those_of_its_row_unless_risk_is_reduced(steps: list[ReplayStep]) -> None:
    table = {
        DEFENSIVE: Limits(max_risk_per_trade=0.0030, global_min_confidence=0.70, max_positions=8, max_daily_trades=10),
        NORMAL: Limits(max_risk_per_trade=0.0075, global_min_confidence=0.60, max_positions=10, max_daily_trades=30),
        AGGRESSIVE: Limits(
            max_risk_per_trade=0.0150, global_min_confidence=0.50, max_positions=15, max_daily_trades=50
        ),
    }
    reduced = []
    for step in steps:
        content = step.outcome.candidate
        if "RISK_REDUCED" in {reason.code for reason in content.reasons}:
            reduced.append(at_hour(step))
            assert content.limits.max_risk_per_trade == table[content.risk_mode].max_risk_per_trade / 2
        else:
            assert content.limits == table[content.risk_mode]

    assert reduced == [180.5 + number / 2 for number in range(48)]


def test_five_percent_are_answered_by_the_next_evaluation_and_not_forgiven_for_a_day(steps: list[ReplayStep]) -> None:
    fall = next(step for step in steps if step.as_of == hour(FALL_AT + 0.5))
    drawdown = fall.outcome.candidate.metrics.system_drawdown

    assert drawdown is not None
    assert 5.0 <= drawdown < 5.2
    assert [reason.text for reason in fall.outcome.candidate.reasons][-1] == (
        "risk mode AGGRESSIVE -> DEFENSIVE: the grade is POOR"
    )
    day_after = [step for step in steps if hour(FALL_AT + 0.5) <= step.as_of <= hour(FALL_AT + 24)]
    assert {verdict_of(step).system_health.value for step in day_after} == {"POOR"}


def test_the_halt_outlives_the_recovery_and_nothing_but_a_person_would_end_it(steps: list[ReplayStep]) -> None:
    crashed = [step for step in steps if step.as_of > hour(CRASH_AT)]
    states = [step.outcome.candidate.trading_state for step in crashed]
    recovered = [step.outcome.candidate.metrics.system_drawdown or 0.0 for step in crashed[4:]]

    assert states == [REDUCING, *[HALTED] * (len(states) - 1)]
    assert max(recovered) < 2.0


def test_a_strategy_that_breaks_is_benched_although_its_whole_life_was_a_gain(steps: list[ReplayStep]) -> None:
    benched = next(step for step in steps if step.as_of == hour(227.5))
    trend = next(one for one in verdict_of(benched).strategies if one.strategy_id == "TREND")

    assert trend.net_pnl > 0
    assert trend.probability_positive < 0.50
    assert trend.state is StrategyState.BENCHED
    assert not trend.allowed
    assert hour(BREAK_AT) < benched.as_of


def test_toward_risk_there_is_never_more_than_one_step_and_an_hour_between_two(steps: list[ReplayStep]) -> None:
    raised = [step.as_of for step in steps if "MODE_RAISED" in {reason.code for reason in verdict_of(step).reasons}]
    modes = [step.outcome.candidate.risk_mode for step in steps]

    assert all(after <= before + 1 for before, after in pairwise(modes))
    assert raised == [hour(1.0), hour(121.0)]


def test_the_same_life_in_a_database_leads_to_the_same_policies(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/msc.db"
    first_day = [fact for fact in ten_days() if happened_at(fact) <= hour(24)]

    steps = list(replay_into(url, first_day, DecisionConfig(), HALF_HOUR))

    assert [turn_of(step) for step in steps if step.outcome.changes] == list(LIFE[:5])
    with open_store(url, SystemClock()) as store:
        kept = store.policies.revisions(None, 100)
    assert [revision.policy.ref.version for revision in kept] == [5, 4, 3, 2, 1]
    assert [revision.policy.content.risk_mode.name for revision in reversed(kept)] == [turn.mode for turn in LIFE[:5]]
