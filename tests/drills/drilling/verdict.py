"""What recordings prove: pure functions from records to violations, absences and latencies."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from drilling.recording import Kind, Record

FRESH = "FRESH"
_NS = 1_000_000_000

Ref = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A revision that somebody was told is committed, and when it was asked for."""

    ref: Ref
    asked_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """A time in which a client's reader did not get FRESH. `over_ns` None: it never got it again."""

    client: str
    began_ns: int
    over_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How long something took, in seconds."""

    count: int
    median: float
    p99: float
    longest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What the database says: its head when clients were last read and, asked afterwards, the etag of each revision."""

    head: Ref
    etags: Mapping[Ref, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was proven of one stretch of time. `violations` are sentences; there should be none."""

    clients: int
    applied: int
    versions: int
    violations: tuple[str, ...]
    absences: tuple[Absence, ...]
    latency: Spread | None

    @property
    def left_fresh(self) -> int:
        """How many clients left FRESH."""
        return len({absence.client for absence in self.absences})

    @property
    def longest_absence_s(self) -> float:
        """The longest time that one was not FRESH; infinite: one never came back."""
        return max(
            (
                math.inf if absence.over_ns is None else (absence.over_ns - absence.began_ns) / _NS
                for absence in self.absences
            ),
            default=0.0,
        )


def judge(
    records: Sequence[Record],
    *,
    clients: Iterable[str],
    truth: Truth,
    publications: Sequence[Publication] = (),
    since_ns: int = 0,
) -> Verdict:
    """Judges what is recorded. Violations count from the beginning, absences and latencies from `since_ns`."""
    by_client: dict[str, list[Record]] = {client: [] for client in clients}
    for record in records:
        by_client.setdefault(record.client, []).append(record)
    lately = [record for record in records if record.kind is Kind.APPLIED and record.at_ns >= since_ns]
    violations = (
        *(text for own in by_client.values() for text in went_back(own)),
        *two_contents(records, truth.etags),
        *(text for client, own in by_client.items() for text in not_at_the_end(client, own, truth)),
    )
    return Verdict(
        clients=len(by_client),
        applied=len(lately),
        versions=len({record.ref for record in lately}),
        violations=violations,
        absences=tuple(absence for own in by_client.values() for absence in absences(own, since_ns)),
        latency=spread(latencies(by_client, [one for one in publications if one.asked_ns >= since_ns])),
    )


def went_back(own: Sequence[Record]) -> list[str]:
    """Returns a sentence for each time that a client applied, or a reader of it got, an older revision than before."""
    return [
        f"{after.client} went back from {before.ref} to {after.ref} ({kind})"
        for kind in Kind
        for before, after in pairwise([record for record in own if record.kind is kind])
        if after.ref < before.ref
    ]


def two_contents(records: Iterable[Record], etags: Mapping[Ref, str]) -> list[str]:
    """Returns a sentence for each revision that had more than one content, or another than was committed."""
    seen: dict[Ref, set[tuple[str, str]]] = defaultdict(set)
    for record in records:
        if record.version and record.etag:
            seen[record.ref].add((record.etag, record.digest))
    doubled = [
        f"{ref} had {len(contents)} contents: {sorted(contents)}" for ref, contents in seen.items() if len(contents) > 1
    ]
    unknown = [f"{ref} was applied and never committed" for ref in seen if ref not in etags]
    other = [
        f"{ref} was applied as {etag}, and committed as {etags[ref]}"
        for ref, contents in seen.items()
        for etag, _ in contents
        if ref in etags and etag != etags[ref]
    ]
    return [*doubled, *unknown, *other]


def not_at_the_end(client: str, own: Sequence[Record], truth: Truth) -> list[str]:
    """Returns a sentence when a client does not end FRESH on the head."""
    reads = [record for record in own if record.kind is Kind.READ]
    if not reads:
        return [f"{client} was never read"]
    last = reads[-1]
    if last.tier == FRESH and last.ref == truth.head:
        return []
    return [f"{client} ended {last.tier} on {last.ref}; the head is {truth.head}"]


def absences(own: Sequence[Record], since_ns: int = 0) -> list[Absence]:
    """Returns when a client was not FRESH, from the first time that it was; those that were over by `since_ns` not."""
    found: list[Absence] = []
    was_fresh, began = False, None
    for record in own:
        if record.kind is not Kind.READ:
            continue
        fresh = record.tier == FRESH
        if fresh and began is not None:
            found.append(Absence(client=record.client, began_ns=began, over_ns=record.at_ns))
            began = None
        elif not fresh and was_fresh and began is None:
            began = record.at_ns
        was_fresh = was_fresh or fresh
    if began is not None:
        found.append(Absence(client=own[-1].client, began_ns=began, over_ns=None))
    return [absence for absence in found if absence.over_ns is None or absence.over_ns > since_ns]


def latencies(by_client: Mapping[str, Sequence[Record]], publications: Iterable[Publication]) -> list[float]:
    """Returns, for each publication and client, the seconds from the request until it applied that or a later one.

    One that a client never applied is not in it: that it ends on the head is judged elsewhere.
    """
    wanted = list(publications)
    taken: list[float] = []
    for own in by_client.values():
        applied = sorted((record.ref, record.at_ns) for record in own if record.kind is Kind.APPLIED)
        for publication in wanted:
            place = bisect_left(applied, (publication.ref, 0))
            if place < len(applied):
                taken.append((applied[place][1] - publication.asked_ns) / _NS)
    return taken


def moved_after(
    by_client: Mapping[str, Sequence[Record]], server: str, since_ns: int
) -> tuple[dict[str, float], tuple[str, ...]]:
    """Returns, of those whom `server` answered at `since_ns`, after how many seconds another did, and who stayed."""
    moved: dict[str, float] = {}
    stayed: list[str] = []
    for client, own in by_client.items():
        reads = [record for record in own if record.kind is Kind.READ and record.server]
        before = [record for record in reads if record.at_ns < since_ns]
        if not before or before[-1].server != server:
            continue
        elsewhere = next((one for one in reads if one.at_ns >= since_ns and one.server != server), None)
        if elsewhere is None:
            stayed.append(client)
        else:
            moved[client] = (elsewhere.at_ns - since_ns) / _NS
    return moved, tuple(stayed)


def spread(values: Sequence[float]) -> Spread | None:
    """Returns how values are spread, by nearest rank; None without values."""
    if not values:
        return None
    ordered = sorted(values)

    def at(fraction: float) -> float:
        return ordered[max(0, math.ceil(fraction * len(ordered)) - 1)]

    return Spread(count=len(ordered), median=at(0.5), p99=at(0.99), longest=ordered[-1])
