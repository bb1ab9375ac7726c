"""The trace says of every instant what an evaluation of that instant says."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msc_builders import START, ManualClock
from msc_live import ManualTime
from msc_traced import CONFIG, a_reading, a_result, a_tracer, evaluated

from msc_authority.adapters.memory import MemoryJournal
from msc_authority.adapters.sql import open_store
from msc_authority.app.replay import ReplayStep
from msc_authority.app.trace import EquityTrace
from msc_authority.compose.replay import replay_in_memory
from msc_authority.core.facts import Fact, Trade, happened_at
from msc_authority.ports.journal import Journal
from msc_authority.sample import sample_facts


@pytest.fixture(scope="module")
def sample() -> list[Fact]:
    return sample_facts(START)


@pytest.fixture(scope="module")
def evaluations(sample: list[Fact]) -> list[ReplayStep]:
    return list(replay_in_memory(sample, CONFIG, timedelta(minutes=30)))


def metric(step: ReplayStep, name: str) -> float | None:
    verdict = step.outcome.entry.verdict
    assert verdict is not None
    return next(metric.value for metric in verdict.metrics if metric.name == name)


def reading_of(step: ReplayStep) -> datetime:
    verdict = step.outcome.entry.verdict
    assert verdict is not None
    age_s = next(metric.age_s for metric in verdict.metrics if metric.name == "equity")
    assert age_s is not None
    return verdict.as_of - timedelta(seconds=age_s)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_the_trace_of_the_sample_says_what_its_evaluations_said(
    kind: str, sample: list[Fact], evaluations: list[ReplayStep], tmp_path: Path
) -> None:
    time = ManualTime()
    store = open_store(f"sqlite:///{tmp_path}/msc.db", ManualClock())
    journal: Journal = MemoryJournal() if kind == "memory" else store.journal
    journal.record(sample)
    async with a_tracer(journal, time) as tracer:
        await tracer.refresh()
        points = {point.at: point for point in tracer.trace.points}
    store.close()

    compared = [(points[reading_of(step)], step) for step in evaluations[1:] if reading_of(step) in points]
    assert len(compared) > 200
    assert max(metric(step, "full_drawdown_pct") or 0.0 for _, step in compared) > 4.5
    for point, step in compared:
        assert point.drawdown_pct == metric(step, "full_drawdown_pct")
        assert point.equity == metric(step, "equity")
    # What is judged is the same, until the drawdown is measured anew after quiet days at reduced risk.
    judged = [(point.drawdown_pct, metric(step, "drawdown_pct")) for point, step in compared]
    assert all(value is not None and seen is not None and value <= seen for seen, value in judged)
    assert sum(seen == value for seen, value in judged) > 100


async def test_a_trace_kept_up_to_date_says_at_each_evaluation_what_that_one_says(
    sample: list[Fact], evaluations: list[ReplayStep]
) -> None:
    journal, ordered = MemoryJournal(), sorted(sample, key=happened_at)

    class Following(ManualTime):
        instant = START

        def now(self) -> datetime:
            return self.instant

    time = Following()
    async with a_tracer(journal, time) as tracer:
        for step in evaluations:
            batch, ordered = ordered[: step.facts], ordered[step.facts :]
            journal.record(batch)
            time.instant = step.as_of
            await tracer.refresh()
            if metric(step, "equity") is None:
                continue
            newest = tracer.trace.points[-1]
            assert (newest.equity, newest.drawdown_pct) == (metric(step, "equity"), metric(step, "full_drawdown_pct"))
        followed = tracer.trace
    assert not ordered

    async with a_tracer(journal, time) as anew:
        await anew.refresh()
        assert followed.strategies == anew.trace.strategies
        assert followed.points[-1] == anew.trace.points[-1]


MINUTES = st.integers(0, 400)
ARRIVALS = st.lists(st.lists(st.tuples(MINUTES, st.sampled_from("abT")), max_size=8), max_size=6)


@settings(max_examples=60)
@given(batches=ARRIVALS, steps=st.lists(st.integers(0, 200), min_size=6, max_size=6))
def test_however_facts_arrive_each_point_is_what_an_evaluation_of_its_instant_says(
    batches: list[list[tuple[int, str]]], steps: list[int]
) -> None:
    async def story() -> tuple[EquityTrace, EquityTrace, list[Fact], datetime]:
        time, journal, facts = ManualTime(), MemoryJournal(), list[Fact]()
        async with a_tracer(journal, time) as tracer:
            for number, (batch, minutes) in enumerate(zip(batches, steps, strict=False)):
                new: list[Fact] = [
                    a_result(START + timedelta(minutes=minute), minute % 7 - 3, f"S{minute % 2}", f"{number}.{place}")
                    if who == "T"
                    else a_reading(START + timedelta(minutes=minute, seconds=number), 1000 + minute % 17, who)
                    for place, (minute, who) in enumerate(batch)
                ]
                facts += [fact for fact in new if journal.record([fact]).accepted]
                await tracer.refresh()
                time.leap(60.0 * minutes)
            await tracer.refresh()
        async with a_tracer(journal, time) as anew:
            await anew.refresh()
        return tracer.trace, anew.trace, facts, time.now()

    followed, anew, facts, now = asyncio.run(story())

    known = [fact for fact in facts if happened_at(fact) <= now]
    results: dict[str, float] = {}
    for fact in known:
        if isinstance(fact, Trade):
            results[fact.strategy_id] = results.get(fact.strategy_id, 0.0) + float(fact.net_pnl)
    for trace in (followed, anew):
        assert all(point == evaluated(known, point.at) for point in trace.points)
        assert {name: values[-1] for name, values in trace.strategies.items()} == results
    assert followed.strategies == anew.strategies
    assert followed.points[-1:] == anew.points[-1:]
