"""Starts what is measured: the authority, the bare servers beside it, and those who watch and call them."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grpc

from benching.processes import Child, program
from benching.run import Failed, Run
from msc_policy import v1 as pb

WATCH = "/msc_policy.v1.PolicyAuthority/WatchPolicy"
GET = "/msc_policy.v1.PolicyAuthority/GetPolicy"
SNAPSHOT = "2a"
"""First byte of a message of the watch that begins with a snapshot; heartbeats begin with another."""
BARE_WATCH, BARE_GET = "/bench.Bare/Watch", "/bench.Bare/Get"
READY_WITHIN_S = 30.0
CALL_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Authority:
    """A running authority with a policy. `get` and `evaluate` ask it over the wire."""

    child: Child
    port: int
    http_port: int
    stub: pb.PolicyAuthorityStub

    @property
    def target(self) -> str:
        """Where clients reach it."""
        return f"127.0.0.1:{self.port}"

    def get(self) -> pb.GetPolicyResponse:
        """Returns the current policy."""
        return self.stub.GetPolicy(pb.GetPolicyRequest(), timeout=CALL_WITHIN_S)

    def evaluate(self) -> pb.EvaluateResponse:
        """Has the next policy committed and published.

        Raises:
            Failed: it was not.
        """
        try:
            answer = self.stub.Evaluate(pb.EvaluateRequest(), timeout=CALL_WITHIN_S)
        except grpc.RpcError as error:
            raise Failed(f"Evaluate failed: {error}") from error
        if not answer.committed:
            raise Failed("the authority has evaluated and committed nothing")
        return answer

    def stamp(self) -> dict[str, int]:
        """Returns when the last commit began and when it was durable, on the machine's monotonic clock."""
        return {name: int(str(value)) for name, value in self.child.ask(stamp=True).items()}


@dataclass(frozen=True, slots=True)
class Bare:
    """A bare server."""

    child: Child
    port: int

    def publish(self) -> None:
        """Has the next value published."""
        self.child.tell(publish=True)

    def published_ns(self) -> int:
        """Returns when the last one was."""
        return int(str(self.child.ask(stamp=True)["published_ns"]))


def child(run: Run, name: str, module: str, **plan: object) -> Child:
    """Starts a program of ours, which ends with the run."""
    command = program(module, json.dumps(plan))
    return run.stack.enter_context(Child(command, log=_log(run.home, name)))


def _log(home: Path, name: str) -> Path:
    return home / f"{name}-{time.monotonic_ns()}.log"


def start_authority(run: Run, name: str = "authority", *, http: bool = False, database_url: str = "") -> Authority:
    """Starts the authority on a new SQLite database, or on `database_url`, and waits for its first policy."""
    run.say("starting the authority")
    home = run.home / name
    home.mkdir()
    return _running(run, name, home=home, http=http, database_url=database_url, port=0)


def restart_authority(run: Run, before: Authority, name: str) -> Authority:
    """Starts one in the place of another that has ended: with its database, on its port."""
    return _running(run, name, home=run.home / "authority", http=False, database_url="", port=before.port)


def _running(run: Run, name: str, *, home: Path, http: bool, database_url: str, port: int) -> Authority:
    plan = {"home": str(home), "http": http, "database_url": database_url, "port": port}
    process = child(run, name, "benching.servers.authority", **plan)
    said = process.hear()
    port, http_port = int(str(said["port"])), int(str(said["http_port"]))
    channel = run.stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{port}"))
    authority = Authority(process, port, http_port, pb.PolicyAuthorityStub(channel))
    wait_until(lambda: _has_policy(authority), "the authority's first policy")
    return authority


def _has_policy(authority: Authority) -> bool:
    with contextlib.suppress(grpc.RpcError):
        return authority.get().policy.ref.version > 0
    return False


def wait_until(condition: Callable[[], bool], what: str, within_s: float = READY_WITHIN_S) -> None:
    """Returns when the condition holds.

    Raises:
        Failed: it did not within the time.
    """
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            raise Failed(f"waited {within_s:g} s for {what}")
        time.sleep(0.002)


def start_bare(run: Run, *, frame: bytes, answer: bytes) -> Bare:
    """Starts a bare gRPC server that sends and answers with such bytes."""
    process = child(run, "bare", "benching.servers.bare", frame=frame.hex(), answer=answer.hex())
    return Bare(process, int(str(process.hear()["port"])))


def start_tcp(run: Run, *, frame: bytes) -> Bare:
    """Starts a server of plain sockets that sends such bytes."""
    process = child(run, "tcp", "benching.servers.tcp", frame=frame.hex())
    return Bare(process, int(str(process.hear()["port"])))
