"""What becomes of a lease when somebody asks for it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msc_builders import START

from msc_authority.adapters.leases import Claim, LeaseRow, check_term, given_back, granted, state_of
from msc_authority.ports.store import Fenced

TTL = timedelta(seconds=5)


def a_lease(holder: str = "one", address: str = "one:1", term: int = 4) -> LeaseRow:
    return LeaseRow(term=term, holder=holder, address=address, renewed_at=START, expires_at=START + TTL)


def a_claim(holder: str = "two", address: str = "two:1", *, one_machine: bool = False) -> Claim:
    return Claim(holder=holder, address=address, ttl_s=5.0, one_machine=one_machine)


@pytest.mark.parametrize(("after_s", "gets_it"), [(0.0, False), (4.999, False), (5.0, True), (3600.0, True)])
def test_another_gets_it_when_its_time_is_up_and_not_earlier(after_s: float, gets_it: bool) -> None:
    row = granted(a_lease(), a_claim(), START + timedelta(seconds=after_s))

    assert (row is not None) is gets_it
    assert row is None or (row.term, row.holder) == (5, "two")


def test_a_clock_that_was_set_back_does_not_keep_a_dead_holder_alive() -> None:
    row = granted(a_lease(), a_claim(), START - timedelta(hours=1))

    assert row is not None
    assert row.term == 5
    assert row.expires_at == START - timedelta(hours=1) + TTL


def test_on_one_machine_who_listens_at_an_address_follows_whoever_did_before_at_once() -> None:
    again = granted(a_lease(), a_claim("new start", "one:1", one_machine=True), START)

    assert again is not None
    assert (again.term, again.holder) == (5, "new start")
    assert granted(a_lease(), a_claim("other", "other:1", one_machine=True), START) is None


def test_on_a_network_two_that_call_themselves_by_one_address_do_not_take_it_from_each_other() -> None:
    assert granted(a_lease(), a_claim("other", "one:1"), START) is None


def test_the_holder_keeps_its_term_also_at_another_address() -> None:
    row = granted(a_lease(), a_claim("one", "one:2"), START + timedelta(seconds=1))

    assert row is not None
    assert (row.term, row.address, row.expires_at) == (4, "one:2", START + timedelta(seconds=6))


def test_what_was_given_back_is_nobodys() -> None:
    row = given_back(a_lease(), START)

    state = state_of(row, "one", START)
    assert (state.term, state.holder, state.address, state.held, state.expires_in_s) == (4, "", "", False, 0.0)
    assert granted(row, a_claim("one", "one:1"), START) == a_lease(term=5)


def test_a_lease_whose_time_is_up_is_shown_as_nobodys() -> None:
    state = state_of(a_lease(), "one", START + TTL)

    assert (state.holder, state.held, state.expires_in_s) == ("", False, 0.0)


@pytest.mark.parametrize(("present", "term"), [(None, None), (4, None), (4, 4)])
def test_the_present_term_passes_and_so_does_none(present: int | None, term: int | None) -> None:
    check_term(present, term)


@pytest.mark.parametrize(("present", "term"), [(None, 1), (4, 3), (4, 5)])
def test_another_term_is_fenced(present: int | None, term: int) -> None:
    with pytest.raises(Fenced, match=f"term {term} is over"):
        check_term(present, term)
