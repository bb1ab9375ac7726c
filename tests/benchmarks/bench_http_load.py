"""What open dashboards and REST requests do to the propagation of a policy."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench_propagation import AUTHORITY, Publisher, joined, of_authority, timed
from benching.contenders import child, start_authority
from benching.processes import Child
from benching.run import Failed, Run, in_turn
from benching.values import Benchmark, Goal

WATCHERS, QUICK_WATCHERS = 100, 20
PAGES, QUICK_PAGES = 50, 5
REQUESTS_PER_S = 200
ROUNDS, QUICK_ROUNDS = 6, 1
PUBLICATIONS, QUICK_PUBLICATIONS = 15, 5
GAP_S = 0.43
"""Between publications: until the pages have drawn the one before, and no divisor of their period of a second."""
SETTLE_S = 1.0
COME_WITHIN_S = 120.0

NOBODY, VISITED, ELSEWHERE = "nobody looks", "dashboards and requests", "the same on another process"


@dataclass(frozen=True, slots=True)
class Arm:
    """One situation in which the same publisher is measured. `also` is done behind each publication.

    `said` is what the visitors said each time they went.
    """

    name: str
    visitors: Child | None
    also: Callable[[], object] = lambda: None
    said: list[dict[str, float]] = field(default_factory=list)


def measure(run: Run) -> None:
    """One authority with watchers in three situations, in turn. Its HTTP server is up in all of them."""
    count, pages = (QUICK_WATCHERS, QUICK_PAGES) if run.quick else (WATCHERS, PAGES)
    measured, other = start_authority(run, http=True), start_authority(run, "other", http=True)
    arms = [
        Arm(NOBODY, None),
        Arm(VISITED, visitors(run, measured.http_port, pages)),
        # What remains of the load when it only competes for the cores.
        Arm(ELSEWHERE, visitors(run, other.http_port, pages), other.evaluate),
    ]
    publisher = of_authority(measured)
    with joined(run, publisher, count) as watchers:
        for number in range(QUICK_ROUNDS if run.quick else ROUNDS):
            taken = {arm.name: _measured(run, arm, publisher, watchers) for arm in in_turn(arms, number)}
            for arm in arms:
                for took_ms in taken[arm.name]:
                    run.record(arm.name, took_ms, count)
    for arm in arms[1:]:
        run.note(answers_of(arm))


def visitors(run: Run, port: int, pages: int) -> Child:
    """Starts a process of visitors, who are not there yet."""
    process = child(run, "visitors", "benching.load.visitors", port=port, pages=pages, per_s=REQUESTS_PER_S)
    process.hear()
    return process


def _measured(run: Run, arm: Arm, publisher: Publisher, watchers: Child) -> list[float]:
    taken: list[float] = []
    with _there(run, arm):
        for _ in range(QUICK_PUBLICATIONS if run.quick else PUBLICATIONS):
            time.sleep(GAP_S)
            taken.append(timed(publisher, watchers)[AUTHORITY])
            arm.also()
    return taken


@contextmanager
def _there(run: Run, arm: Arm) -> Iterator[None]:
    run.say(arm.name)
    if arm.visitors is not None:
        arm.visitors.ask(COME_WITHIN_S, come=True)
    time.sleep(SETTLE_S)
    yield
    if arm.visitors is not None:
        arm.said.append({key: float(str(value)) for key, value in arm.visitors.ask(go=True).items()})
        if arm.said[-1]["failed"]:
            raise Failed(f"{arm.said[-1]['failed']:.0f} of {arm.said[-1]['requests']:.0f} requests failed")


def answers_of(arm: Arm) -> str:
    """Returns how the visitors of an arm were served, from one round to the other."""
    spans = (
        ("per_s", "{} requests/s answered"),
        ("median_ms", "half of them within {} ms"),
        ("p99_ms", "99 % within {} ms"),
        ("updates", "{} updates of pages a round"),
    )
    texts = (text.format(_span([said[key] for said in arm.said])) for key, text in spans)
    return f"{arm.name}: {', '.join(texts)}."


def _span(values: Sequence[float]) -> str:
    return f"{min(values):,.0f} – {max(values):,.0f}"


BENCHMARK = Benchmark(
    name="http-load",
    question="Time from a commit until the last watcher has the policy, with 50 dashboards open and 200 requests/s",
    unit="ms",
    size="watchers",
    baseline=NOBODY,
    goals=(
        Goal(what=VISITED, against=NOBODY, at_most=1.25, at=(WATCHERS,)),
        # What sharing one process costs, when what it costs to share the machine is left out.
        Goal(what=VISITED, against=ELSEWHERE, at_most=1.25, at=(WATCHERS,)),
    ),
    measure=measure,
)
