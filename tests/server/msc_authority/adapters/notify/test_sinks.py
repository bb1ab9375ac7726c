"""Alerts on their way out: in order, tried again, bounded, and never in anybody's way."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msc_builders import START
from msc_hook import DEADLINE_S, closed_port, eventually, hook
from msc_observed import an_alert

from msc_authority.adapters.notify.addresses import sinks_for
from msc_authority.adapters.notify.sinks import Retry, Sinks
from msc_authority.adapters.notify.trial import TEST_CODE, try_sinks
from msc_authority.app.alerts.delivery import DeliveryFailed, Notifier, SinkTally
from msc_authority.app.alerts.links import Links
from msc_authority.app.alerts.values import Alert, AlertState, Severity
from msc_authority.app.events import AlertChanged, EventBus, HeadConfirmed
from msc_authority.core.policy import PolicyRef

AT_ONCE = Retry(attempts=3, first_s=0.0, longest_s=0.0)
FOR_EVER = Retry(attempts=100, first_s=1e6, longest_s=1e6)


@dataclass
class Scripted:
    """Takes alerts, or raises what stands in `failures` in turn. While `open` is not set, it hangs."""

    failures: list[Exception] = field(default_factory=list)
    name: str = "scripted-1"
    tried: list[Alert] = field(default_factory=list)
    taken: list[Alert] = field(default_factory=list)
    open: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.open.set()

    def send(self, alert: Alert) -> None:
        self.tried.append(alert)
        assert self.open.wait(DEADLINE_S)
        if self.failures:
            raise self.failures.pop(0)
        self.taken.append(alert)


@contextmanager
def started(*notifiers: Notifier, retry: Retry = AT_ONCE, capacity: int = 10) -> Iterator[Sinks]:
    sinks = Sinks(notifiers, retry=retry, capacity=capacity)
    sinks.start()
    try:
        yield sinks
    finally:
        sinks.stop(DEADLINE_S)


def told(sinks: Sinks, *alerts: Alert) -> None:
    for alert in alerts:
        sinks.listener(AlertChanged(alert=alert))


def done(sinks: Sinks) -> int:
    return sum(tally.delivered + tally.failed for tally in sinks.tallies())


def one_of(sinks: Sinks) -> SinkTally:
    [tally] = sinks.tallies()
    return tally


def refusals(*permanent: bool) -> list[Exception]:
    return [DeliveryFailed("it answered 500", permanent=each) for each in permanent]


def test_an_alert_that_a_server_takes_at_the_third_try_is_delivered_once() -> None:
    with hook(500, 503, 200) as server:
        sinks = sinks_for([server.url()], links=Links(), least=Severity.WARNING, retry=AT_ONCE)
        sinks.start()
        told(sinks, an_alert())
        eventually(lambda: done(sinks) == 1)
        sinks.stop(DEADLINE_S)

    assert sinks.tallies() == (SinkTally(name="webhook-1", delivered=1),)
    assert len(server.posted) == 3


def test_firing_and_resolved_arrive_in_their_order_although_the_first_is_tried_again() -> None:
    with hook(500, 500) as server:
        sinks = sinks_for([server.url()], links=Links(), least=Severity.WARNING, retry=AT_ONCE)
        sinks.start()
        told(sinks, an_alert(), an_alert(state=AlertState.RESOLVED))
        eventually(lambda: done(sinks) == 2)
        sinks.stop(DEADLINE_S)

    assert server.states() == ["firing", "firing", "firing", "resolved"]


def test_through_the_event_bus_only_alerts_that_fire_or_are_resolved_are_sent() -> None:
    taker = Scripted()
    bus = EventBus()
    with started(taker) as sinks:
        bus.subscribe(sinks.listener)
        bus.emit(AlertChanged(alert=an_alert(state=AlertState.PENDING)))
        bus.emit(HeadConfirmed(ref=PolicyRef(7, 1), outage_s=1.0))
        bus.emit(AlertChanged(alert=an_alert()), AlertChanged(alert=an_alert(state=AlertState.RESOLVED)))
        eventually(lambda: done(sinks) == 2)

    assert [alert.state for alert in taker.tried] == [AlertState.FIRING, AlertState.RESOLVED]


@pytest.mark.parametrize(("least", "codes"), [(Severity.WARNING, ["W", "C"]), (Severity.CRITICAL, ["C"])])
def test_alerts_below_the_least_severity_are_not_sent(least: Severity, codes: list[str]) -> None:
    taker = Scripted()
    sinks = Sinks([taker], least=least)
    sinks.start()
    told(sinks, an_alert("W", severity=Severity.WARNING), an_alert("C", severity=Severity.CRITICAL))
    eventually(lambda: done(sinks) == len(codes))
    sinks.stop(DEADLINE_S)

    assert [alert.code for alert in taker.taken] == codes


def test_after_all_attempts_it_is_given_up_said_once_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    port = closed_port()
    sinks = sinks_for([f"http://127.0.0.1:{port}/s3cret"], links=Links(), least=Severity.WARNING, retry=AT_ONCE)
    with caplog.at_level(logging.INFO):
        sinks.start()
        told(sinks, an_alert())
        eventually(lambda: done(sinks) == 1)
        sinks.stop(DEADLINE_S)

    assert one_of(sinks).failed == 1
    [line] = caplog.messages
    assert line.startswith("[CLIENT_SAFE] executor-1 firing not delivered to webhook-1: it cannot be reached (")
    assert "s3cret" not in caplog.text


def test_what_is_refused_for_good_is_tried_once_and_the_next_alert_goes_out(caplog: pytest.LogCaptureFixture) -> None:
    taker = Scripted(failures=refusals(True))
    with caplog.at_level(logging.INFO), started(taker) as sinks:
        told(sinks, an_alert(subject="a"), an_alert(subject="b"))
        eventually(lambda: done(sinks) == 2)

    assert [alert.subject for alert in taker.tried] == ["a", "b"]
    assert one_of(sinks) == SinkTally(name="scripted-1", delivered=1, failed=1)
    assert caplog.messages[-1] == "scripted-1 takes alerts again"


def test_an_error_nobody_thought_of_is_told_by_its_kind_alone_and_the_thread_lives(
    caplog: pytest.LogCaptureFixture,
) -> None:
    taker = Scripted(failures=[RuntimeError("at https://hooks.example/s3cret")])
    with caplog.at_level(logging.DEBUG), started(taker) as sinks:
        told(sinks, an_alert(), an_alert())
        eventually(lambda: done(sinks) == 2)

    assert "not delivered to scripted-1: unexpected RuntimeError" in caplog.text
    assert "s3cret" not in caplog.text
    assert len(taker.taken) == 1


def test_a_full_queue_drops_says_so_once_for_each_time_and_never_blocks(caplog: pytest.LogCaptureFixture) -> None:
    taker = Scripted()
    taker.open.clear()
    with caplog.at_level(logging.ERROR), started(taker, capacity=2) as sinks:
        told(sinks, an_alert())
        eventually(lambda: len(taker.tried) == 1)
        told(sinks, *[an_alert(subject=str(number)) for number in range(5)])
        assert one_of(sinks) == SinkTally(name="scripted-1", dropped=3, waiting=2)
        taker.open.set()
        eventually(lambda: done(sinks) == 3)
        told(sinks, an_alert())
        eventually(lambda: done(sinks) == 4)

    dropped = [line for line in caplog.messages if "dropped" in line]
    assert dropped == ["Alerts for scripted-1 are dropped: its queue is full, it does not keep up"]


def test_one_that_hangs_does_not_hold_up_another() -> None:
    stuck, quick = Scripted(name="stuck-1"), Scripted(name="quick-2")
    stuck.open.clear()
    with started(stuck, quick) as sinks:
        told(sinks, an_alert(subject="a"), an_alert(subject="b"))
        eventually(lambda: len(quick.taken) == 2)
        assert not stuck.taken
        stuck.open.set()


def test_a_stop_ends_the_wait_between_two_tries_with_a_last_one() -> None:
    taker = Scripted(failures=refusals(*[False] * 50))
    sinks = Sinks([taker], retry=FOR_EVER)
    sinks.start()
    told(sinks, an_alert())
    eventually(lambda: len(taker.tried) == 1)

    sinks.stop(DEADLINE_S)

    assert len(taker.tried) == 2
    assert one_of(sinks).failed == 1


def test_a_stop_sends_what_is_still_waiting() -> None:
    taker = Scripted()
    taker.open.clear()
    sinks = Sinks([taker], capacity=3)
    sinks.start()
    told(sinks, an_alert(subject="0"))
    eventually(lambda: len(taker.tried) == 1)
    told(sinks, *[an_alert(subject=str(number)) for number in (1, 2, 3)])
    taker.open.set()

    sinks.stop(DEADLINE_S)

    assert [alert.subject for alert in taker.taken] == ["0", "1", "2", "3"]


def test_a_stop_does_not_wait_for_one_that_hangs(caplog: pytest.LogCaptureFixture) -> None:
    taker = Scripted()
    taker.open.clear()
    sinks = Sinks([taker])
    sinks.start()
    told(sinks, an_alert(subject="a"), an_alert(subject="b"))
    eventually(lambda: len(taker.tried) == 1)

    sinks.stop(0.0)

    assert caplog.messages == ["Stopped while alerts for scripted-1 were still on their way"]
    taker.open.set()
    eventually(lambda: one_of(sinks).delivered == 1)
    # What was waiting behind it is left.
    assert [alert.subject for alert in taker.tried] == ["a"]


def test_one_that_was_never_started_can_be_stopped_and_one_without_notifiers_does_nothing() -> None:
    Sinks([Scripted()]).stop()
    empty = Sinks([])
    empty.start()
    told(empty, an_alert())
    empty.stop()

    assert empty.tallies() == ()


def test_what_was_heard_before_the_start_is_delivered_after_it() -> None:
    taker = Scripted()
    sinks = Sinks([taker])
    told(sinks, an_alert())
    sinks.start()
    sinks.stop(DEADLINE_S)

    assert len(taker.taken) == 1


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from(["take", "later", "never"]), max_size=25), st.integers(min_value=0, max_value=8))
def test_every_alert_is_delivered_or_failed_and_none_overtakes(fates: Sequence[str], count: int) -> None:
    failures = {"later": DeliveryFailed("later"), "never": DeliveryFailed("never", permanent=True)}
    script = list(fates)

    class Fickle(Scripted):
        def send(self, alert: Alert) -> None:
            self.tried.append(alert)
            if script and (fate := script.pop(0)) in failures:
                raise failures[fate]
            self.taken.append(alert)

    taker = Fickle()
    with started(taker, capacity=10) as sinks:
        told(sinks, *[an_alert(subject=str(number)) for number in range(count)])

    tried = [int(alert.subject) for alert in taker.tried]
    assert tried == sorted(tried)
    assert set(tried) == set(range(count))
    assert one_of(sinks).delivered == len(taker.taken)
    assert one_of(sinks).delivered + one_of(sinks).failed == count


def test_every_address_can_be_tried_with_an_alert_that_says_it_is_a_test() -> None:
    with hook(200, 500) as server:
        trials = list(try_sinks([server.url(), server.url("/s3cret"), server.url(scheme="json")], Links(), START))

    assert [(trial.name, trial.problem) for trial in trials] == [
        ("webhook-1", ""),
        ("webhook-2", "it answered 500"),
        ("json-3", ""),
    ]
    assert server.posted[0].document["code"] == TEST_CODE
