"""Whole days of grades, half hour by half hour, and the modes they lead to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_core_builders import CONFIG, HALF_HOUR, HOUR, MINUTE, T0

from msc_authority.core.config import HysteresisConfig
from msc_authority.core.grade import GradeInputs, Grading
from msc_authority.core.hysteresis import Circumstances, ModeState, next_mode
from msc_authority.core.policy import RiskMode, SystemHealth

LETTERS = {
    "u": SystemHealth.UNKNOWN,
    "c": SystemHealth.CRITICAL,
    "p": SystemHealth.POOR,
    "n": SystemHealth.NORMAL,
    "g": SystemHealth.GOOD,
    "e": SystemHealth.EXCELLENT,
}
WITHIN = GradeInputs(drawdown_pct=1.2, full_drawdown_pct=1.2, winrate_fraction=0.6, trades_n=100.0, expectancy=1.0)
BEYOND = replace(WITHIN, full_drawdown_pct=1.6, drawdown_pct=1.6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """What the evaluations of one timeline have in common."""

    inputs: GradeInputs = WITHIN
    every: timedelta = HALF_HOUR
    start: RiskMode = RiskMode.DEFENSIVE
    stale: frozenset[int] = frozenset()
    config: HysteresisConfig = CONFIG.hysteresis


def lived(grades: str, weather: Weather) -> Iterator[tuple[datetime, ModeState]]:
    state = ModeState(mode=weather.start, since=T0)
    for number, letter in enumerate(grades):
        at, fresh = T0 + number * weather.every, number not in weather.stale
        now = Circumstances(as_of=at, facts_age_s=0.0 if fresh else 30_000.0, facts_fresh=fresh, changes=0)
        grading = Grading(health=LETTERS[letter], points={}, reasons=())
        state, _ = next_mode(state, grading, weather.inputs, now, weather.config)
        yield at, state


def modes(grades: str, weather: Weather) -> str:
    return "".join(state.mode.name[0] for _, state in lived(grades, weather))


@pytest.mark.parametrize(
    ("grades", "expected"),
    [
        # An hour in the mode and two that agree: the third half hour is the first chance.
        ("gggg", "DDNN"),
        ("eeeeeeee", "DDNNAAAA"),
        # One bad evaluation at the top costs everything, and the whole way up is walked again.
        ("eeeeeepeeeeee", "DDNNAADDNNAAA"),
        # NORMAL at the top is one step down, at once, where the line of staying is left.
        ("eeeeeun", "DDNNADD"),
        # Agreement has to be unbroken: UNKNOWN between two good ones starts the count anew.
        ("nunun", "DDDDD"),
        ("nnunn", "DDDDN"),
        # From DEFENSIVE every grade that asks for more counts as agreement.
        ("nge", "DDN"),
        ("gng", "DDN"),
        # In NORMAL only EXCELLENT asks for more: GOOD starts its count anew.
        ("gggegege", "DDNNNNNN"),
        ("gggee", "DDNNA"),
        # The hour in a mode begins with the mode: good news that came before counts for agreement only.
        ("eeeee", "DDNNA"),
        ("pppppppe", "DDDDDDDD"),
        ("pppppppee", "DDDDDDDDN"),
    ],
)
def test_a_timeline_of_grades_leads_to_these_modes(grades: str, expected: str) -> None:
    assert modes(grades, Weather()) == expected


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [(WITHIN, "AAAA"), (BEYOND, "ANNN")],
    ids=["within the line of staying", "beyond it"],
)
def test_a_grade_that_flickers_between_good_and_excellent_flaps_no_mode(inputs: GradeInputs, expected: str) -> None:
    assert modes("egeg", Weather(inputs=inputs, start=RiskMode.AGGRESSIVE)) == expected


def test_while_aggressive_stays_its_hour_goes_on_counting() -> None:
    states = [state for _, state in lived("egge", Weather(start=RiskMode.AGGRESSIVE))]

    assert {state.since for state in states} == {T0}
    assert {state.streak for state in states} == {0}


def test_a_stale_evaluation_in_between_starts_the_count_anew() -> None:
    assert modes("gggggg", Weather(stale=frozenset({1}))) == "DDDNNN"
    assert modes("gggggg", Weather(stale=frozenset({1, 3, 5}))) == "DDDDDD"


def test_stale_facts_never_stop_the_way_to_safety() -> None:
    assert modes("eeeeep", Weather(stale=frozenset({5}))) == "DDNNAD"


def test_frequent_evaluations_do_not_shorten_the_hour() -> None:
    found = modes("e" * 130, Weather(every=MINUTE))

    assert (found.index("N"), found.index("A")) == (60, 120)


def test_rare_evaluations_still_need_two_that_agree() -> None:
    assert modes("eeee", Weather(every=6 * HOUR)) == "DNNA"


def test_an_hour_at_the_top_is_not_needed_to_fall_and_no_hour_below_to_fall_again() -> None:
    assert modes("npnp", Weather(start=RiskMode.AGGRESSIVE, inputs=BEYOND, every=MINUTE)) == "NDDD"


def test_the_numbers_of_the_configuration_are_those_that_count() -> None:
    patient = HysteresisConfig(min_time_in_mode_s=7_200.0, min_agreeing_evaluations=3)
    hasty = HysteresisConfig(min_time_in_mode_s=0.0, min_agreeing_evaluations=1)

    assert modes("eeeeeeeeee", Weather(config=patient)) == "DDDDNNNNAA"
    assert modes("eee", Weather(config=hasty)) == "NAA"


@pytest.mark.parametrize(("expectancy", "expected"), [(0.0, "DDDD"), (math.ulp(0.0), "DDNN")])
def test_a_rate_of_one_half_leaves_defensive_with_any_gain_and_with_none_it_stays(
    expectancy: float, expected: str
) -> None:
    even = replace(WITHIN, winrate_fraction=0.50, expectancy=expectancy)

    assert modes("gggg", Weather(inputs=even)) == expected


@given(st.lists(st.sampled_from("ucpnge"), max_size=60).map("".join), st.sampled_from([MINUTE, HALF_HOUR, HOUR]))
def test_whatever_the_grades_nobody_stays_above_what_the_last_grade_bears(grades: str, every: timedelta) -> None:
    for letter, (_, state) in zip(grades, lived(grades, Weather(every=every)), strict=True):
        if letter in "ucp":
            assert state.mode is RiskMode.DEFENSIVE


@given(st.lists(st.sampled_from("ucpnge"), max_size=60).map("".join), st.integers(0, 59))
def test_one_worse_grade_never_leads_to_more_risk_at_any_later_time(grades: str, at: int) -> None:
    if at >= len(grades):
        return
    order = "ucpnge"
    worse = grades[:at] + order[max(order.index(grades[at]) - 1, 0)] + grades[at + 1 :]
    before, after = (mode_numbers(one) for one in (grades, worse))
    assert all(bad <= good for good, bad in zip(before, after, strict=True))


def mode_numbers(grades: str) -> Sequence[int]:
    return [int(state.mode) for _, state in lived(grades, Weather())]


@given(st.lists(st.sampled_from("ucpnge"), min_size=1, max_size=40).map("".join))
def test_since_is_when_the_mode_was_entered_and_never_moves_within_it(grades: str) -> None:
    previous = ModeState(mode=RiskMode.DEFENSIVE, since=T0)
    for at, state in lived(grades, Weather()):
        assert state.since == (previous.since if state.mode is previous.mode else at)
        previous = state
