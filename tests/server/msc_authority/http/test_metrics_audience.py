"""Tasks on both event loops, streams of events and open dashboards are exported: what would show a leak."""

from __future__ import annotations

import asyncio

from msc_observed import StillInsight, an_observation

from msc_authority.http.metrics import Audience, Metrics


def lines_of(metrics: Metrics) -> set[str]:
    body, _ = metrics.render()
    return set(body.decode().splitlines())


def test_tasks_of_both_loops_and_whoever_looks_are_exported() -> None:
    insight = StillInsight(observation=an_observation(loop_tasks=17))
    metrics = Metrics(insight, audience=Audience(streams=lambda: 3, pages=lambda: 2))

    async def asked() -> set[str]:
        async with asyncio.TaskGroup() as others:
            over = asyncio.Event()
            others.create_task(over.wait())
            lines = lines_of(metrics)
            over.set()
        return lines

    assert {
        'msc_event_loop_tasks{loop="grpc"} 17.0',
        'msc_event_loop_tasks{loop="http"} 2.0',
        "msc_event_streams 3.0",
        "msc_dashboard_pages 2.0",
    } <= asyncio.run(asked())


def test_tasks_that_nobody_counted_are_not_said_to_be_none() -> None:
    metrics = Metrics(StillInsight(observation=an_observation(loop_tasks=None)))

    assert not [line for line in lines_of(metrics) if line.startswith("msc_event_loop_tasks")]
