from __future__ import annotations

import pytest
from msc_live import ManualTime, Told, a_fleet

from msc_authority.app.clients import ClientInfo, ClientRole, ClientStatus, ClientTier, WatchEnd
from msc_authority.app.events import ClientChange, ClientChanged
from msc_authority.app.fleet import Fleet, versions_behind
from msc_authority.core.policy import PolicyRef

FRESH = ClientStatus(tier=ClientTier.FRESH, applied=PolicyRef(7, 3))
HOUR_S = 3600.0


def a_client(instance_id: str = "one", name: str = "executor", role: ClientRole = ClientRole.EXECUTOR) -> ClientInfo:
    return ClientInfo(instance_id=instance_id, name=name, role=role)


def instances(fleet: Fleet) -> list[str]:
    return [entry.client.instance_id for entry in fleet.entries()]


def test_the_last_report_of_a_client_counts() -> None:
    time = ManualTime()
    fleet = a_fleet(time)
    fleet.report(a_client(), ClientStatus())
    time.leap(HOUR_S)
    fleet.report(a_client(), FRESH)
    [entry] = fleet.entries()
    assert entry.status == FRESH
    assert entry.reported_at == time.now()


def test_a_client_that_was_silent_for_an_hour_is_forgotten() -> None:
    time = ManualTime()
    fleet = a_fleet(time)
    fleet.report(a_client(), FRESH)
    time.leap(HOUR_S)
    assert instances(fleet) == ["one"]
    time.leap(1)
    assert instances(fleet) == []


def test_who_is_silent_is_forgotten_although_one_who_was_silent_before_still_watches() -> None:
    time = ManualTime()
    fleet = a_fleet(time)
    fleet.watch_opened(a_client("watcher"), FRESH)
    fleet.report(a_client("silent"), FRESH)
    time.leap(HOUR_S + 1)
    fleet.report(a_client("new"), FRESH)
    assert instances(fleet) == ["new", "watcher"]


def test_a_client_that_watches_is_not_forgotten_until_its_last_watch_has_ended() -> None:
    time = ManualTime()
    fleet = a_fleet(time)
    fleet.watch_opened(a_client(), FRESH)
    fleet.watch_opened(a_client(), None)
    fleet.watch_closed("one")
    time.leap(2 * HOUR_S)
    [entry] = fleet.entries()
    assert entry.watches == 1
    assert entry.status == FRESH
    fleet.watch_closed("one")
    assert instances(fleet) == []


def test_a_report_does_not_end_a_watch() -> None:
    fleet = a_fleet()
    fleet.watch_opened(a_client(), None)
    fleet.report(a_client(), FRESH)
    assert fleet.entries()[0].watches == 1


def test_the_end_of_a_watch_of_a_forgotten_client_is_harmless() -> None:
    fleet = a_fleet()
    fleet.watch_closed("gone")
    assert instances(fleet) == []


def test_too_many_clients_push_out_the_one_that_was_silent_longest_and_does_not_watch() -> None:
    told = Told()
    fleet = a_fleet(told=told, max_clients=2)
    fleet.watch_opened(a_client("watcher"), None)
    fleet.report(a_client("old"), FRESH)
    fleet.report(a_client("new"), FRESH)
    assert instances(fleet) == ["new", "watcher"]
    last = told.events[-1]
    assert isinstance(last, ClientChanged)
    assert (last.change, last.entry.client.instance_id) == (ClientChange.FORGOTTEN, "old")


def test_clients_are_listed_by_role_then_name() -> None:
    fleet = a_fleet()
    fleet.report(a_client("a", "z", ClientRole.RISK_GUARD), FRESH)
    fleet.report(a_client("b", "y", ClientRole.EXECUTOR), FRESH)
    fleet.report(a_client("c", "x", ClientRole.EXECUTOR), FRESH)
    assert instances(fleet) == ["c", "b", "a"]


def test_a_client_that_calls_itself_otherwise_moves_in_the_list() -> None:
    fleet = a_fleet()
    fleet.report(a_client("a", "first"), FRESH)
    fleet.report(a_client("b", "second"), FRESH)
    assert instances(fleet) == ["a", "b"]
    fleet.report(a_client("a", "third"), FRESH)
    assert instances(fleet) == ["b", "a"]


def test_ends_of_watches_are_counted_by_cause() -> None:
    fleet = a_fleet()
    assert fleet.watch_ends == {}
    for cause in (WatchEnd.CALLER, WatchEnd.MAX_AGE, WatchEnd.CALLER):
        fleet.watch_ended(cause)
    assert fleet.watch_ends == {"caller": 2, "max_age": 1}


@pytest.mark.parametrize(
    ("applied", "behind"),
    [
        (PolicyRef(7, 3), 2),
        (PolicyRef(7, 5), 0),
        (PolicyRef(7, 9), 0),
        (PolicyRef(6, 9), 6),
        (PolicyRef(8, 1), 0),
        (None, 5),
    ],
)
def test_versions_behind_count_from_an_older_epoch_too_and_not_from_a_newer_one(
    applied: PolicyRef | None, behind: int
) -> None:
    assert versions_behind(applied, PolicyRef(7, 5)) == behind
