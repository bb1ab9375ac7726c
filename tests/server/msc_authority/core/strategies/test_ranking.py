"""The order of strategies and the parts of their scores."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from msc_authority.core.evidence import TradeEvidence
from msc_authority.core.strategies import StrategyBook, StrategyConfig
from msc_authority.core.strategies.ranking import Standing, expected_maximum, standings_of

START = datetime(2024, 1, 1, tzinfo=UTC)
CONFIG = StrategyConfig()


def standings(
    histories: dict[str, list[float]], *, retired: frozenset[str] = frozenset(), config: StrategyConfig = CONFIG
) -> dict[str, Standing]:
    book = StrategyBook.empty(config)
    for strategy_id, rs in histories.items():
        for r in rs:
            book.fold(TradeEvidence(START, "t", strategy_id, Decimal(str(r)) * 100, Decimal(100), live=True))
    found = standings_of(book, histories.keys() | retired, retired, START + timedelta(days=1), config)
    return {one.strategy_id: one for one in found}


# H. Harter, "Expected values of normal order statistics", Biometrika 48 (1961), table 1.
@pytest.mark.parametrize(("candidates", "printed"), [(2, 0.5642), (5, 1.1630), (10, 1.5388), (100, 2.5076)])
def test_the_expected_maximum_is_close_to_the_printed_one(candidates: int, printed: float) -> None:
    assert expected_maximum(candidates) == pytest.approx(printed, abs=0.05)


@pytest.mark.parametrize("candidates", [0, 1])
def test_without_a_choice_there_is_no_luck_in_choosing(candidates: int) -> None:
    assert expected_maximum(candidates) == 0.0


def test_the_more_candidates_the_better_the_best_looks_by_luck() -> None:
    luck = [expected_maximum(candidates) for candidates in range(1, 60)]

    assert luck == sorted(set(luck))


def test_the_score_is_the_lower_bound_less_both_penalties() -> None:
    loser = standings({"LOSER": [1.0, -1.0, -2.0], "OTHER": [0.5, 0.4]})["LOSER"]

    assert loser.drawdown_penalty_r == pytest.approx(0.03)
    assert loser.selection_penalty_r > 0.0
    assert loser.score == loser.posterior_lower_r - loser.drawdown_penalty_r - loser.selection_penalty_r
    assert loser.posterior_lower_r < loser.posterior_mean_r


def test_the_best_comes_first() -> None:
    found = standings({"BAD": [-1.0] * 20, "GOOD": [1.0, 0.9] * 10, "SO_SO": [1.0, -1.0] * 10})

    assert list(found) == ["GOOD", "SO_SO", "BAD"]


def test_ties_are_ordered_by_id() -> None:
    same = [1.0, -0.5, 0.3]

    assert list(standings({"C": same, "A": same, "B": same})) == ["A", "B", "C"]


def test_of_two_with_the_same_trades_the_one_deeper_in_its_drawdown_comes_second() -> None:
    config = StrategyConfig(evidence_half_life_trades=1e9)

    found = standings({"A_FADING": [2.0] * 9 + [-2.0] * 6, "B_RISING": [-2.0] * 6 + [2.0] * 9}, config=config)

    assert list(found) == ["B_RISING", "A_FADING"]
    assert found["A_FADING"].posterior_lower_r == pytest.approx(found["B_RISING"].posterior_lower_r)


def test_one_strategy_alone_pays_nothing_for_selection() -> None:
    assert standings({"ONLY": [1.0, 0.5]})["ONLY"].selection_penalty_r == 0.0


def test_the_retired_come_last_and_are_no_candidates() -> None:
    found = standings({"GREAT": [2.0, 1.9] * 20, "PLAIN": [0.1, -0.1]}, retired=frozenset({"GREAT"}))

    assert list(found) == ["PLAIN", "GREAT"]
    assert found["PLAIN"].selection_penalty_r == 0.0


def test_a_great_fleet_gives_a_losing_strategy_no_edge_of_its_own() -> None:
    fleet = {f"GOOD{k}": [2.0, 1.0] * 15 for k in range(5)}

    loser = standings({**fleet, "LOSER": [-0.1, -0.1]})["LOSER"]

    assert loser.probability_positive > 0.8
    assert not loser.has_own_edge
