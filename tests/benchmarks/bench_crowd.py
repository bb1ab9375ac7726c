"""What a crowd of watchers costs: while it joins, while nothing happens, and while much happens at once."""

from __future__ import annotations

import time
from contextlib import ExitStack

from bench_propagation import BARE, JOIN_WITHIN_S, Publisher, joined, of_authority, of_bare, timed
from benching.contenders import BARE_WATCH, SNAPSHOT, Authority, Bare, child, start_authority, start_bare
from benching.processes import Child
from benching.run import Failed, Run
from benching.usage import memory_kb, processor_s
from benching.values import Benchmark, Goal

from msc_policy import v1 as pb

CROWD, QUICK_CROWD = 1_000, 50
JOINING, QUICK_JOINING = (1_000, 5_000, 10_000), (50,)
BURST = 200
ROUNDS, JOIN_ROUNDS, IDLE_ROUNDS, QUICK_ROUNDS = 7, 3, 3, 2
IDLE_S, QUICK_IDLE_S = 15.0, 2.0
HEARTBEAT_S = 5
"""What a client asks for unless it is told otherwise."""
QUIET_S = 0.5
"""So long nothing arrives when a burst is over."""
SETTLE_S = 2.0
BURST_WITHIN_S = 120.0

AUTHORITY = "authority"
ONE, MANY, ONE_BARE, MANY_BARE = "one publish", "the last of 200 publishes", f"one, {BARE}", f"the last of 200, {BARE}"
MEMORY, MEMORY_BARE = "memory of a watcher", f"memory of a watcher, {BARE}"
HEARTBEATS = "heartbeats"


def _servers(run: Run, suffix: str = "") -> tuple[Authority, Bare]:
    authority = start_authority(run, f"authority{suffix}")
    frame = authority.get().SerializeToString()
    return authority, start_bare(run, frame=frame, answer=frame)


def _of_bare(bare: Bare) -> Publisher:
    return of_bare(BARE, bare, {"kind": "grpc", "path": BARE_WATCH})


def measure_burst(run: Run) -> None:
    """Every publish of the authority is a durable commit; the time runs from the last one. Whoever queues, is late."""
    size = QUICK_CROWD if run.quick else CROWD
    authority, bare = _servers(run)
    contenders = ((of_authority(authority), AUTHORITY, ONE, MANY), (_of_bare(bare), BARE, ONE_BARE, MANY_BARE))
    with ExitStack() as watching:
        watched = [(*one, watching.enter_context(joined(run, one[0], size))) for one in contenders]
        for number in range(QUICK_ROUNDS if run.quick else ROUNDS):
            run.say(f"round {number + 1}")
            for publisher, timed_as, one, many, watchers in watched:
                timed(publisher, watchers)
                run.record(one, timed(publisher, watchers)[timed_as], size)
                run.record(many, _burst(publisher, timed_as, watchers), size)


def _burst(publisher: Publisher, timed_as: str, watchers: Child) -> float:
    watchers.ask(settle=True, quiet_s=QUIET_S)
    for _ in range(BURST):
        publisher.publish()
    said = watchers.hear(BURST_WITHIN_S)
    held = said["held"]
    if not isinstance(held, list) or not all(publisher.is_last(bytes.fromhex(message)) for message in held):
        raise Failed(f"a watcher of {publisher.name} does not hold what was published last")
    return max(0.0, (int(str(said["last_ns"])) - publisher.began()[timed_as]) / 1e6)


def measure_join(run: Run) -> None:
    """All connect at once. One that was refused would end the benchmark."""
    for size in QUICK_JOINING if run.quick else JOINING:
        for number in range(QUICK_ROUNDS if run.quick else JOIN_ROUNDS):
            run.say(f"{size:,} watchers, round {number + 1}")
            authority, bare = _servers(run, f"-{size}-{number}")
            for contender, publisher, process in (
                (AUTHORITY, of_authority(authority), authority.child),
                (BARE, _of_bare(bare), bare.child),
            ):
                run.record(contender, _joined_s(run, publisher, size), size)
                process.stop()


def _joined_s(run: Run, publisher: Publisher, size: int) -> float:
    with child(run, "watchers", "benching.load.watchers", count=size, **publisher.plan) as watchers:
        return float(str(watchers.hear(JOIN_WITHIN_S)["joined_s"]))


def measure_idle(run: Run) -> None:
    """Each round with new servers: memory that was given back is taken again without being counted."""
    size = QUICK_CROWD if run.quick else CROWD
    for number in range(QUICK_ROUNDS if run.quick else IDLE_ROUNDS):
        run.say(f"round {number + 1}")
        authority, bare = _servers(run, f"-{number}")
        run.record(MEMORY_BARE, _growth_kb(run, _of_bare(bare), bare.child, size), size)
        bare.child.stop()
        wish = pb.WatchPolicyRequest()
        wish.heartbeat_interval.FromSeconds(HEARTBEAT_S)
        plan = {"kind": "grpc", "port": authority.port, "path": "/msc_policy.v1.PolicyAuthority/WatchPolicy"}
        with child(run, "warm", "benching.load.watchers", count=1, marker=SNAPSHOT, **plan) as first:
            first.hear(JOIN_WITHIN_S)
        before = memory_kb(authority.child.pid)
        request = wish.SerializeToString().hex()
        with child(run, "idle", "benching.load.watchers", count=size, marker=SNAPSHOT, request=request, **plan) as idle:
            idle.hear(JOIN_WITHIN_S)
            time.sleep(SETTLE_S)
            run.record(MEMORY, (memory_kb(authority.child.pid) - before) / size, size)
            run.record(HEARTBEATS, _busy(authority.child, QUICK_IDLE_S if run.quick else IDLE_S), size)
        authority.child.stop()


def _growth_kb(run: Run, publisher: Publisher, server: Child, size: int) -> float:
    with joined(run, publisher, 1):
        before = memory_kb(server.pid)
    with joined(run, publisher, size):
        time.sleep(SETTLE_S)
        return (memory_kb(server.pid) - before) / size


def _busy(server: Child, for_s: float) -> float:
    at, used = time.monotonic(), processor_s(server.pid)
    time.sleep(for_s)
    return 100.0 * (processor_s(server.pid) - used) / (time.monotonic() - at)


BURSTS = Benchmark(
    name="burst",
    question=f"Time from the last of {BURST} publishes in a row until the last watcher has it, beside a single one",
    unit="ms",
    size="watchers",
    baseline=ONE_BARE,
    goals=(Goal(what=MANY, against=ONE, at_most=3.0),),
    measure=measure_burst,
)
JOINS = Benchmark(
    name="join",
    question="Time until all watchers that connect at once have the policy, none of them refused",
    unit="s",
    size="watchers",
    baseline=BARE,
    goals=(),
    measure=measure_join,
)
IDLE = Benchmark(
    name="idle",
    question=f"What a watcher costs while nothing is published: memory, and a heartbeat every {HEARTBEAT_S} s for all",
    unit="KB",
    size="watchers",
    baseline=MEMORY_BARE,
    units={HEARTBEATS: "% of a core"},
    goals=(
        Goal(what=MEMORY, at_most=60.0, at=(CROWD,)),
        Goal(what=HEARTBEATS, at_most=8.0, at=(CROWD,)),
    ),
    measure=measure_idle,
)
