"""Medians, ratios and goals of the benchmarks."""

from __future__ import annotations

import pytest
from benching.run import Run
from benching.statistics import Judged, judged, ratio, summary
from benching.values import Benchmark, Goal, Outcome, Series
from hypothesis import given
from hypothesis import strategies as st

TIMES = st.lists(st.floats(min_value=1e-6, max_value=1e9), min_size=1, max_size=30)


def nothing(run: Run) -> None:
    """Measures nothing: these outcomes are made by hand."""


def an_outcome(*series: Series, goals: tuple[Goal, ...] = (), skipped: dict[str, str] | None = None) -> Outcome:
    benchmark = Benchmark(name="b", question="?", unit="ms", baseline="bare", goals=goals, measure=nothing, size="n")
    return Outcome(benchmark=benchmark, series=series, skipped=tuple((skipped or {}).items()))


def a_series(contender: str, *values: float, size: int = 0) -> Series:
    return Series(contender=contender, size=size, values=values)


def only(outcome: Outcome) -> Judged:
    (verdict,) = judged(outcome)
    return verdict


def test_the_middle_and_the_quartiles_around_it() -> None:
    taken = summary([5.0, 1.0, 2.0, 4.0, 3.0])
    assert (taken.low, taken.median, taken.high, taken.count) == (2.0, 3.0, 4.0, 5)


def test_a_single_value_is_its_own_spread() -> None:
    taken = summary([7.0])
    assert (taken.low, taken.median, taken.high, taken.count) == (7.0, 7.0, 7.0, 1)


def test_nothing_has_no_middle() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        summary([])


@given(TIMES)
def test_the_middle_lies_between_the_quartiles_and_these_between_the_extremes(values: list[float]) -> None:
    taken = summary(values)
    rounding = 1e-9 * max(values)
    assert min(values) - rounding <= taken.low <= taken.median + rounding
    assert taken.median - rounding <= taken.high <= max(values) + rounding


@given(TIMES, st.floats(min_value=0.01, max_value=100))
def test_what_slows_a_whole_round_does_not_show_in_a_ratio(slowness: list[float], factor: float) -> None:
    # The machine is slowed differently in each round, and both contenders with it.
    ours = a_series("ours", *(factor * slow for slow in slowness))
    theirs = a_series("theirs", *slowness)
    assert ratio(ours, theirs).median == pytest.approx(factor)


def test_a_round_that_only_one_finished_does_not_count() -> None:
    assert ratio(a_series("ours", 2.0, 2.0, 900.0), a_series("theirs", 1.0, 1.0)).median == 2.0


@pytest.mark.parametrize(("value", "held"), [(1.24, True), (1.25, True), (1.26, False)])
def test_a_goal_of_at_most(value: float, held: bool) -> None:
    goal = Goal(what="ours", against="bare", at_most=1.25)
    assert only(an_outcome(a_series("ours", value), a_series("bare", 1.0), goals=(goal,))).held is held


@pytest.mark.parametrize(("value", "held"), [(0.91, True), (0.9, True), (0.89, False)])
def test_a_goal_of_at_least(value: float, held: bool) -> None:
    goal = Goal(what="ours", against="bare", at_least=0.9)
    assert only(an_outcome(a_series("ours", value), a_series("bare", 1.0), goals=(goal,))).held is held


def test_a_goal_without_a_rival_bounds_the_figure_itself() -> None:
    verdict = only(an_outcome(a_series("ours", 1_400.0, 1_600.0, 1_500.0), goals=(Goal(what="ours", at_most=1_500),)))
    assert verdict.ratio is not None
    assert verdict.ratio.median == 1_500.0
    assert verdict.held


def test_a_goal_is_judged_at_each_size_it_names() -> None:
    goal = Goal(what="ours", against="bare", at_most=1.25, at=(10, 100))
    outcome = an_outcome(
        a_series("ours", 1.0, size=10),
        a_series("bare", 1.0, size=10),
        a_series("ours", 2.0, size=100),
        a_series("bare", 1.0, size=100),
        goals=(goal,),
    )
    assert [(verdict.size, verdict.held) for verdict in judged(outcome)] == [(10, True), (100, False)]


def test_a_size_that_was_left_out_is_neither_held_nor_missed() -> None:
    goal = Goal(what="ours", against="bare", at_most=1.25, at=(10, 5_000))
    outcome = an_outcome(a_series("ours", 1.0, size=10), a_series("bare", 1.0, size=10), goals=(goal,))
    assert [(verdict.held, verdict.why) for verdict in judged(outcome)] == [(True, ""), (None, "not in this run")]


def test_a_goal_of_a_run_that_measured_nothing_is_named_all_the_same() -> None:
    assert only(an_outcome(goals=(Goal(what="ours", against="bare", at_most=1.25),))).held is None


def test_a_goal_against_one_who_is_missing_says_why() -> None:
    goal = Goal(what="ours", against="etcd", at_most=1.0, at=(10,))
    outcome = an_outcome(a_series("ours", 1.0, size=10), goals=(goal,), skipped={"etcd": "there is no Go"})
    verdict = only(outcome)
    assert (verdict.held, verdict.why) == (None, "etcd: there is no Go")


@pytest.mark.parametrize("bounds", [{}, {"at_most": 1.0, "at_least": 1.0}])
def test_a_goal_has_one_bound(bounds: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="either at_most or at_least"):
        Goal(what="ours", **bounds)  # type: ignore[arg-type]  # the bounds are fields, and nothing else
