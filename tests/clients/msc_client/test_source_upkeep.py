"""What a source does by itself: it says what happened, keeps the value, reports, and survives its own bugs."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msc_client_harness import NO_PAUSES, Host, levels, until

from msc_client import (
    ClientConfig,
    ConnectionState,
    Policy,
    Ref,
    Role,
    Tier,
    TradingState,
)
from msc_client._streams import OpenedStream, StreamSink
from msc_client.testing import ManualClock, ScriptedSource, ScriptedStream, make_policy


@pytest.fixture
def host() -> Iterator[Host]:
    made = Host()
    yield made
    made.source.close()


# Logs


def test_an_outage_is_said_in_its_four_lines(host: Host, caplog: pytest.LogCaptureFixture) -> None:
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


def test_a_cold_start_without_an_authority_is_critical_once(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    host.source.start(wait_s=0)
    until(lambda: logging.CRITICAL in levels(caplog))
    host.clock.advance(1)
    host.source.close()
    assert levels(caplog).count(logging.CRITICAL) == 1


def test_a_process_that_stood_still_says_so_and_opens_a_new_watch(caplog: pytest.LogCaptureFixture) -> None:
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


def test_the_last_known_good_survives_a_restart(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
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


def test_a_disk_that_refuses_does_not_disturb(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "full").write_text("not a directory")
    host = Host(state_dir=tmp_path / "full").follow()
    until(lambda: any("not written" in message for message in caplog.messages))
    host.script.publish(make_policy(6))
    assert host.source.current().ref == Ref(1, 6)
    host.source.close()


# Reports


def test_what_is_applied_is_reported_soon_and_then_every_30_s(host: Host) -> None:
    host.follow()
    until(lambda: len(host.script.reports) == 1)
    assert (host.script.reports[0].applied, host.script.reports[0].tier) == (Ref(1, 5), "FRESH")
    host.script.heartbeat(Ref(1, 5, '"1-5"'))
    for _ in range(7):
        host.clock.advance(5)
        host.script.heartbeat(Ref(1, 5, '"1-5"'))
    until(lambda: len(host.script.reports) == 2)


def test_a_refused_document_is_reported_with_its_reason(host: Host) -> None:
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


def test_a_reader_that_vanished_is_noticed_and_replaced(caplog: pytest.LogCaptureFixture) -> None:
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


def test_a_timer_that_fails_says_so_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    script, clock = Failing(), ManualClock()
    source = ScriptedSource(script, clock, config=NO_PAUSES)
    source.start(wait_s=0)
    script.publish(make_policy(5))
    until(lambda: script.reports)
    until(lambda: any(record.exc_info for record in caplog.records))
    clock.advance(16.1)
    until(lambda: source.status().counters.watchdog_timeouts == 1)
    source.close()


def test_a_reader_that_died_is_said_with_its_traceback_and_replaced(
    host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    host.follow()
    host.source._engine.died(1, RuntimeError("a bug"))
    [record] = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert record.exc_info is not None
    assert host.tier() is Tier.FRESH
    host.clock.advance(0.25)
    until(lambda: len(host.script.opened) == 2)
