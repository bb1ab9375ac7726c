"""An override says who, why, until when; one that loosens always ends; each comes back from its bytes as it was."""

from __future__ import annotations

import json
import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_core_builders import HOUR, T0
from msc_overrides import a_loosening, a_permission, an_override, limit_changes, overrides

from msc_authority.core.overrides import (
    DEFAULT_LOOSENING,
    MAX_LASTING,
    MAX_LOOSENING,
    Bench,
    Override,
    OverrideKind,
    PinMode,
    Reduce,
    Rollback,
    SetLimits,
    expiry_of,
)
from msc_authority.core.policy import Limits, PolicyRef, RiskMode

SECOND = timedelta(seconds=1)
ROLLBACK = Rollback(revision=PolicyRef(7, 3), permission=a_permission())


@given(overrides())
def test_an_override_comes_back_from_its_bytes(override: Override) -> None:
    stored = json.loads(json.dumps(override.encode(), allow_nan=False))

    assert Override.decode(stored) == override


@given(overrides(), st.data())
def test_a_damaged_override_is_refused(override: Override, data: st.DataObject) -> None:
    stored = override.encode()
    name = data.draw(st.sampled_from(sorted(set(stored) - {"sets"})))
    stored[name] = data.draw(st.sampled_from([["x"], {"x": 1}, -1.5]))

    with pytest.raises(ValueError, match=name):
        Override.decode(stored)


@pytest.mark.parametrize("stored", [None, 7, {}, {"kind": "REDUCE"}, {**an_override().encode(), "kind": "HALT"}])
def test_what_is_no_override_is_refused(stored: object) -> None:
    with pytest.raises(ValueError, match="override"):
        Override.decode(stored)


def test_each_setting_has_a_kind_of_its_own() -> None:
    settings = (ROLLBACK, PinMode(mode=RiskMode.NORMAL), SetLimits(max_positions=1), Bench(strategy_id="A"), Reduce())

    assert [an_override(sets).kind for sets in settings] == list(OverrideKind)


def test_it_counts_until_the_instant_it_ends() -> None:
    override = an_override(expires_at=T0 + HOUR)

    assert override.is_in_force(T0)
    assert override.is_in_force(T0 + HOUR - SECOND)
    assert not override.is_in_force(T0 + HOUR)
    assert an_override().is_in_force(T0 + 10_000 * HOUR)


@pytest.mark.parametrize("sets", [Reduce(), Bench(strategy_id="A")])
def test_what_can_only_tighten_cannot_be_said_to_loosen(sets: Reduce | Bench) -> None:
    with pytest.raises(ValueError, match=r"allow_loosening: .* can only tighten"):
        an_override(sets, loosens=True, expires_at=T0 + HOUR)


@pytest.mark.parametrize("expires_at", [None, T0 + MAX_LOOSENING + SECOND])
def test_what_loosens_ends_within_a_day(expires_at: object) -> None:
    with pytest.raises(ValueError, match=r"lasts: .* within 24 h"):
        an_override(PinMode(mode=RiskMode.NORMAL), loosens=True, expires_at=expires_at)

    assert a_loosening(ROLLBACK).loosens
    assert an_override(ROLLBACK, loosens=True, expires_at=T0 + MAX_LOOSENING).loosens


@pytest.mark.parametrize("lasts", [timedelta(0), -SECOND, MAX_LASTING + SECOND])
def test_no_override_ends_before_it_begins_or_in_another_age(lasts: timedelta) -> None:
    with pytest.raises(ValueError, match="lasts: must be above 0"):
        an_override(expires_at=T0 + lasts)
    with pytest.raises(ValueError, match="lasts: must be above 0"):
        expiry_of(T0, lasts, loosens=False)


@pytest.mark.parametrize(
    ("lasts", "loosens", "expires_at"),
    [
        (None, False, None),
        (None, True, T0 + DEFAULT_LOOSENING),
        (3 * HOUR, False, T0 + 3 * HOUR),
        (3 * HOUR, True, T0 + 3 * HOUR),
    ],
)
def test_what_loosens_ends_after_an_hour_unless_it_says_otherwise(
    lasts: timedelta | None, loosens: bool, expires_at: object
) -> None:
    assert expiry_of(T0, lasts, loosens=loosens) == expires_at


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({}, "limits"),
        ({"max_risk_per_trade": 0.0}, "max_risk_per_trade"),
        ({"max_risk_per_trade": 1.01}, "max_risk_per_trade"),
        ({"max_risk_per_trade": math.nan}, "max_risk_per_trade"),
        ({"max_risk_per_trade": True}, "max_risk_per_trade"),
        ({"global_min_confidence": 0.0}, "global_min_confidence"),
        ({"global_min_confidence": math.inf}, "global_min_confidence"),
        ({"max_positions": 0}, "max_positions"),
        ({"max_positions": 1.5}, "max_positions"),
        ({"max_positions": 1_000_001}, "max_positions"),
        ({"max_daily_trades": -1}, "max_daily_trades"),
    ],
)
def test_a_limit_that_no_client_could_act_on_is_refused_by_name(fields: dict[str, float], name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name}: "):
        SetLimits(**fields)  # type: ignore[arg-type]  # what types do not allow is tried, too


@given(limit_changes())
def test_only_the_limits_that_are_set_change(sets: SetLimits) -> None:
    before = Limits(max_risk_per_trade=0.003, global_min_confidence=0.7, max_positions=8, max_daily_trades=10)

    after = sets.within(before)

    for name in ("max_risk_per_trade", "global_min_confidence", "max_positions", "max_daily_trades"):
        assert getattr(after, name) == sets.given.get(name, getattr(before, name))
