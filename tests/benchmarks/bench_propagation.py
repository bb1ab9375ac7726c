"""How long after a commit the last of N watchers has the policy, beside a bare server and plain sockets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from statistics import median

from benching.contenders import (
    BARE_WATCH,
    SNAPSHOT,
    WATCH,
    Authority,
    Bare,
    child,
    start_authority,
    start_bare,
    start_tcp,
)
from benching.peers.flagd import FLAGD_SYNC, Flagd, numbered, start_flagd
from benching.peers.programs import start_go
from benching.peers.valkey import Valkey, start_valkey
from benching.processes import Child
from benching.run import Failed, Run, in_turn
from benching.values import Benchmark, Goal

from msc_policy import v1 as pb

SIZES, QUICK_SIZES = (1, 10, 100, 1_000, 5_000), (1, 10, 100)
ROUNDS, ROUNDS_OF_MANY, QUICK_ROUNDS, WARM_UP = 25, 10, 5, 1
PUBLICATIONS = 3
"""Counted in each turn of a publisher."""
MANY = 5_000
JOIN_WITHIN_S = 60.0

AUTHORITY, WITH_COMMIT = "authority", "authority, with its commit"
BARE, TCP = "bare grpc.aio, one slot", "asyncio TCP"
GO, ETCD, NATS, FLAGD, VALKEY = "bare Go gRPC", "etcd watch", "NATS", "flagd sync", "Valkey pub/sub"
SUBJECT = "policy"
ETCD_WATCH = "/etcdserverpb.Watch/Watch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """Something that publishes. `began` says for each contender when its time began to run, on the monotonic clock.

    `is_last` tells whether a message carries what was published last.
    """

    name: str
    plan: Mapping[str, object]
    publish: Callable[[], object]
    began: Callable[[], Mapping[str, int]]
    is_last: Callable[[bytes], bool]


def of_authority(authority: Authority) -> Publisher:
    """The authority: an Evaluate over the wire, a durable commit in SQLite, and the watch as clients know it."""

    def began() -> dict[str, int]:
        stamp = authority.stamp()
        return {AUTHORITY: stamp["committed_ns"], WITH_COMMIT: stamp["began_ns"]}

    def is_last(message: bytes) -> bool:
        version = pb.WatchPolicyResponse.FromString(message).snapshot.policy.ref.version
        return version == authority.stamp()["version"]

    return Publisher(
        name=AUTHORITY,
        plan={"kind": "grpc", "port": authority.port, "path": WATCH, "marker": SNAPSHOT},
        publish=authority.evaluate,
        began=began,
        is_last=is_last,
    )


def of_bare(name: str, bare: Bare, plan: Mapping[str, object]) -> Publisher:
    """A bare server, told to publish, that notes when it did."""
    published = 0

    def publish() -> None:
        nonlocal published
        published += 1
        bare.publish()

    return Publisher(
        name=name,
        plan={"port": bare.port, **plan},
        publish=publish,
        began=lambda: {name: bare.published_ns()},
        is_last=lambda message: message.endswith(published.to_bytes(8, "big")),
    )


def start(run: Run) -> list[Publisher]:
    """Starts everything that publishes. The bare ones send as many bytes as the authority does."""
    authority = start_authority(run)
    frame = _one_message(run, of_authority(authority))
    publishers = [
        of_authority(authority),
        of_bare(BARE, start_bare(run, frame=frame, answer=frame), {"kind": "grpc", "path": BARE_WATCH}),
        of_bare(TCP, start_tcp(run, frame=frame), {"kind": "tcp"}),
    ]
    return publishers + list(peers(run, frame))


def peers(run: Run, frame: bytes) -> Iterator[Publisher]:
    """Yields what a user would pick instead, as far as it was asked for and can be had."""
    if not run.peers:
        for name in (GO, ETCD, NATS, FLAGD, VALKEY):
            run.skip(name, "only with --peers")
        return
    in_go: tuple[tuple[str, str, Mapping[str, object]], ...] = (
        (GO, "bare", {"kind": "grpc", "path": BARE_WATCH}),
        (ETCD, "etcd", {"kind": "grpc", "path": ETCD_WATCH, "request": watch_request(SUBJECT).hex(), "only": False}),
        (NATS, "nats", {"kind": "nats", "subject": SUBJECT}),
    )
    for name, program, plan in in_go:
        with run.optional(name):
            yield of_bare(name, start_go(run, program, frame=frame), plan)
    with run.optional(FLAGD):
        yield of_flagd(start_flagd(run, size=len(frame)))
    with run.optional(VALKEY):
        yield of_valkey(start_valkey(run), frame)


def watch_request(key: str) -> bytes:
    """Returns etcd's WatchRequest for a key: create_request (1), and in it key (1)."""
    create = b"\x0a" + bytes([len(key)]) + key.encode()
    return b"\x0a" + bytes([len(create)]) + create


def of_valkey(valkey: Valkey, frame: bytes) -> Publisher:
    """Valkey, told to publish by a client in this process, which notes when it did."""
    client = valkey.client(hiredis=False)
    published, began_ns = 0, 0

    def publish() -> None:
        nonlocal published, began_ns
        published += 1
        began_ns = time.monotonic_ns()
        client.publish(SUBJECT, frame[:-8] + published.to_bytes(8, "big"))

    return Publisher(
        name=VALKEY,
        plan={"kind": "redis", "port": valkey.port, "subject": SUBJECT},
        publish=publish,
        began=lambda: {VALKEY: began_ns},
        is_last=lambda message: message.endswith(published.to_bytes(8, "big")),
    )


def of_flagd(flagd: Flagd) -> Publisher:
    """flagd, whose file is replaced by this process, which notes when it began to."""
    published, began_ns = 0, 0

    def publish() -> None:
        nonlocal published, began_ns
        published += 1
        began_ns = time.monotonic_ns()
        flagd.publish(published)

    return Publisher(
        name=FLAGD,
        plan={"kind": "grpc", "port": flagd.port, "path": FLAGD_SYNC},
        publish=publish,
        began=lambda: {FLAGD: began_ns},
        is_last=lambda message: numbered(published) in message,
    )


def _one_message(run: Run, publisher: Publisher) -> bytes:
    with joined(run, publisher, 1) as watcher:
        watcher.ask(arm=True)
        publisher.publish()
        return _held(watcher.hear())[0]


def joined(run: Run, publisher: Publisher, count: int) -> Child:
    """Starts a process of watchers, and returns it when each of them has had its first message."""
    watchers = child(run, "watchers", "benching.load.watchers", count=count, **publisher.plan)
    watchers.hear(JOIN_WITHIN_S)
    return watchers


def _held(said: Mapping[str, object]) -> list[bytes]:
    held = said["held"]
    return [bytes.fromhex(str(message)) for message in held] if isinstance(held, list) else []


def measure(run: Run) -> None:
    """All watchers of one publisher are in a process of their own, each on a connection of its own."""
    publishers = start(run)
    for size in QUICK_SIZES if run.quick else SIZES:
        measure_size(run, publishers, size, rounds_of(run, size))


def rounds_of(run: Run, size: int) -> int:
    """Returns how many rounds a size is worth."""
    return QUICK_ROUNDS if run.quick else ROUNDS_OF_MANY if size >= MANY else ROUNDS


def measure_size(run: Run, publishers: Sequence[Publisher], size: int, rounds: int) -> None:
    """Measures every publisher with so many watchers each."""
    run.say(f"{size:,} watchers are joining")
    with ExitStack() as watching:
        watched: list[tuple[Publisher, Child]] = []
        for one in publishers:
            watched.append((one, watching.enter_context(joined(run, one, size))))
        for number in range(rounds + WARM_UP):
            run.say(f"{size:,} watchers, round {number + 1} of {rounds + WARM_UP}")
            taken = {one.name: turn_of(one, watchers) for one, watchers in in_turn(watched, number)}
            if number >= WARM_UP:
                for contender, took_ms in chain.from_iterable(taken[one.name].items() for one in publishers):
                    run.record(contender, took_ms, size)


def turn_of(publisher: Publisher, watchers: Child) -> dict[str, float]:
    """Returns the medians of a few publications. The first only brings back what others drove out of the caches."""
    timed(publisher, watchers)
    taken = [timed(publisher, watchers) for _ in range(PUBLICATIONS)]
    return {contender: median(one[contender] for one in taken) for contender in taken[0]}


def timed(publisher: Publisher, watchers: Child) -> dict[str, float]:
    """Publishes once, and returns for each contender after how many milliseconds the last watcher had it.

    Raises:
        Failed: a watcher holds something else.
    """
    watchers.ask(arm=True)
    publisher.publish()
    said = watchers.hear()
    if not all(map(publisher.is_last, _held(said))):
        raise Failed(f"a watcher of {publisher.name} does not hold what was published last")
    last_ns = int(str(said["last_ns"]))
    return {contender: (last_ns - began_ns) / 1e6 for contender, began_ns in publisher.began().items()}


BENCHMARK = Benchmark(
    name="propagation",
    question="Time from a commit until the last of N watchers has the policy",
    unit="ms",
    size="watchers",
    baseline=BARE,
    goals=(
        Goal(what=AUTHORITY, against=BARE, at_most=1.25, at=(100, 1_000, 5_000)),
        Goal(what=AUTHORITY, against=TCP, at_most=4.0, at=(100, 1_000)),
        Goal(what=AUTHORITY, against=ETCD, at_most=1.0, at=(100, 1_000)),
        Goal(what=AUTHORITY, against=GO, at_most=1.3, at=(1_000,)),
        Goal(what=WITH_COMMIT, against=ETCD, at_most=1.0, at=(10,)),
    ),
    measure=measure,
)
