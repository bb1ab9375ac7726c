"""What is believed about mean R, against numerical references."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msc_authority.core.strategies import StrategyConfig, StrategyEvidence
from msc_authority.core.strategies.posterior import Fleet, Posterior, Prior, posterior_of

CONFIG = StrategyConfig()
NO_EDGE = Prior(mean_r=0.0, variance_r2=1.0, weight_trades=20.0)

r_values = st.lists(st.floats(min_value=-5, max_value=5), min_size=1, max_size=40)


def evidence_of(rs: Sequence[float], *, weight: float = 1.0, strategy_id: str = "TREND") -> StrategyEvidence:
    return StrategyEvidence(
        strategy_id=strategy_id,
        weight=weight * len(rs),
        square_weight=weight * weight * len(rs),
        sum_r=weight * sum(rs),
        sum_square_r=weight * sum(r * r for r in rs),
    )


def by_brute_force(rs: Sequence[float], weight: float, prior: Prior) -> tuple[float, float, float]:
    """Mean, P(mean > 0) and lower decile of the mean, from the joint density of mean and variance on a grid."""
    mean, log_sd = np.meshgrid(np.linspace(-8, 8, 8001), np.linspace(-2.5, 2.5, 301), indexing="ij")
    variance = np.exp(2 * log_sd)
    pull = prior.weight_trades
    # Inverse gamma in the variance; one factor `variance` is the change of variable to log sd.
    log_density = -(pull / 2 + 1) * 2 * log_sd - pull * prior.variance_r2 / 2 / variance + 2 * log_sd
    log_density += -log_sd - pull * (mean - prior.mean_r) ** 2 / 2 / variance
    for r in rs:
        log_density += weight * (-log_sd - (r - mean) ** 2 / 2 / variance)
    marginal = np.exp(log_density - log_density.max()).sum(axis=1)
    marginal /= marginal.sum()
    axis = mean[:, 0]
    lower = float(np.interp(0.10, np.cumsum(marginal), axis))
    positive = float(marginal[axis > 0].sum() + marginal[axis == 0].sum() / 2)
    return float((marginal * axis).sum()), positive, lower


@pytest.mark.parametrize(
    ("rs", "weight", "prior"),
    [
        ([1.2, -1.0, 0.8, -0.4, 2.1, -1.0, 0.3, 0.9, -1.0, 1.5], 1.0, NO_EDGE),
        ([1.2, -1.0, 0.8, -0.4, 2.1, -1.0, 0.3, 0.9, -1.0, 1.5], 0.5, NO_EDGE),
        ([-1.0, -1.0, -0.9, 0.2, -1.1], 1.0, Prior(mean_r=0.2, variance_r2=1.5, weight_trades=20.0)),
        ([3.0], 1.0, Prior(mean_r=-0.1, variance_r2=0.8, weight_trades=5.0)),
    ],
)
def test_the_posterior_is_the_one_that_integrating_the_joint_density_gives(
    rs: list[float], weight: float, prior: Prior
) -> None:
    mean, positive, lower = by_brute_force(rs, weight, prior)

    posterior = posterior_of(evidence_of(rs, weight=weight), prior)

    assert posterior.mean_r == pytest.approx(mean, abs=2e-3)
    assert posterior.probability_positive == pytest.approx(positive, abs=2e-3)
    assert posterior.quantile_r(0.10) == pytest.approx(lower, abs=2e-3)


def test_student_t_matches_printed_tables() -> None:
    posterior = Posterior(mean_r=1.372, scale_r=1.0, freedom=10.0)

    assert posterior.probability_positive == pytest.approx(0.90, abs=1e-4)
    assert posterior.quantile_r(0.10) == pytest.approx(0.0, abs=1e-3)


def test_without_evidence_the_prior_stands() -> None:
    posterior = posterior_of(StrategyEvidence(strategy_id="NEW"), NO_EDGE)

    assert (posterior.mean_r, posterior.freedom) == (0.0, 20.0)
    assert posterior.scale_r == pytest.approx(1 / sqrt(20))
    assert posterior.probability_positive == 0.5


@given(r_values, r_values)
def test_learning_in_two_parts_is_learning_at_once(first: list[float], second: list[float]) -> None:
    halfway = posterior_of(evidence_of(first), NO_EDGE)
    learned = Prior(
        mean_r=halfway.mean_r,
        variance_r2=halfway.scale_r**2 * halfway.freedom,
        weight_trades=halfway.freedom,
    )

    in_parts = posterior_of(evidence_of(second), learned)

    at_once = posterior_of(evidence_of(first + second), NO_EDGE)
    assert in_parts.mean_r == pytest.approx(at_once.mean_r, abs=1e-9)
    assert in_parts.scale_r == pytest.approx(at_once.scale_r)


@given(r_values)
def test_evidence_of_half_the_weight_moves_belief_less_far_from_the_prior(rs: list[float]) -> None:
    live = posterior_of(evidence_of(rs), NO_EDGE)
    shadow = posterior_of(evidence_of(rs, weight=0.5), NO_EDGE)

    assert abs(shadow.mean_r) <= abs(live.mean_r)


@given(r_values, st.floats(min_value=0.01, max_value=3))
def test_earning_more_on_every_trade_never_lowers_the_mean_believed(rs: list[float], more: float) -> None:
    better = posterior_of(evidence_of([r + more for r in rs]), NO_EDGE)

    assert better.mean_r > posterior_of(evidence_of(rs), NO_EDGE).mean_r


def test_a_fleet_of_one_believes_in_no_edge_however_well_it_does() -> None:
    only = evidence_of([2.0] * 50)

    prior = Fleet.of([only], CONFIG).prior_for(only, CONFIG)

    assert prior == NO_EDGE


@given(r_values, r_values, r_values)
def test_a_strategys_own_trades_do_not_move_its_prior(
    own: list[float], changed: list[float], rest: list[float]
) -> None:
    other = evidence_of(rest, strategy_id="OTHER")

    priors = [Fleet.of([one, other], CONFIG).prior_for(one, CONFIG) for one in (evidence_of(own), evidence_of(changed))]

    assert priors[0].mean_r == pytest.approx(priors[1].mean_r, abs=1e-9)
    assert priors[0].variance_r2 == pytest.approx(priors[1].variance_r2, abs=1e-9)


@given(r_values)
def test_the_prior_lies_between_no_edge_and_the_others_mean(rest: list[float]) -> None:
    other = evidence_of(rest, strategy_id="OTHER")
    mean = other.mean_r
    assert mean is not None

    prior = Fleet.of([other], CONFIG).prior_for(StrategyEvidence(strategy_id="NEW"), CONFIG)

    assert min(0.0, mean) <= prior.mean_r <= max(0.0, mean)


def test_a_strategy_that_trades_a_hundred_times_as_often_has_one_vote_still() -> None:
    busy = evidence_of([-1.0, -1.1] * 1000, strategy_id="BUSY")
    calm = [evidence_of([1.0, 1.1] * 10, strategy_id=f"CALM{k}") for k in range(3)]

    prior = Fleet.of([busy, *calm], CONFIG).prior_for(StrategyEvidence(strategy_id="NEW"), CONFIG)

    assert prior.mean_r > 0.0


def test_the_fleets_variance_is_that_around_each_strategys_own_mean() -> None:
    apart = [evidence_of([5.0] * 500, strategy_id="UP"), evidence_of([-5.0] * 500, strategy_id="DOWN")]

    prior = Fleet.of(apart, CONFIG).prior_for(StrategyEvidence(strategy_id="NEW"), CONFIG)

    assert prior.variance_r2 == pytest.approx(20 / 1020)
