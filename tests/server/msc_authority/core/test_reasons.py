"""Every reason an evaluation can give: its code, its sentence, and the numbers it was decided by."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from msc_core_builders import CONFIG, DAY, HALF_HOUR, HOUR, T0, decided, equity_of, readings, thriving

from msc_authority.core.grade import GradeInputs, grade
from msc_authority.core.high_water import HighWaterMark
from msc_authority.core.hysteresis import Circumstances, ModeState, next_mode
from msc_authority.core.policy import Reason, RiskMode, TradingState
from msc_authority.core.rebase import reduced_risk
from msc_authority.core.trading_state import next_trading_state

DEFENSIVE, NORMAL, AGGRESSIVE = RiskMode
ACTIVE, REDUCING, HALTED = TradingState

Said = tuple[str, str, str, float | None, float | None]


def said(reason: Reason | None) -> Said:
    assert reason is not None
    return reason.code, reason.text, reason.metric, reason.value, reason.threshold


def graded(**inputs: object) -> list[Said]:
    found = grade(GradeInputs(**inputs), CONFIG.grade)  # type: ignore[arg-type]  # each test names fields of its own
    return [said(reason) for reason in found.reasons]


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({"known": False}, ("NO_FACTS", "UNKNOWN: no closed LIVE trade and no equity reading", "", None, None)),
        (
            {"stale_for_s": 25_200.0},
            (
                "FACTS_STALE",
                "UNKNOWN: the newest fact is 7.0 h old while trading is on",
                "facts_age_s",
                25_200.0,
                None,
            ),
        ),
        (
            {"valid": False},
            ("INPUTS_INVALID", "CRITICAL: facts hold numbers that make no sense", "", None, None),
        ),
        ({"nav": -0.25}, ("NAV_NOT_POSITIVE", "CRITICAL: NAV -0.25 is not positive", "nav", -0.25, 0.0)),
        (
            {"drawdown_pct": 8.0},
            ("DRAWDOWN_CRITICAL", "CRITICAL: drawdown 8.00 % has reached 8 %", "drawdown_pct", 8.0, 8.0),
        ),
        (
            {"drawdown_pct": 7.994},
            ("DRAWDOWN_POOR", "POOR: drawdown 7.99 % has reached 4 %", "drawdown_pct", 7.994, 4.0),
        ),
        (
            {"loss_streak": 8, "days_without_profit": 3.0},
            ("WARNING_POINTS", "POOR: 3 warning points, the line is 3", "warning_points", 3, 3),
        ),
        (
            {"full_drawdown_pct": 2.25, "winrate_fraction": 0.5},
            (
                "GRADE_NORMAL",
                "NORMAL, short of GOOD: drawdown 2.25 % above 2 %; win rate 50.0% below 55.0%",
                "",
                None,
                None,
            ),
        ),
        (
            {"full_drawdown_pct": 0.5, "winrate_fraction": 0.6, "trades_n": 30.0, "what_if": True},
            (
                "GRADE_GOOD",
                "GOOD, short of EXCELLENT: win rate 60.0% below 62.0%; 30 trades, fewer than 50; "
                "win rate's lower bound 42.3% not above 50.0%",
                "",
                None,
                None,
            ),
        ),
        (
            {"full_drawdown_pct": 1.0, "winrate_fraction": 0.62, "what_if": True},
            ("GRADE_EXCELLENT", "EXCELLENT: every condition holds", "", None, None),
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_the_grade_is_explained_by_its_first_reason(inputs: dict[str, object], reason: Said) -> None:
    assert graded(**inputs)[0] == reason


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        (
            {"drawdown_pct": 3.5},
            ("DRAWDOWN_WARNING", "drawdown 3.50 % has reached 3 %: 1 warning point", "drawdown_pct", 3.5, 3.0),
        ),
        (
            {"winrate_fraction": 0.4, "trades_n": 25.0, "expectancy": 2.0},
            ("WINRATE_LOW", "win rate 40.0% is not above 45.0%: 1 warning point", "winrate_fraction", 0.4, 0.45),
        ),
        (
            {"winrate_fraction": 0.4, "trades_n": 25.0, "expectancy": -2.0},
            (
                "WINRATE_LOW",
                "win rate 40.0% is not above 45.0% and the expectancy not positive: 2 warning points",
                "winrate_fraction",
                0.4,
                0.45,
            ),
        ),
        (
            {"slope_pct_per_day": -0.75, "slope_high_pct_per_day": -0.1},
            (
                "SLOPE_FALLING",
                "equity slope -0.750 %/d is below -0.5 %/d: 2 warning points",
                "slope_pct_per_day",
                -0.75,
                -0.5,
            ),
        ),
        (
            {"loss_streak": 6},
            ("LOSS_STREAK", "6 losing trades in a row (line 5): 1 warning point", "loss_streak", 6, 5),
        ),
        (
            {"loss_streak": 9},
            ("LOSS_STREAK", "9 losing trades in a row (line 8): 2 warning points", "loss_streak", 9, 8),
        ),
        (
            {"days_without_profit": 3.25},
            (
                "WITHOUT_PROFIT",
                "3.2 days without a profitable trade (line 3): 1 warning point",
                "days_without_profit",
                3.25,
                3.0,
            ),
        ),
        (
            {"volatility_ratio": 1.75},
            ("VOLATILITY_HIGH", "volatility 1.75 times its median: 1 warning point", "volatility_ratio", 1.75, 1.5),
        ),
        (
            {"volatility_ratio": 3.0},
            (
                "VOLATILITY_EXTREME",
                "volatility 3.00 times its median: 2 warning points",
                "volatility_ratio",
                3.0,
                2.5,
            ),
        ),
    ],
    ids=lambda value: value[1][:30] if isinstance(value, tuple) else "",
)
def test_each_warning_says_its_number_its_line_and_its_points(inputs: dict[str, object], reason: Said) -> None:
    assert graded(**inputs)[1:] == [reason]


FRESH = Circumstances(as_of=T0 + HOUR, facts_age_s=60.0, facts_fresh=True, changes=0)
CALM = GradeInputs(drawdown_pct=1.2, full_drawdown_pct=1.2, winrate_fraction=0.6, trades_n=100.0, expectancy=1.0)
LOSING = GradeInputs(drawdown_pct=1.2, full_drawdown_pct=2.2, winrate_fraction=0.4875, expectancy=-1.0)


def moved(before: ModeState, inputs: GradeInputs, now: Circumstances = FRESH) -> list[Said]:
    return [said(one) for one in next_mode(before, grade(inputs, CONFIG.grade), inputs, now, CONFIG.hysteresis)[1]]


def test_a_lowered_mode_says_from_where_to_where_and_by_which_grade() -> None:
    fallen = GradeInputs(drawdown_pct=5.0, full_drawdown_pct=5.0)
    assert moved(ModeState(mode=AGGRESSIVE, since=T0), fallen) == [
        ("MODE_LOWERED", "risk mode AGGRESSIVE -> DEFENSIVE: the grade is POOR", "", None, None)
    ]


def test_a_raised_mode_says_from_where_to_where_and_by_which_grade() -> None:
    assert moved(ModeState(mode=DEFENSIVE, since=T0, streak=1), CALM) == [
        ("MODE_RAISED", "risk mode DEFENSIVE -> NORMAL: the grade is GOOD", "", None, None)
    ]


def test_staying_aggressive_says_what_still_holds() -> None:
    assert moved(ModeState(mode=AGGRESSIVE, since=T0), CALM) == [
        (
            "STAYS_AGGRESSIVE",
            "stays AGGRESSIVE: drawdown 1.20 % within 1.5 %, win rate 60.0% at least 58.0%",
            "drawdown_pct",
            1.2,
            1.5,
        )
    ]


@pytest.mark.parametrize(
    ("before", "inputs", "now", "reason"),
    [
        (
            ModeState(mode=DEFENSIVE, since=T0 + 40 * timedelta(minutes=1), streak=1),
            CALM,
            FRESH,
            ("HELD_TIME_IN_MODE", "held in DEFENSIVE: 20 of 60 min in this mode", "time_in_mode_s", 1200.0, 3600.0),
        ),
        (
            ModeState(mode=DEFENSIVE, since=T0),
            CALM,
            FRESH,
            ("HELD_AGREEMENT", "held: 1 of 2 evaluations in a row agree", "agreeing_evaluations", 1, 2),
        ),
        (
            ModeState(mode=DEFENSIVE, since=T0, streak=1),
            LOSING,
            FRESH,
            (
                "HELD_EXIT_LINE",
                "held in DEFENSIVE: win rate 48.8% and expectancy not positive",
                "winrate_fraction",
                0.4875,
                0.5,
            ),
        ),
        (
            ModeState(mode=DEFENSIVE, since=T0, streak=1),
            GradeInputs(drawdown_pct=3.25, full_drawdown_pct=3.25),
            FRESH,
            ("HELD_EXIT_LINE", "held in DEFENSIVE: drawdown 3.25 % not below 3 %", "drawdown_pct", 3.25, 3.0),
        ),
        (
            ModeState(mode=DEFENSIVE, since=T0, streak=1),
            GradeInputs(winrate_fraction=0.6),
            FRESH,
            ("HELD_EXIT_LINE", "held in DEFENSIVE: drawdown unknown", "drawdown_pct", None, 3.0),
        ),
        (
            ModeState(mode=DEFENSIVE, since=T0, streak=1),
            GradeInputs(drawdown_pct=0.0, full_drawdown_pct=0.0, loss_streak=8),
            FRESH,
            ("HELD_EXIT_LINE", "held in DEFENSIVE: 2 warning points, at most 1", "warning_points", 2, 1),
        ),
        (
            ModeState(mode=DEFENSIVE, since=T0, streak=1),
            CALM,
            Circumstances(as_of=T0 + HOUR, facts_age_s=60.0, facts_fresh=True, changes=5),
            (
                "HELD_CHANGES",
                "held: 5 risk-increasing changes within 60 min",
                "risk_increasing_changes",
                5,
                5,
            ),
        ),
    ],
    ids=lambda value: value[1][:40] if isinstance(value, tuple) else "",
)
def test_what_holds_a_step_toward_risk_says_how_far_it_is(
    before: ModeState, inputs: GradeInputs, now: Circumstances, reason: Said
) -> None:
    assert moved(before, inputs, now) == [reason]


@pytest.mark.parametrize(
    ("age_s", "text"), [(None, "held: there is no fact"), (27_000.0, "held: the newest fact is 7.5 h old")]
)
def test_stale_facts_say_how_old_they_are(age_s: float | None, text: str) -> None:
    now = Circumstances(as_of=T0 + HOUR, facts_age_s=age_s, facts_fresh=False, changes=0)
    stale = moved(ModeState(mode=DEFENSIVE, since=T0, streak=1), CALM, now)[-1]
    assert stale == ("HELD_STALE_FACTS", text, "facts_age_s", age_s, None)


@pytest.mark.parametrize(
    ("before", "drawdown", "hard", "reason"),
    [
        (
            ACTIVE,
            10.25,
            0.0,
            (
                "TRADING_REDUCING",
                "REDUCING: drawdown 10.25 % has reached 10 %",
                "drawdown_pct",
                10.25,
                10.0,
            ),
        ),
        (
            REDUCING,
            8.5,
            0.0,
            (
                "TRADING_REDUCING",
                "REDUCING: drawdown 8.50 % has not fallen below 8 %",
                "drawdown_pct",
                8.5,
                8.0,
            ),
        ),
        (REDUCING, None, None, ("TRADING_REDUCING", "REDUCING: the drawdown is unknown", "drawdown_pct", None, None)),
        (
            REDUCING,
            7.75,
            0.0,
            (
                "TRADING_RESUMED",
                "entries resume: drawdown 7.75 % is below 8 %",
                "drawdown_pct",
                7.75,
                8.0,
            ),
        ),
        (
            REDUCING,
            3.0,
            15.25,
            (
                "TRADING_HALTED",
                "HALTED: drawdown 15.25 % since the last reset by a person has reached 15 %",
                "hard_drawdown_pct",
                15.25,
                15.0,
            ),
        ),
        (HALTED, 0.0, 0.0, ("HALT_LATCHED", "trading is HALTED until a person clears it", "", None, None)),
    ],
)
def test_each_trading_state_says_why(
    before: TradingState, drawdown: float | None, hard: float | None, reason: Said
) -> None:
    found = next_trading_state(before, drawdown_pct=drawdown, hard_drawdown_pct=hard, config=CONFIG.trading_state)
    assert said(found[1]) == reason


def test_a_rebase_says_what_it_forgives_and_the_reduction_until_when_it_lasts() -> None:
    fall, rows = T0 + 8 * DAY, thriving(8)
    rows += readings(equity_of(rows) * 0.95, start=fall, end=fall + 25 * HOUR)
    reasons = {one.code: one for one in decided(rows, end=fall + DAY + HALF_HOUR)[-1].verdict.reasons}

    rebased, reduced = reasons["DRAWDOWN_REBASED"], reasons["RISK_REDUCED"]
    assert re.fullmatch(
        r"drawdown 5\.\d\d % is measured anew from NAV 1\.\d+ after 24 h in DEFENSIVE without a losing trade",
        rebased.text,
    )
    assert (rebased.metric, rebased.threshold) == ("drawdown_pct", 3.0)
    assert rebased.value == pytest.approx(5.0, abs=0.1)
    assert reduced.text == (
        "max_risk_per_trade times 0.5 until 2024-03-11T00:30:00+00:00: the drawdown was measured anew"
    )
    assert (reduced.metric, reduced.value, reduced.threshold) == ("risk_multiplier", 0.5, None)


@pytest.mark.parametrize(("age", "reduced"), [(timedelta(0), True), (DAY - timedelta(seconds=1), True), (DAY, False)])
def test_risk_is_reduced_for_exactly_a_day_after_a_rebase(age: timedelta, reduced: bool) -> None:
    mark = HighWaterMark(since=T0, nav=1.0, origin="x")
    assert (reduced_risk(mark, T0 + age, CONFIG.rebase) is not None) is reduced
    assert reduced_risk(None, T0 + age, CONFIG.rebase) is None


def all_reasons(pick: Callable[[Reason], str]) -> set[str]:
    rows = thriving(8)
    fall = T0 + 8 * DAY
    rows += readings(equity_of(rows) * 0.84, start=fall, end=fall + 2 * DAY)
    return {pick(reason) for decision in decided(rows, end=fall + 2 * DAY) for reason in decision.verdict.reasons}


def test_codes_are_upper_snake_and_sentences_are_one_line_without_a_full_stop() -> None:
    assert all(re.fullmatch(r"[A-Z][A-Z_]+[A-Z]", code) for code in all_reasons(lambda reason: reason.code))
    texts = all_reasons(lambda reason: reason.text)
    assert all(text and text.isprintable() and not text.endswith(".") for text in texts)
