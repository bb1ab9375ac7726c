"""One scenario of the drill under way: what it may use, what it has measured, and what came out of it."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import grpc
from process_harness import until

from drilling.cluster import Cluster, Replica
from drilling.publishing import code_of
from drilling.verdict import Ref, Truth, Verdict, judge

T = TypeVar("T")

LOOK_AGAIN_S = 0.05
SHOWN_EVERY_S = 0.5
COMES_BACK_WITHIN_S = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often, and how long, in seconds."""

    kills: int = 20
    freezes: int = 6
    restarts: int = 3
    outages: int = 2
    cut_s: float = 20.0
    frozen_s: Sequence[float] = (1.0, 20.0)
    partition_s: float = 45.0
    redis_s: float = 10.0
    clients_back_s: float = 30.0

    @classmethod
    def of(cls, rounds: int) -> Pace:
        """So many kills, and of what takes longer no more than that, either."""
        whole = cls()
        return cls(
            kills=rounds,
            freezes=min(rounds, whole.freezes),
            restarts=min(rounds, whole.restarts),
            outages=min(rounds, whole.outages),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came out of a scenario. `failures` are what it should have shown and did not."""

    scenario: str
    took_s: float
    verdict: Verdict | None
    series: Mapping[str, Sequence[float]]
    counts: Mapping[str, int]
    failures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    interrupted: bool = False

    @property
    def good(self) -> bool:
        """Whether all is as it should be."""
        return self.verdict is not None and not self.verdict.violations and not self.failures


@dataclass
class Drill:
    """What a scenario is handed."""

    cluster: Cluster
    pace: Pace
    say: Callable[[str], None] = lambda _: None
    series: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _doing: str = ""
    _shown: float = 0.0

    def doing(self, text: str) -> None:
        """Says what it does from now on."""
        self._doing, self._shown = text, 0.0
        self._show()

    def expect(self, holds: bool, text: str) -> None:
        """Takes note of what should have been."""
        if not holds:
            self.failures.append(text)

    def until(self, reads: Callable[[], T | None], what: str, within_s: float = COMES_BACK_WITHIN_S) -> T:
        """Returns the first value that is not None or False. Raises AssertionError."""

        def shown() -> T | None:
            self._show()
            return reads()

        return until(shown, deadline_s=within_s, what=what, pause_s=LOOK_AGAIN_S)

    def hold(self, seconds: float) -> None:
        """Lets time pass."""
        over = time.monotonic() + seconds
        pause = threading.Event()
        while (left := over - time.monotonic()) > 0:
            self._show(f", {left:.0f} s more")
            pause.wait(min(left, SHOWN_EVERY_S))

    def next_evaluation(self, through: Replica, since: float) -> float:
        """Returns the seconds from `since` until an evaluation asked for now was made, committed and answered."""

        def evaluated() -> bool:
            try:
                self.cluster.publisher.evaluate(through.process)
            except grpc.RpcError as error:
                self.counts[f"evaluations refused: {code_of(error)}"] += 1
                return False
            return True

        self.until(evaluated, "another one evaluates")
        return time.monotonic() - since

    def all_fresh(self) -> None:
        """Returns when each client is FRESH."""
        count = len(self.cluster.watchers.names)
        self.until(lambda: self.cluster.watchers.fresh() == count, f"all {count} are FRESH")

    def settle(self) -> Ref:
        """Stops the changes; returns the database's head, when each client is on it or does not come there."""
        self.cluster.publisher.pause()
        try:
            return self.until(self.cluster.settled, "all are FRESH on the head")
        except AssertionError:
            return self.cluster.database.head()
        finally:
            self.cluster.publisher.resume()

    def _show(self, more: str = "") -> None:
        now = time.monotonic()
        if now - self._shown >= SHOWN_EVERY_S:
            self._shown = now
            watchers = self.cluster.watchers
            head = max((one.version for one in watchers.now.values()), default=0)
            self.say(f"{self._doing}{more} · version {head} · {watchers.fresh()}/{len(watchers.names)} FRESH")


def carried_out(name: str, scenario: Callable[[Drill], None], drill: Drill) -> Outcome:
    """Returns what came out of a scenario, judged by all that was recorded; one that is interrupted is not judged."""
    cluster, began_ns = drill.cluster, time.monotonic_ns()
    refused_before, interrupted = Counter(cluster.publisher.refused), False
    try:
        scenario(drill)
    except AssertionError as error:
        drill.failures.append(str(error))
    except KeyboardInterrupt:
        interrupted = True
    verdict = None if interrupted else _judged(drill, began_ns)
    for code, count in (cluster.publisher.refused - refused_before).items():
        drill.counts[f"requests refused meanwhile: {code}"] += count
    drill.failures += sorted(cluster.complaints())
    return Outcome(
        scenario=name,
        took_s=(time.monotonic_ns() - began_ns) / 1e9,
        verdict=verdict,
        series={what: tuple(values) for what, values in drill.series.items()},
        counts=dict(drill.counts),
        failures=tuple(drill.failures),
        notes=tuple(drill.notes),
        interrupted=interrupted,
    )


def _judged(drill: Drill, began_ns: int) -> Verdict:
    drill.doing("waiting until all are FRESH on the head")
    head, cluster = drill.settle(), drill.cluster
    # Acts expire at any time. What the database has is asked after what the clients had, or it has not all of that.
    records = tuple(cluster.watchers.recordings.records)
    truth = Truth(head=head, etags=cluster.database.etags())
    return judge(
        records,
        clients=cluster.watchers.names,
        truth=truth,
        publications=cluster.publisher.publications,
        since_ns=began_ns,
    )
