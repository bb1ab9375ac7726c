"""An evaluation asked of any replica is made by the leader."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import pytest
from msc_builders import a_commit, a_content, an_entry
from msc_live import ManualTime, ScriptedLeader, settle

from msc_authority.adapters.memory import MemoryStore
from msc_authority.app.demands import LOOK_S, SERVE_S, WAIT_S, Demands
from msc_authority.app.evaluate import EvaluationFailed, EvaluationOutcome
from msc_authority.app.leadership import NotLeader
from msc_authority.app.scheduler import TooManyEvaluations
from msc_authority.app.work import Worker
from msc_authority.ports.evaluations import EvaluationEntry
from msc_authority.ports.policies import Head

T = TypeVar("T")


class Inline(Worker):
    async def run(self, call: Callable[[], T]) -> T:
        return call()


@dataclass
class Leader:
    """Evaluates into the store as the leader's process would."""

    store: MemoryStore
    error: Exception | None = None
    failure: str = ""
    made: list[EvaluationEntry] = field(default_factory=list)

    async def evaluate_here(self, *, request_id: str, requested_by: str, reason: str) -> EvaluationOutcome:
        if self.error is not None:
            raise self.error
        entry = an_entry(
            f"eval-{len(self.made)}",
            trigger="request",
            request_id=request_id,
            requested_by=requested_by,
            reason=reason,
        )
        self.made.append(entry)
        if self.failure:
            self.store.evaluations.record_failure(failed(entry, self.failure))
            raise EvaluationFailed(self.failure)
        head = self.store.evaluations.commit(a_commit(entry=entry), self.store.evaluations.load())
        return EvaluationOutcome(entry=entry, candidate=a_content(), changes=(), head=head)


def failed(entry: EvaluationEntry, failure: str) -> EvaluationEntry:
    return an_entry(entry.evaluation_id, request_id=entry.request_id, verdict=None, failure=failure)


@dataclass
class Scene:
    time: ManualTime
    store: MemoryStore
    leader: Leader
    asked: Demands
    serving: Demands
    leads: ScriptedLeader
    follower: ScriptedLeader

    def ask(self, request_id: str = "") -> asyncio.Task[EvaluationOutcome]:
        return asyncio.create_task(
            self.asked.by_leader(request_id=request_id, requested_by="ipv4:10.0.0.1:5000", reason="new limits")
        )


@asynccontextmanager
async def a_scene(*, others: bool = True, serving: bool = True) -> AsyncIterator[Scene]:
    time = ManualTime()
    store = MemoryStore(time)
    leads = ScriptedLeader(leading=True)

    async def confirmed_head() -> Head:
        return store.policies.head()

    def demands(leading: ScriptedLeader) -> Demands:
        return Demands(
            requests=store.requests,
            log=store.log,
            leads=leading,
            clock=time,
            timer=time,
            worker=Inline(threads=1, name="inline"),
            new_id=lambda: "made-up",
            confirmed_head=confirmed_head,
        )

    leader, follower = Leader(store), ScriptedLeader(leading=False)
    scene = Scene(time, store, leader, demands(follower), demands(leads), leads, follower)
    task = asyncio.create_task(scene.serving.serve(leader, others=lambda: others)) if serving else None
    try:
        yield scene
    finally:
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_the_caller_gets_what_the_leader_made_of_it() -> None:
    async with a_scene() as scene:
        asking = scene.ask()
        await scene.time.advance(2 * SERVE_S)
        outcome = await asking

    [made] = scene.leader.made
    assert (made.request_id, made.requested_by, made.reason) == ("made-up", "ipv4:10.0.0.1:5000", "new limits")
    assert outcome.entry.evaluation_id == made.evaluation_id
    assert outcome.entry.committed == outcome.head.ref
    assert outcome.head.ref.version == 1
    assert scene.store.requests.waiting(WAIT_S) == []


async def test_the_same_request_id_gets_the_same_result_without_another_evaluation() -> None:
    async with a_scene() as scene:
        first = scene.ask("mine")
        await scene.time.advance(2 * SERVE_S)
        again = await scene.ask("mine")

    assert again.entry == (await first).entry
    assert len(scene.leader.made) == 1


async def test_an_evaluation_that_fails_there_fails_here_and_may_be_asked_for_again() -> None:
    async with a_scene() as scene:
        scene.leader.failure = "no NAV"
        asking = scene.ask("mine")
        await scene.time.advance(2 * SERVE_S)
        with pytest.raises(EvaluationFailed, match="no NAV"):
            await asking
        scene.leader.failure = ""
        again = scene.ask("mine")
        await scene.time.advance(2 * SERVE_S)
        assert (await again).head.ref.version == 1


async def test_a_leader_that_has_enough_to_do_makes_it_later() -> None:
    async with a_scene() as scene:
        scene.leader.error = TooManyEvaluations("16 are waiting")
        asking = scene.ask()
        await scene.time.advance(4 * SERVE_S)
        assert not asking.done()
        scene.leader.error = None
        await scene.time.advance(2 * SERVE_S)
        assert (await asking).head.ref.version == 1


async def test_another_leader_makes_what_the_one_before_did_not() -> None:
    async with a_scene() as scene:
        scene.leads.now(leading=False)
        asking = scene.ask()
        await scene.time.advance(10)
        assert not asking.done()
        scene.leads.now(leading=True)
        await scene.time.advance(2 * SERVE_S)
        assert (await asking).head.ref.version == 1


async def test_without_a_leader_the_caller_is_told_so_and_nothing_is_left_to_be_made(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with a_scene(serving=False) as scene:
        asking = scene.ask()
        await scene.time.advance(WAIT_S + 1)
        with pytest.raises(NotLeader, match="other:7443"):
            await asking

    assert caplog.messages == ["No leader made the evaluation made-up within 25 s; leading: other:7443"]
    assert scene.store.requests.waiting(2 * WAIT_S) == []


async def test_who_waits_when_the_process_stops_is_told_at_once_and_nothing_is_left_to_be_made() -> None:
    async with a_scene(serving=False) as scene:
        asking = [scene.ask("one"), scene.ask("two")]
        await settle()
        ending = asyncio.create_task(scene.asked.end())
        await scene.time.advance(LOOK_S)
        await ending
        for one in asking:
            with pytest.raises(NotLeader, match="other:7443"):
                await one
        with pytest.raises(NotLeader, match="other:7443"):
            await scene.ask("three")

    assert scene.store.requests.waiting(2 * WAIT_S) == []


async def test_nothing_is_made_for_a_caller_who_left() -> None:
    async with a_scene(serving=False) as scene:
        asking = scene.ask()
        await settle()
        assert len(scene.store.requests.waiting(WAIT_S)) == 1
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)

    assert scene.store.requests.waiting(WAIT_S) == []


async def test_one_that_begins_to_lead_makes_what_it_was_asked_for_itself() -> None:
    async with a_scene(serving=False) as scene:
        asking = scene.ask()
        task = asyncio.create_task(scene.asked.serve(scene.leader, others=lambda: False))
        await scene.time.advance(2 * SERVE_S)
        assert not asking.done()
        scene.follower.now(leading=True)
        await scene.time.advance(2 * SERVE_S)
        assert (await asking).head.ref.version == 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_leader_that_is_alone_does_not_look() -> None:
    async with a_scene(others=False) as scene:
        asking = scene.ask()
        await scene.time.advance(10)
        assert scene.leader.made == []
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
