"""How long after a commit the last of N watchers has the policy, beside a bare server and plain sockets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

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
from benching.processes import Child
from benching.run import Failed, Run, in_turn
from benching.values import Benchmark, Goal

from msc_policy import v1 as pb

SIZES, QUICK_SIZES = (1, 10, 100, 1_000, 5_000), (1, 10, 100)
ROUNDS, ROUNDS_OF_MANY, QUICK_ROUNDS, WARM_UP = 40, 15, 8, 2
MANY = 5_000
JOIN_WITHIN_S = 60.0

AUTHORITY, WITH_COMMIT = "authority", "authority, with its commit"
BARE, TCP = "bare grpc.aio, one slot", "asyncio TCP"


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
    return [
        of_authority(authority),
        of_bare(BARE, start_bare(run, frame=frame, answer=frame), {"kind": "grpc", "path": BARE_WATCH}),
        of_bare(TCP, start_tcp(run, frame=frame), {"kind": "tcp"}),
    ]


def _one_message(run: Run, publisher: Publisher) -> bytes:
    with _joined(run, publisher, 1) as watcher:
        watcher.ask(arm=True)
        publisher.publish()
        return _held(watcher.hear())[0]


def _joined(run: Run, publisher: Publisher, count: int) -> Child:
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
        joined: list[tuple[Publisher, Child]] = []
        for one in publishers:
            joined.append((one, watching.enter_context(_joined(run, one, size))))
        for number in range(rounds + WARM_UP):
            run.say(f"{size:,} watchers, round {number + 1} of {rounds + WARM_UP}")
            for publisher, watchers in in_turn(joined, number):
                for contender, took_ms in timed(publisher, watchers).items():
                    if number >= WARM_UP:
                        run.record(contender, took_ms, size)


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
    ),
    measure=measure,
)
