"""What an authority in production stands on is exported as it is observed; what there is none of has no series."""

from __future__ import annotations

from msc_builders import START
from msc_observed import an_observation

from msc_authority.app.access import AccessRefused, Role
from msc_authority.app.observation import Observation, ReplicaView, Standing
from msc_authority.app.production import CacheSigns, DoorTally, Production, StoreSigns, UpkeepSigns
from msc_authority.core.overrides import Override, OverrideKind, Reduce
from msc_authority.http.metric_production import REFUSALS, production_samples


def exported(observed: Observation) -> dict[str, float]:
    """The values by name and labels; a series that is given twice fails, what is unknown is left out."""
    found: dict[str, float] = {}
    for metric, labels, value in production_samples(observed):
        key = " ".join((metric.name.removeprefix("msc_"), *labels))
        assert key not in found
        assert len(labels) == len(metric.labels)
        if value is not None:
            found[key] = value
    return found


def on(**parts: object) -> dict[str, float]:
    return exported(an_observation(production=Production(**parts)))  # type: ignore[arg-type]  # the fields' own types


def a_replica(*, alive: bool) -> ReplicaView:
    return ReplicaView(
        server_id=f"r-{alive}",
        address="a:1",
        watchers=1,
        started_at=START,
        seen_ago_s=1.0,
        alive=alive,
        leads=False,
        here=False,
    )


def test_who_leads_since_when_and_what_was_refused_for_it() -> None:
    standing = Standing(
        leading=False,
        term=4,
        changes={"began": 2, "fenced": 1},
        sent_away=3,
        replicas=(a_replica(alive=True), a_replica(alive=False)),
        lease_age_s=1.5,
        leaderless_s=7.0,
        commits_fenced=1,
    )
    found = exported(an_observation(standing=standing))

    assert (found["leader"], found["leadership_term"], found["lease_age_seconds"]) == (0, 4, 1.5)
    assert (found["leaderless_seconds"], found["commits_fenced_total"], found["watches_sent_away_total"]) == (7, 1, 3)
    assert (found["leadership_changes_total began"], found["leadership_changes_total taken_over"]) == (2, 0)
    assert (found["replicas alive"], found["replicas silent"]) == (1, 1)


def test_where_there_is_no_lease_it_has_no_age() -> None:
    found = exported(an_observation(standing=Standing()))

    assert found["leader"] == 1
    assert "lease_age_seconds" not in found


def test_every_reason_of_the_door_is_counted_from_zero_and_streams_by_role() -> None:
    found = on(door=DoorTally(refused={"TOKEN_EXPIRED": 3, "NEW_REASON": 1}, streams={"operator": 2}))

    assert {name.rpartition(" ")[2] for name in found if name.startswith("refusals")} == {*REFUSALS, "NEW_REASON"}
    assert (found["refusals_total TOKEN_EXPIRED"], found["refusals_total RATE_LIMITED"]) == (3, 0)
    assert {role: found[f"streams {role}"] for role in Role} == {**dict.fromkeys(Role, 0), Role.OPERATOR: 2}


def test_the_reasons_are_all_that_the_door_has() -> None:
    def kinds(kind: type[AccessRefused]) -> set[type[AccessRefused]]:
        return {kind}.union(*(kinds(below) for below in kind.__subclasses__()))

    own = {kind.reason for kind in kinds(AccessRefused) if "reason" in vars(kind)} - {AccessRefused.reason}
    assert own <= set(REFUSALS)


def test_a_cache_that_is_away_is_told_apart_from_one_that_there_is_none_of() -> None:
    away = on(cache=CacheSigns(failing_for_s=12.0, source="cache", looks={"cache": 9}, faults={"denied": 4}))

    assert (away["cache_up"], away["cache_failing_seconds"]) == (0, 12)
    assert (away["policy_source cache"], away["policy_source database"], away["policy_source last known"]) == (1, 0, 0)
    assert (away["policy_source_reads_total cache"], away["policy_source_reads_total database"]) == (9, 0)
    assert (away["cache_faults_total denied"], away["cache_faults_total lost"]) == (4, 0)
    assert not [name for name in on(cache=None) if name.startswith(("cache", "policy_source"))]


def test_a_cache_at_work_is_up_and_counts_what_was_found_there() -> None:
    signs = CacheSigns(found={"same": 7, "newer": 1}, overwritten={"nothing": 1}, not_taken=2, recoveries=3)
    found = on(cache=signs)

    assert (found["cache_up"], found["cache_failing_seconds"], found["cache_recoveries_total"]) == (1, 0, 3)
    assert (found["cache_puts_total newer"], found["cache_overwritten_total nothing"]) == (1, 1)
    assert found["cache_not_taken_total"] == 2


def test_the_store_counts_and_says_whether_it_listens_where_it_can() -> None:
    found = on(store=StoreSigns(lost=1, unavailable=2, repeated=3, listening=False))

    counts = [found[f"store_{name}_total"] for name in ("connections_lost", "unavailable", "transactions_repeated")]
    assert counts == [1, 2, 3]
    assert found["store_listening"] == 0
    assert "store_listening" not in on(store=StoreSigns())


def test_the_upkeep_says_whether_the_audit_log_held_once_it_looked() -> None:
    done = UpkeepSigns(rounds=2, failures=1, pruned_rows=900, done_ago_s=60.0, audit_rows=12)
    found = on(upkeep=done)

    assert (found["upkeep_total done"], found["upkeep_total failed"], found["pruned_rows_total"]) == (2, 1, 900)
    assert (found["upkeep_age_seconds"], found["audit_rows"], found["audit_intact"]) == (60, 12, 1)
    assert on(upkeep=UpkeepSigns(audit_rows=12, audit_damage="row 3"))["audit_intact"] == 0
    assert not {"audit_intact", "audit_rows", "upkeep_age_seconds", "last_backup_age_seconds"} & set(on())
    assert on(upkeep=UpkeepSigns(backup_ago_s=7.0))["last_backup_age_seconds"] == 7.0


def test_overrides_are_counted_by_kind() -> None:
    reduce = Override(
        override_id="o-1", sets=Reduce(), actor="anna", reason="a drill", created_at=START, expires_at=None
    )
    found = exported(an_observation(overrides=(reduce, reduce)))

    assert {kind: found[f"overrides {kind}"] for kind in OverrideKind} == {
        **dict.fromkeys(OverrideKind, 0),
        OverrideKind.REDUCE: 2,
    }
