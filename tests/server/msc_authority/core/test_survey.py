"""What is measured before anything is judged."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from msc_core_builders import CONFIG, DAY, HOUR, T0, a_ledger, a_point, a_result

from msc_authority.core.evidence import Evidence
from msc_authority.core.survey import Survey, survey


def seen(rows: list[Evidence], as_of: datetime) -> Survey:
    return survey(a_ledger(rows), CONFIG, as_of)


def forty_trades() -> list[Evidence]:
    return [a_result(T0 + number * HOUR / 40, -10 if number % 10 < 7 else 5) for number in range(40)]


def test_the_win_rate_is_that_of_the_tape_while_trading() -> None:
    found = seen(forty_trades(), T0 + DAY).winrate
    assert found is not None
    assert [found.rate, found.trades] == pytest.approx([0.3, 40])


def test_idle_for_longer_it_fades_toward_its_prior_and_so_does_its_sample() -> None:
    idle = T0 + 39 * HOUR / 40 + DAY + timedelta(days=3)
    found = seen(forty_trades(), idle).winrate
    assert found is not None
    assert [found.rate, found.trades] == pytest.approx([0.4, 20])


def test_idle_for_weeks_win_rate_and_expectancy_are_forgotten() -> None:
    found = seen(forty_trades(), T0 + 14 * DAY)
    assert (found.winrate, found.expectancy) == (None, None)
    assert found.trades.winrate_fraction == pytest.approx(0.3)
    assert found.loss_streak == 0


def test_days_without_profit_count_from_the_last_profit_else_from_the_first_trade() -> None:
    profit, loss = a_result(T0, 5), a_result(T0 + DAY, -5)
    assert seen([profit, loss], T0 + 4 * DAY).days_without_profit == 4.0
    assert seen([loss], T0 + 4 * DAY).days_without_profit == 3.0
    assert seen([a_point(T0, 100)], T0 + DAY).days_without_profit is None


def test_only_the_newest_two_hundred_trades_count() -> None:
    rows: list[Evidence] = [a_result(T0 + number * HOUR / 10, -1) for number in range(300)]
    rows += [a_result(T0 + 2 * DAY + number * HOUR / 10, 1) for number in range(200)]
    found = seen(rows, T0 + 3 * DAY)
    assert (found.trades.trades, found.trades.winrate_fraction) == (200, 1.0)


def test_shadow_trades_say_nothing_about_the_system() -> None:
    found = seen([a_result(T0, -5, live=False)], T0 + HOUR)
    assert not found.known
    assert (found.winrate, found.loss_streak, found.equity) == (None, None, None)


def test_the_slope_needs_five_completed_days() -> None:
    rows: list[Evidence] = [a_point(T0 + number * DAY, f"{1_000 * 1.01**number:.6f}") for number in range(6)]
    assert seen(rows[:5], T0 + 4 * DAY).slope is None
    slope = seen(rows, T0 + 5 * DAY).slope
    assert slope is not None
    assert slope.slope == pytest.approx(1.0, rel=1e-4)
