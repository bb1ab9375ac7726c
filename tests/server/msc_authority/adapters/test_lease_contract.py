"""What every store does with the lease: one holder at a time, and a term that fences whoever had it before."""

from __future__ import annotations

import pytest
from msc_builders import Store, a_commit, an_entry

from msc_authority.ports.evaluations import EvaluationEntry
from msc_authority.ports.replicas import LeaseState
from msc_authority.ports.store import Fenced

TTL_S = 60.0
AT_ONCE = 0.0
"""A lease that is over in the moment it is given."""


def asked(store: Store, holder: str, ttl_s: float = TTL_S) -> LeaseState:
    return store.lease.acquire_or_renew(holder, f"{holder}.example:7443", ttl_s)


def test_the_first_to_ask_gets_the_lease_in_term_one(store: Store) -> None:
    state = asked(store, "one")

    assert (state.term, state.holder, state.address, state.held) == (1, "one", "one.example:7443", True)
    assert 0 < state.expires_in_s <= TTL_S


def test_who_asks_while_another_has_it_is_told_who(store: Store) -> None:
    asked(store, "one")

    state = asked(store, "two")

    assert (state.term, state.holder, state.address, state.held) == (1, "one", "one.example:7443", False)
    assert 0 < state.expires_in_s <= TTL_S


def test_renewing_keeps_the_term(store: Store) -> None:
    terms = [asked(store, "one", ttl_s).term for ttl_s in (TTL_S, TTL_S, AT_ONCE, TTL_S)]

    assert terms == [1, 1, 1, 1]


def test_a_renewal_counts_from_the_moment_it_is_made(store: Store) -> None:
    asked(store, "one", TTL_S)

    assert asked(store, "one", 600.0).expires_in_s > TTL_S


def test_a_lease_that_is_over_goes_to_the_next_in_a_greater_term(store: Store) -> None:
    asked(store, "one", AT_ONCE)

    state = asked(store, "two")

    assert (state.term, state.holder, state.held) == (2, "two", True)
    assert not asked(store, "one").held


def test_a_lease_given_back_goes_to_the_next_at_once(store: Store) -> None:
    store.lease.release(asked(store, "one").term)

    assert asked(store, "two").term == 2


def test_who_gave_it_back_and_asks_again_has_a_new_term(store: Store) -> None:
    store.lease.release(asked(store, "one").term)

    assert asked(store, "one").term == 2


def test_giving_back_a_term_that_is_over_takes_nothing_from_the_one_who_leads_now(store: Store) -> None:
    old = asked(store, "one", AT_ONCE).term
    asked(store, "two")

    store.lease.release(old)

    assert asked(store, "two").term == 2
    assert not asked(store, "one").held


def test_giving_back_what_nobody_ever_had_changes_nothing(store: Store) -> None:
    store.lease.release(1)

    assert asked(store, "one").term == 1


def test_what_is_made_in_the_present_term_is_committed(store: Store) -> None:
    term = asked(store, "one").term

    head = store.evaluations.commit(a_commit(term=term), store.evaluations.load())

    assert head.ref.version == 1


def test_what_was_made_in_a_term_that_is_over_is_refused_and_nothing_of_it_is_written(store: Store) -> None:
    old = asked(store, "one", AT_ONCE).term
    before = store.evaluations.load()
    asked(store, "two")

    with pytest.raises(Fenced, match="term 1 is over"):
        store.evaluations.commit(a_commit(term=old), before)

    assert store.evaluations.load() == before
    assert store.log.page(None, 10) == []
    assert store.policies.revisions(None, 10) == []


def test_a_term_that_nobody_took_over_is_good_also_when_its_time_is_up(store: Store) -> None:
    term = asked(store, "one", AT_ONCE).term

    assert store.evaluations.commit(a_commit(term=term), store.evaluations.load()).ref.version == 1


def test_a_term_of_a_store_that_nobody_ever_led_is_refused(store: Store) -> None:
    with pytest.raises(Fenced):
        store.evaluations.commit(a_commit(term=1), store.evaluations.load())


def test_a_failure_of_a_term_that_is_over_is_not_kept(store: Store) -> None:
    old = asked(store, "one", AT_ONCE).term
    asked(store, "two")

    with pytest.raises(Fenced):
        store.evaluations.record_failure(failed("late"), term=old)
    store.evaluations.record_failure(failed("mine"), term=old + 1)
    store.evaluations.record_failure(failed("of no term"))

    assert [entry.evaluation_id for entry in store.log.page(None, 10)] == ["of no term", "mine"]


def failed(evaluation_id: str) -> EvaluationEntry:
    return an_entry(evaluation_id, verdict=None, failure="journal unreadable")
