"""One look for all pages: what they are told, when, and what is not asked twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest
from msc_builders import START, a_content, an_entry
from msc_dashboard import AskedInsight, a_revision, head_of
from msc_live import ManualTime, a_policy, until
from msc_observed import an_alert, an_observation

from msc_authority.app.events import AlertChanged, EvaluationDone, OperatorActed, PolicyPublished, SignalBlocked
from msc_authority.app.signals import BlockedSignal
from msc_authority.core.overrides import Override, Reduce
from msc_authority.core.policy import RiskMode
from msc_authority.http.dashboard.feed import COALESCE_S, PERIOD_S, Feed
from msc_authority.http.dashboard.screen import Screen
from msc_authority.ports.operator import ActEntry
from msc_authority.ports.store import StoreUnavailable


@dataclass
class Told:
    """What one page was told."""

    screens: list[Screen] = field(default_factory=list)
    changes: list[frozenset[str]] = field(default_factory=list)

    def __call__(self, screen: Screen, changed: frozenset[str]) -> None:
        self.screens.append(screen)
        self.changes.append(changed)


@dataclass
class Scene:
    """A feed on time by hand."""

    insight: AskedInsight = field(default_factory=AskedInsight)
    time: ManualTime = field(default_factory=ManualTime)

    def __post_init__(self) -> None:
        self.feed = Feed(self.insight, self.time)

    async def tick(self) -> None:
        """Lets one period pass."""
        await self.time.advance(PERIOD_S + COALESCE_S)

    def observe(self, **fields: object) -> None:
        """Has it observed anew."""
        self.insight.observation = an_observation(**fields)

    def let_time_pass(self, seconds: float) -> None:
        """Has it observed anew, so much later and otherwise the same."""
        seen = self.insight.observation
        assert seen.freshness.ttl_s is not None
        self.insight.observation = replace(
            seen,
            monotonic=seen.monotonic + seconds,
            next_evaluation_in_s=seen.next_evaluation_in_s - seconds,
            freshness=replace(seen.freshness, ttl_s=seen.freshness.ttl_s - seconds),
        )

    def publish(self, mode: RiskMode, version: int) -> None:
        """Publishes a policy, as the authority does."""
        head = head_of(a_content(mode), version)
        self.observe(head=head)
        self.insight.revisions = (a_revision(version, a_content(mode)),)
        assert head.policy is not None
        self.insight.events.emit(PolicyPublished(before=None, after=head.policy), EvaluationDone(entry=an_entry()))


@asynccontextmanager
async def _scene() -> AsyncIterator[Scene]:
    scene = Scene()
    try:
        yield scene
    finally:
        scene.feed.rest()


async def test_who_joins_gets_the_whole_screen_with_what_the_store_knows() -> None:
    async with _scene() as scene:
        scene.insight.revisions = (a_revision(1, a_content()),)

        screen = await scene.feed.join("a", Told())

        assert screen.view.headline.mode == "NORMAL"
        assert len(screen.view.history) == 1


async def test_everybody_is_told_the_same_objects() -> None:
    async with _scene() as scene:
        first, second = Told(), Told()
        await scene.feed.join("a", first)
        await scene.feed.join("b", second)

        scene.let_time_pass(1.0)
        await scene.tick()

        assert first.changes[-1] == second.changes[-1] == {"pulse"}
        assert first.screens[-1] is second.screens[-1]
        assert scene.insight.reads == 1


async def test_nothing_is_told_while_nothing_changes() -> None:
    async with _scene() as scene:
        told = Told()
        await scene.feed.join("a", told)
        await scene.tick()
        before = len(told.changes)

        await scene.tick()
        await scene.tick()

        assert len(told.changes) == before
        assert scene.insight.reads == 1


async def test_a_new_policy_is_told_at_once_and_the_history_read_again() -> None:
    async with _scene() as scene:
        told = Told()
        await scene.feed.join("a", told)
        await scene.tick()

        scene.publish(RiskMode.DEFENSIVE, 2)
        await asyncio.sleep(0)
        await scene.time.advance(COALESCE_S)

        assert told.screens[-1].view.headline.mode == "DEFENSIVE"
        assert told.screens[-1].view.history[0].policy == "v2"
        assert scene.insight.reads == 2


async def test_an_alert_is_told_at_once_without_asking_the_store() -> None:
    async with _scene() as scene:
        told = Told()
        await scene.feed.join("a", told)
        await scene.tick()

        scene.insight.alerts = (an_alert(),)
        scene.insight.events.emit(AlertChanged(alert=an_alert()))
        await asyncio.sleep(0)
        await scene.time.advance(COALESCE_S)

        assert told.changes[-1] == {"alerts"}
        assert scene.insight.reads == 1


async def test_what_a_person_has_put_in_force_is_told_at_once_without_asking_the_store() -> None:
    async with _scene() as scene:
        told = Told()
        await scene.feed.join("a", told)
        await scene.tick()
        reduced = Override(
            override_id="o-1", actor="anna", reason="news", created_at=START, expires_at=None, sets=Reduce()
        )
        entry = ActEntry(act_id="a-1", act="REDUCE", target="trading", at=START, actor="anna", reason="news")

        scene.insight.overrides = (reduced,)
        scene.insight.events.emit(OperatorActed(entry=entry))
        await asyncio.sleep(0)
        await scene.time.advance(COALESCE_S)

        assert told.changes[-1] == {"overrides", "offers"}
        assert "Entries stopped" in told.screens[-1].html["overrides"]
        assert scene.insight.reads == 1


async def test_what_comes_in_storms_waits_for_the_next_look() -> None:
    async with _scene() as scene:
        told = Told()
        await scene.feed.join("a", told)
        await scene.tick()
        before = len(told.changes)
        signal = BlockedSignal(
            at=an_observation().at,
            strategy_id="A",
            symbol="B",
            side="BUY",
            reason="R",
            text="",
            executor="e",
            policy_version=1,
        )

        scene.let_time_pass(1.0)
        for _ in range(100):
            scene.insight.events.emit(SignalBlocked(signal=signal))
        await scene.time.advance(COALESCE_S)
        assert len(told.changes) == before
        await scene.tick()

        assert len(told.changes) == before + 1


async def test_an_event_of_another_thread_wakes_the_feed() -> None:
    async with _scene() as scene:
        told = Told()
        await scene.feed.join("a", told)
        scene.observe(head=head_of(a_content(RiskMode.AGGRESSIVE), 2))

        event = PolicyPublished(before=None, after=a_policy(2))
        await asyncio.to_thread(scene.insight.events.emit, event)
        await scene.time.advance(COALESCE_S)

        await until(lambda: bool(told.screens) and told.screens[-1].view.headline.mode == "AGGRESSIVE")


async def test_a_store_that_is_away_is_told_and_read_again_until_it_is_back() -> None:
    async with _scene() as scene:
        scene.insight.error = StoreUnavailable("locked")
        screen = await scene.feed.join("a", told := Told())
        await scene.tick()
        assert "The store does not answer" in told.screens[-1].view.schedule.trouble
        assert screen.view.headline.mode == "NORMAL"

        scene.insight.error = None
        scene.insight.revisions = (a_revision(1, a_content()),)
        await scene.tick()

        assert told.screens[-1].view.schedule.trouble == ""
        assert len(told.screens[-1].view.history) == 1


async def test_a_look_that_fails_is_logged_and_the_next_one_is_taken(caplog: pytest.LogCaptureFixture) -> None:
    async with _scene() as scene:
        await scene.feed.join("a", told := Told())
        await scene.tick()
        good = scene.insight.observation

        scene.insight.observation = replace(good, mode_shares=None)  # type: ignore[arg-type]  # what must not happen
        await scene.tick()
        scene.insight.observation = replace(good, monotonic=1700.0)
        await scene.tick()

        assert "could not be brought up to date" in caplog.text
        assert told.screens[-1].view.pulse.monotonic == 1700.0


async def test_a_page_that_fails_does_not_keep_the_others_from_hearing(caplog: pytest.LogCaptureFixture) -> None:
    async with _scene() as scene:

        def fails(screen: Screen, changed: frozenset[str]) -> None:
            raise RuntimeError("gone")

        await scene.feed.join("a", fails)
        await scene.feed.join("b", told := Told())
        scene.let_time_pass(1.0)
        await scene.tick()

        assert {"pulse"} in told.changes
        assert "A page could not be told" in caplog.text


async def test_the_feed_rests_when_the_last_page_has_left_and_begins_anew() -> None:
    async with _scene() as scene:
        told = Told()
        await scene.feed.join("a", told)
        scene.feed.leave("a")
        scene.feed.leave("a")
        await scene.tick()
        scene.publish(RiskMode.DEFENSIVE, 2)
        await scene.tick()
        assert told.changes == [] or all(screen.view.headline.mode != "DEFENSIVE" for screen in told.screens)
        assert scene.insight.reads == 1

        screen = await scene.feed.join("b", Told())

        assert screen.view.headline.mode == "DEFENSIVE"
        assert screen.view.history[0].policy == "v2"
        assert scene.insight.reads == 2
