"""What every store does with evaluations and with the policies that come of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta, timezone

import pytest
from msc_builders import (
    START,
    Store,
    a_checkpoint,
    a_commit,
    a_content,
    a_ranking,
    a_reason,
    a_transition,
    a_verdict,
    an_entry,
    at,
)

from msc_authority.adapters.commits import REWIND_POINTS_KEPT
from msc_authority.core.policy import Limits, PolicyRef, RiskMode, StrategyState, etag_of
from msc_authority.ports.evaluations import EvaluationCommit
from msc_authority.ports.journal import JournalCursor, LedgerCheckpoint
from msc_authority.ports.policies import Head
from msc_authority.ports.store import StaleState

EPOCH = int(START.timestamp())


def committed(store: Store, commit: EvaluationCommit) -> Head:
    return store.evaluations.commit(commit, store.evaluations.load())


def evaluated(store: Store, minutes: int, risk_mode: RiskMode | None = None) -> Head:
    """Commits an evaluation as of so many minutes after START, publishing that mode or nothing."""
    verdict = a_verdict(as_of=at(minutes))
    publish = None if risk_mode is None else a_content(risk_mode)
    entry = an_entry(f"eval-{minutes}", started_at=at(minutes), verdict=verdict)
    return committed(store, a_commit(entry=entry, publish=publish))


def test_a_new_store_has_no_policy_and_an_epoch_of_its_time(store: Store) -> None:
    state = store.evaluations.load()

    assert state.head == Head(ref=PolicyRef(EPOCH, 0), policy=None, evaluated_at=None)
    assert (state.generation, state.controller, state.checkpoint) == (0, None, None)
    assert store.policies.head() == state.head
    assert store.policies.revision(0) is None
    assert store.policies.revision(1) is None
    assert store.policies.revisions(None, 10) == []


def test_the_first_policy_is_version_one_created_when_the_evaluation_judged(store: Store) -> None:
    head = committed(store, a_commit(publish=a_content(), valid_for_s=3600.0))

    assert head.policy is not None
    assert head.policy.ref == head.ref == PolicyRef(EPOCH, 1)
    assert head.policy.content == a_content()
    assert (head.policy.created_at, head.evaluated_at, head.policy.valid_for_s) == (START, START, 3600.0)


def test_what_was_committed_is_what_is_loaded(store: Store) -> None:
    checkpoint = LedgerCheckpoint(watermark=at(-3), cursor=JournalCursor(trades=7, equity=9), payload=b"\x00\xffledger")

    head = committed(store, a_commit(controller=b"\x00\x01", checkpoint=checkpoint))

    state = store.evaluations.load()
    assert state.head == head == store.policies.head()
    assert (state.controller, state.checkpoint) == (b"\x00\x01", checkpoint)


def test_a_policy_read_back_has_the_etag_it_was_announced_with(store: Store) -> None:
    announced = committed(store, a_commit()).policy

    kept = store.policies.revision(1)

    assert announced is not None
    assert kept == announced
    assert etag_of(kept) == announced.etag


def test_whole_numbers_and_other_time_zones_do_not_change_an_etag(store: Store) -> None:
    limits = Limits(max_risk_per_trade=0, global_min_confidence=1, max_positions=8, max_daily_trades=10)
    verdict = a_verdict(as_of=START.astimezone(timezone(timedelta(hours=5))))
    commit = a_commit(
        publish=a_content(limits=limits, reasons=(a_reason(value=3),)), valid_for_s=60, entry=an_entry(verdict=verdict)
    )

    announced = committed(store, commit).policy

    assert announced is not None
    assert store.policies.head().policy == announced
    assert store.policies.revision(1) == announced
    assert announced.created_at.tzname() == "UTC"


def test_an_evaluation_that_publishes_nothing_confirms_the_head(store: Store) -> None:
    first = evaluated(store, 0, RiskMode.NORMAL)

    head = evaluated(store, 30)

    assert (head.ref, head.policy, head.evaluated_at) == (first.ref, first.policy, at(30))
    assert store.policies.head() == head
    assert len(store.policies.revisions(None, 10)) == 1


def test_an_evaluation_may_leave_a_store_without_policy(store: Store) -> None:
    head = evaluated(store, 0)

    assert head == Head(ref=PolicyRef(EPOCH, 0), policy=None, evaluated_at=START)


def test_versions_count_up_by_one(store: Store) -> None:
    heads = [evaluated(store, n, mode) for n, mode in enumerate((RiskMode.NORMAL, RiskMode.DEFENSIVE, RiskMode.NORMAL))]

    assert [head.ref.version for head in heads] == [1, 2, 3]


def test_a_commit_from_an_old_state_is_stale_and_writes_nothing(store: Store) -> None:
    old = store.evaluations.load()
    first = store.evaluations.commit(a_commit("first"), old)
    state = store.evaluations.load()

    with pytest.raises(StaleState):
        store.evaluations.commit(a_commit("second", controller=b"other"), old)

    assert store.evaluations.load() == state
    assert store.policies.head() == first
    assert [entry.evaluation_id for entry in store.log.page(None, 10)] == ["first"]


def test_a_commit_without_publication_makes_older_states_stale_too(store: Store) -> None:
    old = store.evaluations.load()
    evaluated(store, 0)

    with pytest.raises(StaleState):
        store.evaluations.commit(a_commit(), old)


def test_only_an_evaluation_that_succeeded_can_be_committed(store: Store) -> None:
    state = store.evaluations.load()

    for entry in (an_entry(verdict=None), an_entry(failure="no facts")):
        with pytest.raises(ValueError, match="without a failure"):
            store.evaluations.commit(a_commit(entry=entry), state)

    assert store.evaluations.load() == state


def test_a_number_that_is_not_finite_cannot_be_published(store: Store) -> None:
    limits = replace(a_content().limits, max_risk_per_trade=float("nan"))
    state = store.evaluations.load()

    with pytest.raises(ValueError, match="nan"):
        store.evaluations.commit(a_commit(publish=a_content(limits=limits)), state)

    assert store.evaluations.load() == state
    assert store.log.page(None, 10) == []


def test_a_failure_changes_neither_policy_nor_state(store: Store) -> None:
    committed(store, a_commit())
    state = store.evaluations.load()

    store.evaluations.record_failure(an_entry("bad", verdict=None, failure="journal unreadable"))

    assert store.evaluations.load() == state
    assert [entry.evaluation_id for entry in store.log.page(None, 10)] == ["bad", "eval-1"]


def test_revisions_come_newest_first_page_by_page_with_what_changed(store: Store) -> None:
    for minutes, mode in enumerate((RiskMode.NORMAL, RiskMode.DEFENSIVE, RiskMode.AGGRESSIVE)):
        evaluated(store, minutes, mode)

    newest = store.policies.revisions(None, 2)
    older = store.policies.revisions(newest[-1].policy.ref, 2)

    assert [revision.policy.ref.version for revision in newest + older] == [3, 2, 1]
    assert [[(change.before, change.after) for change in revision.changes] for revision in newest] == [
        [("DEFENSIVE", "AGGRESSIVE")],
        [("NORMAL", "DEFENSIVE")],
    ]
    assert {change.before for change in older[0].changes} == {""}


def test_one_revision_is_read_by_version(store: Store) -> None:
    for minutes, mode in enumerate((RiskMode.NORMAL, RiskMode.DEFENSIVE)):
        evaluated(store, minutes, mode)

    first = store.policies.revision(1)

    assert first is not None
    assert first.content.risk_mode is RiskMode.NORMAL
    assert store.policies.revision(3) is None
    assert store.policies.revision(-1) is None


def test_the_newest_rewind_point_before_an_instant_is_found(store: Store) -> None:
    for minutes in (0, 10, 20):
        committed(store, rewindable(minutes))
    committed(store, a_commit("not kept", checkpoint=a_checkpoint(at(15))))

    assert store.evaluations.rewind_point(at(20)) == a_checkpoint(at(10))
    assert store.evaluations.rewind_point(at(20.001)) == a_checkpoint(at(20))
    assert store.evaluations.rewind_point(at(0)) is None


def rewindable(minutes: int, payload: bytes = b"ledger") -> EvaluationCommit:
    checkpoint = a_checkpoint(at(minutes), payload=payload)
    return a_commit(f"eval-{minutes}-{payload.decode()}", checkpoint=checkpoint, keep_as_rewind_point=True)


def test_a_rewind_point_taken_again_replaces_the_one_of_its_watermark(store: Store) -> None:
    committed(store, rewindable(5, b"old"))
    committed(store, rewindable(5, b"new"))

    point = store.evaluations.rewind_point(at(6))

    assert point is not None
    assert point.payload == b"new"


def test_the_oldest_rewind_points_go_when_there_are_too_many(store: Store) -> None:
    for minutes in range(REWIND_POINTS_KEPT + 3):
        committed(store, rewindable(minutes))

    assert store.evaluations.rewind_point(at(3)) is None
    assert store.evaluations.rewind_point(at(3.5)) == a_checkpoint(at(3))


def test_the_log_keeps_an_entry_whole_with_the_version_it_led_to(store: Store) -> None:
    verdict = a_verdict(transitions=(a_transition(), a_transition("RANGE_002", before=StrategyState.ACTIVE)))
    entry = an_entry(
        "eval-7", trigger="MANUAL", verdict=verdict, request_id="r-1", requested_by="ops", reason="after the incident"
    )

    committed(store, a_commit(entry=entry))

    (kept,) = store.log.page(None, 10)
    assert replace(kept, changes=(), sequence=0) == replace(entry, committed=PolicyRef(EPOCH, 1))
    assert [change.field for change in kept.changes][:2] == ["risk_mode", "trading_state"]
    assert kept.sequence == 1
    assert store.log.latest() == kept


def test_an_entry_that_published_nothing_names_no_version(store: Store) -> None:
    evaluated(store, 0)

    latest = store.log.latest()

    assert latest is not None
    assert (latest.committed, latest.changes) == (None, ())


def test_the_log_is_read_newest_first_page_by_page(store: Store) -> None:
    for minutes in range(5):
        evaluated(store, minutes)

    first = store.log.page(None, 2)
    second = store.log.page(first[-1].sequence, 2)

    assert [entry.sequence for entry in first + second] == [5, 4, 3, 2]
    assert store.log.page(1, 2) == []


def test_a_failure_is_the_latest_failure_until_an_evaluation_succeeds(store: Store) -> None:
    assert store.log.latest() is None
    assert store.log.latest_failure() is None
    evaluated(store, 0)
    store.evaluations.record_failure(an_entry("bad", verdict=None, failure="journal unreadable"))

    failure, success = store.log.latest_failure(), store.log.latest()
    assert failure is not None
    assert success is not None
    assert (failure.evaluation_id, failure.failure, success.evaluation_id) == ("bad", "journal unreadable", "eval-0")

    evaluated(store, 30)
    assert store.log.latest_failure() is None


def test_an_evaluation_is_found_by_its_request_while_it_is_young(store: Store) -> None:
    committed(store, a_commit(entry=an_entry("asked", request_id="r-1", started_at=at(10))))
    committed(store, a_commit(entry=an_entry("not asked", started_at=at(11))))

    found = store.log.by_request("r-1", since=at(10))
    assert found is not None
    assert found.evaluation_id == "asked"
    assert store.log.by_request("r-1", since=at(10.001)) is None
    assert store.log.by_request("r-2", since=at(0)) is None
    assert store.log.by_request("", since=at(0)) is None


def test_the_ranking_is_that_of_the_newest_success_by_rank(store: Store) -> None:
    assert store.log.strategies() == ([], None)
    first = a_verdict(strategies=(a_ranking("GONE"), a_ranking("BEST")))
    committed(store, a_commit("one", entry=an_entry("one", verdict=first)))
    ranked = (a_ranking("SECOND", rank=2, last_trade_at=None, winrate_fraction=None, allowed=False), a_ranking("BEST"))
    committed(store, a_commit(entry=an_entry("two", verdict=a_verdict(as_of=at(30), strategies=ranked))))
    store.evaluations.record_failure(an_entry("bad", verdict=None, failure="x"))

    assert store.log.strategies() == ([ranked[1], ranked[0]], at(30))


def test_a_ranking_may_become_empty(store: Store) -> None:
    committed(store, a_commit("one"))
    committed(store, a_commit(entry=an_entry("two", verdict=a_verdict(as_of=at(30), strategies=()))))

    assert store.log.strategies() == ([], at(30))


def test_the_head_that_a_commit_leads_to_is_told_and_is_the_one_that_is_returned(store: Store) -> None:
    told: list[Head] = []
    evaluated(store, 0, RiskMode.NORMAL)
    store.evaluations.before_commit(told.append)

    head = evaluated(store, 30, RiskMode.DEFENSIVE)
    evaluated(store, 60)

    (coming,) = told
    assert coming == head
    assert coming.policy is head.policy


def test_what_refuses_what_is_coming_takes_the_commit_back(store: Store) -> None:
    evaluated(store, 0, RiskMode.NORMAL)
    before, lines = store.evaluations.load(), len(store.audit.page(None, 100))

    def refuse(head: Head) -> None:
        raise InterruptedError("cannot be served")

    store.evaluations.before_commit(refuse)
    with pytest.raises(InterruptedError):
        evaluated(store, 30, RiskMode.DEFENSIVE)

    assert store.evaluations.load() == before
    assert len(store.audit.page(None, 100)) == lines
    assert store.policies.head() == before.head
