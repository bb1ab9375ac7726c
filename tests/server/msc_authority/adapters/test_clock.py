"""Clocks: the machine's, and that of a simulation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msc_authority.adapters.clock import SimulatedClock, SystemClock, uniform

ORIGIN = datetime(2022, 1, 1, tzinfo=UTC)


def test_the_machines_clock_is_aware_and_does_not_run_backwards() -> None:
    clock = SystemClock()
    now, monotonic = clock.now(), clock.monotonic()

    assert now.tzinfo is UTC
    assert clock.monotonic() >= monotonic


def test_simulated_time_starts_at_its_origin_and_runs_so_many_times_as_fast() -> None:
    real = SystemClock().now()

    clock = SimulatedClock(origin=ORIGIN, started_at=real - timedelta(seconds=10), speed=1440)

    assert clock.now() >= ORIGIN + timedelta(hours=4)
    later = SimulatedClock(origin=ORIGIN, started_at=real + timedelta(hours=1), speed=2)
    assert later.now() < ORIGIN


def test_processes_with_the_same_numbers_agree_on_the_time() -> None:
    started_at = SystemClock().now()
    one, other = (SimulatedClock(origin=ORIGIN, started_at=started_at, speed=60) for _ in range(2))

    first, second, third = one.now(), other.now(), one.now()

    assert first <= second <= third


def test_durations_of_a_simulation_are_real() -> None:
    clock = SimulatedClock(origin=ORIGIN, started_at=SystemClock().now(), speed=1e6)

    before, between, after = SystemClock().monotonic(), clock.monotonic(), SystemClock().monotonic()

    assert before <= between <= after


def test_draws_stay_within_their_bounds() -> None:
    assert all(1.0 <= uniform(1.0, 1.1) <= 1.1 for _ in range(100))
