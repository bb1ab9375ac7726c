"""What random interleavings have found, as stories."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from msc_model_machine import Guarantees

from msc_authority.app.acts import Act, Halt, Place, Resume, RollBack, kind_of
from msc_authority.core.overrides import Bench, PinMode, Reduce, SetLimits
from msc_authority.core.policy import Policy, RiskMode, TradingState
from msc_client import Tier


@pytest.fixture
def machine() -> Iterator[Guarantees]:
    machine = Guarantees()
    try:
        machine.all_is_well()
        yield machine
        machine.nothing_is_breached()
    finally:
        machine.close()


def head(machine: Guarantees) -> Policy:
    policy = machine.world.database.store.policies.head().policy
    assert policy is not None
    return policy


def test_a_rollback_that_outlives_a_restore_names_no_version_of_the_new_epoch(machine: Guarantees) -> None:
    pinned = Place(sets=PinMode(mode=RiskMode.NORMAL), lasts=timedelta(hours=2), loosens=True)
    machine.a_person_acts("a", pinned)
    machine.a_person_acts("a", RollBack(version=1, lasts=timedelta(hours=2)))
    assert head(machine).content.rollback_of == 1
    machine.a_backup_is_made()
    machine.a_backup_is_restored(0)
    machine.everything_heals()
    restored = head(machine)
    assert (restored.ref.version, restored.content.rollback_of) == (1, 0)
    assert [reason.code for reason in restored.content.reasons].count("OVERRIDE_ROLLBACK") == 1


def test_a_leader_that_a_restore_deposed_writes_nothing_before_it_knows(machine: Guarantees) -> None:
    machine.a_backup_is_made()
    machine.the_leader_stands_still_with_a_commit_on_its_lips()
    machine.a_backup_is_restored(0)
    before = machine.world.database.backup()
    machine.all_replicas_go_on()
    assert machine.world.database.backup().kept["entries"] == before.kept["entries"]
    machine.everything_heals()


def test_a_restore_moves_each_client_once_and_by_a_reset(machine: Guarantees) -> None:
    epoch = head(machine).ref.epoch
    machine.a_backup_is_made()
    machine.facts_come_and_are_evaluated(60, "a")
    machine.a_backup_is_restored(0)
    machine.everything_heals()
    assert head(machine).ref.epoch > epoch
    for client in machine.world.clients.values():
        assert client.session is not None
        assert client.session.applied is not None
        assert (client.session.applied.epoch, client.tier()) == (head(machine).ref.epoch, Tier.FRESH)


def test_a_leader_that_renews_its_lease_before_it_sees_a_restore_evaluates_all_the_same(machine: Guarantees) -> None:
    machine.a_backup_is_made()
    machine.a_backup_is_restored(0)
    machine.the_machine_is_suspended(3.0)
    machine.everything_heals()
    assert head(machine).ref.version == 1


@pytest.mark.parametrize(
    "act",
    [Halt(), Place(sets=Reduce()), Place(sets=SetLimits(max_positions=1)), Place(sets=Bench(strategy_id="RANGE"))],
    ids=kind_of,
)
def test_what_a_person_tightened_holds_behind_a_restore_of_a_backup_from_before(machine: Guarantees, act: Act) -> None:
    machine.facts_come_and_are_evaluated(60, "a")
    machine.a_backup_is_made()
    machine.a_person_acts("a", act)
    machine.a_backup_is_restored(0)
    machine.everything_heals()
    machine.facts_come_and_are_evaluated(60, "a")
    kept = machine.world.reference
    assert kept.halted or kept.words
    assert head(machine).ref.epoch == kept.epoch


def test_a_person_ends_behind_a_restore_what_was_said_before_it(machine: Guarantees) -> None:
    machine.a_backup_is_made()
    machine.a_person_acts("a", Halt())
    machine.a_backup_is_restored(0)
    machine.everything_heals()
    assert head(machine).content.trading_state is TradingState.HALTED
    machine.a_person_acts("b", Resume())
    machine.facts_come_and_are_evaluated(60, "a")
    assert head(machine).content.trading_state is TradingState.ACTIVE
