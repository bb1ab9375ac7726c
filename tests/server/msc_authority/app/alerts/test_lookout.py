from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from msc_builders import an_entry
from msc_live import Told, a_policy, settle
from msc_watched import Watched

from msc_authority.app.alerts.board import Board
from msc_authority.app.alerts.lookout import BREATH_S, Lookout
from msc_authority.app.events import EvaluationBroken, EvaluationDone, Event, IntegrityBroken, PolicyPublished
from msc_authority.app.observation import Observation
from msc_authority.core.policy import PolicyRef

NEWS: list[Event] = [
    PolicyPublished(before=None, after=a_policy()),
    EvaluationDone(entry=an_entry()),
    EvaluationBroken(trigger="schedule", text="no NAV"),
    IntegrityBroken(ref=PolicyRef(7, 1), text="two writers"),
]


class CountingBoard(Board):
    """Keeps when it was asked."""

    def __init__(self) -> None:
        super().__init__(())
        self.looked_at: list[float] = []

    def judge(self, observed: Observation) -> list[object]:  # type: ignore[override]  # nothing is ever found
        self.looked_at.append(round(observed.uptime_s, 6))
        return []


@dataclass
class Scene:
    watched: Watched = field(default_factory=Watched)
    board: CountingBoard = field(default_factory=CountingBoard)

    def __post_init__(self) -> None:
        self.watched.build()
        # The components are not running; what they would say is said by hand.
        self.told = Told()
        self.lookout = Lookout(
            observer=self.watched.observer, board=self.board, events=self.told.bus, timer=self.watched.time
        )

    async def advance(self, seconds: float) -> list[float]:
        await self.watched.time.advance(seconds)
        return self.board.looked_at


@asynccontextmanager
async def looking() -> AsyncIterator[Scene]:
    scene = Scene()
    task = asyncio.create_task(scene.lookout.run())
    await settle()
    yield scene
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_it_looks_at_once_and_every_second() -> None:
    async with looking() as scene:
        assert await scene.advance(3.5) == [0.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize("news", NEWS, ids=lambda event: type(event).__name__)
async def test_news_are_looked_at_after_a_breath_and_the_second_counts_anew(news: Event) -> None:
    async with looking() as scene:
        await scene.advance(0.5)
        scene.told.bus.emit(news)
        assert await scene.advance(0.0625) == [0.0]
        assert await scene.advance(0.5) == [0.0, 0.5 + BREATH_S]
        assert await scene.advance(1.0) == [0.0, 0.5 + BREATH_S, 1.5 + BREATH_S]


async def test_a_storm_of_news_is_looked_at_ten_times_a_second_at_most() -> None:
    async with looking() as scene:
        for _ in range(100):
            scene.told.bus.emit(*NEWS)
            await scene.advance(0.01)

        looks = scene.board.looked_at
        assert 5 <= len(looks) <= 1 + 1.0 / BREATH_S


async def test_what_changed_is_told_to_everyone() -> None:
    scene = Watched()
    scene.build()
    scene.told.bus.emit(IntegrityBroken(ref=PolicyRef(7, 1), text="two writers"))
    scene.lookout.look()
    scene.lookout.look()

    assert [alert.code for alert in scene.changes("INTEGRITY")] == ["INTEGRITY"]
