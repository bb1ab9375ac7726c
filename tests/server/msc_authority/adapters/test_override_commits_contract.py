"""What every store does with acts of persons: one commit each, beside the evaluations', and a history of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from msc_builders import START, Store, a_commit, a_content, a_transition, an_entry, at, changed
from msc_overrides import an_override

from msc_authority.core.policy import PolicyRef, RiskMode, StrategyState
from msc_authority.ports.operator import ActEntry, OverrideCommit, StoredController
from msc_authority.ports.policies import Head
from msc_authority.ports.store import Fenced, StaleState

EPOCH = int(START.timestamp())


def an_act(act_id: str = "act-1", **fields: object) -> ActEntry:
    """A halt by Alice at START."""
    entry = ActEntry(act_id=act_id, act="HALT", target="trading", at=START, actor="alice", reason="exchange incident")
    return changed(entry, fields)


def an_override_commit(act_id: str = "act-1", **fields: object) -> OverrideCommit:
    """A commit that publishes a policy in mode DEFENSIVE, by Alice."""
    commit = OverrideCommit(
        entry=an_act(act_id),
        publish=a_content(RiskMode.DEFENSIVE, author="operator:alice"),
        valid_for_s=3600.0,
        controller=b"controller after",
    )
    return changed(commit, fields)


def acted(store: Store, commit: OverrideCommit) -> Head:
    return store.evaluations.commit_override(commit, store.evaluations.load())


def evaluated(store: Store) -> Head:
    return store.evaluations.commit(a_commit(), store.evaluations.load())


def test_an_act_publishes_the_next_version_created_when_it_was_done(store: Store) -> None:
    evaluated(store)

    head = acted(store, an_override_commit(entry=an_act(at=at(7))))

    assert head.policy is not None
    assert (head.ref, head.policy.created_at) == (PolicyRef(EPOCH, 2), at(7))
    assert head.policy.content == a_content(RiskMode.DEFENSIVE, author="operator:alice")
    assert store.policies.head() == head
    assert [change.field for change in store.policies.revisions(None, 1)[0].changes] == ["risk_mode"]


def test_the_last_evaluation_stays_the_one_that_confirmed_the_head(store: Store) -> None:
    evaluated(store)
    checkpoint = store.evaluations.load().checkpoint

    head = acted(store, an_override_commit(entry=an_act(at=at(700))))

    assert head.evaluated_at == START
    assert store.evaluations.load().checkpoint == checkpoint
    assert [entry.evaluation_id for entry in store.log.page(None, 10)] == ["eval-1"]


def test_an_act_may_make_the_first_policy_of_all(store: Store) -> None:
    head = acted(store, an_override_commit())

    assert (head.ref, head.evaluated_at) == (PolicyRef(EPOCH, 1), None)
    state = store.evaluations.load()
    assert (state.head, state.controller, state.checkpoint) == (head, b"controller after", None)


def test_an_act_that_publishes_nothing_is_kept_all_the_same(store: Store) -> None:
    first = evaluated(store)

    head = acted(store, an_override_commit(publish=None))

    assert head == first
    assert store.evaluations.controller() == StoredController(generation=2, payload=b"controller after")
    (kept,) = store.acts.page(None, 10)
    assert (kept.committed, kept.changes) == (None, ())


def test_the_controller_is_read_alone(store: Store) -> None:
    assert store.evaluations.controller() == StoredController(generation=0, payload=None)
    evaluated(store)

    assert store.evaluations.controller() == StoredController(generation=1, payload=b"controller")


def test_an_act_from_an_old_state_is_stale_and_writes_nothing(store: Store) -> None:
    old = store.evaluations.load()
    evaluated(store)
    state = store.evaluations.load()

    with pytest.raises(StaleState):
        store.evaluations.commit_override(an_override_commit(), old)

    assert store.evaluations.load() == state
    assert store.acts.page(None, 10) == []


def test_an_evaluation_from_before_an_act_is_stale(store: Store) -> None:
    old = store.evaluations.load()
    acted(store, an_override_commit(publish=None))

    with pytest.raises(StaleState):
        store.evaluations.commit(a_commit(), old)


def test_a_number_that_is_not_finite_cannot_be_published_by_a_person_either(store: Store) -> None:
    limits = replace(a_content().limits, max_risk_per_trade=float("nan"))

    with pytest.raises(ValueError, match="nan"):
        acted(store, an_override_commit(publish=a_content(limits=limits)))

    assert store.acts.page(None, 10) == []
    assert store.evaluations.load().generation == 0


def test_history_keeps_an_act_whole_with_the_version_it_led_to(store: Store) -> None:
    detail = {"mode": "DEFENSIVE", "lasts_s": 3600.5, "loosens": False, "asked": None}
    entry = an_act(act="PIN_MODE", request_id="r-1", detail=detail, override_id="o-1")

    acted(store, an_override_commit(entry=entry))

    (kept,) = store.acts.page(None, 10)
    assert replace(kept, changes=()) == replace(entry, committed=PolicyRef(EPOCH, 1), sequence=1)
    assert kept.changes[0].field == "risk_mode"


def test_acts_are_read_newest_first_page_by_page(store: Store) -> None:
    for number in range(4):
        acted(store, an_override_commit(f"act-{number}"))

    first = store.acts.page(None, 3)

    assert [act.act_id for act in first] == ["act-3", "act-2", "act-1"]
    assert [act.act_id for act in store.acts.page(first[-1].sequence, 3)] == ["act-0"]


def test_an_act_is_found_by_its_request_while_it_is_young(store: Store) -> None:
    acted(store, an_override_commit(entry=an_act("first", request_id="r-1", at=at(0))))
    acted(store, an_override_commit(entry=an_act("other", at=at(1))))

    found = store.acts.by_request("r-1", START)
    assert found is not None
    assert found.act_id == "first"
    assert store.acts.by_request("r-1", START + timedelta(seconds=1)) is None
    assert store.acts.by_request("r-2", START) is None
    assert store.acts.by_request("", START) is None


def test_what_the_last_look_raises_takes_everything_back(store: Store) -> None:
    evaluated(store)
    before, lines = store.evaluations.load(), len(store.audit.page(None, 100))

    def refuse() -> None:
        raise InterruptedError("the caller has gone")

    with pytest.raises(InterruptedError):
        store.evaluations.commit_override(an_override_commit(), before, refuse)

    assert (store.evaluations.load(), store.acts.page(None, 10)) == (before, [])
    assert len(store.audit.page(None, 100)) == lines


def test_an_act_with_a_transition_and_overrides_that_ended_is_kept(store: Store) -> None:
    evaluated(store)
    transition = a_transition(before=StrategyState.ACTIVE, after=StrategyState.RETIRED)

    acted(store, an_override_commit(transitions=(transition,), expired=(an_override(),)))

    assert [act.act_id for act in store.acts.page(None, 10)] == ["act-1"]


def test_an_act_needs_no_lease_whoever_leads(store: Store) -> None:
    store.lease.acquire_or_renew("another replica", "another.example:7443", 60.0)

    assert acted(store, an_override_commit()).ref.version == 1


def test_an_act_made_under_a_term_that_is_over_is_refused(store: Store) -> None:
    term = store.lease.acquire_or_renew("one", "one.example:7443", 0.0).term
    store.lease.acquire_or_renew("two", "two.example:7443", 60.0)

    with pytest.raises(Fenced):
        acted(store, an_override_commit(term=term))

    assert store.acts.page(None, 10) == []


def test_an_evaluation_may_let_overrides_go(store: Store) -> None:
    head = store.evaluations.commit(a_commit(entry=an_entry(), expired=(an_override(),)), store.evaluations.load())

    assert head.ref.version == 1


def test_the_head_that_an_act_leads_to_is_told_before_its_last_look(store: Store) -> None:
    evaluated(store)
    told: list[object] = []
    store.evaluations.before_commit(told.append)

    head = store.evaluations.commit_override(
        an_override_commit(publish=a_content(author="ada")), store.evaluations.load(), lambda: told.append("last look")
    )

    assert told == [head, "last look"]
