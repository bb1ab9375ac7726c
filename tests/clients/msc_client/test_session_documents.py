"""Which documents a session applies, and which messages vouch for the value."""

from __future__ import annotations

import logging

import pytest
from msc_client_harness import Watch, has, invalid, snapshot

from msc_client import ConnectionState, Ref, RiskMode, Tier
from msc_client._events import (
    Log,
    Received,
    Report,
    Start,
    Swap,
)
from msc_client._messages import Event as WatchEvent
from msc_client._messages import Garbled, Heartbeat, SnapshotReason, Unchanged, Unknown
from msc_client.testing import make_policy

# What may be applied


def test_a_snapshot_is_applied_logged_and_reported() -> None:
    watch = Watch()
    watch.feed(Start())
    effects = watch.publish(
        make_policy(5, strategies=("A", "B", "C"), risk_mode=RiskMode.DEFENSIVE, max_risk_per_trade=0.005)
    )
    assert watch.tier() is Tier.FRESH
    assert watch.session.applied == Ref(1, 5)
    assert [type(effect) for effect in effects] == [Swap, Log, Report]
    assert watch.lines(logging.INFO) == ["[MSC AI] Policy loaded: risk_mode=DEFENSIVE, strategies=3, max_risk=0.50%"]


def test_a_change_of_risk_mode_is_logged() -> None:
    watch = Watch().live()
    watch.publish(make_policy(6, risk_mode=RiskMode.AGGRESSIVE))
    assert "[MSC AI] Risk mode: NORMAL -> AGGRESSIVE" in watch.lines(logging.INFO)


@pytest.mark.parametrize("version", [1, 4])
def test_an_older_version_of_the_same_epoch_is_never_applied(version: int) -> None:
    watch = Watch().live()
    watch.publish(make_policy(version))
    assert watch.session.applied == Ref(1, 5)
    assert watch.session.counters.rejected == 1
    assert watch.state() is ConnectionState.LIVE


def test_a_lower_epoch_is_refused_whatever_its_version() -> None:
    watch = Watch().live(make_policy(5, epoch=2))
    watch.publish(make_policy(99, epoch=1))
    assert watch.session.applied == Ref(2, 5)


def test_only_a_greater_epoch_lowers_the_version_and_says_so() -> None:
    watch = Watch().live()
    watch.publish(make_policy(1, epoch=2))
    assert watch.session.applied == Ref(2, 1)
    assert any("reset (1, 5) -> (2, 1)" in line for line in watch.lines(logging.WARNING))


def test_the_same_reference_confirms_and_is_not_applied_again() -> None:
    watch = Watch().live()
    watch.clock.advance(31)
    assert watch.tier() is Tier.STALE
    watch.publish(make_policy(5))
    assert watch.tier() is Tier.FRESH
    assert watch.session.counters.applied == 1


def test_the_same_reference_with_another_etag_is_an_integrity_error() -> None:
    watch = Watch().live()
    watch.publish(make_policy(5, etag='"other"', max_risk_per_trade=1.0))
    assert watch.policy.max_risk_per_trade == 0.0075
    assert any("two writers?" in line for line in watch.lines(logging.CRITICAL))
    assert watch.session.counters.rejected == 1


def test_a_heartbeat_with_another_etag_confirms_nothing_and_is_said_once() -> None:
    watch = Watch().live()
    for _ in range(7):
        watch.clock.advance(5)
        watch.say(Heartbeat(), head=Ref(1, 5, '"other"'))
    assert watch.tier() is Tier.STALE
    assert len(watch.lines(logging.CRITICAL)) == 1
    assert watch.session.counters.rejected == 1


def test_a_rollback_arrives_under_a_higher_version() -> None:
    watch = Watch().live()
    policy = make_policy(6, rollback_of=3)
    watch.say(snapshot(policy, SnapshotReason.ROLLBACK), head=policy.ref)
    assert watch.session.applied == Ref(1, 6)
    assert "rollback to the content of version 3 as (1, 6)" in watch.lines(logging.INFO)


def test_an_invalid_document_keeps_the_previous_one_names_the_field_and_reports() -> None:
    watch = Watch().live()
    effects = watch.say(invalid(Ref(1, 6, '"6"')), head=Ref(1, 6, '"6"'))
    assert watch.session.applied == Ref(1, 5)
    assert has(effects, Report)
    assert watch.lines(logging.ERROR) == ["policy (1, 6) rejected: risk_mode: unknown value 9"]
    assert "risk_mode" in watch.session.last_error
    assert watch.state() is ConnectionState.LIVE


def test_an_unknown_enum_asks_for_a_newer_client() -> None:
    watch = Watch().live()
    watch.say(invalid(Ref(1, 6, '"6"'), upgrade=True), head=Ref(1, 6, '"6"'))
    assert "upgrade client" in watch.lines(logging.ERROR)[0]


def test_after_an_invalid_document_heartbeats_confirm_nothing_and_do_not_reopen() -> None:
    watch = Watch().live()
    watch.say(invalid(Ref(1, 6, '"6"')), head=Ref(1, 6, '"6"'))
    opened = watch.stream
    for _ in range(7):
        watch.clock.advance(5)
        watch.say(Heartbeat(), head=Ref(1, 6, '"6"'))
    assert watch.tier() is Tier.STALE
    assert watch.stream == opened
    assert watch.session.counters.gaps == 0


def test_an_invalid_first_document_leaves_the_safe_defaults() -> None:
    watch = Watch()
    watch.feed(Start())
    watch.say(invalid(Ref(1, 6, '"6"')), head=Ref(1, 6, '"6"'))
    assert watch.tier() is Tier.SAFE_NONE
    assert watch.policy.allowed_strategies == ()


@pytest.mark.parametrize(("size_bytes", "applied"), [(64 * 1024, 6), (64 * 1024 + 1, 5)])
def test_a_document_of_more_than_64_kib_is_refused(size_bytes: int, applied: int) -> None:
    watch = Watch().live()
    policy = make_policy(6)
    watch.say(snapshot(policy), head=policy.ref, size_bytes=size_bytes)
    assert watch.session.applied == Ref(1, applied)


def test_a_snapshot_that_does_not_say_how_fresh_it_is_is_refused() -> None:
    watch = Watch().live()
    policy = make_policy(6)
    watch.say(snapshot(policy), head=policy.ref, freshness=False)
    assert watch.session.applied == Ref(1, 5)
    assert "freshness" in watch.session.last_error


def test_bytes_that_are_no_message_are_refused_and_the_stream_lives_on() -> None:
    watch = Watch().live()
    watch.feed(Received(stream=watch.stream, message=Garbled(problem="message cannot be parsed")))
    assert watch.state() is ConnectionState.LIVE
    assert watch.session.counters.rejected == 1


# What confirms


@pytest.mark.parametrize("event", [Heartbeat(), Unchanged()])
def test_naming_the_applied_head_confirms(event: WatchEvent) -> None:
    watch = Watch().live()
    watch.clock.advance(29)
    watch.say(event, head=make_policy(5).ref)
    watch.clock.advance(29)
    assert watch.tier() is Tier.FRESH


@pytest.mark.parametrize("head", [Ref(1, 4, '"1-4"'), Ref(1, 0), None])
def test_naming_another_head_confirms_nothing(head: Ref | None) -> None:
    watch = Watch().live()
    watch.clock.advance(20)
    watch.say(Heartbeat(), head=head)
    watch.clock.advance(11)
    assert watch.tier() is Tier.STALE


def test_an_event_of_a_newer_contract_is_life_and_nothing_else() -> None:
    watch = Watch().live()
    watch.clock.advance(15)
    watch.say(Unknown(), head=make_policy(5).ref)
    watch.advance(15.5)
    assert watch.state() is ConnectionState.LIVE
    assert watch.tier() is Tier.STALE


def test_unchanged_clears_the_error() -> None:
    watch = Watch().live()
    watch.publish(make_policy(4))
    assert watch.session.last_error
    watch.say(Unchanged(), head=make_policy(5).ref)
    assert watch.session.last_error == ""


def test_the_age_of_the_replica_counts() -> None:
    watch = Watch().live()
    watch.say(Heartbeat(), head=make_policy(5).ref, replica_age_s=29)
    assert watch.tier() is Tier.FRESH
    watch.clock.advance(1.5)
    assert watch.tier() is Tier.STALE


def test_a_policy_whose_validity_is_used_up_is_safe_although_connected() -> None:
    watch = Watch().live()
    watch.say(Heartbeat(), head=make_policy(5).ref, ttl_s=2.0)
    watch.clock.advance(1.9)
    assert watch.tier() is Tier.FRESH
    watch.clock.advance(0.1)
    assert watch.tier() is Tier.SAFE_EXPIRED


@pytest.mark.parametrize("ttl_s", [0.0, -5.0])
def test_a_ttl_of_zero_or_less_is_used_up(ttl_s: float) -> None:
    watch = Watch().live()
    watch.say(Heartbeat(), head=make_policy(5).ref, ttl_s=ttl_s)
    assert watch.tier() is Tier.SAFE_EXPIRED


def test_one_confirmation_recovers_from_safe() -> None:
    watch = Watch().live()
    watch.clock.advance(901)
    assert watch.tier() is Tier.SAFE_EXPIRED
    watch.say(Unchanged(), head=make_policy(5).ref)
    assert watch.tier() is Tier.FRESH
