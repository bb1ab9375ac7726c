"""The policy as other programs find it in Redis, and as it is read back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_builders import a_content
from msc_live import a_head

from msc_authority.adapters.redis.layout import SCHEMA, Keys, fields_of, head_from, json_of
from msc_authority.core.policy import Policy, PolicyMetrics, RiskMode, SystemHealth
from msc_authority.ports.cache import CacheError, CacheFault
from msc_authority.ports.policies import Head

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ("schema", "ref", "risk_mode", "strategy_grants", "created_at", "evaluation_metrics", "reasons", "valid_for_s")


def policy_of(head: Head) -> Policy:
    assert head.policy is not None
    return head.policy


def written(head: Head) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json_of(policy_of(head), head))
    return document


def test_the_keys_begin_with_the_prefix_and_there_are_four() -> None:
    assert Keys("{desk}:").all() == [
        "{desk}:policy:current",
        "{desk}:policy:current:hash",
        "{desk}:policy:confirmed",
        "{desk}:policy:changes",
    ]


def test_the_json_has_the_fields_of_the_commission_by_their_names() -> None:
    document = written(a_head(3))
    assert document["risk_mode"] == "NORMAL"
    assert document["allowed_strategies"] == ["TREND_001"]
    assert document["max_risk_per_trade"] == 0.0075
    assert document["global_min_confidence"] == 0.6
    assert (document["max_positions"], document["max_daily_trades"]) == (10, 30)
    assert document["created_at"] == "2025-11-30T10:30:00.000000Z"
    assert document["evaluation_metrics"]["system_drawdown"] == 0.5
    assert document["evaluation_metrics"]["equity_slope"] is None


def test_the_json_says_which_policy_it_is_how_it_is_written_and_how_long_it_holds() -> None:
    head = a_head(3)
    document = written(head)
    assert document["schema"] == SCHEMA
    assert document["ref"] == {"epoch": 7, "version": 3, "etag": policy_of(head).etag}
    assert (document["valid_for_s"], document["evaluated_at"]) == (3600.0, "2025-11-30T10:30:00.000000Z")


def test_the_flat_fields_have_no_field_for_what_is_unknown() -> None:
    head = a_head(3)
    fields = fields_of(policy_of(head), head)
    assert fields["global_winrate"] == "0.58"
    assert "equity_slope" not in fields
    assert json.loads(fields["allowed_strategies"]) == ["TREND_001"]
    assert (fields["epoch"], fields["version"], fields["etag"]) == ("7", "3", policy_of(head).etag)


names = st.text(min_size=1, max_size=12)
metrics = st.builds(
    PolicyMetrics,
    system_drawdown=st.none() | st.floats(0, 100),
    global_winrate=st.none() | st.floats(0, 1),
    # A commit keeps no negative zero: see `documents`.
    equity_slope=st.none() | st.floats(-5, 5).map(lambda slope: slope + 0.0),
    system_health=st.sampled_from(SystemHealth),
    trades_n=st.none() | st.integers(0, 10_000),
    equity_source=names,
)


@given(mode=st.sampled_from(RiskMode), metrics=metrics, author=names)
def test_what_was_written_is_read_back_to_the_last_bit(mode: RiskMode, metrics: PolicyMetrics, author: str) -> None:
    head = a_head(3, content=a_content(mode, metrics=metrics, author=author))
    assert head_from(json_of(policy_of(head), head).encode()) == head


@given(text=st.binary(max_size=64))
def test_bytes_that_are_no_policy_are_said_to_be_none(text: bytes) -> None:
    with pytest.raises(CacheError) as raised:
        head_from(text)
    assert raised.value.fault is CacheFault.UNREADABLE


@given(field=st.sampled_from(FIELDS), value=JSON)
def test_a_policy_with_any_field_changed_is_not_believed(field: str, value: object) -> None:
    document = written(a_head(3))
    if document[field] == value:
        return
    with pytest.raises(CacheError):
        head_from(json.dumps(document | {field: value}).encode())


@pytest.mark.parametrize("field", FIELDS)
def test_a_policy_without_a_field_is_not_believed(field: str) -> None:
    document = written(a_head(3))
    del document[field]
    with pytest.raises(CacheError):
        head_from(json.dumps(document).encode())


def test_what_nests_deeper_than_can_be_read_is_not_believed() -> None:
    with pytest.raises(CacheError):
        head_from(b"[" * 100_000)


@pytest.mark.parametrize(("schema", "words"), [(SCHEMA + 1, "a newer version"), (SCHEMA - 1, "an older version")])
def test_what_another_version_of_the_program_wrote_is_said_to_be_that(schema: int, words: str) -> None:
    with pytest.raises(CacheError, match=words):
        head_from(json.dumps(written(a_head(3)) | {"schema": schema}).encode())
