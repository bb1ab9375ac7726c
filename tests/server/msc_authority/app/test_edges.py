"""At the very edge: when a head counts as unconfirmed, a loop as held up, a fleet as full, a policy as news."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_builders import a_content
from msc_live import ManualTime, Told, a_broker, a_fleet, a_head, a_policy

from msc_authority.app.broker import Broker
from msc_authority.app.clients import ClientCounters, ClientInfo, ClientRole, ClientStatus, ClientTier
from msc_authority.app.events import (
    HeadConfirmed,
    HeadUnconfirmed,
    PolicyPublished,
    RiskModeChanged,
    TradingStateChanged,
    events_of,
    name_of,
)
from msc_authority.app.vitals import Vitals, VitalSigns, changed_fields, read_current
from msc_authority.core.policy import FieldChange, Policy, PolicyRef, RiskMode, TradingState
from msc_authority.ports.policies import Head, Revision


@dataclass
class Pulse:
    """Vital signs that are felt by hand."""

    time: ManualTime = field(default_factory=ManualTime)
    told: Told = field(default_factory=Told)
    signs: list[VitalSigns] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.broker: Broker = a_broker(self.time, told=self.told)
        self.vitals = Vitals(
            broker=self.broker,
            events=self.told.bus,
            clock=self.time,
            timer=self.time,
            tell=self.signs.append,
        )

    def feel(self, *, after_s: float = 0.0, lag_s: float = 0.0) -> VitalSigns:
        self.time.leap(after_s)
        self.vitals.pulse(lag_s=lag_s)
        return self.signs[-1]

    def confirm(self) -> None:
        self.broker.publish(self.broker.current.head, confirmed_at=self.time.monotonic())


@pytest.mark.parametrize(("age_s", "fresh"), [(14.5, True), (15.0, True), (15.25, False)])
def test_a_head_is_vouched_for_up_to_fifteen_seconds(age_s: float, fresh: bool) -> None:
    pulse = Pulse()

    assert pulse.feel(after_s=age_s) == VitalSigns(fresh=fresh, up=True)
    assert pulse.told.names() == ([] if fresh else ["HeadUnconfirmed"])


@pytest.mark.parametrize(("age_s", "fresh"), [(15.0, True), (15.25, False)])
def test_after_an_outage_it_is_vouched_for_again_from_fifteen_seconds_down(age_s: float, fresh: bool) -> None:
    pulse = Pulse()
    pulse.feel(after_s=60.0)
    pulse.confirm()

    assert pulse.feel(after_s=age_s).fresh is fresh


def test_an_outage_is_told_with_its_age_and_its_end_with_its_length() -> None:
    pulse = Pulse()
    pulse.feel(after_s=20.0)
    pulse.time.leap(22.0)
    pulse.confirm()
    pulse.feel()

    assert pulse.told.events == [
        HeadUnconfirmed(ref=PolicyRef(7, 1), age_s=20.0),
        HeadConfirmed(ref=PolicyRef(7, 1), outage_s=42.0),
    ]


def test_two_outages_are_told_apart() -> None:
    pulse = Pulse()
    for _ in range(2):
        pulse.feel(after_s=16.0)
        pulse.confirm()
        pulse.feel()

    assert pulse.told.names() == ["HeadUnconfirmed", "HeadConfirmed"] * 2


@pytest.mark.parametrize(("lag_s", "fresh"), [(0.0, True), (1.0, True), (1.01, False)])
def test_a_loop_that_was_held_up_for_more_than_a_second_is_not_vouched_for_and_said(
    lag_s: float, fresh: bool, caplog: pytest.LogCaptureFixture
) -> None:
    assert Pulse().feel(lag_s=lag_s) == VitalSigns(fresh=fresh, up=True)
    assert ("The event loop was held up" in caplog.text) is not fresh


@dataclass
class Shelf:
    """Policies as a store would read them."""

    newest: Policy | None

    def head(self) -> Head:
        return a_head(self.newest.ref.version if self.newest else 0)

    def revision(self, version: int) -> Policy | None:
        return self.newest

    def revisions(self, before: PolicyRef | None, limit: int) -> list[Revision]:
        change = FieldChange(field="max_positions", before="10", after="8")
        return [Revision(policy=self.newest, changes=(change,))] if self.newest else []


@pytest.mark.parametrize(
    ("newest", "version", "fields"),
    [(a_policy(3), 3, ("max_positions",)), (a_policy(3), 2, ()), (a_policy(3), 4, ()), (None, 0, ())],
)
def test_what_changed_is_told_of_the_newest_revision_only(
    newest: Policy | None, version: int, fields: tuple[str, ...]
) -> None:
    assert changed_fields(Shelf(newest), version) == fields


def test_what_a_store_says_counts_from_before_it_was_asked() -> None:
    time = ManualTime()

    class Slow(Shelf):
        def head(self) -> Head:
            time.leap(3.0)
            return super().head()

    current = read_current(Slow(a_policy(3)), time)

    assert (current.head.ref.version, current.changed_fields) == (3, ("max_positions",))
    assert time.monotonic() - current.confirmed_at == 3.0


MODES, STATES = st.sampled_from(RiskMode), st.sampled_from(TradingState)
CONTENTS = st.builds(
    lambda mode, state, empty: a_content(mode, trading_state=state, **({"grants": ()} if empty else {})),
    MODES,
    STATES,
    st.booleans(),
)


@given(st.none() | CONTENTS, CONTENTS)
def test_each_publication_is_told_once_with_exactly_what_changed(before: object, after: object) -> None:
    old = a_policy(1, content=before) if before is not None else None  # type: ignore[arg-type]  # a drawn content
    new = a_policy(2, content=after)  # type: ignore[arg-type]  # a drawn content
    events = events_of(old, new)

    assert events[0] == PolicyPublished(before=old, after=new)
    modes = [event for event in events if isinstance(event, RiskModeChanged)]
    states = [event for event in events if isinstance(event, TradingStateChanged)]
    assert len(events) == 1 + len(modes) + len(states)
    assert bool(modes) == (old is None or old.content.risk_mode is not new.content.risk_mode)
    assert bool(states) == (old is None or old.content.trading_state is not new.content.trading_state)
    assert [event.before for event in modes] == [old.content.risk_mode if old else None] * len(modes)


def test_a_reference_is_named_by_epoch_and_version() -> None:
    assert name_of(PolicyRef(12, 345)) == "12:345"


def a_client(instance_id: str) -> ClientInfo:
    return ClientInfo(instance_id=instance_id, name=instance_id)


def test_who_has_said_nothing_yet_is_nothing_by_default() -> None:
    status = ClientStatus()

    assert (status.tier, status.applied, status.age_s, status.last_error) == (ClientTier.UNSPECIFIED, None, None, "")
    assert status.applied_for_s is None
    assert status.counters == ClientCounters(
        applied=0,
        rejected=0,
        reconnects=0,
        watchdog_timeouts=0,
        gaps=0,
        callback_errors=0,
        reads=0,
        fallback_reads=0,
        reconnect_causes={},
    )
    assert a_client("one").role is ClientRole.OTHER


def test_a_new_start_of_a_client_is_another_client() -> None:
    fleet = a_fleet()
    fleet.report(a_client("one"), ClientStatus())
    fleet.report(replace(a_client("one"), instance_id="two"), ClientStatus())

    assert len(fleet.entries()) == 2


def test_nobody_who_watches_is_pushed_out_by_newcomers() -> None:
    fleet = a_fleet(max_clients=3)
    for number in range(6):
        fleet.watch_opened(a_client(f"c{number}"), None)

    assert [entry.client.instance_id for entry in fleet.entries()] == ["c0", "c1", "c2"]
    assert {entry.watches for entry in fleet.entries()} == {1}


def test_closing_more_often_than_opening_counts_no_watch_below_zero() -> None:
    fleet = a_fleet(max_clients=3)
    fleet.watch_opened(a_client("one"), None)
    for _ in range(3):
        fleet.watch_closed("one")
    fleet.watch_opened(a_client("one"), None)

    assert [entry.watches for entry in fleet.entries()] == [1]


STEPS = st.lists(
    st.tuples(st.sampled_from(["report", "open", "close", "wait"]), st.sampled_from("abcdef")), max_size=60
)


@given(STEPS, st.integers(1, 4))
def test_whatever_clients_do_the_fleet_is_bounded_and_forgets_whoever_is_silent_for_an_hour(
    steps: list[tuple[str, str]], max_clients: int
) -> None:
    time = ManualTime()
    fleet = a_fleet(time, max_clients=max_clients)
    for step, name in steps:
        if step == "wait":
            time.leap(25 * 60)
        elif step == "close":
            fleet.watch_closed(name)
        elif step == "open":
            fleet.watch_opened(a_client(name), None)
        else:
            fleet.report(a_client(name), ClientStatus())
        entries = fleet.entries()
        assert len(entries) <= max_clients
        assert len({entry.client.instance_id for entry in entries}) == len(entries)
        assert all(entry.watches or time.now() - entry.reported_at <= timedelta(hours=1) for entry in entries)
        assert all(entry.watches >= 0 for entry in entries)
