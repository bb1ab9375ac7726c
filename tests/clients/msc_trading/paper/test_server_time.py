"""How fresh a request must be."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paper_builders import NOON, ManualClock

from msc_trading.paper.clock import SimulatedClock
from msc_trading.paper.engine import Rejected
from msc_trading.paper.http.auth import ServerTime
from msc_trading.paper.http.text import milliseconds

NOON_MS = milliseconds(NOON)


def server(speed: float = 1.0, *, paused: bool = False) -> tuple[ServerTime, SimulatedClock, ManualClock]:
    real = ManualClock()
    clock = SimulatedClock(real, origin=NOON, speed=speed, paused=paused)
    return ServerTime(clock), clock, real


def passes(time: ServerTime, timestamp: int, recv_window: int = 5000, key: str = "k") -> bool:
    try:
        time.check(key, timestamp, recv_window)
    except Rejected as refused:
        assert refused.code == -1021
        return False
    return True


@pytest.mark.parametrize(
    ("difference_ms", "expected"), [(-5001, False), (-5000, True), (0, True), (999, True), (1000, False)]
)
def test_a_timestamp_is_less_than_a_second_ahead_and_no_older_than_its_window(
    difference_ms: int, expected: bool
) -> None:
    time, _, _ = server()

    assert passes(time, NOON_MS + difference_ms) is expected


def test_a_client_that_asked_once_stays_fresh_at_any_speed() -> None:
    time, _, real = server(speed=1440.0)
    offset_ms = time.tell("k") - round(real.seconds * 1000)

    for _ in range(100):
        real.advance(7.0)
        assert passes(time, round(real.seconds * 1000) + offset_ms)


@given(late_s=st.floats(5.1, 60.0), speed=st.floats(1.0, 5000.0))
def test_a_request_that_was_held_up_is_refused_at_any_speed(late_s: float, speed: float) -> None:
    time, _, real = server(speed)
    offset_ms = time.tell("k") - round(real.seconds * 1000)
    real.advance(100.0)

    sent_ms = round((real.seconds - late_s) * 1000) + offset_ms

    assert not passes(time, sent_ms)


def test_the_answers_to_one_key_do_not_help_another() -> None:
    time, _, real = server(speed=1440.0)
    told = time.tell("k")
    real.advance(7.0)

    assert passes(time, told + 7000)
    assert not passes(time, told + 7000, key="other")


def test_stepping_time_by_hand_makes_nobody_late() -> None:
    time, clock, real = server(paused=True)
    told = time.tell("k")

    clock.step(timedelta(hours=9))
    real.advance(3.0)

    assert passes(time, told + 3000)


@pytest.mark.parametrize("offset_ms", [-3_600_000, -1500, 6000, 3_600_000])
def test_a_clock_that_is_set_wrong_refuses_until_it_is_asked_again(offset_ms: int) -> None:
    time, _, real = server()
    offset = time.tell("k") - round(real.seconds * 1000)

    time.offset_ms = offset_ms
    assert not passes(time, round(real.seconds * 1000) + offset)
    offset = time.tell("k") - round(real.seconds * 1000)

    assert passes(time, round(real.seconds * 1000) + offset)


def test_what_was_told_is_forgotten_at_last() -> None:
    time, _, real = server(speed=1440.0)
    first = time.tell("k")
    for _ in range(10_000):
        real.advance(0.1)
        time.tell("k")

    assert not passes(time, first + 1_000_000)
