"""What `msc status` says of several authorities."""

from __future__ import annotations

from msc_authority.cli.policy import replica_rows


def a_replica(port: int, **fields: object) -> dict[str, object]:
    replica = {"address": f"10.0.0.1:{port}", "watchers": 3, "seen_ago_s": 2.0, "leads": False, "answering": False}
    return {**replica, **fields}


def test_one_that_is_alone_says_nothing_of_it() -> None:
    assert replica_rows([]) == replica_rows([a_replica(1, leads=True, answering=True)]) == []


def test_the_leader_stands_above_the_replicas() -> None:
    rows = replica_rows([a_replica(1, answering=True), a_replica(2, leads=True, watchers=7)])

    assert [(name, str(line)) for name, line in rows] == [
        ("leader", "10.0.0.1:2"),
        ("replicas", "10.0.0.1:1 (3 watching, heard of 2.0 s ago) - this one"),
        ("", "10.0.0.1:2 (7 watching, heard of 2.0 s ago)"),
    ]


def test_that_nobody_leads_is_said_loudly() -> None:
    rows = replica_rows([a_replica(1), a_replica(2)])

    assert str(rows[0][1]) == "NONE: nobody evaluates"
