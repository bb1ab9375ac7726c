"""What the authority learns of a client: with each watch it opens, and in each report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime

import pytest
from msc_client_harness import NO_PAUSES, until

from msc_client import ConnectionState, Counters, Ref, Role, SourceStatus, Tier
from msc_client._reporter import Reporter
from msc_client._streams import OpenedStream, StreamSink
from msc_client._wire.authority import report_answer
from msc_client._wire.watch import ClientRecord, next_report_s
from msc_client.config import ClientConfig
from msc_client.testing import ManualClock, ScriptedSource, ScriptedStream, make_policy
from msc_policy import v1 as pb

STARTED = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)
COUNTERS = Counters(
    applied=1,
    rejected=2,
    reconnects=3,
    watchdog_timeouts=4,
    gaps=5,
    callback_errors=6,
    reads=7,
    fallback_reads=8,
    reconnect_causes={"watchdog": 2, "UNAVAILABLE": 1},
)


def status(**changes: object) -> SourceStatus:
    values: dict[str, object] = {
        "connection": ConnectionState.LIVE,
        "since": STARTED,
        "tier": Tier.FRESH,
        "applied": Ref(2, 9, '"2-9"'),
        "age_s": 1.5,
        "ttl_s": 3000.0,
        "last_error": "policy (2, 10) rejected",
        "counters": COUNTERS,
        "instance_id": "i-1",
        "server_id": "r-1",
        "target": "t",
        "applied_for_s": 7.25,
    }
    return SourceStatus(**(values | changes))  # type: ignore[arg-type]  # each value has the type of its field


def record(role: Role = Role.EXECUTOR) -> ClientRecord:
    return ClientRecord(instance_id="i-1", name="main", role=role, sdk="python/1", started_at=STARTED)


def reported(told: SourceStatus) -> pb.ClientStatus:
    return pb.ReportClientStatusRequest.FromString(record().report_request(told)).status


def test_a_report_says_who_and_how_in_every_field() -> None:
    request = pb.ReportClientStatusRequest.FromString(record().report_request(status()))
    client, told = request.client, request.status
    assert (client.instance_id, client.name, client.sdk) == ("i-1", "main", "python/1")
    assert client.started_at.ToDatetime(tzinfo=UTC) == STARTED
    assert (told.applied.epoch, told.applied.version, told.applied.etag) == (2, 9, '"2-9"')
    assert told.applied_for.ToTimedelta().total_seconds() == 7.25
    assert (told.age.seconds, told.age.nanos, told.last_error) == (1, 500_000_000, "policy (2, 10) rejected")


def test_every_counter_is_told_under_its_own_name() -> None:
    told = reported(status()).counters
    names = [field.name for field in fields(Counters)]
    assert {name: getattr(told, name) for name in names} == {name: getattr(COUNTERS, name) for name in names}
    assert {field.name for field in pb.ClientCounters.DESCRIPTOR.fields} == set(names)


@pytest.mark.parametrize("tier", list(Tier))
def test_every_tier_is_told_in_the_contracts_words(tier: Tier) -> None:
    assert pb.ClientTier.Name(reported(status(tier=tier)).tier) == f"CLIENT_TIER_{tier.value}"


@pytest.mark.parametrize("role", list(Role))
def test_every_role_is_told_in_the_contracts_words(role: Role) -> None:
    request = pb.ReportClientStatusRequest.FromString(record(role).report_request(status()))
    assert pb.ClientRole.Name(request.client.role) == f"CLIENT_ROLE_{role.value}"


def test_a_client_without_a_value_leaves_reference_and_age_unset() -> None:
    told = reported(status(applied=None, age_s=None, applied_for_s=None))
    assert not told.HasField("applied")
    assert not told.HasField("applied_for")
    assert not told.HasField("age")


@pytest.mark.parametrize("known", [None, Ref(2, 9, '"2-9"')])
def test_a_watch_names_what_is_known_the_wish_and_the_state_of_the_client(known: Ref | None) -> None:
    raw = record().watch_request(known=known, heartbeat_interval_s=2.5, status=status())
    request = pb.WatchPolicyRequest.FromString(raw)
    assert request.HasField("known") is (known is not None)
    assert request.heartbeat_interval.ToTimedelta().total_seconds() == 2.5
    assert (request.client.name, request.status.tier) == ("main", pb.CLIENT_TIER_FRESH)
    assert request.status.counters.gaps == 5


@pytest.mark.parametrize(("asked_s", "told_s"), [(30.0, 30.0), (0.25, 0.25), (0.0, None), (-5.0, None)])
def test_an_answer_says_when_the_next_report_is_wanted_or_nothing(asked_s: float, told_s: float | None) -> None:
    assert next_report_s(report_answer(None, asked_s)) == told_s
    assert next_report_s(report_answer(Ref(1, 5, '"e"'), asked_s)) == told_s


@pytest.mark.parametrize("raw", [b"\xff\xff", b"\x0a\xff"])
def test_an_answer_that_cannot_be_read_says_nothing(raw: bytes) -> None:
    assert next_report_s(raw) is None


@pytest.mark.parametrize(("wanted_s", "next_s"), [(0.001, 1.0), (1.0, 1.0), (45.0, 45.0), (1e9, 300.0)])
def test_the_authority_chooses_the_interval_within_bounds(wanted_s: float, next_s: float) -> None:
    clock = ManualClock()
    reporter = Reporter(ClientConfig(), clock.uniform)
    reporter.sent(clock.monotonic_ns())
    reporter.wanted(wanted_s)
    assert (reporter.due_ns - clock.monotonic_ns()) / 1e9 == pytest.approx(next_s)


def test_what_is_to_be_told_soon_is_not_put_off_by_the_answer_to_the_report_before() -> None:
    clock = ManualClock()
    reporter = Reporter(ClientConfig(), clock.uniform)
    sent_ns = clock.monotonic_ns()
    reporter.sent(sent_ns)
    clock.advance(0.25)
    reporter.soon(clock.monotonic_ns())
    reporter.wanted(30.0)
    assert (reporter.due_ns - sent_ns) / 1e9 == pytest.approx(1.0)
    clock.advance(0.75)
    reporter.sent(clock.monotonic_ns())
    assert (reporter.due_ns - clock.monotonic_ns()) / 1e9 == pytest.approx(30.0)


@pytest.mark.parametrize(("draw", "next_s"), [(0.0, 27.0), (0.5, 30.0), (1.0, 33.0)])
def test_reports_of_a_fleet_are_spread_by_a_tenth(draw: float, next_s: float) -> None:
    clock = ManualClock(draw=draw)
    reporter = Reporter(ClientConfig(), clock.uniform)
    reporter.sent(clock.monotonic_ns())
    assert (reporter.due_ns - clock.monotonic_ns()) / 1e9 == pytest.approx(next_s)


# A whole source


class Answering(ScriptedStream):
    """Answers every report with the same bytes."""

    answer = report_answer(None, 120.0)

    def report(self, request: bytes, answered: object) -> None:
        assert callable(answered)
        super().report(request, answered)
        answered(self.answer)


class Followed:
    """A source on a script that answers reports."""

    def __init__(self, script: ScriptedStream) -> None:
        self.script = script
        self.clock = ManualClock()
        self.source = ScriptedSource(script, self.clock, config=NO_PAUSES)
        self.source.start(wait_s=0)
        self.script.publish(make_policy(5))
        until(lambda: len(self.script.reports) == 1)

    def live_for(self, seconds: int) -> None:
        for _ in range(seconds // 5):
            self.clock.advance(5)
            self.script.heartbeat(make_policy(5).ref)


@pytest.fixture
def answering() -> Iterator[Followed]:
    made = Followed(Answering())
    yield made
    made.source.close()


def test_a_report_that_the_authority_postponed_is_not_sent_before(answering: Followed) -> None:
    answering.live_for(110)
    assert len(answering.script.reports) == 1
    answering.live_for(10)
    until(lambda: len(answering.script.reports) == 2)


def test_callbacks_that_failed_are_counted_in_the_next_report(answering: Followed) -> None:
    def bad(view: object) -> None:
        raise ValueError("boom")

    answering.source.subscribe(bad)
    answering.clock.advance(1)
    answering.script.publish(make_policy(6))
    until(lambda: len(answering.script.reports) == 2)
    until(lambda: answering.source.status().counters.callback_errors == 1)
    assert answering.script.reports[1].applied == Ref(1, 6)


class Ending(ScriptedStream):
    """Ends each watch at once."""

    def open(self, stream: int, request: bytes, sink: StreamSink) -> OpenedStream:
        handle = super().open(stream, request, sink)
        if stream > 1:
            self.end("UNAVAILABLE", "gone")
        return handle


def test_a_client_without_a_stream_reports_nothing_until_it_has_one() -> None:
    followed = Followed(Ending())
    followed.script.end("UNAVAILABLE", "gone")
    followed.clock.advance(60)
    until(lambda: len(followed.script.opened) > 1)
    assert followed.source.status().connection is not ConnectionState.LIVE
    assert len(followed.script.reports) == 1
    assert followed.script.opened[1].known == Ref(1, 5)
    followed.source.close()


def test_status_of_a_client_that_lost_its_authority_tells_age_and_error_from_one_instant() -> None:
    followed = Followed(Ending())
    followed.clock.advance(7)
    followed.script.end("UNAVAILABLE", "gone")
    told = followed.source.status()
    assert (told.tier, told.applied, told.age_s, told.ttl_s) == (Tier.FRESH, Ref(1, 5), 7.0, 3593.0 - 1e-9)
    assert (told.connection, told.last_error) == (ConnectionState.BACKOFF, "UNAVAILABLE gone")
    assert told.since.timestamp() == pytest.approx(followed.clock.wall_s())
    followed.source.close()
    assert followed.source.status().connection is ConnectionState.CLOSED
