"""Each planted fault is reported by the rule that it breaks, and without it the same story is clean."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from msc_model_faults import (
    APPLIES_ANYTHING,
    FORGETS_WHAT_WAS_SAID,
    LOOSENS_BLINDLY,
    NO_FENCE,
    OLDER_FROM_CACHE,
    TRUSTS_ITS_DISK,
    VOUCHES_BLINDLY,
)
from msc_model_machine import Guarantees
from msc_model_world import REPLICAS, Faults

from msc_authority.app.acts import Halt, Place
from msc_authority.core.overrides import PinMode
from msc_authority.core.policy import RiskMode


@contextmanager
def played(story: Callable[[Guarantees], None], faults: Faults) -> Iterator[Guarantees]:
    kind: type[Guarantees] = type("Planted", (Guarantees,), {"faults": faults})
    machine = kind()
    try:
        machine.all_is_well()
        story(machine)
        yield machine
    finally:
        machine.close()


def a_leader_wakes_up_after_another_took_over(machine: Guarantees) -> None:
    machine.the_leader_stands_still_with_a_commit_on_its_lips()
    machine.time_passes(17.0)
    machine.all_replicas_go_on()


def redis_fails_over_while_the_database_is_away(machine: Guarantees) -> None:
    machine.redis_is_copied()
    machine.a_person_acts("a", Halt())
    machine.time_passes(3.0)
    machine.the_database_goes_or_comes(True)
    # Until now the replicas would put back what Redis has lost; from now on they take what it has.
    machine.time_passes(4.0)
    machine.redis_fails_over_to_an_older_copy(0)
    machine.time_passes(3.0)


def one_replica_is_cut_off_while_the_policy_changes(machine: Guarantees) -> None:
    machine.the_database_is_cut_off("b", True)
    machine.redis_is_cut_off("b", True)
    machine.time_passes(1.1)
    machine.a_person_acts("a", Halt())
    machine.time_passes(3.0)


def a_client_moves_to_a_replica_that_was_left_behind(machine: Guarantees) -> None:
    for name in ("executor", "orchestrator"):
        machine.a_client_is_moved(name, "a", there=True)
    machine.time_passes(3.0)
    one_replica_is_cut_off_while_the_policy_changes(machine)
    machine.a_client_is_moved("executor", "b", there=True)
    machine.time_passes(3.0)


def a_client_restarts_and_reaches_nobody(machine: Guarantees) -> None:
    machine.time_passes(3.0)
    machine.client("executor").unreachable = set(REPLICAS)
    machine.a_client_is_restarted("executor", gently=True)
    machine.time_passes(1.1)


def a_guard_comes_back_to_a_replica_that_has_aged(machine: Guarantees) -> None:
    loose = Place(sets=PinMode(mode=RiskMode.NORMAL), lasts=timedelta(hours=2), loosens=True)
    machine.a_person_acts("a", loose)
    machine.time_passes(3.0)
    guard = machine.client("guard")
    guard.unreachable = set(REPLICAS)
    guard.tear()
    machine.much_time_passes(905.0)
    machine.the_database_goes_or_comes(True)
    machine.redis_goes_or_comes(True)
    machine.time_passes(40.0)
    guard.unreachable.clear()
    machine.time_passes(17.0)


def an_older_backup_is_restored_over_a_halt(machine: Guarantees) -> None:
    machine.a_backup_is_made()
    machine.a_person_acts("a", Halt())
    machine.a_backup_is_restored(0)
    machine.much_time_passes(95.0)


STORIES = [
    (NO_FENCE, a_leader_wakes_up_after_another_took_over, "fence"),
    (OLDER_FROM_CACHE, redis_fails_over_while_the_database_is_away, "1 monotone, replica"),
    (VOUCHES_BLINDLY, one_replica_is_cut_off_while_the_policy_changes, "5 freshness is measured, replica"),
    (APPLIES_ANYTHING, a_client_moves_to_a_replica_that_was_left_behind, "1 monotone per client"),
    (TRUSTS_ITS_DISK, a_client_restarts_and_reaches_nobody, "6 stale at 30 s"),
    (LOOSENS_BLINDLY, a_guard_comes_back_to_a_replica_that_has_aged, "9 roles may be stricter"),
    (
        FORGETS_WHAT_WAS_SAID,
        an_older_backup_is_restored_over_a_halt,
        "15 no restore loosens what a person tightened",
    ),
]


@pytest.mark.parametrize(("faults", "story", "rule"), STORIES, ids=[story.__name__ for _, story, _ in STORIES])
def test_a_planted_fault_is_found_and_without_it_the_story_is_clean(
    faults: Faults, story: Callable[[Guarantees], None], rule: str
) -> None:
    with played(story, faults) as machine:
        reported = {breach.partition(":")[0] for breach in machine.world.reference.breaches}
        assert rule in reported, reported
        with pytest.raises(AssertionError):
            machine.nothing_is_breached()
    with played(story, Faults()) as machine:
        machine.nothing_is_breached()
        machine.everything_heals()
        machine.nothing_is_breached()
