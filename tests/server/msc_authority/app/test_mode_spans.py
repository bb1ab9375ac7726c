"""Spans of history: shares of time, changes, and since when."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_builders import START

from msc_authority.app.modes import (
    MAX_SPANS,
    ModeSpan,
    changes_within,
    followed_by,
    in_order,
    shares,
    shown,
    since_when,
)
from msc_authority.core.policy import PolicyRef, RiskMode, TradingState

DEFENSIVE, NORMAL, AGGRESSIVE = RiskMode
ACTIVE, REDUCING, HALTED = TradingState
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def hours(number: float) -> datetime:
    return START + number * HOUR


def a_span(version: int, since: datetime, mode: RiskMode = NORMAL, state: TradingState = ACTIVE) -> ModeSpan:
    return ModeSpan(since=since, ref=PolicyRef(7, version), risk_mode=mode, trading_state=state)


LIFE = (
    a_span(1, hours(0), DEFENSIVE),
    a_span(2, hours(2), NORMAL),
    a_span(3, hours(3), NORMAL, REDUCING),
    a_span(4, hours(5), DEFENSIVE, REDUCING),
    a_span(5, hours(6), NORMAL, REDUCING),
)


def test_time_is_shared_among_modes_from_span_to_span() -> None:
    told = shares(LIFE, hours(0), hours(10))

    assert told.seconds == {DEFENSIVE: 3 * 3600.0, NORMAL: 7 * 3600.0}
    assert told.fraction(NORMAL) == 0.7
    assert told.fraction(AGGRESSIVE) == 0.0


def test_only_the_time_that_is_asked_for_is_shared() -> None:
    assert shares(LIFE, hours(1.5), hours(5.5)).seconds == {DEFENSIVE: 3600.0, NORMAL: 3 * 3600.0}


def test_time_before_the_first_policy_belongs_to_no_mode() -> None:
    told = shares(LIFE[:1], hours(-20), hours(1))

    assert (told.since, told.seconds) == (hours(0), {DEFENSIVE: 3600.0})
    assert told.fraction(DEFENSIVE) == 1.0


@pytest.mark.parametrize("spans", [(), LIFE], ids=["no policy ever", "the first one is yet to come"])
def test_without_a_policy_in_that_time_shares_are_unknown(spans: tuple[ModeSpan, ...]) -> None:
    told = shares(spans, hours(-2), hours(-1))

    assert told.seconds == {}
    assert told.fraction(NORMAL) is None


def test_changes_of_the_mode_are_counted_and_those_of_anything_else_are_not() -> None:
    assert changes_within(LIFE, hours(-1), hours(10)) == 3
    assert changes_within(LIFE, hours(2), hours(10)) == 2
    assert changes_within(LIFE, hours(1), hours(2)) == 1
    assert changes_within(LIFE[:1], hours(-1), hours(10)) == 0
    assert changes_within((), hours(-1), hours(10)) == 0


def test_what_is_in_force_began_where_it_last_was_otherwise() -> None:
    assert since_when(LIFE, lambda span: span.risk_mode) == hours(6)
    assert since_when(LIFE, lambda span: span.trading_state) == hours(3)
    assert since_when(LIFE[:1], lambda span: span.trading_state) == hours(0)
    assert since_when((), lambda span: span.risk_mode) is None


def test_after_the_clock_stepped_back_the_newest_revision_rules_from_its_instant_on() -> None:
    late = a_span(6, hours(2.5), AGGRESSIVE)

    assert followed_by(LIFE, late) == (*LIFE[:2], late)
    assert in_order([*LIFE, late]) == (*LIFE[:2], late)


def test_what_is_shown_begins_with_what_was_in_force() -> None:
    assert shown(LIFE, hours(2.5)) == LIFE[1:]
    assert shown(LIFE, hours(-1)) == LIFE
    assert shown(LIFE, hours(99)) == LIFE[-1:]
    assert shown((), hours(0)) == ()


def test_beyond_the_bound_the_oldest_that_changed_neither_mode_nor_state_are_left_out() -> None:
    modes = [DEFENSIVE if number % 50 == 0 else NORMAL for number in range(MAX_SPANS + 500)]
    spans = tuple(a_span(number, hours(number / 60), mode) for number, mode in enumerate(modes, start=1))
    now = hours(len(spans) / 60)

    kept = shown(spans, START)

    assert len(kept) == MAX_SPANS
    assert kept[-100:] == spans[-100:]
    assert shares(kept, START, now) == shares(spans, START, now)
    assert changes_within(kept, START, now) == changes_within(spans, START, now)


def test_when_every_revision_is_a_change_the_newest_are_kept() -> None:
    spans = tuple(a_span(n, hours(n), NORMAL if n % 2 else DEFENSIVE) for n in range(MAX_SPANS + 5))

    assert shown(spans, hours(-1)) == spans[5:]


SPANS = st.lists(st.tuples(st.integers(-40, 40), st.sampled_from(RiskMode), st.sampled_from(TradingState)), max_size=12)


@given(SPANS, st.integers(0, 60), st.integers(0, 30))
def test_shares_add_up_to_the_time_under_a_policy(
    rows: list[tuple[int, RiskMode, TradingState]], now: int, over: int
) -> None:
    spans = in_order(a_span(n, hours(since), mode, state) for n, (since, mode, state) in enumerate(rows, start=1))

    told = shares(spans, hours(now - over), hours(now))

    governed = max(0.0, min(over, now - spans[0].since.timestamp() / 3600 + START.timestamp() / 3600)) if spans else 0.0
    assert sum(told.seconds.values()) == pytest.approx(governed * 3600.0, abs=1e-3)
    assert all(seconds > 0.0 for seconds in told.seconds.values())
    assert all(left.since <= right.since for left, right in pairwise(spans))


@given(SPANS)
def test_one_by_one_or_at_once_spans_are_the_same(rows: list[tuple[int, RiskMode, TradingState]]) -> None:
    spans = [a_span(n, hours(since), mode, state) for n, (since, mode, state) in enumerate(rows, start=1)]
    one_by_one: tuple[ModeSpan, ...] = ()
    for span in spans:
        one_by_one = followed_by(one_by_one, span)

    assert one_by_one == in_order(spans)
