"""How much one caller may take, and that it harms nobody else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_live import ManualTime

from msc_authority.app.rates import BURST_S, OpenStreams, RateLimited, RequestRates, StreamLimitReached


def taken(rates: RequestRates, caller: str, tries: int) -> int:
    count = 0
    for _ in range(tries):
        try:
            rates.take(caller)
        except RateLimited:
            continue
        count += 1
    return count


def test_a_caller_that_was_silent_may_send_ten_seconds_worth_and_then_its_rate() -> None:
    time = ManualTime()
    rates = RequestRates(per_s=5.0, clock=time)

    at_once = taken(rates, "a", 100)
    time.leap(2.0)
    later = taken(rates, "a", 100)

    assert (at_once, later) == (5 * BURST_S, 10)
    assert rates.refused == 140


def test_one_callers_flood_is_nothing_to_another() -> None:
    rates = RequestRates(per_s=1.0, clock=ManualTime())
    taken(rates, "flood", 1000)

    assert taken(rates, "other", 5) == 5


def test_what_is_refused_costs_nothing() -> None:
    time = ManualTime()
    rates = RequestRates(per_s=1.0, clock=time)
    taken(rates, "a", 1000)
    time.leap(1.0)

    assert taken(rates, "a", 5) == 1


def test_callers_remembered_are_bounded() -> None:
    rates = RequestRates(per_s=1.0, clock=ManualTime(), max_callers=3)
    for number in range(100):
        taken(rates, f"caller {number}", 100)

    assert taken(rates, "caller 99", 1) == 0
    assert taken(rates, "caller 0", 1) == 1


def test_the_caller_that_is_silent_for_longest_is_the_one_forgotten() -> None:
    rates = RequestRates(per_s=1.0, clock=ManualTime(), max_callers=2)
    for caller in ("busy", "silent", "busy", "new"):
        taken(rates, caller, 100)

    assert taken(rates, "busy", 1) == 0
    assert taken(rates, "silent", 1) == 1


@given(st.lists(st.tuples(st.floats(0, 20), st.integers(0, 30)), max_size=30), st.floats(1, 50))
def test_over_any_time_nobody_gets_more_than_burst_and_rate_allow(steps: list[tuple[float, int]], per_s: float) -> None:
    time = ManualTime()
    rates = RequestRates(per_s=per_s, clock=time)
    elapsed, count = 0.0, 0
    for wait_s, tries in steps:
        time.leap(wait_s)
        elapsed += wait_s
        count += taken(rates, "a", tries)

    assert count <= per_s * (BURST_S + elapsed) + 1e-6


def test_streams_of_one_caller_are_bounded_and_given_back() -> None:
    streams = OpenStreams(2)
    for caller in ("a", "a", "b"):
        streams.begin(caller)
    with pytest.raises(StreamLimitReached, match="2 streams"):
        streams.begin("a")
    streams.end("a")
    streams.begin("a")
    assert streams.refused == 1
