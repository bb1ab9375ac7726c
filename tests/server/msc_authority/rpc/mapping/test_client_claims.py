"""What a client claims is cut to what may be kept: few causes, plain names, counts that fit, no future."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest
from google.protobuf.duration_pb2 import Duration
from hypothesis import given
from hypothesis import strategies as st

from msc_authority.rpc.mapping.fleet import status_of
from msc_policy import v1 as pb

COUNTS = st.integers(0, 2**64 - 1)


def causes_of(causes: dict[str, int]) -> Mapping[str, int]:
    counters = pb.ClientCounters(reconnect_causes=causes)
    return status_of(pb.ClientStatus(counters=counters)).counters.reconnect_causes


@pytest.mark.parametrize(
    ("cause", "kept"),
    [
        ("watchdog", "watchdog"),
        ("PERMISSION_DENIED", "PERMISSION_DENIED"),
        ('a"} 1\nmsc_fake 2', "a___1_msc_fake_2"),
        ("\x1b[2Jé", "__2J_"),
        ("", "other"),
        ("x" * 10_000, "x" * 40),
    ],
)
def test_a_cause_is_cleaned_before_it_names_anything(cause: str, kept: str) -> None:
    assert causes_of({cause: 3}) == {kept: 3}


def test_causes_that_are_the_same_when_cleaned_are_added_up_within_64_bits() -> None:
    assert causes_of({"a b": 1, "a-b": 2}) == {"a_b": 3}
    assert causes_of({"a b": 2**64 - 1, "a-b": 2}) == {"a_b": 2**64 - 1}


def test_of_many_causes_the_most_frequent_are_kept_and_the_rest_added_up() -> None:
    causes = {f"cause_{number:02d}": number for number in range(1, 31)}
    kept = causes_of(causes)
    assert len(kept) == 16
    assert kept["other"] == sum(range(1, 16))
    assert {name: times for name, times in kept.items() if name != "other"} == {
        f"cause_{number:02d}": number for number in range(16, 31)
    }


@given(st.dictionaries(st.text(), COUNTS, max_size=200))
def test_no_client_makes_more_than_16_causes_or_counts_that_do_not_fit_the_wire(causes: dict[str, int]) -> None:
    kept = causes_of(causes)
    assert len(kept) <= 16
    assert all(re.fullmatch(r"[A-Za-z0-9_]{1,40}", name) for name in kept)
    assert all(0 <= times < 2**64 for times in kept.values())
    assert causes_of(dict(kept)) == kept


@pytest.mark.parametrize(
    ("told", "kept_s"),
    [
        (None, None),
        (Duration(), 0.0),
        (Duration(seconds=2, nanos=500_000_000), 2.5),
        (Duration(seconds=-1), None),
        (Duration(nanos=-1), None),
        (Duration(seconds=2**62), float(2**62)),
    ],
)
def test_nobody_has_applied_or_confirmed_anything_in_the_future(told: Duration | None, kept_s: float | None) -> None:
    assert status_of(pb.ClientStatus(applied_for=told)).applied_for_s == kept_s
    assert status_of(pb.ClientStatus(age=told)).age_s == kept_s
