"""How many GetPolicy calls a second the authority answers, beside a bare grpc.aio server with the same bytes."""

from __future__ import annotations

from functools import partial

from benching.contenders import BARE_GET, GET, child, start_authority, start_bare
from benching.processes import Child
from benching.run import Candidate, Run
from benching.values import Benchmark, Goal

IN_FLIGHT = (8, 64)
ROUNDS, ROUND_S = 15, 1.0
QUICK_ROUNDS, QUICK_ROUND_S = 3, 0.2


def measure(run: Run) -> None:
    """Each call in flight is on a connection of its own, as if from a process of its own."""
    authority = start_authority(run)
    answer = authority.get().SerializeToString()
    bare = start_bare(run, frame=answer, answer=answer)
    for in_flight in IN_FLIGHT:
        run.say(f"{in_flight} in flight")
        called = {"authority": (authority.port, GET), "bare grpc.aio": (bare.port, BARE_GET)}
        candidates = []
        for name, (port, path) in called.items():
            callers = child(run, "callers", "benching.load.callers", port=port, path=path, count=in_flight)
            callers.hear()
            candidates.append(Candidate(name, partial(_rate, callers, QUICK_ROUND_S if run.quick else ROUND_S)))
        run.rounds(candidates, QUICK_ROUNDS if run.quick else ROUNDS, size=in_flight)


def _rate(callers: Child, for_s: float) -> float:
    said = callers.ask(for_s=for_s)
    return float(str(said["calls"])) / float(str(said["seconds"]))


BENCHMARK = Benchmark(
    name="unary",
    question="GetPolicy calls answered in a second, beside a bare grpc.aio server that returns the same bytes",
    unit="calls/s",
    size="in flight",
    baseline="bare grpc.aio",
    goals=(Goal(what="authority", against="bare grpc.aio", at_least=0.9, at=(64,)),),
    measure=measure,
)
