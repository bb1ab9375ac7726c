"""Simulated time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from paper_builders import NOON, ManualClock

from msc_trading.paper.clock import SimulatedClock


def test_time_runs_at_its_speed() -> None:
    real = ManualClock()
    clock = SimulatedClock(real, origin=NOON, speed=1440.0)

    real.advance(60.0)

    assert clock.now() == NOON + timedelta(days=1)


def test_a_paused_clock_moves_by_steps_only() -> None:
    real = ManualClock()
    clock = SimulatedClock(real, origin=NOON, speed=60.0, paused=True)

    real.advance(100.0)
    assert clock.now() == NOON
    clock.step(timedelta(minutes=5))

    assert clock.now() == NOON + timedelta(minutes=5)


def test_pausing_and_resuming_loses_no_time() -> None:
    real = ManualClock()
    clock = SimulatedClock(real, origin=NOON, speed=2.0)

    real.advance(10.0)
    clock.pause()
    real.advance(100.0)
    clock.resume()
    clock.resume()
    real.advance(5.0)

    assert clock.now() == NOON + timedelta(seconds=30)


def test_another_speed_counts_from_now_on() -> None:
    real = ManualClock()
    clock = SimulatedClock(real, origin=NOON, speed=1.0)

    real.advance(10.0)
    clock.set_speed(100.0)
    real.advance(1.0)

    assert clock.now() == NOON + timedelta(seconds=110)


def test_a_running_clock_can_be_stepped_too() -> None:
    real = ManualClock()
    clock = SimulatedClock(real, origin=NOON, speed=1.0)

    clock.step(timedelta(hours=1))
    real.advance(1.0)

    assert clock.now() == NOON + timedelta(hours=1, seconds=1)


def test_time_cannot_go_back_nor_stand_still_by_its_speed() -> None:
    clock = SimulatedClock(ManualClock(), origin=NOON, speed=1.0)

    with pytest.raises(ValueError, match="seconds"):
        clock.step(timedelta(seconds=-1))
    with pytest.raises(ValueError, match="speed"):
        clock.set_speed(0.0)
