"""Messages as plain dictionaries: names, units, and what is not set."""

from __future__ import annotations

import json

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from msc_authority.rpc.plain import plain
from msc_policy import v1 as pb


def test_a_duration_has_its_unit_in_the_name() -> None:
    freshness = pb.Freshness()
    freshness.ttl.FromMilliseconds(-1500)

    assert plain(freshness) == {"replica_age_s": None, "ttl_s": -1.5}


def test_an_enum_is_its_name_without_the_prefix_and_an_unknown_number_says_so() -> None:
    policy = pb.Policy(risk_mode=pb.RISK_MODE_AGGRESSIVE)
    newer = pb.Policy.FromString(bytes([0x10, 99]))

    assert plain(policy)["risk_mode"] == "AGGRESSIVE"
    assert plain(policy)["trading_state"] == "UNSPECIFIED"
    assert plain(newer)["risk_mode"] == "UNKNOWN_99"


def test_unknown_is_none_and_zero_is_zero() -> None:
    metrics = plain(pb.EvaluationMetrics(system_drawdown=0.0))

    assert (metrics["system_drawdown"], metrics["global_winrate"]) == (0.0, None)


def test_an_instant_is_iso_8601_in_utc() -> None:
    policy = pb.Policy()
    policy.created_at.FromJsonString("2025-11-30T10:30:00Z")

    assert plain(policy)["created_at"] == "2025-11-30T10:30:00Z"


@pytest.mark.parametrize(
    "message",
    [pb.GetPolicyResponse, pb.EvaluateResponse, pb.GetSystemHealthResponse, pb.WatchPolicyResponse, pb.ClientEntry],
)
def test_every_field_is_there_even_when_nothing_is_set(message: type[Message]) -> None:
    document = plain(message())

    assert {name.removesuffix("_s") for name in document} >= {
        field.name.removesuffix("_s") for field in message.DESCRIPTOR.fields
    }
    assert json.loads(json.dumps(document)) == document


@given(st.integers(min_value=0, max_value=2**64 - 1), st.lists(st.text(), max_size=3))
def test_whole_numbers_and_lists_come_through_as_they_are(version: int, names: list[str]) -> None:
    document = plain(pb.Policy(ref=pb.PolicyRef(version=version), allowed_strategies=names))

    assert document["ref"] == {"epoch": 0, "version": version, "etag": ""}
    assert document["allowed_strategies"] == names


def test_a_map_is_an_object_in_the_order_of_its_keys() -> None:
    counters = plain(pb.ClientCounters(reconnect_causes={"watchdog": 2, "gap": 2**64 - 1}))

    assert json.dumps(counters["reconnect_causes"]) == '{"gap": 18446744073709551615, "watchdog": 2}'
    assert plain(pb.ClientCounters())["reconnect_causes"] == {}
