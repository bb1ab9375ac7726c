"""What is to be published is prepared on the worker's thread, while watchers still have what was before."""

from __future__ import annotations

import threading

from msc_builders import a_content, an_entry
from msc_live import ManualTime, Told, a_broker, a_head

from msc_authority.app.evaluate import EvaluationOutcome
from msc_authority.app.scheduler import Scheduler
from msc_authority.app.work import Worker
from msc_authority.core.evaluation import SuppliedMetrics
from msc_authority.core.policy import PolicyRef
from msc_authority.ports import Head


class Publishes:
    """Always leads to version 2."""

    def __init__(self, time: ManualTime) -> None:
        self.outcome = EvaluationOutcome(
            entry=an_entry(started_at=time.now()), candidate=a_content(), changes=(), head=a_head(2)
        )

    def evaluate(
        self, *, trigger: str, request_id: str = "", requested_by: str = "", reason: str = ""
    ) -> EvaluationOutcome:
        return self.outcome

    def preview(self, *, requested_by: str = "", reason: str = "") -> EvaluationOutcome:
        return self.outcome

    def what_if(self, supplied: SuppliedMetrics) -> EvaluationOutcome:
        return self.outcome


async def test_a_head_is_prepared_on_the_workers_thread_before_it_is_published() -> None:
    time, told = ManualTime(), Told()
    broker, evaluator = a_broker(time, a_head(1), told=told), Publishes(time)
    prepared: list[tuple[Head, PolicyRef, str]] = []

    def prepare(head: Head) -> None:
        prepared.append((head, broker.current.head.ref, threading.current_thread().name))

    worker = Worker(threads=1, name="evaluate")
    try:
        scheduler = Scheduler(
            evaluator=evaluator,
            broker=broker,
            events=told.bus,
            clock=time,
            timer=time,
            worker=worker,
            previews=worker,
            period_s=1800.0,
            prepare=prepare,
        )
        await scheduler.evaluate(request_id="", requested_by="me", reason="")
    finally:
        worker.close()
    ((head, served, thread),) = prepared
    assert head is evaluator.outcome.head
    assert served == a_head(1).ref
    assert thread.startswith("evaluate")
    assert broker.current.head is head
