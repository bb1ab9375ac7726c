from __future__ import annotations

from datetime import timedelta

import pytest
from msc_builders import START

from msc_authority.app.clients import ClientInfo, ClientRole, ClientStatus, ClientTier
from msc_authority.app.fleet import Fleet, versions_behind
from msc_authority.core.policy import PolicyRef

FRESH = ClientStatus(tier=ClientTier.FRESH, applied=PolicyRef(7, 3))
HOUR = timedelta(hours=1)


def a_client(instance_id: str = "one", name: str = "executor", role: ClientRole = ClientRole.EXECUTOR) -> ClientInfo:
    return ClientInfo(instance_id=instance_id, name=name, role=role)


def instances(fleet: Fleet, after: timedelta = timedelta()) -> list[str]:
    return [entry.client.instance_id for entry in fleet.entries(START + after)]


def test_the_last_report_of_a_client_counts() -> None:
    fleet = Fleet(max_clients=10)
    fleet.report(a_client(), ClientStatus(), START)
    fleet.report(a_client(), FRESH, START + HOUR)
    [entry] = fleet.entries(START + HOUR)
    assert entry.status == FRESH
    assert entry.reported_at == START + HOUR


def test_a_client_that_was_silent_for_an_hour_is_forgotten() -> None:
    fleet = Fleet(max_clients=10)
    fleet.report(a_client(), FRESH, START)
    assert instances(fleet, HOUR) == ["one"]
    assert instances(fleet, HOUR + timedelta(seconds=1)) == []


def test_a_client_that_watches_is_not_forgotten_until_its_last_watch_has_ended() -> None:
    fleet = Fleet(max_clients=10)
    fleet.watch_opened(a_client(), FRESH, START)
    fleet.watch_opened(a_client(), None, START)
    fleet.watch_closed("one")
    [entry] = fleet.entries(START + 2 * HOUR)
    assert entry.watches == 1
    assert entry.status == FRESH
    fleet.watch_closed("one")
    assert instances(fleet, 2 * HOUR) == []


def test_a_report_does_not_end_a_watch() -> None:
    fleet = Fleet(max_clients=10)
    fleet.watch_opened(a_client(), None, START)
    fleet.report(a_client(), FRESH, START)
    assert fleet.entries(START)[0].watches == 1


def test_the_end_of_a_watch_of_a_forgotten_client_is_harmless() -> None:
    fleet = Fleet(max_clients=10)
    fleet.watch_closed("gone")
    assert instances(fleet) == []


def test_too_many_clients_push_out_the_one_that_was_silent_longest_and_does_not_watch() -> None:
    fleet = Fleet(max_clients=2)
    fleet.watch_opened(a_client("watcher"), None, START)
    fleet.report(a_client("old"), FRESH, START)
    fleet.report(a_client("new"), FRESH, START)
    assert instances(fleet) == ["new", "watcher"]


def test_clients_are_listed_by_role_then_name() -> None:
    fleet = Fleet(max_clients=10)
    fleet.report(a_client("a", "z", ClientRole.RISK_GUARD), FRESH, START)
    fleet.report(a_client("b", "y", ClientRole.EXECUTOR), FRESH, START)
    fleet.report(a_client("c", "x", ClientRole.EXECUTOR), FRESH, START)
    assert instances(fleet) == ["c", "b", "a"]


@pytest.mark.parametrize(
    ("applied", "behind"),
    [(PolicyRef(7, 3), 2), (PolicyRef(7, 5), 0), (PolicyRef(7, 9), 0), (PolicyRef(6, 1), 0), (None, 5)],
)
def test_versions_behind_count_inside_the_epoch_of_the_head(applied: PolicyRef | None, behind: int) -> None:
    assert versions_behind(applied, PolicyRef(7, 5)) == behind
