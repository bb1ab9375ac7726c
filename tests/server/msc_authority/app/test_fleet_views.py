"""How the clients stand beside the head: how far behind, for how long, how old what they act on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_live import EPOCH, ManualTime, Told, a_broker, a_fleet, a_head

from msc_authority.app.clients import ClientInfo, ClientStatus, ClientTier
from msc_authority.app.observation import ClientView
from msc_authority.app.publications import KEPT, Publications
from msc_authority.core.policy import PolicyRef

ONE = ClientInfo(instance_id="one")


class Scene:
    """Version 1 is served from the start."""

    def __init__(self, version: int = 1) -> None:
        self.time, told = ManualTime(), Told()
        self.broker = a_broker(self.time, a_head(version), told)
        self.fleet = a_fleet(self.time, told, version=version)

    def publish(self, *versions: int, epoch: int = EPOCH) -> None:
        for version in versions:
            self.broker.publish(a_head(version, epoch), confirmed_at=self.time.monotonic())

    def says(self, version: int | None, tier: ClientTier = ClientTier.FRESH, age_s: float | None = 0.0) -> None:
        ref = None if version is None else PolicyRef(EPOCH, version)
        self.fleet.report(ONE, ClientStatus(tier=tier, applied=ref, age_s=age_s))

    def view(self) -> ClientView:
        [view] = self.fleet.views(self.time.monotonic(), self.broker.current.head.ref)
        return view


def test_a_client_at_the_head_is_not_behind() -> None:
    scene = Scene()
    scene.says(1)
    scene.time.leap(100)
    view = scene.view()
    assert (view.versions_behind, view.behind_for_s, view.unsafe_for_s) == (0, 0.0, 0.0)
    assert view.entry == scene.fleet.entries()[0]


def test_a_client_is_behind_since_the_publication_that_it_missed_first() -> None:
    scene = Scene()
    scene.says(1)
    scene.time.leap(10)
    scene.publish(2)
    scene.time.leap(20)
    scene.publish(3)
    scene.time.leap(5)
    assert (scene.view().versions_behind, scene.view().behind_for_s) == (2, 25.0)
    scene.says(2)
    assert (scene.view().versions_behind, scene.view().behind_for_s) == (1, 5.0)
    scene.says(3)
    assert (scene.view().versions_behind, scene.view().behind_for_s) == (0, 0.0)


@pytest.mark.parametrize("version", [None, 2])
def test_a_client_that_came_late_is_behind_since_it_came(version: int | None) -> None:
    scene = Scene(version=5)
    scene.time.leap(100)
    scene.publish(6)
    scene.time.leap(100)
    scene.says(version)
    scene.time.leap(7)
    assert scene.view().behind_for_s == 7.0


def test_without_any_policy_nobody_is_behind_until_there_is_one() -> None:
    scene = Scene(version=0)
    scene.says(None)
    scene.time.leap(50)
    assert (scene.view().versions_behind, scene.view().behind_for_s) == (0, 0.0)
    scene.publish(1)
    scene.time.leap(3)
    assert (scene.view().versions_behind, scene.view().behind_for_s) == (1, 3.0)


def test_a_client_in_an_older_epoch_is_behind_by_all_versions_of_the_new_one_and_its_change() -> None:
    scene = Scene()
    scene.says(1)
    scene.publish(1, epoch=EPOCH + 1)
    scene.time.leap(8)
    assert (scene.view().versions_behind, scene.view().behind_for_s) == (2, 8.0)


def test_a_client_ahead_of_the_head_is_not_behind() -> None:
    scene = Scene()
    scene.says(9)
    scene.publish(2)
    scene.time.leap(8)
    assert (scene.view().versions_behind, scene.view().behind_for_s) == (0, 0.0)


def test_what_a_client_acts_on_grows_older_between_its_reports() -> None:
    scene = Scene()
    scene.says(1, age_s=2.5)
    scene.time.leap(10)
    assert (scene.view().age_s, scene.view().report_age_s) == (12.5, 10.0)
    scene.says(1, age_s=None)
    assert (scene.view().age_s, scene.view().report_age_s) == (None, 0.0)


def test_a_watch_opened_without_a_word_makes_what_was_said_before_no_younger() -> None:
    scene = Scene()
    scene.says(1, age_s=2.0)
    scene.time.leap(10)
    scene.fleet.watch_opened(ONE, None)
    assert (scene.view().age_s, scene.view().report_age_s) == (12.0, 10.0)


def test_a_client_is_unsafe_since_it_first_said_so_in_whichever_safe_tier() -> None:
    scene = Scene()
    scene.says(1, ClientTier.STALE)
    scene.time.leap(10)
    assert scene.view().unsafe_for_s == 0.0
    scene.says(1, ClientTier.SAFE_EXPIRED)
    scene.time.leap(10)
    scene.says(None, ClientTier.SAFE_NONE)
    scene.time.leap(10)
    assert scene.view().unsafe_for_s == 20.0
    scene.says(1, ClientTier.FRESH)
    assert scene.view().unsafe_for_s == 0.0
    scene.time.leap(10)
    scene.says(1, ClientTier.SAFE_EXPIRED)
    assert scene.view().unsafe_for_s == 0.0


def test_views_forget_who_was_silent_and_keep_the_order_of_entries() -> None:
    scene = Scene()
    for name in ("c", "a", "b"):
        scene.fleet.report(ClientInfo(instance_id=name, name=name), ClientStatus())
    views = scene.fleet.views(scene.time.monotonic(), PolicyRef(EPOCH, 1))
    assert [view.entry for view in views] == scene.fleet.entries()
    assert [view.entry.client.name for view in views] == ["a", "b", "c"]
    scene.time.leap(3601)
    assert scene.fleet.views(scene.time.monotonic(), PolicyRef(EPOCH, 1)) == ()


# Publications


def test_publications_that_are_long_past_are_dropped_and_the_oldest_kept_stands_for_them() -> None:
    publications = Publications(PolicyRef(1, 1), 0.0)
    for version in range(2, KEPT + 100):
        publications.note(PolicyRef(1, version), float(version))
    assert publications.at(PolicyRef(1, 50)) is None
    assert publications.at(PolicyRef(1, KEPT)) == KEPT
    assert publications.newer_since(PolicyRef(1, 1)) == 100.0
    assert publications.newer_since(PolicyRef(1, KEPT + 99)) is None


@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(1, 9)), unique=True, max_size=12),
    st.integers(0, 4),
    st.integers(),
)
def test_the_first_newer_publication_is_found_as_a_plain_search_finds_it(
    names: list[tuple[int, int]], epoch: int, version: int
) -> None:
    refs = sorted(PolicyRef(*name) for name in names)
    publications = Publications(PolicyRef(1, 0), 0.0)
    for number, ref in enumerate(refs):
        publications.note(ref, float(number))
    asked = PolicyRef(epoch, version)
    assert publications.newer_since(asked) == next((float(at) for at, ref in enumerate(refs) if ref > asked), None)
    assert publications.newer_since(None) == (0.0 if refs else None)
    assert publications.at(asked) == (float(refs.index(asked)) if asked in refs else None)
