"""When a session opens, leaves and waits: each row of the state machine, and of the failure table."""

from __future__ import annotations

import logging

import pytest
from msc_client_harness import Watch, snapshot

from msc_client import ConnectionState, Ref, Tier
from msc_client._events import (
    CancelStream,
    Close,
    Ended,
    Forked,
    OpenStream,
    Paused,
    ReaderDied,
    RenewChannel,
    Start,
    Tick,
)
from msc_client._messages import Goodbye, Heartbeat, StreamEnd, Unchanged
from msc_client.testing import make_policy

# Connection


def test_it_starts_connecting_without_a_known_revision() -> None:
    watch = Watch()
    assert watch.feed(Start()) == [OpenStream(stream=1, known=None)]
    assert watch.state() is ConnectionState.CONNECTING


def test_no_first_message_within_10_s_is_a_failed_attempt() -> None:
    watch = Watch()
    watch.feed(Start())
    watch.advance(9.9)
    assert watch.state() is ConnectionState.CONNECTING
    effects = watch.advance(0.1)
    assert watch.state() is ConnectionState.BACKOFF
    assert CancelStream(stream=1) in effects


def test_silence_of_three_heartbeats_and_a_second_ends_the_stream() -> None:
    watch = Watch().live()
    watch.advance(16.0)
    assert watch.state() is ConnectionState.LIVE
    effects = watch.advance(0.01)
    assert watch.state() is ConnectionState.BACKOFF
    assert CancelStream(stream=1) in effects
    assert watch.lines(logging.WARNING) == ["watchdog: silent 16.0s"]
    assert watch.session.counters.watchdog_timeouts == 1


def test_the_watchdog_follows_the_announced_interval() -> None:
    watch = Watch().live()
    watch.say(Heartbeat(), head=make_policy(5).ref, heartbeat_s=1.0)
    watch.advance(4.1)
    assert watch.state() is ConnectionState.BACKOFF


@pytest.mark.parametrize("code", ["OK", "UNAVAILABLE", "INTERNAL", "CANCELLED", "FAILED_PRECONDITION", "UNKNOWN"])
def test_any_end_leads_to_a_delayed_reconnect_that_names_what_is_known(code: str) -> None:
    watch = Watch().live()
    watch.end(code)
    assert watch.state() is ConnectionState.BACKOFF
    assert 0.05 <= watch.due_s <= 0.25
    effects = watch.advance(0.25)
    assert OpenStream(stream=2, known=make_policy(5).ref) in effects
    assert watch.tier() is Tier.FRESH


@pytest.mark.parametrize(("draw", "waits"), [(1.0, [0.25, 0.5, 1, 2, 4, 5, 5]), (0.0, [0.05] * 7)])
def test_waits_double_up_to_the_longest_and_never_fall_below_the_floor(draw: float, waits: list[float]) -> None:
    watch = Watch(draw=draw).live()
    seen = []
    for _ in waits:
        watch.end("UNAVAILABLE")
        seen.append(watch.due_s)
        watch.advance(watch.due_s)
    assert seen == pytest.approx(waits)


def test_a_minute_of_life_makes_the_next_wait_a_first_one() -> None:
    watch = Watch(draw=1.0).live()
    watch.end_and_reopen("UNAVAILABLE")
    watch.end_and_reopen("UNAVAILABLE")
    for _ in range(13):
        watch.say(Unchanged(), head=make_policy(5).ref)
        watch.clock.advance(5)
    watch.end("UNAVAILABLE")
    assert watch.due_s == pytest.approx(0.25)


def test_waiting_for_a_connection_does_not_lengthen_the_waits() -> None:
    watch = Watch(draw=1.0)
    watch.feed(Start())
    for _ in range(5):
        watch.advance(10)
        assert watch.due_s == pytest.approx(0.25)
        watch.advance(0.25)


@pytest.mark.parametrize("code", ["UNAUTHENTICATED", "PERMISSION_DENIED", "INVALID_ARGUMENT", "UNIMPLEMENTED"])
def test_a_refusal_is_retried_slowly_with_credentials_read_again_and_for_ever(code: str) -> None:
    watch = Watch().live()
    for _ in range(3):
        watch.end(code)
        assert watch.state() is ConnectionState.DENIED
        assert 30 <= watch.due_s <= 60
        effects = watch.advance(watch.due_s)
        assert [type(effect) for effect in effects] == [RenewChannel, OpenStream]


def test_a_refusal_is_said_every_five_minutes() -> None:
    watch = Watch().live()
    for _ in range(15):
        watch.end("PERMISSION_DENIED", "role executor was removed")
        watch.advance(watch.due_s)
    assert 15 * 45 // 300 <= len(watch.lines(logging.ERROR)) <= 15 * 45 // 300 + 1
    assert "role executor was removed" in watch.lines(logging.ERROR)[0]


@pytest.mark.parametrize(("draw", "wait_s"), [(0.0, 0.0), (0.5, 2.5), (1.0, 5.0)])
def test_goodbye_is_followed_by_a_random_part_of_its_delay(draw: float, wait_s: float) -> None:
    watch = Watch(draw=draw).live()
    watch.say(Goodbye(reason="DRAINING", reconnect_after_s=5.0), head=make_policy(5).ref)
    watch.end("OK")
    assert watch.state() is ConnectionState.BACKOFF
    assert watch.due_s == pytest.approx(wait_s)
    assert watch.lines(logging.WARNING) == []


def test_a_goodbye_for_every_new_stream_is_not_answered_in_a_tight_loop() -> None:
    watch = Watch(draw=1.0).live()
    waits = []
    for _ in range(8):
        watch.say(Goodbye(reason="REBALANCE", reconnect_after_s=0.0), head=make_policy(5).ref)
        waits.append(watch.due_s)
        watch.advance(watch.due_s)
    assert waits[-1] == pytest.approx(5.0)


def test_a_goodbye_cannot_send_a_client_away_for_long() -> None:
    watch = Watch(draw=1.0).live()
    watch.say(Goodbye(reason="DRAINING", reconnect_after_s=86_400.0), head=make_policy(5).ref)
    assert watch.due_s == pytest.approx(10.0)


def test_a_lagging_replica_is_left_and_never_followed_back() -> None:
    watch = Watch().live()
    for attempt in range(1, 7):
        watch.end("UNAVAILABLE", reason="REPLICA_BEHIND", retry_after_s=1.0)
        assert watch.state() is ConnectionState.BACKOFF
        assert watch.due_s >= 1.0
        assert len(watch.lines(logging.WARNING)) == (attempt > 5)
        watch.advance(watch.due_s)
    assert watch.session.applied == Ref(1, 5)


def test_a_replica_that_stays_behind_for_a_minute_is_an_error_with_both_references() -> None:
    watch = Watch().live()
    for _ in range(30):
        watch.end("UNAVAILABLE", "head is (1, 3)", reason="REPLICA_BEHIND", retry_after_s=1.0)
        watch.advance(watch.due_s)
    errors = watch.lines(logging.ERROR)
    assert len(errors) == 1
    assert "(1, 5)" in errors[0]
    assert "(1, 3)" in errors[0]


def test_an_old_fork_of_the_server_is_an_error_and_retried() -> None:
    watch = Watch().live()
    for _ in range(3):
        watch.end_and_reopen("FAILED_PRECONDITION", reason="EPOCH_SUPERSEDED")
    assert len(watch.lines(logging.ERROR)) == 1
    assert watch.state() is ConnectionState.CONNECTING


def test_too_many_watchers_waits_as_asked_and_warns_once() -> None:
    watch = Watch().live()
    watch.end("RESOURCE_EXHAUSTED", reason="RATE_LIMITED", retry_after_s=7.0)
    assert watch.due_s > 7.0
    watch.advance(watch.due_s)
    watch.end("RESOURCE_EXHAUSTED", reason="RATE_LIMITED", retry_after_s=7.0)
    assert len(watch.lines(logging.WARNING)) == 1


def test_too_many_pings_names_both_settings() -> None:
    watch = Watch().live()
    watch.end("UNAVAILABLE", "GOAWAY received: too_many_pings")
    line = watch.lines(logging.ERROR)[0]
    assert "grpc.keepalive_time_ms" in line
    assert "grpc.http2.min_ping_interval_without_data_ms" in line


def test_failed_attempts_are_said_at_first_and_then_every_tenth() -> None:
    watch = Watch().live()
    for _ in range(21):
        watch.end_and_reopen("UNAVAILABLE")
    reconnects = [line for line in watch.lines(logging.INFO) if line.startswith("reconnect ")]
    assert [line.split(":")[0] for line in reconnects] == ["reconnect 1", "reconnect 10", "reconnect 20"]


def test_a_reader_that_died_is_restarted_at_once_and_then_once_a_minute() -> None:
    watch = Watch().live()
    watch.feed(ReaderDied(stream=watch.stream))
    assert watch.due_s <= 0.25
    watch.advance(watch.due_s)
    watch.feed(ReaderDied(stream=watch.stream))
    assert 55 < watch.due_s <= 60


def test_a_local_pause_is_said_and_what_waited_meanwhile_confirms_nothing() -> None:
    watch = Watch().live()
    old = watch.stream
    watch.clock.advance(47)
    watch.feed(Paused(seconds=47.0))
    watch.say(Heartbeat(), head=make_policy(5).ref, stream=old)
    assert watch.lines(logging.WARNING) == ["local pause 47 s"]
    assert watch.tier() is Tier.STALE
    assert watch.state() is ConnectionState.BACKOFF


def test_a_fork_touches_nothing_that_is_open() -> None:
    watch = Watch().live()
    assert watch.feed(Forked()) == []
    assert watch.state() is ConnectionState.FORKED
    assert watch.feed(Start()) == [OpenStream(stream=2, known=make_policy(5).ref)]


def test_closing_ends_the_stream_and_nothing_wakes_it_again() -> None:
    watch = Watch().live()
    assert watch.feed(Close()) == [CancelStream(stream=1)]
    for event in (Start(), Tick(), Forked(), Close(), Paused(seconds=9.0)):
        watch.feed(event)
    watch.publish(make_policy(6))
    assert watch.state() is ConnectionState.CLOSED
    assert watch.session.applied == Ref(1, 5)


def test_what_a_left_stream_still_says_changes_nothing() -> None:
    watch = Watch().live()
    watch.end_and_reopen("UNAVAILABLE")
    watch.say(snapshot(make_policy(9)), head=make_policy(9).ref, stream=1)
    watch.feed(Ended(stream=1, end=StreamEnd(code="OK")))
    assert watch.session.applied == Ref(1, 5)
    assert watch.state() is ConnectionState.CONNECTING
