"""How long a start takes: of the authority until it answers GetPolicy, and of an import of the client."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import grpc
from benching.contenders import BARE_GET, GET, wait_until
from benching.processes import Child, environment, program
from benching.run import Candidate, Run
from benching.values import Benchmark, Goal

ROUNDS, QUICK_ROUNDS = 15, 2
ANSWERED_WITHIN_S = 30.0

NEW, KEPT, WITHOUT_HTTP = "authority, new database", "authority, its own database", "authority, without HTTP"
BARE = "bare grpc.aio"
CLIENT, STUBS = "import msc_client", "import grpc and the stubs"


def measure(run: Run) -> None:
    """Every start is a process of its own, and finds the bytecode that an installed program has beside it."""
    kept = run.home / "kept"
    kept.mkdir()
    as_installed = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(run.home / "bytecode")}
    without_http = {**as_installed, "MSC_SERVE_HTTP": "false"}

    def new() -> Path:
        return Path(tempfile.mkdtemp(dir=run.home))

    candidates = [
        Candidate(NEW, lambda: _first_answer(_serve(new()), GET, run, as_installed)),
        Candidate(KEPT, lambda: _first_answer(_serve(kept), GET, run, as_installed)),
        Candidate(WITHOUT_HTTP, lambda: _first_answer(_serve(kept), GET, run, without_http)),
        Candidate(BARE, lambda: _first_answer(_bare, BARE_GET, run, as_installed)),
        Candidate(CLIENT, partial(_import_ms, "msc_client", as_installed)),
        Candidate(STUBS, partial(_import_ms, "grpc, msc_policy.v1", as_installed)),
    ]
    for candidate in candidates:
        # Once, so that there is bytecode; and a database that is kept.
        candidate.take()
    run.rounds(candidates, QUICK_ROUNDS if run.quick else ROUNDS)


def _serve(home: Path) -> Callable[[int], tuple[str, ...]]:
    return lambda port: program("msc_authority", "serve", "--home", str(home), "--grpc-port", str(port))


def _bare(port: int) -> tuple[str, ...]:
    return program("benching.servers.bare", f'{{"frame": "00", "answer": "00", "port": {port}}}')


def _first_answer(
    command_on: Callable[[int], tuple[str, ...]], path: str, run: Run, environ: Mapping[str, str]
) -> float:
    """Returns the milliseconds from the start of a process until it has answered its first call."""
    port = _free_port()
    run.say(f"starting {path.rpartition('/')[2]}")
    began = time.perf_counter_ns()
    with Child(command_on(port), log=run.home / "started.log", environ={"MSC_HTTP_PORT": "0", **environ}):
        wait_until(partial(_listens, port), "a server to listen", ANSWERED_WITHIN_S)
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path)
            wait_until(partial(_answers, call), "a first answer", ANSWERED_WITHIN_S)
        return (time.perf_counter_ns() - began) / 1e6


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    # A channel would wait ever longer between its attempts.
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
        return True
    return False


def _answers(call: grpc.UnaryUnaryMultiCallable[bytes, bytes]) -> bool:
    with contextlib.suppress(grpc.RpcError):
        call(b"", timeout=ANSWERED_WITHIN_S)
        return True
    return False


def _import_ms(modules: str, environ: Mapping[str, str]) -> float:
    """Returns the milliseconds that an import takes in a fresh interpreter."""
    code = f"import time; began = time.perf_counter_ns(); import {modules}; print(time.perf_counter_ns() - began)"
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, capture_output=True, check=True, text=True, env={**environment(), **environ})
    return int(said.stdout) / 1e6


BENCHMARK = Benchmark(
    name="start",
    question="Time from the start of a process until its first GetPolicy is answered, and of an import of the client",
    unit="ms",
    baseline=BARE,
    goals=(
        Goal(what=NEW, at_most=1_500),
        Goal(what=KEPT, at_most=1_500),
        Goal(what=CLIENT, against=STUBS, at_most=1.3),
    ),
    measure=measure,
)
