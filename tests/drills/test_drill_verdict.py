"""What recordings prove, on recordings made by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from drilling.recording import Kind, Record
from drilling.verdict import (
    Absence,
    Publication,
    Spread,
    Truth,
    Verdict,
    absences,
    judge,
    latencies,
    moved_after,
    spread,
)
from hypothesis import given
from hypothesis import strategies as st

S = 1_000_000_000
ETAGS = {(1, version): f"e{version}" for version in range(1, 10)}


def applied(
    version: int, at_s: float = 0.0, *, client: str = "a", epoch: int = 1, etag: str = "", digest: str = "d"
) -> Record:
    return Record(
        client=client,
        kind=Kind.APPLIED,
        at_ns=round(at_s * S),
        epoch=epoch,
        version=version,
        etag=etag or f"e{version}",
        digest=f"{digest}{version}",
    )


def read(version: int, at_s: float = 0.0, *, tier: str = "FRESH", client: str = "a", server: str = "one") -> Record:
    return Record(
        client=client,
        kind=Kind.READ,
        at_ns=round(at_s * S),
        epoch=1,
        version=version,
        etag=f"e{version}",
        digest=f"d{version}",
        tier=tier,
        server=server,
    )


def verdict(records: Sequence[Record], head: int = 2, clients: Sequence[str] = ("a",)) -> Verdict:
    return judge(records, clients=clients, truth=Truth(head=(1, head), etags=ETAGS))


def test_a_client_that_only_went_forward_and_ended_on_the_head_is_without_blame() -> None:
    found = verdict([applied(1), read(1), applied(2, 1), read(2, 1)])

    assert found.violations == ()
    assert (found.clients, found.applied, found.versions, found.left_fresh) == (1, 2, 2, 0)


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([applied(2), applied(1, 1), read(2, 2)], "a went back from (1, 2) to (1, 1) (applied)"),
        ([read(3), read(2, 1)], "a went back from (1, 3) to (1, 2) (read)"),
        ([applied(1, epoch=2), applied(2, 1), read(2, 2)], "a went back from (2, 1) to (1, 2) (applied)"),
    ],
)
def test_whoever_went_back_is_named(records: list[Record], said: str) -> None:
    assert said in verdict(records).violations


@pytest.mark.parametrize("other", [applied(2, client="b", etag="x"), applied(2, client="b", digest="x")])
def test_two_contents_under_one_version_are_found_across_clients(other: Record) -> None:
    found = verdict([applied(2), read(2), other, read(2, client="b")], clients=("a", "b"))

    assert any("(1, 2) had 2 contents" in text for text in found.violations)


def test_what_was_never_committed_or_committed_otherwise_is_found() -> None:
    truth = Truth(head=(1, 2), etags={(1, 2): "another"})

    found = judge([applied(1), applied(2, 1), read(2, 1)], clients=("a",), truth=truth)

    assert "(1, 1) was applied and never committed" in found.violations
    assert "(1, 2) was applied as e2, and committed as another" in found.violations


def test_safe_defaults_are_no_second_content() -> None:
    safe = Record(client="a", kind=Kind.READ, at_ns=S, epoch=1, version=2, tier="SAFE_EXPIRED")

    assert verdict([applied(2), read(2), safe, read(2, 2)]).violations == ()


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([], "a was never read"),
        ([read(1)], "a ended FRESH on (1, 1); the head is (1, 2)"),
        ([read(2, tier="STALE")], "a ended STALE on (1, 2); the head is (1, 2)"),
    ],
)
def test_whoever_does_not_end_fresh_on_the_head_is_named(records: list[Record], said: str) -> None:
    assert verdict(records).violations == (said,)


def test_absences_begin_with_the_first_fresh_and_may_never_end() -> None:
    own = [
        read(0, 0, tier="SAFE_NONE"),
        read(1, 1),
        read(1, 5, tier="STALE"),
        read(1, 6, tier="SAFE_EXPIRED"),
        read(2, 9),
    ]
    gone = [*own, read(2, 20, tier="STALE")]

    assert absences(own) == [Absence(client="a", began_ns=5 * S, over_ns=9 * S)]
    assert absences(own, since_ns=9 * S) == []
    assert absences(gone, since_ns=9 * S) == [Absence(client="a", began_ns=20 * S, over_ns=None)]
    assert verdict(own).longest_absence_s == 4.0
    assert verdict(gone).longest_absence_s == math.inf
    assert verdict(gone).left_fresh == 1


def test_latency_is_until_that_version_or_a_later_one_is_applied() -> None:
    by_client = {"a": [applied(1, 1.5), applied(3, 4.0)], "b": [applied(1, 1.25)]}
    publications = [Publication(ref=(1, 1), asked_ns=S), Publication(ref=(1, 2), asked_ns=3 * S)]

    assert sorted(latencies(by_client, publications)) == [0.25, 0.5, 1.0]


def test_who_moved_from_a_server_and_who_stayed() -> None:
    by_client = {
        "moved": [read(1, 0, server="one"), read(1, 16, server="two")],
        "stayed": [read(1, 0, server="one"), read(1, 16, server="one")],
        "elsewhere": [read(1, 0, server="two"), read(1, 16, server="one")],
        "unheard": [],
    }

    assert moved_after(by_client, "one", S) == ({"moved": 15.0}, ("stayed",))


def test_a_spread_is_by_nearest_rank() -> None:
    assert spread([]) is None
    assert spread([3.0, 1.0, 2.0]) == Spread(count=3, median=2.0, p99=3.0, longest=3.0)


@given(st.lists(st.integers(1, 9), min_size=1))
def test_going_back_is_found_wherever_it_is(versions: list[int]) -> None:
    records = [applied(version, number) for number, version in enumerate(versions)]

    found = verdict([*records, read(2)]).violations

    assert bool(found) == (versions != sorted(versions))
