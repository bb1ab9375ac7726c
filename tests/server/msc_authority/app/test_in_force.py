"""Which overrides are in force is known soon, and each ends on time: here, elsewhere, and without an evaluation."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from msc_builders import START
from msc_live import ManualTime, Told
from msc_operating import Operating
from msc_watched import Inline

from msc_authority.app.acts import Halt, Place
from msc_authority.app.events import OperatorActed
from msc_authority.app.in_force import REFRESH_S, InForce
from msc_authority.app.operate import ActOutcome
from msc_authority.core.overrides import PinMode, Reduce
from msc_authority.core.policy import RiskMode
from msc_authority.ports.evaluations import EvaluationStore
from msc_authority.ports.operator import OverrideCommit, StoredController
from msc_authority.ports.store import StoreUnavailable

PIN = Place(sets=PinMode(mode=RiskMode.DEFENSIVE), lasts=timedelta(minutes=10))


class TimeAsClock(ManualTime):
    """Time whose instants pass `speed` times as fast as its seconds."""

    def __init__(self, speed: float = 1.0) -> None:
        super().__init__()
        self.speed = speed

    def now(self) -> datetime:
        return START + (super().now() - START) * self.speed


class Doubtful:
    """The controller's part of a store, which at times says something else, or nothing."""

    def __init__(self, store: EvaluationStore) -> None:
        self._store = store
        self.instead: StoredController | StoreUnavailable | None = None

    def controller(self) -> StoredController:
        if isinstance(self.instead, StoreUnavailable):
            raise self.instead
        return self.instead or self._store.controller()


@dataclass
class Scene:
    """A keeper of overrides that runs, beside the operator whose work it follows."""

    time: TimeAsClock
    told: Told
    operating: Operating
    store: Doubtful
    in_force: InForce
    ended: list[ActOutcome]
    broken: bool = False

    def act(self, act: Place | Halt = PIN) -> ActOutcome:
        return self.operating.operator.act(act, "alice", "why")

    def known(self) -> list[str]:
        return [one.kind.value for one in self.in_force.overrides]


@asynccontextmanager
async def keeping(speed: float = 1.0) -> AsyncIterator[Scene]:
    time, told = TimeAsClock(speed), Told()
    operating = Operating(clock=time)  # type: ignore[arg-type]  # what it uses of it
    store = Doubtful(operating.store.evaluations)
    in_force = InForce(
        store=store,
        worker=Inline(threads=1, name="inline"),
        clock=time,
        timer=time,
        events=told.bus,
        speed=speed,
    )
    scene = Scene(time=time, told=told, operating=operating, store=store, in_force=in_force, ended=[])

    async def end() -> None:
        if scene.broken:
            raise StoreUnavailable("away")
        outcome = operating.operator.expire()
        if outcome is not None:
            scene.ended.append(outcome)

    task = asyncio.create_task(in_force.run(end))
    try:
        await time.advance(0)
        yield scene
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_is_put_in_force_elsewhere_is_known_within_seconds() -> None:
    async with keeping() as scene:
        scene.act()
        assert scene.known() == []

        await scene.time.advance(REFRESH_S)

        assert scene.known() == ["PIN_MODE"]


async def test_what_is_put_in_force_here_is_known_at_once() -> None:
    async with keeping() as scene:
        outcome = scene.act()
        scene.told.bus.emit(OperatorActed(entry=outcome.entry))

        await scene.time.advance(0)

        assert scene.in_force.overrides == outcome.overrides


async def test_an_override_ends_on_time_without_any_evaluation() -> None:
    async with keeping() as scene:
        scene.act()
        await scene.time.advance(REFRESH_S)

        await scene.time.advance(600.0 - REFRESH_S - 0.001)
        assert scene.ended == []
        await scene.time.advance(0.001)

        assert [outcome.entry.act for outcome in scene.ended] == ["EXPIRE"]
        assert scene.known() == []


async def test_in_fast_time_it_ends_when_its_own_clock_says_so() -> None:
    async with keeping(speed=60.0) as scene:
        scene.act()
        await scene.time.advance(REFRESH_S)
        assert scene.known() == ["PIN_MODE"]

        await scene.time.advance(5.0)

        assert len(scene.ended) == 1


async def test_one_that_was_over_before_it_was_known_ends_at_once() -> None:
    async with keeping() as scene:
        scene.act(Place(sets=Reduce(), lasts=timedelta(seconds=1)))

        await scene.time.advance(REFRESH_S)

        assert len(scene.ended) == 1


async def test_while_the_store_is_away_it_is_tried_again_until_it_is_done(caplog: pytest.LogCaptureFixture) -> None:
    async with keeping() as scene:
        scene.act()
        await scene.time.advance(REFRESH_S)
        scene.broken = True
        with caplog.at_level(logging.INFO):
            await scene.time.advance(700.0)
        assert scene.ended == []
        assert scene.known() == ["PIN_MODE"]

        scene.broken = False
        await scene.time.advance(1.0)

        assert len(scene.ended) == 1
        complaints = [record for record in caplog.records if "cannot be read or ended" in record.message]
        assert [record.levelname for record in complaints] == ["WARNING"]


@pytest.mark.parametrize(
    "instead", [StoredController(generation=9, payload=b'{"format": 99}'), StoreUnavailable("away")]
)
async def test_what_is_known_stays_while_nothing_can_be_read(instead: StoredController | StoreUnavailable) -> None:
    async with keeping() as scene:
        scene.act(Place(sets=Reduce()))
        await scene.time.advance(REFRESH_S)
        scene.store.instead = instead

        await scene.time.advance(3 * REFRESH_S)

        assert scene.known() == ["REDUCE"]


async def test_a_state_that_cannot_be_read_when_an_override_ends_does_not_end_the_keeper() -> None:
    async with keeping() as scene:
        scene.act()
        await scene.time.advance(REFRESH_S)
        stored = scene.operating.store.evaluations.load()
        entry = scene.operating.operator.preview(Halt(), "x", "x").entry
        commit = OverrideCommit(entry=entry, publish=None, valid_for_s=60.0, controller=b"{}")
        scene.operating.store.evaluations.commit_override(commit, stored)

        await scene.time.advance(700.0)
        scene.act(Halt())
        await scene.time.advance(REFRESH_S)

        assert scene.known() == []
