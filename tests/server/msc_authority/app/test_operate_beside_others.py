"""Several replicas and persons at once: an act is done once, on what is there, and loosens nothing behind a back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msc_operating import Operating

from msc_authority.app.acts import Halt, Place, Resume
from msc_authority.app.operate import Overtaken
from msc_authority.core.overrides import PinMode, Reduce
from msc_authority.core.policy import RiskMode, TradingState
from msc_authority.ports.evaluations import StoredState
from msc_authority.ports.operator import OverrideCommit
from msc_authority.ports.policies import Head
from msc_authority.ports.store import StaleState

DEFENSIVE = RiskMode.DEFENSIVE
HALTED = TradingState.HALTED


@pytest.fixture(name="scene")
def a_scene() -> Operating:
    return Operating().after_good_hours()


class Busy:
    """A store in which something else is committed just before each of the first commits."""

    def __init__(self, scene: Operating, *meanwhile: Callable[[], object]) -> None:
        self._store, self._meanwhile = scene.store.evaluations, list(meanwhile)
        self.load, self.controller = self._store.load, self._store.controller
        self.rewind_point, self.record_failure = self._store.rewind_point, self._store.record_failure
        self.commit, self.before_commit = self._store.commit, self._store.before_commit

    def commit_override(
        self, commit: OverrideCommit, expected: StoredState, last_look: Callable[[], None] = lambda: None
    ) -> Head:
        if self._meanwhile:
            self._meanwhile.pop(0)()
        return self._store.commit_override(commit, expected, last_look)


def beside(scene: Operating, *meanwhile: Callable[[], object]) -> Operating:
    """Another replica on the same store, behind whose back those things are done."""
    other = Operating(clock=scene.clock)
    other.store = scene.store
    other.build(Busy(scene, *meanwhile))
    return other


def test_an_act_is_done_again_on_what_an_evaluation_has_made_meanwhile(scene: Operating) -> None:
    other = beside(scene, scene.evaluate, scene.evaluate)

    other.operator.act(Place(sets=PinMode(mode=DEFENSIVE)), "alice", "news")

    assert scene.content.risk_mode is DEFENSIVE
    assert len(scene.store.acts.page(None, 10)) == 1


def test_a_store_that_is_always_busy_is_not_written_to_for_ever(scene: Operating) -> None:
    other = beside(scene, *[scene.evaluate] * 9)

    with pytest.raises(StaleState):
        other.operator.act(Halt(), "alice", "why")


def test_a_halt_is_done_whoever_acts_at_the_same_time(scene: Operating) -> None:
    other = beside(scene, lambda: scene.operator.act(Place(sets=Reduce()), "bob", "why"))

    other.operator.act(Halt(), "alice", "exchange incident")

    assert scene.content.trading_state is HALTED


def test_nothing_is_loosened_behind_the_back_of_who_acted_meanwhile(scene: Operating) -> None:
    scene.operator.act(Halt(), "alice", "exchange incident")
    other = beside(scene, lambda: scene.operator.act(Halt(), "bob", "it goes on"))

    with pytest.raises(Overtaken):
        other.operator.act(Resume(), "carol", "seems fine")

    assert scene.content.trading_state is HALTED


def test_two_replicas_given_the_same_request_do_it_once(scene: Operating) -> None:
    other = beside(scene, lambda: scene.operator.act(Resume(), "carol", "fine", "r-1"))
    scene.operator.act(Place(sets=Reduce()), "alice", "why")

    outcome = other.operator.act(Resume(), "carol", "fine", "r-1")

    assert outcome.before is None
    assert [act.act for act in scene.store.acts.page(None, 10)] == ["RESUME", "REDUCE"]
