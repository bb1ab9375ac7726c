"""How long the authority needs behind a long history: to be back after a restart, and to fold all of it anew."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

import grpc
from benching.contenders import wait_until
from benching.history import NewTrades, make_history, url_of
from benching.processes import Child, program
from benching.prototype import read_all
from benching.run import Candidate, Failed, Run
from benching.values import Benchmark, Goal

from msc_authority.adapters.sql import SqlStore, open_store
from msc_authority.app.ledger import LedgerReading, read_ledger
from msc_authority.compose.parts import this_machine
from msc_authority.core.config import DecisionConfig
from msc_policy import v1 as pb

SIZES, QUICK_SIZES = (1_000_000, 10_000_000), (10_000, 100_000)
RESTARTS, QUICK_RESTARTS = 5, 2
REBUILDS, QUICK_REBUILDS = 3, 2
WITHIN_S, FIRST_WITHIN_S = 60.0, 600.0

SERVED, DECIDED = "restart until a policy is served", "restart until it is decided anew"
REBUILD, CURSOR = "the ledger folded from nothing", "raw cursor"


def measure(run: Run) -> None:
    """Rebuilds and raw reads take turns; restarts are of the program as it is installed."""
    for size in QUICK_SIZES if run.quick else SIZES:
        with run.optional(f"{size:,} trades"):
            _measure(run, size)


def _measure(run: Run, size: int) -> None:
    run.say(f"making {size:,} trades")
    home = run.home / str(size)
    home.mkdir()
    clock = this_machine().clock
    path = make_history(home, size, clock)
    store = run.stack.enter_context(open_store(url_of(path), clock))

    def rebuild() -> float:
        run.say(f"folding {size:,} trades")
        return _ms(partial(_folded, store, clock.now()))

    def read() -> float:
        run.say(f"reading {size:,} trades")
        return _ms(partial(read_all, path))

    candidates = [Candidate(REBUILD, rebuild), Candidate(CURSOR, read)]
    run.rounds(candidates, QUICK_REBUILDS if run.quick else REBUILDS, size=size)
    run.say(f"folding {size:,} trades once, by the authority itself")
    _restart(run, home, FIRST_WITHIN_S)
    arriving = NewTrades(store, clock)
    for number in range(QUICK_RESTARTS if run.quick else RESTARTS):
        arriving.record()
        run.say(f"restart {number + 1} behind {size:,} trades")
        served, decided = _restart(run, home, WITHIN_S)
        run.record(SERVED, served, size)
        run.record(DECIDED, decided, size)
    _check(store)


def _ms(call: Callable[[], object]) -> float:
    began = time.perf_counter_ns()
    call()
    return (time.perf_counter_ns() - began) / 1e6


def _folded(store: SqlStore, as_of: datetime) -> LedgerReading:
    return read_ledger(
        checkpoint=None, store=store.evaluations, journal=store.journal, config=DecisionConfig(), as_of=as_of
    )


def _restart(run: Run, home: Path, within_s: float) -> tuple[float, float]:
    """Returns the milliseconds from the start of the process to the first policy, and to one of all facts until now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    environ = {
        "MSC_HTTP_PORT": "0",
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": str(run.home / "bytecode"),
    }
    command = program("msc_authority", "serve", "--home", str(home), "--grpc-port", str(port))
    began = time.perf_counter_ns()
    with Child(command, log=run.home / "restarted.log", environ=environ):
        wait_until(partial(_listens, port), "a server to listen", within_s)
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = pb.PolicyAuthorityStub(channel)
            wait_until(partial(_has_policy, stub), "a first policy", within_s)
            served = time.perf_counter_ns()
            answer = stub.Evaluate(pb.EvaluateRequest(), timeout=within_s)
            decided = time.perf_counter_ns()
            if answer.evaluation.failure:
                raise Failed(f"the evaluation failed: {answer.evaluation.failure}")
        return (served - began) / 1e6, (decided - began) / 1e6


def _listens(port: int) -> bool:
    # A channel would wait ever longer between its attempts.
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
        return True
    return False


def _has_policy(stub: pb.PolicyAuthorityStub) -> bool:
    with contextlib.suppress(grpc.RpcError):
        return stub.GetPolicy(pb.GetPolicyRequest(), timeout=WITHIN_S).policy.ref.version > 0
    return False


def _check(store: SqlStore) -> None:
    kept = store.evaluations.load().checkpoint
    if kept is None or _folded(store, kept.watermark).ledger.encode() != kept.payload:
        raise Failed("the state that was kept over the restarts is not that of the whole history")


BENCHMARK = Benchmark(
    name="restart",
    question="A restart with 100 new trades behind a history of so many, and folding all of it anew",
    unit="ms",
    size="trades",
    baseline=CURSOR,
    goals=(
        Goal(what=SERVED, at_most=2_000),
        Goal(what=DECIDED, at_most=2_000),
        Goal(what=REBUILD, against=CURSOR, at_most=2),
    ),
    measure=measure,
)
