"""Decided values survive the way through JSON."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from types import NoneType
from typing import get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_builders import a_content, a_reason, a_verdict

from msc_authority.adapters.documents import Fields, content_from, document_of, reason_from, verdict_from
from msc_authority.core.evaluation import Verdict
from msc_authority.core.policy import PolicyContent

PLAIN: dict[object, st.SearchStrategy[object]] = {
    bool: st.booleans(),
    int: st.integers(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    str: st.text(),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False),
    datetime: st.datetimes(timezones=st.just(UTC)),
    NoneType: st.none(),
}


def values_of(kind: object) -> st.SearchStrategy[object]:
    """Draws every field, those with defaults too: one that the codec forgets would come back as its default."""
    if kind in PLAIN:
        return PLAIN[kind]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(kind)
    if isinstance(kind, type) and is_dataclass(kind):
        hints = get_type_hints(kind)
        return st.builds(kind, **{field.name: values_of(hints[field.name]) for field in fields(kind)})
    if get_origin(kind) is tuple:
        return st.lists(values_of(get_args(kind)[0]), max_size=2).map(tuple)
    return st.one_of([values_of(part) for part in get_args(kind)])


def through_json(value: object) -> Fields:
    return Fields(json.loads(json.dumps(document_of(value), allow_nan=False)))


@given(values_of(Verdict))
def test_a_verdict_comes_back_as_it_was(verdict: object) -> None:
    assert verdict_from(through_json(verdict)) == verdict


@given(values_of(PolicyContent))
def test_a_policy_content_comes_back_as_it_was(content: object) -> None:
    assert content_from(through_json(content)) == content


def test_a_document_is_readable() -> None:
    document = document_of(a_content())

    assert isinstance(document, dict)
    assert document["risk_mode"] == "NORMAL"
    assert document["metrics"] == {
        "system_drawdown": 0.5,
        "global_winrate": 0.58,
        "equity_slope": None,
        "system_health": "NORMAL",
        "trades_n": 120,
        "equity_source": "equity points",
    }


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Decimal("NaN"), Decimal("-Infinity")])
def test_a_number_that_is_not_finite_is_refused(value: float | Decimal) -> None:
    with pytest.raises(ValueError, match="unknown is None"):
        document_of((value,))


def test_an_instant_without_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        document_of(a_verdict(as_of=datetime(2025, 1, 1)))


def test_a_value_of_no_known_kind_is_refused() -> None:
    with pytest.raises(TypeError, match="complex"):
        document_of(1j)


def test_a_whole_number_becomes_the_float_it_stands_for() -> None:
    reason = reason_from(through_json(a_reason(value=3)))

    assert isinstance(reason.value, float)
    assert reason == replace(a_reason(), value=3.0)


@pytest.mark.parametrize(
    ("field", "value"),
    [("code", 7), ("text", None), ("value", "0.5"), ("value", True), ("threshold", [])],
)
def test_a_field_of_another_type_is_named(field: str, value: object) -> None:
    document = document_of(a_reason())
    assert isinstance(document, dict)

    with pytest.raises(ValueError, match=field):
        reason_from(Fields({**document, field: value}))


@pytest.mark.parametrize("document", [None, [], "text"])
def test_what_is_no_object_is_refused(document: object) -> None:
    with pytest.raises(ValueError, match="expected an object"):
        Fields(document)


def test_a_flag_is_no_count() -> None:
    with pytest.raises(ValueError, match="n: expected int"):
        Fields({"n": True}).count("n")


def test_there_is_one_zero() -> None:
    assert str(document_of(-0.0)) == "0.0"
