"""A caller who goes away: what may loosen something is not done behind their back, and what tightens is done."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest
from msc_live import ManualTime, Told, a_broker, until
from msc_operating import Operating

from msc_authority.app.acts import Act, Halt, Lift, Place, Reinstate, Resume, Retire
from msc_authority.app.operate import ActOutcome
from msc_authority.app.operations import Operations
from msc_authority.app.patience import PATIENCE_S, CallerGone, Patience
from msc_authority.app.work import Worker
from msc_authority.core.overrides import PinMode, Reduce
from msc_authority.core.policy import RiskMode, TradingState
from msc_authority.ports.evaluations import EvaluationStore, StoredState
from msc_authority.ports.operator import OverrideCommit
from msc_authority.ports.policies import Head
from msc_authority.ports.store import StaleState

LOOSER = Place(sets=PinMode(mode=RiskMode.AGGRESSIVE), loosens=True)
TIGHTER = Place(sets=PinMode(mode=RiskMode.DEFENSIVE))
NOT_DONE = "whoever asked for it no longer waits"


class Slow:
    """A store at which something happens before a step is done: `load`, `commit` or, last of all, `count`."""

    def __init__(self, store: EvaluationStore, step: str, happens: Callable[[], object]) -> None:
        self._store, self._step, self._happens = store, step, happens
        self.controller, self.rewind_point = store.controller, store.rewind_point
        self.record_failure, self.commit = store.record_failure, store.commit
        self.before_commit = store.before_commit

    def load(self) -> StoredState:
        self._at("load")
        return self._store.load()

    def commit_override(
        self, commit: OverrideCommit, expected: StoredState, last_look: Callable[[], None] = lambda: None
    ) -> Head:
        def look() -> None:
            self._at("count")
            last_look()

        self._at("commit")
        return self._store.commit_override(commit, expected, look)

    def _at(self, step: str) -> None:
        if step == self._step:
            self._happens()


@pytest.fixture(name="scene")
def a_scene() -> Operating:
    """Trading is halted, one override is in force, and the way there was long."""
    scene = Operating().after_good_hours()
    scene.operator.act(TIGHTER, "alice", "news")
    scene.operator.act(Halt(), "alice", "exchange incident")
    return scene


def slowly(scene: Operating, step: str, happens: Callable[[], object]) -> Operating:
    scene.build(Slow(scene.store.evaluations, step, happens))
    return scene


def acts(scene: Operating) -> list[str]:
    return [entry.act for entry in scene.store.acts.page(None, 10)]


def placed(scene: Operating) -> str:
    return scene.state.overrides[0].override_id


@pytest.mark.parametrize("step", ["load", "commit", "count"])
@pytest.mark.parametrize("kind", ["resume", "pin", "lift"])
def test_nothing_is_loosened_for_a_caller_who_goes_away_at_any_step(scene: Operating, step: str, kind: str) -> None:
    patience = Patience(scene.clock, 60.0)
    wanted: dict[str, Act] = {"resume": Resume(), "pin": LOOSER, "lift": Lift(override_id=placed(scene))}
    before = (scene.version, scene.state, acts(scene))
    slowly(scene, step, patience.gone)

    with pytest.raises(CallerGone, match="nothing was done"):
        scene.operator.act(wanted[kind], "alice", "it is over", patience=patience)

    assert (scene.version, scene.state, acts(scene)) == before


@pytest.mark.parametrize("act", [Halt(), TIGHTER, Place(sets=Reduce())])
def test_what_tightens_is_done_whoever_waits(scene: Operating, act: Act) -> None:
    patience = Patience(scene.clock, 0.0)
    patience.gone()

    scene.operator.act(act, "alice", "why", patience=patience)

    assert len(acts(scene)) == 3


def test_the_time_to_wait_is_measured_and_over_at_its_end(scene: Operating) -> None:
    over, enough = Patience(scene.clock, 5.0), Patience(scene.clock, 5.1)
    scene.clock.advance(timedelta(seconds=5))

    with pytest.raises(CallerGone):
        scene.operator.act(Resume(), "alice", "why", patience=over)
    scene.operator.act(Resume(), "alice", "why", patience=enough)

    assert scene.content.trading_state is not TradingState.HALTED


def test_it_is_looked_at_again_before_a_commit_is_tried_again(scene: Operating) -> None:
    patience = Patience(scene.clock, 60.0)

    def stale() -> None:
        patience.gone()
        raise StaleState("an evaluation came in between")

    slowly(scene, "commit", stale)

    with pytest.raises(CallerGone):
        scene.operator.act(Resume(), "alice", "why", patience=patience)


def test_what_was_done_before_the_caller_went_is_told_to_whoever_asks_again(scene: Operating) -> None:
    scene.operator.act(Resume(), "alice", "why", "r-1")
    patience = Patience(scene.clock, 60.0)
    patience.gone()

    assert scene.operator.act(Resume(), "alice", "why", "r-1", patience=patience).before is None


def test_a_strategy_is_retired_for_a_caller_who_has_gone_and_not_reinstated(scene: Operating) -> None:
    patience = Patience(scene.clock, 60.0)
    patience.gone()
    scene.operator.act(Retire(strategy_id="TREND"), "alice", "why", patience=patience)

    with pytest.raises(CallerGone):
        scene.operator.act(Reinstate(strategy_id="TREND"), "alice", "why", patience=patience)


@dataclass
class Asked:
    """Operations over an operator whose store waits at `gate`, after `reached`."""

    scene: Operating
    time: ManualTime
    operations: Operations
    gate: threading.Event
    reached: threading.Event

    def begin(self, act: Act) -> asyncio.Task[ActOutcome]:
        return asyncio.create_task(self.operations.act(act, actor="alice", reason="why"))

    async def is_reached(self) -> None:
        await until(self.reached.is_set)


@asynccontextmanager
async def asking(scene: Operating) -> AsyncIterator[Asked]:
    gate, reached, time, told = threading.Event(), threading.Event(), ManualTime(), Told()

    def wait() -> None:
        reached.set()
        assert gate.wait(20.0)

    slowly(scene, "load", wait)
    worker = Worker(threads=2, name="operate")

    class Follows:
        def evaluate_soon(self, trigger: str) -> None:
            """Nothing follows here."""

    operations = Operations(
        operator=scene.operator,
        broker=a_broker(time, told=told),
        schedule=Follows(),
        events=told.bus,
        clock=time,
        worker=worker,
        folds=worker,
    )
    try:
        yield Asked(scene=scene, time=time, operations=operations, gate=gate, reached=reached)
    finally:
        gate.set()
        worker.close()


@pytest.mark.parametrize("act", [Resume(), LOOSER])
async def test_a_loosening_act_is_not_done_once_its_caller_has_gone_away(
    scene: Operating, act: Act, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with asking(scene) as asked:
        caller = asked.begin(act)
        await asked.is_reached()
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)

        asked.gate.set()

        await until(lambda: NOT_DONE in caplog.text)
    assert acts(scene) == ["HALT", "PIN_MODE"]


async def test_a_caller_who_does_not_say_how_long_it_waits_is_taken_to_wait_five_seconds(scene: Operating) -> None:
    async with asking(scene) as asked:
        caller = asked.begin(Resume())
        await asked.is_reached()

        await asked.time.advance(PATIENCE_S)
        asked.gate.set()

        with pytest.raises(CallerGone):
            await caller
    assert (PATIENCE_S, acts(scene)) == (5.0, ["HALT", "PIN_MODE"])


async def test_a_halt_is_done_all_the_same(scene: Operating) -> None:
    async with asking(scene) as asked:
        caller = asked.begin(Halt())
        await asked.is_reached()
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)
        asked.gate.set()

        await until(lambda: len(acts(scene)) == 3)
