"""Composes a replay: evaluator, stores and a clock that is moved by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import count
from typing import Protocol

from msc_authority.adapters.clock import SystemClock
from msc_authority.adapters.memory import MemoryStore
from msc_authority.app.evaluate import Evaluator
from msc_authority.app.replay import ReplayClock, ReplayStep, replay
from msc_authority.core.config import DecisionConfig
from msc_authority.core.facts import Fact
from msc_authority.ports.evaluations import EvaluationLog, EvaluationStore
from msc_authority.ports.journal import Journal

VALID_FOR_STEPS = 2
"""A decision is valid for so many steps, as it is for evaluation periods in service."""


class _Stores(Protocol):
    @property
    def journal(self) -> Journal: ...
    @property
    def evaluations(self) -> EvaluationStore: ...
    @property
    def log(self) -> EvaluationLog: ...


def replay_in_memory(facts: Sequence[Fact], config: DecisionConfig, step: timedelta) -> Iterator[ReplayStep]:
    """Yields the evaluations that a journal leads to, kept nowhere. The same input gives the same output.

    Raises:
        ValueError: `step` is not positive.
    """
    clock = ReplayClock()
    return _replay(facts, MemoryStore(clock), clock, config, step)


def replay_into(
    database_url: str, facts: Sequence[Fact], config: DecisionConfig, step: timedelta
) -> Iterator[ReplayStep]:
    """Yields the evaluations that a journal leads to and keeps them, with the facts, in a database that is empty.

    Raises:
        ValueError: `step` is not positive, or the database holds a policy already.
        StoreError: the database cannot be opened or written.
    """
    from msc_authority.adapters.sql import open_store

    # The lineage is founded in real time: its epoch must be greater than that of any database made here before.
    open_store(database_url, SystemClock()).close()
    clock = ReplayClock()
    store = open_store(database_url, clock)
    try:
        if store.policies.head().policy is not None:
            raise ValueError("database_url: holds a policy already; a replay needs an empty database")
        yield from _replay(facts, store, clock, config, step)
    finally:
        store.close()


def _replay(
    facts: Sequence[Fact], stores: _Stores, clock: ReplayClock, config: DecisionConfig, step: timedelta
) -> Iterator[ReplayStep]:
    numbers = count(1)
    evaluator = Evaluator(
        store=stores.evaluations,
        journal=stores.journal,
        log=stores.log,
        clock=clock,
        config=config,
        valid_for_s=VALID_FOR_STEPS * step.total_seconds(),
        new_id=lambda: f"replay-{next(numbers)}",
    )
    return replay(facts, journal=stores.journal, evaluator=evaluator, clock=clock, step=step)
