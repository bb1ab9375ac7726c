"""The watch without I/O: each line of the contract's state machine and of its failure table that a client can show."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from msc_client import ClientConfig, ConnectionState, Policy, PolicyInvalid, Ref, RiskMode, Role, SafeDefaults, Tier
from msc_client._events import (
    CancelStream,
    Close,
    Effect,
    Ended,
    Event,
    Forked,
    Log,
    OpenStream,
    Paused,
    ReaderDied,
    Received,
    RenewChannel,
    Report,
    Start,
    Swap,
    Tick,
)
from msc_client._messages import (
    Document,
    Freshness,
    Garbled,
    Goodbye,
    Heartbeat,
    Snapshot,
    SnapshotReason,
    StreamEnd,
    StreamInfo,
    Unchanged,
    Unknown,
    WatchMessage,
)
from msc_client._messages import Event as WatchEvent
from msc_client._session import Session
from msc_client.testing import ManualClock, make_policy


class Watch:
    """A session whose effects are kept: what a thin shell around it would have done."""

    def __init__(self, *, config: ClientConfig | None = None, role: Role = Role.EXECUTOR, draw: float = 0.5) -> None:
        self.clock = ManualClock(draw=draw)
        self.session = Session(
            config=config or ClientConfig(),
            safe=SafeDefaults(),
            role=role,
            uniform=self.clock.uniform,
            now_ns=self.clock.monotonic_ns(),
        )
        self.effects: list[Effect] = []

    def feed(self, event: Event) -> list[Effect]:
        effects = self.session.handle(event, self.clock.monotonic_ns())
        self.effects += effects
        return effects

    def advance(self, seconds: float) -> list[Effect]:
        self.clock.advance(seconds)
        return self.feed(Tick())

    def say(
        self,
        event: WatchEvent,
        *,
        head: Ref | None,
        replica_age_s: float = 0.0,
        ttl_s: float = 3600.0,
        heartbeat_s: float | None = None,
        stream: int | None = None,
        size_bytes: int = 500,
        freshness: bool = True,
    ) -> list[Effect]:
        message = WatchMessage(
            head=head,
            freshness=Freshness(replica_age_s=replica_age_s, ttl_s=ttl_s) if freshness else None,
            event=event,
            info=None if heartbeat_s is None else StreamInfo(server_id="r1", heartbeat_interval_s=heartbeat_s),
            size_bytes=size_bytes,
        )
        return self.feed(Received(stream=self.stream if stream is None else stream, message=message))

    def publish(self, policy: Policy, **how: float) -> list[Effect]:
        return self.say(snapshot(policy), head=policy.ref, replica_age_s=how.get("replica_age_s", 0.0))

    def live(self, policy: Policy | None = None) -> Watch:
        """Starts, and has it follow version 5."""
        self.feed(Start())
        policy = policy or make_policy(5)
        self.say(snapshot(policy), head=policy.ref, heartbeat_s=5.0)
        return self

    def end(self, code: str, detail: str = "", *, reason: str = "", retry_after_s: float | None = None) -> list[Effect]:
        end = StreamEnd(code=code, detail=detail, reason=reason, retry_after_s=retry_after_s)
        return self.feed(Ended(stream=self.stream, end=end))

    def end_and_reopen(self, code: str, *, reason: str = "") -> None:
        self.end(code, reason=reason)
        self.clock.advance(self.due_s)
        self.feed(Tick())

    @property
    def stream(self) -> int:
        return [effect.stream for effect in self.effects if isinstance(effect, OpenStream)][-1]

    @property
    def due_s(self) -> float:
        due_ns = self.session.next_due_ns
        assert due_ns is not None
        return (due_ns - self.clock.monotonic_ns()) / 1e9

    def state(self) -> ConnectionState:
        return self.session.state

    def tier(self) -> Tier:
        return self.session.held.at(self.clock.monotonic_ns()).tier

    @property
    def policy(self) -> Policy:
        return self.session.held.at(self.clock.monotonic_ns()).policy

    def lines(self, level: int) -> list[str]:
        return [effect.text for effect in self.effects if isinstance(effect, Log) and effect.level == level]


def snapshot(policy: Policy, reason: SnapshotReason = SnapshotReason.UPDATE) -> Snapshot:
    return Snapshot(document=Document(ref=policy.ref, policy=policy, raw=b""), reason=reason)


def invalid(ref: Ref, *, upgrade: bool = False) -> Snapshot:
    problem = PolicyInvalid("risk_mode", "unknown value 9", upgrade=upgrade)
    return Snapshot(document=Document(ref=ref, policy=problem, raw=b""), reason=SnapshotReason.UPDATE)


def has(effects: list[Effect], kind: type[Effect]) -> bool:
    return any(isinstance(effect, kind) for effect in effects)


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
