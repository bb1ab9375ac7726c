"""What every store does for several authorities: who is there, and what the leader is asked to do."""

from __future__ import annotations

from msc_builders import START, Store

from msc_authority.ports.replicas import EvaluationRequest, Replica

LONG_S = 600.0


def a_replica(server_id: str, watchers: int = 0) -> Replica:
    return Replica(server_id=server_id, address=f"{server_id}.example:7443", watchers=watchers, started_at=START)


def names(replicas: list[Replica]) -> list[str]:
    return [replica.server_id for replica in replicas]


def test_a_replica_alone_sees_itself(store: Store) -> None:
    [seen] = store.replicas.beat(a_replica("one", watchers=3), LONG_S)

    assert (seen.server_id, seen.address, seen.watchers, seen.started_at) == ("one", "one.example:7443", 3, START)
    assert 0 <= seen.seen_ago_s < LONG_S


def test_replicas_see_each_other_by_address_with_what_each_said_last(store: Store) -> None:
    store.replicas.beat(a_replica("two", watchers=1), LONG_S)
    store.replicas.beat(a_replica("two", watchers=2), LONG_S)

    seen = store.replicas.beat(a_replica("one", watchers=5), LONG_S)

    assert [(replica.server_id, replica.watchers) for replica in seen] == [("one", 5), ("two", 2)]


def test_one_that_left_is_not_seen(store: Store) -> None:
    store.replicas.beat(a_replica("two"), LONG_S)
    store.replicas.leave("two")
    store.replicas.leave("two")

    assert names(store.replicas.beat(a_replica("one"), LONG_S)) == ["one"]


def test_one_that_was_silent_for_too_long_is_forgotten(store: Store) -> None:
    store.replicas.beat(a_replica("two"), LONG_S)

    # Against a span below zero, every other beat was longer ago.
    assert names(store.replicas.beat(a_replica("one"), -LONG_S)) == ["one"]


def a_request(request_id: str, reason: str = "") -> EvaluationRequest:
    return EvaluationRequest(request_id=request_id, requested_by="ipv4:127.0.0.1:5000", reason=reason)


def test_requests_wait_until_they_are_forgotten(store: Store) -> None:
    assert store.requests.waiting(LONG_S) == []
    store.requests.ask(a_request("a", "new limits"))

    assert store.requests.waiting(LONG_S) == [a_request("a", "new limits")]
    assert store.requests.waiting(LONG_S) == [a_request("a", "new limits")]
    store.requests.forget("a")
    store.requests.forget("a")
    assert store.requests.waiting(LONG_S) == []


def test_a_request_asked_twice_waits_once_as_it_was_first(store: Store) -> None:
    store.requests.ask(a_request("a", "first"))
    store.requests.ask(a_request("a", "second"))
    store.requests.ask(a_request("b"))

    assert sorted(request.request_id for request in store.requests.waiting(LONG_S)) == ["a", "b"]
    assert a_request("a", "first") in store.requests.waiting(LONG_S)


def test_a_request_that_waited_too_long_is_forgotten(store: Store) -> None:
    store.requests.ask(a_request("a"))

    assert store.requests.waiting(-LONG_S) == []
    assert store.requests.waiting(LONG_S) == []
