"""A whole source on a script and a manual clock: threads, callbacks, disk, reports and logs."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from msc_client import (
    ClientConfig,
    ConnectionState,
    Policy,
    PolicyView,
    Ref,
    Role,
    SafeDefaults,
    SourceClosed,
    SourceStatus,
    Tier,
    TradingState,
)
from msc_client._streams import OpenedStream, StreamSink
from msc_client.testing import ManualClock, ScriptedSource, ScriptedStream, make_policy

Until = Callable[[Callable[[], object]], None]

# A manual clock moves in jumps, and each would count as a pause of the process.
NO_PAUSES = ClientConfig(local_pause_s=1e9)


class Host:
    """A source, its script and its clock."""

    def __init__(
        self, *, config: ClientConfig = NO_PAUSES, state_dir: Path | None = None, safe: SafeDefaults | None = None
    ) -> None:
        self.script = ScriptedStream()
        self.clock = ManualClock()
        self.source = ScriptedSource(self.script, self.clock, config=config, state_dir=state_dir, safe=safe)

    def follow(self, policy: Policy | None = None) -> Host:
        self.source.start(wait_s=0)
        self.script.publish(policy or make_policy(5))
        return self

    def tier(self) -> Tier:
        return self.source.current().tier

    def status(self) -> SourceStatus:
        return self.source.status()


@pytest.fixture
def host() -> Iterator[Host]:
    made = Host()
    yield made
    made.source.close()


def levels(caplog: pytest.LogCaptureFixture) -> list[int]:
    return [record.levelno for record in caplog.records]


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


def test_a_callback_sees_each_change_in_a_thread_of_its_own(host: Host, until: Until) -> None:
    seen: list[tuple[Ref | None, str]] = []
    host.source.subscribe(lambda view: seen.append((view.ref, threading.current_thread().name)))
    host.follow()
    until(lambda: len(seen) == 1)
    host.script.publish(make_policy(6))
    until(lambda: len(seen) == 2)
    assert seen == [(Ref(1, 5), "policy-callback"), (Ref(1, 6), "policy-callback")]


def test_a_slow_callback_sees_the_newest_value_next_and_never_delays_a_read(host: Host, until: Until) -> None:
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
    host: Host, until: Until, caplog: pytest.LogCaptureFixture, error: BaseException
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


def test_a_callback_that_takes_more_than_a_second_is_said(
    host: Host, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    host.source.subscribe(lambda view: host.clock.advance(1.5))
    host.follow()
    until(lambda: any("took 1.5 s" in message for message in caplog.messages))


def test_unsubscribing_ends_the_calls_and_twice_is_fine(host: Host, until: Until) -> None:
    gone: list[PolicyView] = []
    stays: list[PolicyView] = []
    unsubscribe = host.source.subscribe(gone.append)
    host.source.subscribe(stays.append)
    unsubscribe()
    unsubscribe()
    host.follow()
    until(lambda: stays)
    assert gone == []


def test_callbacks_are_told_of_the_tier_too(host: Host, until: Until) -> None:
    tiers: list[Tier] = []
    host.source.subscribe(lambda view: tiers.append(view.tier))
    host.follow()
    until(lambda: tiers == [Tier.FRESH])
    for expected in (Tier.STALE, Tier.SAFE_EXPIRED):
        host.clock.advance(450.5)
        until(lambda: tiers[-1] is expected)  # noqa: B023 - it is waited for in this round


# Logs


def test_an_outage_is_said_in_its_four_lines(host: Host, until: Until, caplog: pytest.LogCaptureFixture) -> None:
    def said(event: str) -> int:
        return [getattr(record, "msc_event", "") for record in caplog.records].count(event)

    with caplog.at_level(logging.INFO, "msc_client"):
        host.follow()
        until(lambda: host.tier() is Tier.FRESH)
        for seconds, event in ((31, "stale"), (270, "unavailable"), (600, "safe")):
            host.clock.advance(seconds)
            until(lambda: said(event))  # noqa: B023 - it is waited for in this round
        until(lambda: host.status().connection is ConnectionState.BACKOFF)
        host.clock.advance(5)
        until(lambda: host.status().connection is ConnectionState.CONNECTING)
        host.script.unchanged(Ref(1, 5, '"1-5"'))
        until(lambda: said("fresh"))
    assert [said(event) for event in ("stale", "unavailable", "safe", "fresh")] == [1, 1, 1, 1]


def test_a_cold_start_without_an_authority_is_critical_once(
    host: Host, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    host.source.start(wait_s=0)
    until(lambda: logging.CRITICAL in levels(caplog))
    host.clock.advance(1)
    host.source.close()
    assert levels(caplog).count(logging.CRITICAL) == 1


def test_a_process_that_stood_still_says_so_and_opens_a_new_watch(
    until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    host = Host(config=ClientConfig()).follow()
    until(lambda: host.source._engine._timer_due_ns < 1 << 61)
    host.clock.advance(47)
    assert host.tier() is Tier.STALE
    until(lambda: any(message.startswith("local pause 4") for message in caplog.messages))
    host.clock.advance(0.25)
    until(lambda: len(host.script.opened) == 2)
    assert host.script.cancelled == [1]
    host.source.close()


# The disk


def test_the_last_known_good_survives_a_restart(tmp_path: Path, until: Until, caplog: pytest.LogCaptureFixture) -> None:
    host = Host(state_dir=tmp_path).follow()
    until(lambda: list(tmp_path.iterdir()))
    host.source.close()
    again = Host(state_dir=tmp_path)
    view = again.source.start(wait_s=0)
    assert (view.tier, view.ref) == (Tier.STALE, Ref(1, 5))
    assert again.script.opened[0].known == Ref(1, 5)
    until(lambda: any("starting from the last known good policy (1, 5)" in message for message in caplog.messages))
    again.script.unchanged(Ref(1, 5, '"1-5"'))
    assert again.tier() is Tier.FRESH
    again.source.close()


def test_a_restarted_client_refuses_what_is_older_than_its_file(tmp_path: Path) -> None:
    host = Host(state_dir=tmp_path).follow()
    host.source.close()
    again = Host(state_dir=tmp_path)
    again.source.start(wait_s=0)
    again.script.publish(make_policy(4))
    assert again.source.current().ref == Ref(1, 5)
    again.source.close()


def restart_later(tmp_path: Path, seconds: float, policy: Policy) -> Host:
    host = Host(state_dir=tmp_path).follow(policy)
    host.source.close()
    again = Host(state_dir=tmp_path)
    again.clock.advance(seconds)
    again.source.start(wait_s=0)
    return again


def test_a_file_older_than_fifteen_minutes_is_not_used_but_still_bounds(tmp_path: Path) -> None:
    again = restart_later(tmp_path, 901, make_policy(5))
    assert (again.tier(), again.source.current().ref) == (Tier.SAFE_NONE, None)
    assert not again.source.current().policy.allows("TREND_001")
    again.script.publish(make_policy(4))
    assert again.tier() is Tier.SAFE_NONE
    again.script.unchanged(Ref(1, 5, '"1-5"'))
    assert (again.tier(), again.source.current().ref) == (Tier.FRESH, Ref(1, 5))
    again.source.close()


def test_a_restart_does_not_lift_a_kill(tmp_path: Path) -> None:
    again = restart_later(tmp_path, 86_400, make_policy(5, trading_state=TradingState.HALTED))
    assert again.source.current().entry_denial(again.source.now_ns()) == "TRADING_HALTED"
    again.source.close()


def test_a_restart_does_not_open_the_safe_window_again(tmp_path: Path) -> None:
    again = restart_later(tmp_path, 86_400, make_policy(5))
    assert again.source.current().entry_denial(again.source.now_ns()) == "POLICY_MISSING"
    again.source.close()


def test_a_file_that_cannot_be_trusted_is_an_error_with_its_path(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "policy-other-scripted.json"
    file.write_text("{")
    file.chmod(0o600)
    host = Host(state_dir=tmp_path)
    assert host.source.start(wait_s=0).tier is Tier.SAFE_NONE
    assert any(record.levelno == logging.ERROR and str(file) in record.message for record in caplog.records)
    assert os.listdir(tmp_path) == ["policy-other-scripted.json.bad"]
    host.source.close()


def test_a_disk_that_refuses_does_not_disturb(tmp_path: Path, until: Until, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "full").write_text("not a directory")
    host = Host(state_dir=tmp_path / "full").follow()
    until(lambda: any("not written" in message for message in caplog.messages))
    host.script.publish(make_policy(6))
    assert host.source.current().ref == Ref(1, 6)
    host.source.close()


# Reports


def test_what_is_applied_is_reported_soon_and_then_every_30_s(host: Host, until: Until) -> None:
    host.follow()
    until(lambda: len(host.script.reports) == 1)
    assert (host.script.reports[0].applied, host.script.reports[0].tier) == (Ref(1, 5), "FRESH")
    host.script.heartbeat(Ref(1, 5, '"1-5"'))
    for _ in range(7):
        host.clock.advance(5)
        host.script.heartbeat(Ref(1, 5, '"1-5"'))
    until(lambda: len(host.script.reports) == 2)


def test_a_refused_document_is_reported_with_its_reason(host: Host, until: Until) -> None:
    host.follow()
    until(lambda: len(host.script.reports) == 1)
    host.clock.advance(1)
    host.script.publish(make_policy(6, max_risk_per_trade=float("nan")))
    until(lambda: len(host.script.reports) == 2)
    report = host.script.reports[1]
    assert (report.applied, report.rejected) == (Ref(1, 5), 1)
    assert "max_risk_per_trade" in report.last_error


# Bugs


class Vanishing(ScriptedStream):
    """A stream whose reader is gone without a word."""

    def open(self, stream: int, request: bytes, sink: StreamSink) -> OpenedStream:
        super().open(stream, request, sink)
        return _Vanished()


class _Vanished:
    def cancel(self) -> None:
        """Nothing to end."""

    def alive(self) -> bool:
        return False


def test_a_reader_that_vanished_is_noticed_and_replaced(until: Until, caplog: pytest.LogCaptureFixture) -> None:
    script, clock = Vanishing(), ManualClock()
    source = ScriptedSource(script, clock, config=NO_PAUSES, role=Role.EXECUTOR)
    source.start(wait_s=0)
    until(lambda: any("vanished" in message for message in caplog.messages))
    clock.advance(0.25)
    until(lambda: len(script.opened) == 2)
    source.close()


class Failing(ScriptedStream):
    """A stream with a bug in its reports."""

    def report(self, request: bytes, answered: Callable[[bytes], None]) -> None:
        super().report(request, answered)
        raise RuntimeError("a bug")


def test_a_timer_that_fails_says_so_and_goes_on(until: Until, caplog: pytest.LogCaptureFixture) -> None:
    script, clock = Failing(), ManualClock()
    source = ScriptedSource(script, clock, config=NO_PAUSES)
    source.start(wait_s=0)
    script.publish(make_policy(5))
    until(lambda: script.reports)
    until(lambda: any(record.exc_info for record in caplog.records))
    clock.advance(16.1)
    until(lambda: source.status().counters.watchdog_timeouts == 1)
    source.close()
