"""What an evaluation of 100 new trades takes behind histories of different length, beside a bare state in memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from benching.history import NEW_ROWS, NewTrades, make_history, url_of
from benching.prototype import Prototype
from benching.run import Run, in_turn, undisturbed
from benching.values import Benchmark, Goal

from msc_authority.adapters.sql import open_store
from msc_authority.app.evaluate import Evaluator
from msc_authority.compose.parts import this_machine
from msc_authority.core.config import DecisionConfig

SIZES, QUICK_SIZES = (10_000, 100_000, 1_000_000, 10_000_000), (10_000, 100_000)
ROUNDS, QUICK_ROUNDS = 60, 10
SMALLEST, GREATEST = SIZES[0], SIZES[-1]
VALID_FOR_S = 86_400.0

PRODUCT, DECIDED, PROTOTYPE = "evaluation, committed", "evaluation, not written", "prototype's state update"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bench:
    size: int
    arrive: Callable[[], None]
    candidates: dict[str, Callable[[], object]]


def measure(run: Run) -> None:
    """Every history takes its turn in every round: whatever slows the machine slows all of them."""
    benches: list[_Bench] = []
    for size in QUICK_SIZES if run.quick else SIZES:
        with run.optional(f"{size:,} trades"):
            benches.append(_begun(run, size))
    with undisturbed():
        for number in range(QUICK_ROUNDS if run.quick else ROUNDS):
            for bench in in_turn(benches, number):
                _take(run, bench, number)


def _begun(run: Run, size: int) -> _Bench:
    run.say(f"making {size:,} trades")
    folder = run.home / str(size)
    folder.mkdir()
    clock = this_machine().clock
    path = make_history(folder, size, clock)
    store = run.stack.enter_context(open_store(url_of(path), clock))
    prototype = Prototype(path)
    run.stack.callback(prototype.close)
    ids = count(1)
    evaluator = Evaluator(
        store=store.evaluations,
        journal=store.journal,
        log=store.log,
        clock=clock,
        config=DecisionConfig(),
        valid_for_s=VALID_FOR_S,
        new_id=lambda: f"bench-{next(ids)}",
    )
    run.say(f"folding {size:,} trades for the first time")
    evaluator.evaluate(trigger="start")
    prototype.update()
    return _Bench(
        size=size,
        arrive=NewTrades(store, clock).record,
        candidates={
            # First, for it leaves everything as it was.
            DECIDED: evaluator.preview,
            PRODUCT: lambda: evaluator.evaluate(trigger="request"),
            PROTOTYPE: prototype.update,
        },
    )


def _take(run: Run, bench: _Bench, number: int) -> None:
    run.say(f"{bench.size:,} trades, round {number + 1}")
    bench.arrive()
    taken: dict[str, float] = {}
    for name, take in bench.candidates.items():
        began = time.perf_counter_ns()
        take()
        taken[name] = (time.perf_counter_ns() - began) / 1e6
    for name, value in taken.items():
        run.record(name, value, bench.size)


BENCHMARK = Benchmark(
    name="evaluate",
    question=f"An evaluation when {NEW_ROWS} trades are new, behind a history of so many",
    unit="ms",
    size="trades",
    baseline=PROTOTYPE,
    goals=(
        Goal(what=PRODUCT, against=PRODUCT, against_size=SMALLEST, at=(GREATEST,), at_most=1.5),
        Goal(what=PRODUCT, against=PROTOTYPE, at_most=20),
    ),
    measure=measure,
)
