"""A whole source on a script and a manual clock: reading it, starting and closing it, its callbacks."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest
from msc_client_harness import Host, levels, until

from msc_client import (
    ConnectionState,
    PolicyView,
    Ref,
    SafeDefaults,
    SourceClosed,
    Tier,
)
from msc_client._streams import OpenedStream, StreamSink
from msc_client.testing import ManualClock, ScriptedSource, ScriptedStream, make_policy


@pytest.fixture
def host() -> Iterator[Host]:
    made = Host()
    yield made
    made.source.close()


# Reading


def test_before_the_start_the_safe_defaults_hold(host: Host) -> None:
    view = host.source.current()
    assert (view.tier, view.ref, view.policy.allowed_strategies) == (Tier.SAFE_NONE, None, ())
    assert host.status().connection is ConnectionState.NEW


def test_a_start_without_an_authority_returns_safe_and_does_not_raise(host: Host) -> None:
    assert host.source.start(wait_s=0).tier is Tier.SAFE_NONE


def test_hosts_may_name_strategies_for_the_time_without_any_policy() -> None:
    host = Host(safe=SafeDefaults(allowed_strategies=("TREND_001",)))
    assert host.source.current().policy.allows("TREND_001")
    host.clock.advance(300)
    assert host.source.current().entry_denial(host.source.now_ns()) == "POLICY_MISSING"


def test_a_policy_is_read_as_soon_as_it_came(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "msc_client"):
        host.follow(make_policy(5, strategies=("A", "B", "C"), max_risk_per_trade=0.005))
    view = host.source.current()
    assert (view.tier, view.ref) == (Tier.FRESH, Ref(1, 5))
    assert "[MSC AI] Policy loaded: risk_mode=NORMAL, strategies=3, max_risk=0.50%" in caplog.messages


def test_reads_return_the_same_object_until_something_changes(host: Host) -> None:
    host.follow()
    assert host.source.current() is host.source.current()


def test_the_value_ages_by_itself_even_with_every_thread_gone(host: Host) -> None:
    host.follow()
    host.source.close()
    tiers = []
    for _ in range(3):
        tiers.append(host.tier())
        host.clock.advance(450.5)
    assert tiers == [Tier.FRESH, Tier.STALE, Tier.SAFE_EXPIRED]


def test_safe_bounds_the_last_known_good_and_its_window_ends(host: Host) -> None:
    host.follow()
    host.clock.advance(901)
    view = host.source.current()
    assert view.policy.max_risk_per_trade == 0.003
    assert view.policy.allows("TREND_001")
    assert view.entries_allowed(host.source.now_ns())
    host.clock.advance(300)
    assert host.source.current().entry_denial(host.source.now_ns()) == "POLICY_EXPIRED"
    assert host.source.current().exits_allowed


def test_the_status_is_one_reading(host: Host) -> None:
    host.follow()
    host.clock.advance(3)
    status = host.status()
    assert (status.connection, status.tier, status.applied) == (ConnectionState.LIVE, Tier.FRESH, Ref(1, 5))
    assert status.age_s == 3.0
    assert status.ttl_s == pytest.approx(3597.0)
    assert (status.counters.applied, status.server_id, status.target) == (1, "scripted", "scripted")
    assert status.since.timestamp() == pytest.approx(host.clock.wall_s() - 3)


# Life


def test_starting_twice_opens_one_watch(host: Host) -> None:
    host.follow()
    assert host.source.start(wait_s=0).tier is Tier.FRESH
    assert len(host.script.opened) == 1


def test_closing_twice_is_fine_and_starting_then_is_not(host: Host) -> None:
    host.follow()
    host.source.close()
    host.source.close()
    assert host.status().connection is ConnectionState.CLOSED
    with pytest.raises(SourceClosed):
        host.source.start()


class Prompt(ScriptedStream):
    """A stream that answers before `open` returns."""

    def open(self, stream: int, request: bytes, sink: StreamSink) -> OpenedStream:
        handle = super().open(stream, request, sink)
        self.publish(make_policy(5))
        return handle


def test_a_source_is_started_and_closed_by_its_block() -> None:
    with ScriptedSource(Prompt(), ManualClock()) as source:
        assert source.current().tier is Tier.FRESH
    assert source.status().connection is ConnectionState.CLOSED


def test_a_nameless_client_is_refused() -> None:
    with pytest.raises(ValueError, match="name"):
        ScriptedSource(ScriptedStream(), ManualClock(), name="")


def test_waiting_returns_the_view_that_was_waited_for(host: Host) -> None:
    host.source.start(wait_s=0)
    publisher = threading.Timer(0.01, lambda: host.script.publish(make_policy(7)))
    publisher.start()
    assert host.source.wait_for_ref(Ref(1, 7), timeout_s=60).ref == Ref(1, 7)
    publisher.join()


def test_waiting_ends_with_its_time(host: Host) -> None:
    host.source.start(wait_s=0)
    with pytest.raises(TimeoutError, match="no such policy"):
        host.source.wait_for(lambda view: view.tier is Tier.FRESH, timeout_s=0)


# Callbacks


def test_a_callback_sees_each_change_in_a_thread_of_its_own(host: Host) -> None:
    seen: list[tuple[Ref | None, str]] = []
    host.source.subscribe(lambda view: seen.append((view.ref, threading.current_thread().name)))
    host.follow()
    until(lambda: len(seen) == 1)
    host.script.publish(make_policy(6))
    until(lambda: len(seen) == 2)
    assert seen == [(Ref(1, 5), "policy-callback"), (Ref(1, 6), "policy-callback")]


def test_a_slow_callback_sees_the_newest_value_next_and_never_delays_a_read(host: Host) -> None:
    entered, go_on = threading.Event(), threading.Event()
    seen: list[Ref | None] = []

    def slow(view: PolicyView) -> None:
        seen.append(view.ref)
        entered.set()
        assert go_on.wait(10)

    host.source.subscribe(slow)
    host.follow()
    assert entered.wait(10)
    for version in (6, 7, 8):
        host.script.publish(make_policy(version))
    assert host.source.current().ref == Ref(1, 8)
    go_on.set()
    until(lambda: len(seen) == 2)
    assert seen == [Ref(1, 5), Ref(1, 8)]


@pytest.mark.parametrize("error", [ValueError("boom"), SystemExit(1)])
def test_a_callback_that_raises_is_logged_and_counted_and_hurts_nobody(
    host: Host, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    seen: list[PolicyView] = []

    def bad(view: PolicyView) -> None:
        raise error

    host.source.subscribe(bad)
    host.source.subscribe(seen.append)
    host.follow()
    until(lambda: seen)
    host.script.publish(make_policy(6))
    until(lambda: len(seen) == 2)
    assert host.status().counters.callback_errors == 2
    assert levels(caplog).count(logging.ERROR) == 2


def test_a_callback_that_takes_more_than_a_second_is_said(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    host.source.subscribe(lambda view: host.clock.advance(1.5))
    host.follow()
    until(lambda: any("took 1.5 s" in message for message in caplog.messages))


def test_unsubscribing_ends_the_calls_and_twice_is_fine(host: Host) -> None:
    gone: list[PolicyView] = []
    stays: list[PolicyView] = []
    unsubscribe = host.source.subscribe(gone.append)
    host.source.subscribe(stays.append)
    unsubscribe()
    unsubscribe()
    host.follow()
    until(lambda: stays)
    assert gone == []


def test_callbacks_are_told_of_the_tier_too(host: Host) -> None:
    tiers: list[Tier] = []
    host.source.subscribe(lambda view: tiers.append(view.tier))
    host.follow()
    until(lambda: tiers == [Tier.FRESH])
    for expected in (Tier.STALE, Tier.SAFE_EXPIRED):
        host.clock.advance(450.5)
        until(lambda: tiers[-1] is expected)  # noqa: B023 - it is waited for in this round
