"""The policy being served is mapped once, and before it is served where somebody could prepare it."""

from __future__ import annotations

from msc_live import a_head

from msc_authority.rpc.mapping.policies import policy_to_proto
from msc_authority.rpc.mapping.served import ServedPolicy


def test_a_prepared_policy_is_served_as_it_was_prepared_and_the_one_before_stays_until_then() -> None:
    served, before, after = ServedPolicy(), a_head(1), a_head(2)
    assert before.policy is not None
    assert after.policy is not None
    first = served.message(before.policy)
    prepared = served.prepare(after.policy)
    assert served.message(before.policy) is first
    assert prepared == policy_to_proto(after.policy)
    assert served.message(after.policy) is prepared
    assert served.ref(after).etag == after.policy.etag


def test_what_was_not_prepared_is_mapped_when_it_is_asked_for() -> None:
    served, one, other = ServedPolicy(), a_head(1), a_head(2)
    assert one.policy is not None
    assert other.policy is not None
    served.prepare(one.policy)
    assert served.message(other.policy) == policy_to_proto(other.policy)


def test_a_head_without_a_policy_has_no_etag() -> None:
    assert ServedPolicy().ref(a_head(0)).etag == ""
