from __future__ import annotations

import math
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msc_authority.core.strategies.distributions import (
    normal_quantile,
    student_t_probability,
    student_t_quantile,
)

PROBABILITIES = st.floats(0.001, 0.999)


@given(t=st.floats(-50.0, 50.0))
def test_with_one_degree_of_freedom_it_is_the_distribution_of_cauchy(t: float) -> None:
    assert student_t_probability(1.0, t) == pytest.approx(0.5 + math.atan(t) / math.pi, abs=1e-9)


@given(freedom=st.floats(0.5, 500.0), probability=PROBABILITIES)
def test_a_quantile_is_where_its_probability_is_reached(freedom: float, probability: float) -> None:
    t = student_t_quantile(freedom, probability)

    assert student_t_probability(freedom, t) == pytest.approx(probability, abs=1e-9)


@given(probability=PROBABILITIES)
def test_the_normal_is_the_one_of_the_standard_library(probability: float) -> None:
    assert normal_quantile(probability) == pytest.approx(NormalDist().inv_cdf(probability), rel=1e-9, abs=1e-9)


@given(probability=PROBABILITIES)
def test_with_many_degrees_of_freedom_it_is_the_normal(probability: float) -> None:
    assert student_t_quantile(1e9, probability) == pytest.approx(normal_quantile(probability), rel=1e-6, abs=1e-9)
