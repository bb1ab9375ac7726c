"""The second stream, the roles, and the tiers as time passes."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
from msc_client_harness import Watch, snapshot

from msc_client import ClientConfig, ConnectionState, Ref, Role, Tier
from msc_client._events import (
    CancelStream,
    Ended,
    OpenStream,
    Start,
)
from msc_client._messages import Heartbeat, StreamEnd, Unchanged
from msc_client._second import SAME_REPLICA_RETRIES
from msc_client.testing import make_policy

# The second stream


def test_a_newer_head_in_a_heartbeat_opens_a_second_stream_once() -> None:
    watch = Watch().live()
    effects = watch.say(Heartbeat(), head=Ref(1, 7, '"1-7"'))
    watch.say(Heartbeat(), head=Ref(1, 7, '"1-7"'), stream=1)
    assert OpenStream(stream=2, known=make_policy(5).ref) in effects
    assert watch.stream == 2
    assert watch.state() is ConnectionState.LIVE
    assert watch.session.counters.gaps == 1


def test_a_second_stream_that_brings_the_missed_version_replaces_the_first() -> None:
    watch = Watch().live()
    watch.say(Heartbeat(), head=Ref(1, 7, '"1-7"'))
    effects = watch.publish(make_policy(7))
    assert CancelStream(stream=1) in effects
    assert watch.session.applied == Ref(1, 7)
    assert watch.session.open_streams == (2,)


def test_a_second_stream_that_knows_no_better_is_dropped() -> None:
    watch = Watch().live()
    watch.say(Heartbeat(), head=Ref(1, 7, '"1-7"'))
    effects = watch.say(Unchanged(), head=make_policy(5).ref, stream=2)
    assert effects == [CancelStream(stream=2)]
    assert watch.session.open_streams == (1,)


def test_an_aged_replica_is_said_and_another_is_tried_at_most_once_a_minute() -> None:
    watch = Watch().live()
    for _ in range(12):
        watch.clock.advance(5)
        watch.say(Heartbeat(), head=make_policy(5).ref, replica_age_s=20, stream=1)
        watch.say(Unchanged(), head=make_policy(5).ref, replica_age_s=21, stream=2)
    assert watch.stream == 2
    assert [line for line in watch.lines(logging.WARNING) if "authority cannot confirm head" in line] != []
    assert len(watch.lines(logging.WARNING)) == 1
    watch.clock.advance(5)
    watch.say(Heartbeat(), head=make_policy(5).ref, replica_age_s=20, stream=1)
    assert watch.stream == 3


def test_a_second_stream_that_comes_out_at_the_same_aged_replica_is_tried_again_at_once() -> None:
    watch = Watch().live()
    watch.say(Heartbeat(), head=make_policy(5).ref, replica_age_s=40, stream=1)
    effects = watch.say(Unchanged(), head=make_policy(5).ref, replica_age_s=40, heartbeat_s=5.0, stream=2)
    assert effects == [CancelStream(stream=2), OpenStream(stream=3, known=make_policy(5).ref)]
    watch.say(Unchanged(), head=make_policy(5).ref, replica_age_s=0.1, heartbeat_s=5.0, server_id="r2", stream=3)
    assert watch.session.open_streams == (3,)
    assert watch.session.server_id == "r2"
    assert watch.tier() is Tier.FRESH


def test_where_there_is_only_the_aged_replica_it_is_tried_a_few_times_and_then_left_for_a_minute() -> None:
    watch = Watch().live()
    watch.say(Heartbeat(), head=make_policy(5).ref, replica_age_s=40, stream=1)
    while len(watch.session.open_streams) > 1:
        watch.say(Unchanged(), head=make_policy(5).ref, replica_age_s=40, heartbeat_s=5.0)
    assert watch.stream == 2 + SAME_REPLICA_RETRIES
    watch.clock.advance(15)
    watch.say(Heartbeat(), head=make_policy(5).ref, replica_age_s=55, stream=1)
    assert watch.stream == 2 + SAME_REPLICA_RETRIES


def test_another_replica_that_knows_no_better_is_not_tried_again() -> None:
    watch = Watch().live()
    watch.say(Heartbeat(), head=make_policy(5).ref, replica_age_s=40, stream=1)
    effects = watch.say(
        Unchanged(), head=make_policy(5).ref, replica_age_s=40, heartbeat_s=5.0, server_id="r2", stream=2
    )
    assert effects == [CancelStream(stream=2)]


def test_a_fresher_replica_takes_over_before_the_old_stream_is_left() -> None:
    watch = Watch().live()
    watch.say(Heartbeat(), head=make_policy(5).ref, replica_age_s=40, stream=1)
    assert watch.tier() is Tier.STALE
    effects = watch.say(Unchanged(), head=make_policy(5).ref, replica_age_s=0.1, stream=2)
    assert CancelStream(stream=1) in effects
    assert watch.tier() is Tier.FRESH
    assert watch.state() is ConnectionState.LIVE


def test_the_second_stream_carries_on_when_the_first_ends() -> None:
    watch = Watch().live()
    watch.say(Heartbeat(), head=Ref(1, 7, '"1-7"'))
    watch.feed(Ended(stream=1, end=StreamEnd(code="UNAVAILABLE")))
    assert watch.state() is ConnectionState.CONNECTING
    assert watch.session.open_streams == (2,)
    watch.publish(make_policy(7))
    assert watch.state() is ConnectionState.LIVE


def test_a_second_stream_that_stays_silent_is_dropped() -> None:
    watch = Watch().live()
    watch.say(Heartbeat(), head=Ref(1, 7, '"1-7"'))
    effects = watch.advance(10)
    assert CancelStream(stream=2) in effects
    assert watch.state() is ConnectionState.LIVE


def test_a_policy_that_is_no_longer_the_head_is_applied_but_not_fresh() -> None:
    watch = Watch().live()
    watch.say(snapshot(make_policy(6)), head=Ref(1, 7, '"1-7"'))
    assert watch.session.applied == Ref(1, 6)
    assert watch.tier() is Tier.STALE
    assert watch.session.counters.gaps == 1


# Roles


def test_a_risk_guard_does_not_loosen_while_the_new_policy_is_not_fresh() -> None:
    watch = Watch(role=Role.RISK_GUARD).live()
    loose = make_policy(6, max_risk_per_trade=0.015, max_positions=4)
    watch.publish(loose, replica_age_s=40)
    assert watch.tier() is Tier.STALE
    assert (watch.policy.max_risk_per_trade, watch.policy.max_positions) == (0.0075, 4)
    watch.say(Heartbeat(), head=loose.ref)
    assert watch.policy.max_risk_per_trade == 0.015


def test_a_risk_guard_stays_as_tight_as_safe_until_it_is_fresh() -> None:
    watch = Watch(role=Role.RISK_GUARD).live()
    watch.clock.advance(901)
    assert (watch.tier(), watch.policy.max_risk_per_trade) == (Tier.SAFE_EXPIRED, 0.0030)
    watch.say(Heartbeat(), head=make_policy(5).ref, replica_age_s=40)
    assert (watch.tier(), watch.policy.max_risk_per_trade) == (Tier.STALE, 0.0030)
    watch.publish(make_policy(6, max_risk_per_trade=0.015), replica_age_s=40)
    assert (watch.tier(), watch.policy.max_risk_per_trade) == (Tier.STALE, 0.0030)
    watch.say(Heartbeat(), head=make_policy(6).ref)
    assert (watch.tier(), watch.policy.max_risk_per_trade) == (Tier.FRESH, 0.015)


def test_a_risk_guard_that_starts_beside_an_aged_replica_is_bound_by_the_safe_limits() -> None:
    watch = Watch(role=Role.RISK_GUARD)
    watch.feed(Start())
    watch.publish(make_policy(5), replica_age_s=40)
    assert (watch.tier(), watch.policy.max_risk_per_trade) == (Tier.STALE, 0.0030)
    assert watch.policy.allowed_strategies == make_policy(5).allowed_strategies


def test_other_roles_have_their_last_known_good_again_when_an_aged_replica_confirms_it() -> None:
    watch = Watch().live()
    watch.clock.advance(901)
    watch.say(Heartbeat(), head=make_policy(5).ref, replica_age_s=40)
    assert (watch.tier(), watch.policy.max_risk_per_trade) == (Tier.STALE, 0.0075)


def test_other_roles_take_the_policy_as_it_is() -> None:
    watch = Watch(role=Role.EXECUTOR).live()
    watch.publish(make_policy(6, max_risk_per_trade=0.015), replica_age_s=40)
    assert watch.policy.max_risk_per_trade == 0.015


# Time


@pytest.mark.parametrize(
    ("age_s", "tier"),
    [(30.0, Tier.FRESH), (30.1, Tier.STALE), (900.0, Tier.STALE), (900.1, Tier.SAFE_EXPIRED)],
)
def test_the_tier_follows_the_age(age_s: float, tier: Tier) -> None:
    watch = Watch().live()
    watch.clock.advance(age_s)
    assert watch.tier() is tier


def test_without_any_policy_the_safe_defaults_hold() -> None:
    watch = Watch()
    watch.feed(Start())
    watch.say(Heartbeat(), head=Ref(1, 0), heartbeat_s=5.0)
    assert watch.state() is ConnectionState.LIVE
    assert watch.tier() is Tier.SAFE_NONE


def test_the_longest_validity_believed_is_configured() -> None:
    watch = Watch(config=replace(ClientConfig(), policy_ttl_s=900.0)).live()
    watch.clock.advance(899.9)
    assert watch.tier() is Tier.STALE
    watch.clock.advance(0.1)
    assert watch.tier() is Tier.SAFE_EXPIRED
