"""What is shown beside a decision: each metric with its line, its margin, its sample and where it comes from."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msc_core_builders import CONFIG, DAY, HALF_HOUR, HOUR, T0, a_point, a_result, decided, metric, thriving

from msc_authority.core.controller import ControllerState, what_if
from msc_authority.core.evaluation import HealthMetric, SuppliedMetrics, Verdict
from msc_authority.core.evidence import Evidence
from msc_authority.core.ledger import Ledger

JUDGED = (
    "drawdown_pct",
    "winrate_fraction",
    "expectancy",
    "slope_pct_per_day",
    "loss_streak",
    "days_without_profit",
    "volatility_ratio",
)
SHOWN = (
    "hard_drawdown_pct",
    "full_drawdown_pct",
    "max_drawdown_pct",
    "max_drawdown_money",
    "nav",
    "equity",
    "winrate_unfaded_fraction",
    "profit_factor",
    "payoff_ratio",
    "sqn",
    "sharpe_ratio",
    "sortino_ratio",
    "calmar_ratio",
)


@pytest.fixture(scope="module")
def grown() -> Verdict:
    """The verdict on an account that has thrived for sixteen days."""
    end = T0 + 16 * DAY
    return decided(thriving(16), start=end - HOUR, end=end)[-1].verdict


@pytest.fixture(scope="module")
def newborn() -> Verdict:
    """The verdict on nothing."""
    return decided([], end=T0)[-1].verdict


def test_every_metric_is_always_there_in_the_same_order(grown: Verdict, newborn: Verdict) -> None:
    for verdict in (grown, newborn):
        assert tuple(one.name for one in verdict.metrics) == JUDGED + SHOWN


def test_of_a_grown_account_only_what_needs_a_losing_day_is_undefined(grown: Verdict) -> None:
    assert [one.name for one in grown.metrics if one.value is None] == ["sortino_ratio", "calmar_ratio"]


def test_of_nothing_nothing_is_known_and_every_line_is_shown_all_the_same(newborn: Verdict) -> None:
    assert {one.value for one in newborn.metrics} == {None}
    assert {one.margin for one in newborn.metrics} == {None}
    assert [one.threshold for one in newborn.metrics[:7]] == [3.0, 0.45, 0.0, -0.5, 5, 3.0, 1.5]
    assert {one.sample_size for one in newborn.metrics} == {0}
    assert metric(newborn, "nav").source == "none"


@pytest.mark.parametrize(
    ("name", "line", "direction"),
    [
        ("drawdown_pct", 3.0, -1),
        ("winrate_fraction", 0.45, 1),
        ("expectancy", 0.0, 1),
        ("slope_pct_per_day", -0.5, 1),
        ("loss_streak", 5, -1),
        ("days_without_profit", 3.0, -1),
        ("volatility_ratio", 1.5, -1),
        ("hard_drawdown_pct", 15.0, -1),
    ],
)
def test_the_margin_is_how_far_the_good_side_of_the_line_reaches(
    name: str, line: float, direction: int, grown: Verdict
) -> None:
    found = metric(grown, name)

    assert found.threshold == line
    assert found.value is not None
    assert found.margin == pytest.approx(direction * (found.value - line))
    assert found.margin is not None
    assert found.margin > 0


@pytest.mark.parametrize("name", SHOWN[1:])
def test_what_is_only_shown_has_neither_line_nor_points(name: str, grown: Verdict) -> None:
    found = metric(grown, name)
    assert (found.threshold, found.margin, found.warning_points) == (None, None, 0)


@pytest.mark.parametrize(
    ("name", "source", "window"),
    [
        ("drawdown_pct", "equity_points", "30 d"),
        ("max_drawdown_money", "equity_points", "30 d"),
        ("hard_drawdown_pct", "equity_points", "since the last reset"),
        ("slope_pct_per_day", "equity_points", "7 d"),
        ("volatility_ratio", "equity_points", "90 d"),
        ("sharpe_ratio", "equity_points", "90 d"),
        ("winrate_fraction", "trade_logs", "200 trades"),
        ("profit_factor", "trade_logs", "200 trades"),
        ("loss_streak", "trade_logs", "all"),
        ("days_without_profit", "trade_logs", "all"),
    ],
)
def test_each_metric_names_its_table_and_its_window(name: str, source: str, window: str, grown: Verdict) -> None:
    found = metric(grown, name)
    assert (found.source, found.window) == (source, window)


def test_samples_are_those_that_were_counted(grown: Verdict) -> None:
    sizes = {name: metric(grown, name).sample_size for name in ("winrate_fraction", "slope_pct_per_day", "sqn")}

    assert sizes == {"winrate_fraction": 200, "slope_pct_per_day": 7, "sqn": 200}
    assert metric(grown, "sharpe_ratio").sample_size == 15
    # A reading an hour, one every other half hour, and the first.
    assert metric(grown, "equity").sample_size == 16 * 24 + 16 * 12 + 1


def test_ages_are_those_of_the_newest_fact_of_each_family() -> None:
    rows: list[Evidence] = [a_point(T0, 1_000), a_result(T0 + HOUR, 5)]
    verdict = decided(rows, start=T0 + 3 * HOUR, end=T0 + 3 * HOUR)[-1].verdict

    assert metric(verdict, "nav").age_s == 10_800.0
    assert metric(verdict, "winrate_fraction").age_s == 7_200.0
    assert metric(verdict, "loss_streak").age_s == 7_200.0


def test_intervals_enclose_their_value_and_belong_to_rate_and_slope_alone(grown: Verdict) -> None:
    with_interval = [one for one in grown.metrics if one.interval_low is not None]

    assert [one.name for one in with_interval] == ["winrate_fraction", "slope_pct_per_day"]
    for one in with_interval:
        assert one.value is not None
        assert one.interval_high is not None
        assert one.interval_low is not None
        assert one.interval_low <= one.value <= one.interval_high


def test_an_idle_tape_shows_the_faded_rate_as_judged_and_the_real_one_beside_it() -> None:
    rows: list[Evidence] = [a_point(T0, 1_000)]
    rows += [a_result(T0 + number * HOUR / 40, -10 if number % 10 < 7 else 5) for number in range(40)]
    at = T0 + 39 * HOUR / 40 + DAY + timedelta(days=3)
    verdict = decided([*rows, a_point(at, 1_000)], start=at, end=at)[-1].verdict

    assert metric(verdict, "winrate_fraction").value == pytest.approx(0.4)
    assert metric(verdict, "winrate_fraction").sample_size == 20
    assert metric(verdict, "winrate_unfaded_fraction").value == pytest.approx(0.3)
    assert metric(verdict, "winrate_unfaded_fraction").sample_size == 40


def test_warning_points_of_the_metrics_add_up_to_those_of_the_verdict() -> None:
    rows: list[Evidence] = [a_point(T0, 1_000)]
    rows += [a_result(T0 + number * HOUR / 4, -1) for number in range(30)]
    rows += [a_point(T0 + 8 * HOUR, 965)]
    verdict = decided(rows, end=T0 + 8 * HOUR)[-1].verdict

    found = {one.name: one.warning_points for one in verdict.metrics if one.warning_points}
    assert found == {"drawdown_pct": 1, "winrate_fraction": 2, "loss_streak": 2}
    assert verdict.warning_points == 5


def test_a_what_if_shows_what_was_supplied_beside_the_same_lines() -> None:
    supplied = SuppliedMetrics(drawdown_pct=3.5, winrate_fraction=0.6, trades_n=100)
    verdict = what_if(supplied, Ledger.empty(CONFIG), ControllerState.initial(T0), CONFIG, T0)

    assert tuple(one.name for one in verdict.metrics) == JUDGED
    assert metric(verdict, "drawdown_pct") == HealthMetric(
        name="drawdown_pct", value=3.5, threshold=3.0, margin=-0.5, source="supplied", warning_points=1
    )
    rate = metric(verdict, "winrate_fraction")
    assert rate.sample_size == 100
    assert rate.margin == pytest.approx(0.15)
    assert rate.interval_low == pytest.approx(0.5020, abs=1e-4)
    assert metric(verdict, "volatility_ratio").value is None


def test_what_stands_in_the_policy_is_what_was_judged() -> None:
    verdict = decided(thriving(3), end=T0 + 3 * DAY, every=HALF_HOUR)[-1].verdict

    metrics = verdict.candidate.metrics
    assert metrics.system_drawdown == metric(verdict, "drawdown_pct").value
    assert metrics.global_winrate == metric(verdict, "winrate_fraction").value
    assert metrics.equity_slope == metric(verdict, "slope_pct_per_day").value
    assert metrics.trades_n == metric(verdict, "winrate_fraction").sample_size == 72
