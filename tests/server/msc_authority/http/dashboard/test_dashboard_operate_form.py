"""What an operator types, as something that can be done; or what is wrong with it, at its field."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msc_authority.app.acts import Act, Halt, Lift, Place, Reinstate, Resume, Retire, RollBack
from msc_authority.core.overrides import Bench, PinMode, Reduce, SetLimits
from msc_authority.core.policy import RiskMode
from msc_authority.http.dashboard.operate_form import ACTIONS, INPUTS, Asked, asked_from
from msc_authority.http.dashboard.what_if import Refused

WHY = {"reason": "exchange incident"}


def asked(**values: object) -> Asked:
    found = asked_from({**WHY, **values})
    assert isinstance(found, Asked), found
    return found


def refused(**values: object) -> Mapping[str, str]:
    found = asked_from({**WHY, **values})
    assert isinstance(found, Refused)
    assert found.text
    return found.errors


@pytest.mark.parametrize(
    ("values", "act"),
    [
        ({"action": "halt"}, Halt()),
        ({"action": "reduce"}, Place(sets=Reduce())),
        ({"action": "reduce", "lasts": " 1h 30 min "}, Place(sets=Reduce(), lasts=timedelta(minutes=90))),
        ({"action": "resume"}, Resume()),
        ({"action": "pin_mode", "risk_mode": "DEFENSIVE"}, Place(sets=PinMode(mode=RiskMode.DEFENSIVE))),
        (
            {"action": "pin_mode", "risk_mode": "AGGRESSIVE", "lasts": "2h", "allow_loosening": True},
            Place(sets=PinMode(mode=RiskMode.AGGRESSIVE), lasts=timedelta(hours=2), loosens=True),
        ),
        (
            {"action": "set_limits", "max_risk_per_trade": "0.3 %", "global_min_confidence": "70"},
            Place(sets=SetLimits(max_risk_per_trade=0.003, global_min_confidence=0.7)),
        ),
        (
            {"action": "set_limits", "max_positions": "2", "max_daily_trades": "10", "lasts": "1d"},
            Place(sets=SetLimits(max_positions=2, max_daily_trades=10), lasts=timedelta(days=1)),
        ),
        ({"action": "bench", "strategy_id": " TREND "}, Place(sets=Bench(strategy_id="TREND"))),
        ({"action": "retire", "strategy_id": "TREND"}, Retire(strategy_id="TREND")),
        ({"action": "reinstate", "strategy_id": "TREND"}, Reinstate(strategy_id="TREND")),
        ({"action": "rollback", "version": "v12"}, RollBack(version=12)),
        ({"action": "lift", "override_id": "abc"}, Lift(override_id="abc")),
        ({"action": "evaluate"}, None),
    ],
)
def test_each_action_becomes_what_rest_makes_of_it(values: Mapping[str, object], act: Act | None) -> None:
    found = asked(**values, actor="anna")

    assert found.act == act
    assert (found.reason, found.note) == ("exchange incident", "anna")


def test_what_another_action_asks_for_does_not_count() -> None:
    assert asked(action="halt", lasts="nonsense", version="x", allow_loosening=True).act == Halt()
    assert asked(action="bench", strategy_id="TREND", allow_loosening=True).act == Place(
        sets=Bench(strategy_id="TREND")
    )


@pytest.mark.parametrize(
    ("values", "field", "problem"),
    [
        ({"action": "halt", "reason": "  "}, "reason", "Say why"),
        ({"action": "evaluate", "reason": ""}, "reason", "Say why"),
        ({"action": "halt", "reason": "x" * 257}, "reason", "at most 256"),
        ({"action": "halt", "reason": "two\nlines"}, "reason", "control characters"),
        ({"action": "halt", "actor": "x" * 65}, "actor", "at most 64"),
        ({"action": "reduce", "lasts": "30"}, "lasts", "such as 30m"),
        ({"action": "reduce", "lasts": "soon"}, "lasts", "such as 30m"),
        ({"action": "reduce", "lasts": "0m"}, "lasts", "above 0"),
        ({"action": "reduce", "lasts": "4000d"}, "lasts", "at most 3650d"),
        ({"action": "pin_mode"}, "risk_mode", "Choose one."),
        ({"action": "pin_mode", "risk_mode": "RECKLESS"}, "risk_mode", "Choose one."),
        ({"action": "set_limits"}, "max_risk_per_trade", "at least one limit"),
        ({"action": "set_limits", "max_risk_per_trade": "0"}, "max_risk_per_trade", "above 0"),
        ({"action": "set_limits", "global_min_confidence": "101"}, "global_min_confidence", "at most 100"),
        ({"action": "set_limits", "max_positions": "1.5"}, "max_positions", "whole number"),
        ({"action": "set_limits", "max_daily_trades": "0"}, "max_daily_trades", "whole number"),
        ({"action": "bench"}, "strategy_id", "Is needed."),
        ({"action": "retire", "strategy_id": "x" * 129}, "strategy_id", "at most 128"),
        ({"action": "rollback", "version": "latest"}, "version", "such as 12"),
        ({"action": "lift"}, "override_id", "Choose one."),
    ],
)
def test_what_makes_no_sense_is_said_at_its_field(values: Mapping[str, object], field: str, problem: str) -> None:
    errors = refused(**values)

    assert set(errors) == {field}
    assert problem in errors[field]
    assert errors[field].endswith(".")


def test_everything_that_is_wrong_is_said_at_once() -> None:
    assert set(refused(action="pin_mode", reason="", lasts="x")) == {"reason", "lasts", "risk_mode"}


@pytest.mark.parametrize("action", ["", "panic", None, 7])
def test_without_an_action_nothing_is_asked(action: object) -> None:
    assert refused(action=action) == {}


def test_each_action_asks_for_fields_that_there_are() -> None:
    names = {one.name for one in INPUTS}

    assert all(set(action.inputs) <= names and set(action.needed) <= set(action.inputs) for action in ACTIONS)
    assert {name for action in ACTIONS for name in action.inputs} == names
    assert [action.name for action in ACTIONS if action.grave] == ["halt", "resume"]


@given(
    st.fixed_dictionaries(
        {"action": st.sampled_from([action.name for action in ACTIONS])},
        optional={
            name: st.text() | st.none() | st.integers() for name in (*(i.name for i in INPUTS), "reason", "actor")
        },
    )
)
def test_whatever_is_typed_is_understood_or_refused_in_words(values: dict[str, object]) -> None:
    found = asked_from(values)

    assert isinstance(found, Asked) or (found.text and all(found.errors.values()))
