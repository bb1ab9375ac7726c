"""A replay evaluates on the clock's steps, each with exactly the facts that had happened by then."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from msc_builders import START, a_trade, an_equity_point, at

from msc_authority.adapters.journal_files import load
from msc_authority.app.replay import ReplayClock, ReplayStep
from msc_authority.compose.replay import replay_in_memory, replay_into
from msc_authority.core.config import DecisionConfig
from msc_authority.core.facts import Fact
from msc_authority.core.policy import RiskMode

HALF_HOUR = timedelta(minutes=30)
REAL_FACTS = Path(__file__).parents[5] / "shared" / "data"


def replayed(facts: Sequence[Fact]) -> list[ReplayStep]:
    return list(replay_in_memory(facts, DecisionConfig(), HALF_HOUR))


def a_month_of_luck(days: int = 6) -> list[Fact]:
    """A fleet that wins for a while, then loses: equity every quarter of an hour, a trade every hour."""
    facts: list[Fact] = []
    balance = Decimal(100000)
    for hour in range(24 * days):
        pnl = Decimal(300 if hour % 5 and hour < 12 * days else -250)
        balance += pnl
        closed = at(60 * hour + 7)
        facts.append(
            a_trade(f"T-{hour}", opened_at=closed - timedelta(minutes=5), closed_at=closed, net_pnl=pnl,
                    gross_pnl=pnl, fees=Decimal(0), funding=Decimal(0), risk_at_entry=Decimal(400))
        )  # fmt: skip
        facts.append(an_equity_point(at(60 * hour + 10), wallet_balance=balance, unrealized_pnl=Decimal(0)))
    return facts


def test_steps_run_on_the_grid_of_the_clock_from_the_first_fact_to_behind_the_last() -> None:
    steps = replayed([a_trade("T-1", closed_at=at(5)), a_trade("T-2", closed_at=at(65))])

    assert [step.as_of for step in steps] == [at(30), at(60), at(90)]
    assert [step.facts for step in steps] == [1, 0, 1]
    assert [step.number for step in steps] == [1, 2, 3]
    assert {step.total for step in steps} == {3}


def test_fact_on_the_instant_of_an_evaluation_is_part_of_it() -> None:
    steps = replayed([a_trade("T-1", closed_at=at(30))])

    assert [(step.as_of, step.facts) for step in steps] == [(at(30), 1)]


def test_no_facts_lead_to_no_evaluations() -> None:
    assert replayed([]) == []


def test_step_must_be_positive() -> None:
    with pytest.raises(ValueError, match="step"):
        list(replay_in_memory([a_trade()], DecisionConfig(), timedelta(0)))


def test_clock_of_a_replay_does_not_run_backwards() -> None:
    clock = ReplayClock(START)

    with pytest.raises(ValueError, match="backwards"):
        clock.move_to(START - HALF_HOUR)


def test_fact_that_contradicts_an_earlier_one_is_told_with_its_step() -> None:
    steps = replayed([a_trade("T-1", closed_at=at(5)), a_trade("T-1", closed_at=at(65))])

    assert [len(step.refused) for step in steps] == [0, 0, 1]
    assert steps[2].refused[0].code == "ID_CONFLICT"


def test_order_of_the_facts_given_does_not_matter() -> None:
    facts = a_month_of_luck()

    assert verdicts(replayed(facts)) == verdicts(replayed(list(reversed(facts))))


def test_policies_follow_the_fleet_up_and_down() -> None:
    modes = [step.outcome.candidate.risk_mode for step in replayed(a_month_of_luck())]

    assert modes[0] is RiskMode.DEFENSIVE
    assert RiskMode.NORMAL in modes
    assert modes[-1] is RiskMode.DEFENSIVE


def test_what_is_decided_in_memory_is_decided_in_a_database(tmp_path: Path) -> None:
    facts = a_month_of_luck()[:60]
    url = f"sqlite:///{tmp_path / 'replay.db'}"

    assert verdicts(replay_into(url, facts, DecisionConfig(), HALF_HOUR)) == verdicts(replayed(facts))


def test_database_that_holds_a_policy_is_not_replayed_into(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'replay.db'}"
    list(replay_into(url, a_month_of_luck()[:10], DecisionConfig(), HALF_HOUR))

    with pytest.raises(ValueError, match="holds a policy already"):
        list(replay_into(url, a_month_of_luck()[:10], DecisionConfig(), HALF_HOUR))


@pytest.mark.skipif(not REAL_FACTS.is_dir(), reason="the month of real-price trades is not beside the repository")
def test_month_of_real_prices_is_calm_and_twice_the_same() -> None:
    paths = [REAL_FACTS / "fleet_sample_trades.csv", REAL_FACTS / "fleet_sample_equity.csv"]
    content = load(paths, at(0))
    assert not content.refused

    steps = replayed(content.facts)

    assert len(steps) > 1400
    assert most_risk_increases_in_an_hour(steps) <= 5
    assert verdicts(steps) == verdicts(replayed(content.facts))


def verdicts(steps: object) -> list[object]:
    return [
        (step.as_of, asdict(step.outcome.entry.verdict), step.outcome.head.ref.version)
        for step in steps  # type: ignore[attr-defined]  # lists and iterators of steps
    ]


def most_risk_increases_in_an_hour(steps: list[ReplayStep]) -> int:
    increases: list[datetime] = [
        after.as_of
        for before, after in itertools.pairwise(steps)
        if after.outcome.candidate.risk_mode > before.outcome.candidate.risk_mode
        or after.outcome.candidate.trading_state < before.outcome.candidate.trading_state
    ]
    return max(
        (sum(timedelta(0) <= other - instant < timedelta(hours=1) for other in increases) for instant in increases),
        default=0,
    )
