"""What the fleet tells: who came, went, applied something, and how long that took."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_live import EPOCH, ManualTime, Told, a_broker, a_fleet, a_head

from msc_authority.app.broker import Broker
from msc_authority.app.clients import ClientInfo, ClientStatus, ClientTier
from msc_authority.app.events import ClientChange, ClientChanged, PolicyApplied
from msc_authority.app.fleet import Fleet
from msc_authority.core.policy import PolicyRef

ONE = ClientInfo(instance_id="one", name="executor")


def applied(version: int | None, *, ago_s: float | None = 0.0, tier: ClientTier = ClientTier.FRESH) -> ClientStatus:
    ref = None if version is None else PolicyRef(EPOCH, version)
    return ClientStatus(tier=tier, applied=ref, applied_for_s=ago_s)


@dataclass
class Scene:
    """A broker that serves version 1, and the fleet beside it."""

    time: ManualTime = field(default_factory=ManualTime)
    told: Told = field(default_factory=Told)

    def __post_init__(self) -> None:
        self.broker: Broker = a_broker(self.time, told=self.told)
        self.fleet: Fleet = a_fleet(self.time, self.told)

    def publish(self, version: int) -> None:
        self.broker.publish(a_head(version), confirmed_at=self.time.monotonic())

    def changes(self) -> list[str]:
        return [event.change.value for event in self.told.events if isinstance(event, ClientChanged)]

    def propagations(self) -> list[float]:
        return [event.propagation_s for event in self.told.events if isinstance(event, PolicyApplied)]


def test_a_client_joins_once_and_leaves_with_its_last_watch() -> None:
    scene = Scene()
    scene.fleet.watch_opened(ONE, applied(1))
    scene.fleet.watch_opened(ONE, applied(1))
    scene.fleet.report(ONE, applied(1))
    scene.fleet.watch_closed("one")
    assert scene.changes() == ["joined"]
    scene.fleet.watch_closed("one")
    assert scene.changes() == ["joined", "left"]
    event = scene.told.events[-1]
    assert isinstance(event, ClientChanged)
    assert event.entry == scene.fleet.entries()[0]


def test_a_client_that_comes_back_joins_again_and_one_that_only_reports_late_does_not() -> None:
    scene = Scene()
    scene.fleet.watch_opened(ONE, applied(1))
    scene.fleet.watch_closed("one")
    scene.fleet.report(ONE, applied(1))
    assert scene.changes() == ["joined", "left"]
    scene.fleet.watch_opened(ONE, applied(1))
    assert scene.changes() == ["joined", "left", "joined"]


def test_another_revision_and_another_tier_are_told_and_nothing_else_is() -> None:
    scene = Scene()
    scene.fleet.report(ONE, applied(None, tier=ClientTier.SAFE_NONE))
    scene.fleet.report(ONE, applied(1, tier=ClientTier.SAFE_NONE))
    assert scene.changes() == ["joined", "applied"]
    scene.fleet.report(ONE, applied(1, tier=ClientTier.FRESH))
    scene.fleet.report(ONE, applied(1, tier=ClientTier.FRESH))
    assert scene.changes() == ["joined", "applied", "tier"]


def test_a_client_that_is_forgotten_is_told_with_what_it_last_said() -> None:
    scene = Scene()
    scene.fleet.report(ONE, applied(1))
    scene.time.leap(3601)
    scene.fleet.entries()
    event = scene.told.events[-1]
    assert isinstance(event, ClientChanged)
    assert (event.change, event.entry.status.applied) == (ClientChange.FORGOTTEN, PolicyRef(EPOCH, 1))


def test_propagation_is_from_the_publication_to_the_swap_however_late_the_report() -> None:
    scene = Scene()
    scene.fleet.report(ONE, applied(1))
    scene.time.leap(10)
    scene.publish(2)
    scene.time.leap(5)
    scene.fleet.report(ONE, applied(2, ago_s=4.75))
    assert scene.propagations() == [0.25]
    scene.time.leap(30)
    scene.fleet.report(ONE, applied(2, ago_s=34.75))
    assert scene.propagations() == [0.25]


def test_a_revision_that_was_left_out_counts_for_nothing_and_the_last_one_from_its_own_publication() -> None:
    scene = Scene()
    scene.fleet.report(ONE, applied(1))
    scene.time.leap(1)
    scene.publish(2)
    scene.time.leap(1)
    scene.publish(3)
    scene.time.leap(0.5)
    scene.fleet.report(ONE, applied(3))
    assert scene.propagations() == [0.5]


def test_whoever_joined_after_the_publication_tells_nothing_of_propagation() -> None:
    scene = Scene()
    scene.publish(2)
    scene.time.leap(60)
    scene.fleet.watch_opened(ONE, applied(None, ago_s=None))
    scene.time.leap(1)
    scene.fleet.report(ONE, applied(2, ago_s=0.5))
    assert scene.changes() == ["joined", "applied"]
    assert scene.propagations() == []


def test_a_revision_that_was_not_published_here_tells_nothing_of_propagation() -> None:
    scene = Scene()
    scene.fleet.report(ONE, applied(None, ago_s=None))
    scene.time.leap(1)
    for version in (1, 99):
        scene.fleet.report(ONE, applied(version))
    assert scene.propagations() == []


@pytest.mark.parametrize(
    ("ago_s", "told_s"), [(None, []), (2.0, [0.0]), (2.09, [0.0]), (2.2, []), (1e9, []), (0.0, [2.0])]
)
def test_a_client_that_says_nothing_or_nonsense_of_when_it_applied_is_not_measured(
    ago_s: float | None, told_s: list[float]
) -> None:
    scene = Scene()
    scene.fleet.report(ONE, applied(1))
    scene.time.leap(1)
    scene.publish(2)
    scene.time.leap(2)
    scene.fleet.report(ONE, applied(2, ago_s=ago_s))
    assert scene.propagations() == told_s


def test_a_client_that_claims_an_older_revision_again_is_not_measured_by_it() -> None:
    scene = Scene()
    scene.fleet.report(ONE, applied(1))
    for version in (2, 3):
        scene.time.leap(1)
        scene.publish(version)
    for version in (3, 2):
        scene.fleet.report(ONE, applied(version))
    assert len(scene.propagations()) == 1


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["publish", "report", "open", "close", "wait"]),
        st.sampled_from("abc"),
        st.integers(0, 6),
        st.none() | st.floats(-10, 1e6),
    ),
    max_size=50,
)


@given(STEPS)
def test_whatever_clients_say_every_story_is_joined_then_left_or_forgotten_and_no_time_is_negative(
    steps: list[tuple[str, str, int, float | None]],
) -> None:
    scene = Scene()
    version = 1
    for step, name, number, ago_s in steps:
        client = ClientInfo(instance_id=name)
        if step == "publish":
            version += 1
            scene.publish(version)
        elif step == "wait":
            scene.time.leap(number * 700)
        elif step == "close":
            scene.fleet.watch_closed(name)
        elif step == "open":
            scene.fleet.watch_opened(client, applied(number or None, ago_s=ago_s))
        else:
            scene.fleet.report(client, applied(number or None, ago_s=ago_s))
        scene.fleet.entries()
    assert all(seconds >= 0 for seconds in scene.propagations())
    for name in "abc":
        story = [
            event.change
            for event in scene.told.events
            if isinstance(event, ClientChanged) and event.entry.client.instance_id == name
        ]
        present = False
        known = False
        for change in story:
            assert change is not ClientChange.JOINED or not present
            assert known or change is ClientChange.JOINED
            assert change is not ClientChange.LEFT or present
            known = change is not ClientChange.FORGOTTEN
            present = known and change is not ClientChange.LEFT and (present or change is ClientChange.JOINED)
        assert known is (name in {entry.client.instance_id for entry in scene.fleet.entries()})
