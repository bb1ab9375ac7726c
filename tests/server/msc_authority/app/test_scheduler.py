from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from msc_builders import START, a_content, an_entry
from msc_live import ManualTime, ScriptedLeader, Told, a_broker, a_head, settle, until

from msc_authority.app.broker import Broker
from msc_authority.app.evaluate import EvaluationFailed, EvaluationOutcome
from msc_authority.app.leadership import NotLeader
from msc_authority.app.scheduler import MAX_WAITING, Scheduler, TooManyEvaluations
from msc_authority.app.work import Worker
from msc_authority.core.evaluation import SuppliedMetrics
from msc_authority.core.policy import FieldChange
from msc_authority.ports.policies import Head
from msc_authority.ports.store import Fenced, StoreUnavailable

PERIOD_S = 1800.0


@dataclass
class ScriptedEvaluator:
    """Evaluates as told, behind `gate`: to `head` (None: the first policy, evaluated now), or to `error`."""

    time: ManualTime
    head: Head | None = None
    error: Exception | None = None
    known: EvaluationOutcome | None = None
    gate: threading.Event = field(default_factory=threading.Event)
    triggers: list[str] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    def evaluate(
        self, *, trigger: str, request_id: str = "", requested_by: str = "", reason: str = ""
    ) -> EvaluationOutcome:
        self.triggers.append(trigger)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.gate.wait(10)
        self.at_once -= 1
        if self.error is not None:
            raise self.error
        return self.known or self.outcome()

    def outcome(self) -> EvaluationOutcome:
        entry = an_entry(started_at=self.time.now())
        change = FieldChange(field="max_positions", before="8", after="10")
        head = self.head or replace(a_head(), evaluated_at=self.time.now())
        return EvaluationOutcome(entry=entry, candidate=a_content(), changes=(change,), head=head)

    def preview(self, *, requested_by: str = "", reason: str = "") -> EvaluationOutcome:
        return self.outcome()

    def what_if(self, supplied: SuppliedMetrics) -> EvaluationOutcome:
        return self.outcome()


class Elsewhere:
    """Another process that makes evaluations when it is let."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.made: asyncio.Future[EvaluationOutcome] = asyncio.get_running_loop().create_future()

    async def by_leader(self, *, request_id: str, requested_by: str, reason: str) -> EvaluationOutcome:
        self.asked.append(reason)
        return await self.made


@dataclass
class Scene:
    time: ManualTime
    evaluator: ScriptedEvaluator
    scheduler: Scheduler
    broker: Broker
    told: Told
    leads: ScriptedLeader

    def ended(self, count: int) -> bool:
        return self.told.names().count("EvaluationDone") + self.told.names().count("EvaluationBroken") == count


@asynccontextmanager
async def a_scene(
    *, scheduled: bool = False, leading: bool = True, head: Head | None = None, elsewhere: Elsewhere | None = None
) -> AsyncIterator[Scene]:
    time, told, leads = ManualTime(), Told(), ScriptedLeader(leading=leading)
    evaluator = ScriptedEvaluator(time)
    evaluator.gate.set()
    broker = a_broker(time, head or replace(a_head(), evaluated_at=None), told=told)
    worker, previews = Worker(threads=1, name="evaluate"), Worker(threads=1, name="preview")
    scheduler = Scheduler(
        evaluator=evaluator,
        broker=broker,
        events=told.bus,
        clock=time,
        timer=time,
        worker=worker,
        previews=previews,
        period_s=PERIOD_S,
        leads=leads,
        elsewhere=elsewhere,
    )
    task = asyncio.create_task(scheduler.run()) if scheduled else None
    try:
        yield Scene(time, evaluator, scheduler, broker, told, leads)
    finally:
        evaluator.gate.set()
        if task is not None:
            task.cancel()
        worker.close()
        previews.close()


async def demanded(scene: Scene) -> EvaluationOutcome:
    return await scene.scheduler.evaluate(request_id="", requested_by="me", reason="")


async def test_it_evaluates_at_start_and_then_every_period() -> None:
    async with a_scene(scheduled=True) as scene:
        await until(lambda: scene.ended(1))
        await scene.time.advance(PERIOD_S - 1)
        assert scene.evaluator.triggers == ["start"]
        await scene.time.advance(1)
        await until(lambda: scene.ended(2))
        await scene.time.advance(PERIOD_S)
        await until(lambda: scene.ended(3))
        assert scene.evaluator.triggers == ["start", "schedule", "schedule"]


async def test_a_period_is_counted_from_the_last_evaluation_whatever_asked_for_it() -> None:
    async with a_scene(scheduled=True) as scene:
        await until(lambda: scene.ended(1))
        await scene.time.advance(600)
        await demanded(scene)
        assert scene.scheduler.next_in_s() == PERIOD_S
        await scene.time.advance(PERIOD_S - 1)
        assert scene.evaluator.triggers == ["start", "request"]
        await scene.time.advance(1)
        await until(lambda: scene.ended(3))


async def test_one_that_starts_soon_after_an_evaluation_waits_for_the_next() -> None:
    async with a_scene(scheduled=True, head=a_head()) as scene:
        await scene.time.advance(PERIOD_S - 1)
        assert scene.evaluator.triggers == []
        await scene.time.advance(1)
        await until(lambda: scene.ended(1))
        assert scene.evaluator.triggers == ["schedule"]


async def test_one_that_does_not_lead_evaluates_only_when_it_begins_to() -> None:
    async with a_scene(scheduled=True, leading=False) as scene:
        await scene.time.advance(3 * PERIOD_S)
        assert scene.evaluator.triggers == []
        scene.leads.now(leading=True)
        await until(lambda: scene.ended(1))
        assert scene.evaluator.triggers == ["start"]


async def test_a_new_leader_goes_on_where_the_last_one_stopped() -> None:
    async with a_scene(scheduled=True, leading=False, head=a_head()) as scene:
        await scene.time.advance(PERIOD_S - 600)
        scene.leads.now(leading=True)
        await settle()
        assert scene.scheduler.next_in_s() == 600
        await scene.time.advance(600)
        await until(lambda: scene.ended(1))
        assert scene.evaluator.triggers == ["schedule"]


async def test_one_that_ceases_to_lead_stops_and_goes_on_when_it_leads_again() -> None:
    async with a_scene(scheduled=True) as scene:
        await until(lambda: scene.ended(1))
        scene.leads.now(leading=False)
        await scene.time.advance(2 * PERIOD_S)
        assert scene.evaluator.triggers == ["start"]
        scene.leads.now(leading=True)
        await until(lambda: scene.ended(2))
        assert scene.evaluator.triggers == ["start", "start"]


async def test_a_failed_evaluation_is_made_again_at_once_by_whoever_begins_to_lead() -> None:
    async with a_scene(scheduled=True) as scene:
        scene.evaluator.error = StoreUnavailable("away")
        await until(lambda: scene.ended(1))
        scene.leads.now(leading=False)
        await settle()
        scene.evaluator.error = None
        scene.leads.now(leading=True)
        await until(lambda: scene.ended(2))
        assert scene.told.names()[-1] == "EvaluationDone"


async def test_an_evaluation_that_the_store_refuses_for_its_term_failed_for_nobody() -> None:
    async with a_scene() as scene:
        scene.evaluator.error = Fenced("term 3 is over", 3)
        with pytest.raises(NotLeader, match="other:7443"):
            await demanded(scene)
        assert scene.leads.fenced_terms == [3]
        assert scene.told.names() == []


async def test_a_clock_that_jumps_back_delays_nothing_for_longer_than_a_period() -> None:
    async with a_scene(head=replace(a_head(), evaluated_at=START + timedelta(days=30))) as scene:
        assert scene.scheduler.next_in_s() == PERIOD_S


async def test_a_failed_evaluation_keeps_the_policy_is_told_and_the_schedule_goes_on() -> None:
    async with a_scene(scheduled=True) as scene:
        await until(lambda: scene.ended(1))
        scene.evaluator.error = RuntimeError("no NAV")
        await scene.time.advance(PERIOD_S)
        await until(lambda: scene.ended(2))
        assert scene.told.names() == ["EvaluationDone", "EvaluationBroken"]
        assert scene.broker.current.head.ref.version == 1
        scene.evaluator.error = None
        await scene.time.advance(PERIOD_S)
        await until(lambda: scene.ended(3))
        assert scene.told.names()[-1] == "EvaluationDone"


async def test_an_evaluation_that_the_store_was_away_for_is_made_when_the_store_is_back() -> None:
    async with a_scene(scheduled=True) as scene:
        await until(lambda: scene.ended(1))
        scene.evaluator.error = StoreUnavailable("gone")
        await scene.time.advance(PERIOD_S)
        await until(lambda: scene.ended(2))
        for _ in range(60):
            await scene.time.advance(1)
        assert scene.ended(2)
        scene.evaluator.error = None
        scene.broker.publish(scene.broker.current.head, confirmed_at=scene.time.monotonic())
        await scene.time.advance(1)
        await until(lambda: scene.ended(3))
        assert scene.told.names()[-1] == "EvaluationDone"


async def test_a_store_that_answers_and_takes_nothing_is_tried_less_and_less_often() -> None:
    async with a_scene(scheduled=True) as scene:
        await until(lambda: scene.ended(1))
        scene.evaluator.error = StoreUnavailable("read-only")
        await scene.time.advance(PERIOD_S)
        await until(lambda: scene.ended(2))
        for attempt, pause_s in enumerate((1, 2, 4, 8, 16, 32, 60, 60), start=3):
            scene.broker.publish(scene.broker.current.head, confirmed_at=scene.time.monotonic() + 0.001)
            await scene.time.advance(pause_s - 0.5)
            assert scene.ended(attempt - 1)
            await scene.time.advance(0.5)
            await until(lambda count=attempt: scene.ended(count))  # type: ignore[misc]  # bound now


async def test_what_an_evaluation_commits_is_published_with_the_fields_that_changed() -> None:
    async with a_scene() as scene:
        scene.evaluator.head = a_head(2)
        await demanded(scene)
        assert scene.broker.current.head == a_head(2)
        assert scene.broker.current.changed_fields == ("max_positions",)


async def test_an_evaluation_that_changes_nothing_renews_the_validity() -> None:
    async with a_scene() as scene:
        await scene.time.advance(1000)
        scene.evaluator.head = replace(a_head(), evaluated_at=scene.time.now())
        await demanded(scene)
        assert scene.broker.freshness().ttl_s == 3600
        assert scene.broker.freshness().replica_age_s == 0


async def test_a_failure_reaches_the_caller_who_asked() -> None:
    async with a_scene() as scene:
        scene.evaluator.error = StoreUnavailable("locked")
        with pytest.raises(StoreUnavailable):
            await demanded(scene)


async def test_evaluations_are_made_one_at_a_time() -> None:
    async with a_scene() as scene:
        await asyncio.gather(*(demanded(scene) for _ in range(5)))
        assert scene.evaluator.most_at_once == 1
        assert len(scene.evaluator.triggers) == 5


async def test_evaluations_that_would_wait_too_long_are_refused() -> None:
    async with a_scene() as scene:
        scene.evaluator.gate.clear()
        waiting = [asyncio.create_task(demanded(scene)) for _ in range(MAX_WAITING + 1)]
        await until(lambda: len(scene.evaluator.triggers) == 1)
        with pytest.raises(TooManyEvaluations):
            await demanded(scene)
        scene.evaluator.gate.set()
        await asyncio.gather(*waiting)


async def test_what_is_asked_for_soon_while_one_is_under_way_is_one_evaluation_behind_it() -> None:
    async with a_scene() as scene:
        scene.evaluator.gate.clear()
        for _ in range(5):
            scene.scheduler.evaluate_soon("operator")
        await until(lambda: len(scene.evaluator.triggers) == 1)
        scene.evaluator.gate.set()
        await until(lambda: scene.ended(2))
        scene.scheduler.evaluate_soon("expiry")
        await until(lambda: scene.ended(3))

    assert scene.evaluator.triggers == ["operator", "operator", "expiry"]


async def test_one_that_failed_keeps_none_behind_it_from_being_made() -> None:
    async with a_scene() as scene:
        scene.evaluator.error = StoreUnavailable("gone")
        scene.evaluator.gate.clear()
        scene.scheduler.evaluate_soon("operator")
        scene.scheduler.evaluate_soon("operator")
        scene.evaluator.gate.set()
        await until(lambda: scene.ended(2))

    assert scene.told.names().count("EvaluationBroken") == 2


async def test_what_waits_for_a_leader_keeps_nobody_from_the_evaluations_of_one_that_leads_now() -> None:
    elsewhere = Elsewhere()
    async with a_scene(leading=False, elsewhere=elsewhere) as scene:
        for _ in range(2 * MAX_WAITING):
            scene.scheduler.evaluate_soon("operator")
        await until(lambda: elsewhere.asked == ["operator"])
        scene.leads.now(leading=True)
        await demanded(scene)
        elsewhere.made.set_result(scene.evaluator.outcome())
        await until(lambda: scene.ended(2))

    assert scene.evaluator.triggers == ["request", "operator"]
    assert elsewhere.asked == ["operator"]


async def test_an_evaluation_whose_caller_left_runs_to_its_end_and_is_published() -> None:
    async with a_scene() as scene:
        scene.evaluator.gate.clear()
        scene.evaluator.head = a_head(2)
        caller = asyncio.create_task(demanded(scene))
        await until(lambda: len(scene.evaluator.triggers) == 1)
        caller.cancel()
        scene.evaluator.gate.set()
        await until(lambda: scene.ended(1))
        assert caller.cancelled()
        assert scene.broker.current.head.ref.version == 2


async def test_an_outcome_returned_again_is_not_told_again() -> None:
    async with a_scene() as scene:
        scene.evaluator.known = scene.evaluator.outcome()
        await scene.time.advance(60)
        assert await demanded(scene) == scene.evaluator.known
        assert scene.told.names() == []


async def test_previews_and_what_ifs_publish_nothing() -> None:
    async with a_scene() as scene:
        scene.evaluator.head = a_head(2)
        await scene.scheduler.preview(requested_by="me", reason="")
        await scene.scheduler.what_if(SuppliedMetrics(drawdown_pct=1.0))
        assert scene.broker.current.head.ref.version == 1
        assert scene.told.names() == []


async def test_what_comes_of_the_evaluation_behind_what_had_one_made_can_be_waited_for() -> None:
    async with a_scene() as scene:
        assert await scene.scheduler.evaluated_soon() is None
        scene.evaluator.gate.clear()
        scene.scheduler.evaluate_soon("operator")
        first = asyncio.create_task(scene.scheduler.evaluated_soon())
        await asyncio.sleep(0)
        scene.scheduler.evaluate_soon("operator")
        second = asyncio.create_task(scene.scheduler.evaluated_soon())
        scene.evaluator.gate.set()
        outcomes = (await first, await second, await scene.scheduler.evaluated_soon())

        # The first is over when the one behind it is made: each gets one that began behind its own request.
        assert outcomes[1] is outcomes[2]
        assert outcomes[0] is not None
        assert outcomes[0] is not outcomes[1]
        assert scene.evaluator.triggers == ["operator", "operator"]


async def test_what_goes_wrong_with_it_is_told_to_who_waits() -> None:
    async with a_scene() as scene:
        scene.evaluator.error = EvaluationFailed("the journal is torn")
        scene.scheduler.evaluate_soon("operator")

        with pytest.raises(EvaluationFailed, match="torn"):
            await scene.scheduler.evaluated_soon()
