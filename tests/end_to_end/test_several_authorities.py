"""Several authorities on one database: one leads, all serve, and clients move by themselves."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from msc_postgres import PostgresServer, postgres_or_skip
from process_harness import AuthorityProcess, until
from several_authorities import (
    NEW_LEADER_WITHIN_S,
    Authorities,
    Clients,
    authorities_and_clients,
    leads,
    stop_gracefully,
)

from msc_policy import v1 as pb


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with postgres_or_skip(PostgresServer) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/shared.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
def scene(database_url: str, tmp_path: Path) -> Iterator[tuple[Authorities, Clients]]:
    with authorities_and_clients(tmp_path, database_url) as both:
        yield both


def another_evaluates(authorities: Authorities, before: AuthorityProcess) -> None:
    """Has another than `before` evaluate; fails after the longest time until there may be a new leader."""
    with authorities.others(before)[0].stub() as stub:
        answer = stub.Evaluate(pb.EvaluateRequest(reason="a test"), timeout=NEW_LEADER_WITHIN_S)
    assert answer.evaluation.trigger == "request"


def test_a_rolling_restart_leaves_everybody_fresh(scene: tuple[Authorities, Clients]) -> None:
    authorities, clients = scene
    heads: list[pb.PolicyRef] = []
    for restarted in authorities.all:
        heads.append(authorities.publish(through=restarted))
        stop_gracefully(restarted)
        heads.append(authorities.publish(through=authorities.others(restarted)[0]))
        restarted.start()
        clients.until_all_have(heads[-1])

    clients.never_left_fresh()
    clients.never_went_back()
    assert [head.version for head in heads] == sorted({head.version for head in heads})
    assert leads(authorities.leader())


def test_when_the_leader_is_killed_another_evaluates_within_ten_seconds(scene: tuple[Authorities, Clients]) -> None:
    authorities, clients = scene
    killed = authorities.leader()
    killed.kill()

    another_evaluates(authorities, killed)

    head = authorities.publish(through=authorities.leader())
    clients.until_all_have(head, deadline_s=40.0)
    killed.start()
    until(lambda: not leads(killed), what="the one that was killed follows")
    clients.never_went_back()


def test_a_leader_that_was_frozen_follows_when_it_wakes_and_nobody_goes_back(
    scene: tuple[Authorities, Clients],
) -> None:
    authorities, clients = scene
    frozen = authorities.leader()
    frozen.signal(signal.SIGSTOP)
    try:
        another_evaluates(authorities, frozen)
        new = until(
            lambda: next((one for one in authorities.others(frozen) if leads(one)), None), what="another one leads"
        )
        head = authorities.publish(through=new)
    finally:
        frozen.signal(signal.SIGCONT)

    until(lambda: not leads(frozen), what="the old leader says that it is not")
    clients.until_all_have(head, deadline_s=60.0)
    clients.until_all_fresh()
    clients.never_went_back()
    assert leads(new)


def test_clients_are_spread_and_any_replica_evaluates_when_asked(scene: tuple[Authorities, Clients]) -> None:
    authorities, clients = scene
    # Each draws for itself: that all twelve draw the same happens once in 180,000 times.
    assert len(set(clients.served_by())) > 1

    ids = set()
    for authority in authorities.all:
        with authority.stub() as stub:
            answer = stub.Evaluate(pb.EvaluateRequest(reason="a test"), timeout=30)
            preview = stub.Evaluate(pb.EvaluateRequest(validate_only=True), timeout=30)
        ids.add(answer.evaluation.evaluation_id)
        assert answer.evaluation.trigger == "request"
        assert not preview.committed
    assert len(ids) == len(authorities.all)
