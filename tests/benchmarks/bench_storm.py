"""How a fleet comes back after its authority was killed and started again: real clients, as hosts embed them."""

from __future__ import annotations

import os
import signal
import statistics
import time
from typing import cast

from benching.contenders import child, restart_authority, start_authority
from benching.processes import Child
from benching.run import Run
from benching.usage import Busiest, peak_memory_kb
from benching.values import Benchmark, Goal

CLIENTS, QUICK_CLIENTS = 1_000, 40
PROCESSES = 4
ROUNDS, QUICK_ROUNDS = 3, 1
AWAY_S, QUICK_AWAY_S = 12.0, 2.0
JOIN_WITHIN_S, BACK_WITHIN_S = 120.0, 90.0

LAST, HALF = "all are back", "half of them are back"
MOST, MEAN = "attempts of the client that made most", "attempts of a client on average"
MEMORY, PROCESSOR = "the authority's memory at its peak", "the authority's processor at its peak"


def measure(run: Run) -> None:
    """The clients stay, in a few processes; the authority is killed, away for a while, and started on its database."""
    count = QUICK_CLIENTS if run.quick else CLIENTS
    authority = start_authority(run)
    fleet = [
        child(run, f"clients-{number}", "benching.load.clients", port=authority.port, count=count // PROCESSES)
        for number in range(PROCESSES)
    ]
    run.say(f"{count:,} clients are joining")
    for clients in fleet:
        clients.hear(JOIN_WITHIN_S)
    for number in range(QUICK_ROUNDS if run.quick else ROUNDS):
        run.say(f"round {number + 1}: away")
        away_from = time.monotonic()
        os.kill(authority.child.pid, signal.SIGKILL)
        authority.child.stop()
        for clients in fleet:
            clients.ask(BACK_WITHIN_S, lost=True)
        time.sleep(max(0.0, away_from + (QUICK_AWAY_S if run.quick else AWAY_S) - time.monotonic()))
        run.say(f"round {number + 1}: back")
        authority = restart_authority(run, authority, f"authority-{number}")
        # Not the instant at which it was started: its own start is measured elsewhere.
        _record(run, fleet, authority.child, time.time(), count)


def _record(run: Run, fleet: list[Child], server: Child, up_at: float, count: int) -> None:
    with Busiest(server.pid) as busiest:
        for clients in fleet:
            clients.tell(back=True)
        said = [clients.hear(BACK_WITHIN_S) for clients in fleet]
    since = sorted(instant - up_at for one in said for instant in cast("list[float]", one["since"]))
    attempts = [made for one in said for made in cast("list[int]", one["attempts"])]
    run.record(LAST, since[-1], count)
    run.record(HALF, max(0.0, statistics.median(since)), count)
    run.record(MOST, max(attempts), count)
    run.record(MEAN, statistics.mean(attempts), count)
    run.record(MEMORY, peak_memory_kb(server.pid) / 1024, count)
    run.record(PROCESSOR, 100.0 * busiest.share, count)


BENCHMARK = Benchmark(
    name="storm",
    question=f"Time from an authority's return after {AWAY_S:g} s until the clients that it had follow it again",
    unit="s",
    size="clients",
    baseline=LAST,
    units={MOST: "", MEAN: "", MEMORY: "MiB", PROCESSOR: "% of a core"},
    goals=(
        Goal(what=LAST, at_most=3.0),
        Goal(what=HALF, at_most=1.5),
        Goal(what=MOST, at_most=3.0),
        Goal(what=MEMORY, at_most=150.0),
    ),
    measure=measure,
)
