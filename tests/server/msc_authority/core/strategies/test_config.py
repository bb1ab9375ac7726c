"""What a strategy configuration accepts."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import pytest

from msc_authority.core.policy import RiskMode
from msc_authority.core.strategies import StrategyConfig

_OUTSIDE_SENSE = [
    ("evidence_half_life_trades", 0.0),
    ("evidence_half_life_d", -1.0),
    ("evidence_half_life_d", float("inf")),
    ("shadow_weight_fraction", 0.0),
    ("shadow_weight_fraction", 1.5),
    ("loss_sample_trades", 0),
    ("loss_sample_trades", 4),
    ("loss_sample_min_trades", 2.5),
    ("gain_cap_r", 0.0),
    ("loss_cap_r", float("nan")),
    ("prior_weight_trades", 0.0),
    ("prior_sd_r", -1.0),
    ("lower_bound_quantile", 0.0),
    ("lower_bound_quantile", 0.51),
    ("drawdown_recovery_trades", 0.0),
    ("selection_penalty_fraction", -0.1),
    ("probability_to_enter_defensive", 0.55),
    ("probability_to_enter_normal", 0.45),
    ("probability_to_enter_aggressive", 0.49),
    ("probability_to_stay", float("nan")),
    ("probability_to_leave_shadow", 1.01),
    ("stale_below_trades", 0.0),
    ("promotion_evidence_trades", 0.5),
    ("newcomer_below_trades", 0),
    ("shadow_trades_to_prove", -20),
    ("probation_live_trades", 0),
    ("promotions_per_evaluation", 0),
    ("probation_risk_multiplier", 0.0),
    ("probation_max_positions", 0),
    ("probation_daily_trades_fraction", 1.1),
]


@pytest.mark.parametrize(("name", "value"), _OUTSIDE_SENSE)
def test_a_number_outside_sense_is_refused_by_the_name_of_its_field(name: str, value: float) -> None:
    # Where two fields disagree, the message names both.
    with pytest.raises(ValueError, match=name):
        StrategyConfig(**{name: value})  # type: ignore[arg-type] # floats stand in for counts on purpose


def test_every_field_has_a_value_that_is_refused() -> None:
    assert {field.name for field in fields(StrategyConfig)} == {name for name, _ in _OUTSIDE_SENSE}


def test_each_mode_has_its_own_line_and_the_stricter_mode_the_higher_one() -> None:
    config = StrategyConfig()

    lines = [config.probability_to_enter(mode) for mode in (RiskMode.DEFENSIVE, RiskMode.NORMAL, RiskMode.AGGRESSIVE)]

    assert lines == [0.80, 0.60, 0.50]


def test_a_configuration_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        StrategyConfig().probability_to_stay = 0.1  # type: ignore[misc] # the point of the test
