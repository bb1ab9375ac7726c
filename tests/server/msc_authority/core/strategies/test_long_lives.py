"""Strategies over months: the whole way round, told step by step, and what no course of trades can break."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msc_authority.core.evaluation import StrategyTransition
from msc_authority.core.evidence import TradeEvidence
from msc_authority.core.policy import RiskMode, StrategyGrant, StrategyState
from msc_authority.core.strategies import (
    StrategyBook,
    StrategyConfig,
    StrategyLives,
    StrategyOutcome,
    judge,
    reinstate,
    retire,
)

ACTIVE, BENCHED, SHADOW, PROBATION, RETIRED = StrategyState
DEFENSIVE, NORMAL, AGGRESSIVE = RiskMode
CONFIG = StrategyConfig()
START = datetime(2024, 1, 1, tzinfo=UTC)
STEP = timedelta(hours=6)
WINS, LOSES, MIXED = (1.0, 1.2, -0.5), (-1.0, -0.8, 0.3), (0.6, -0.5)

LEGAL = {
    (None, PROBATION),
    (None, SHADOW),
    (None, ACTIVE),
    (None, BENCHED),
    (ACTIVE, BENCHED),
    (ACTIVE, PROBATION),
    (BENCHED, SHADOW),
    (SHADOW, PROBATION),
    (PROBATION, ACTIVE),
    (PROBATION, BENCHED),
}
UP = {(SHADOW, PROBATION), (PROBATION, ACTIVE), (None, ACTIVE)}


@dataclass
class Season:
    """A fleet that trades and is judged every six hours."""

    mode: RiskMode = NORMAL
    seats: int = 8
    now: datetime = START
    book: StrategyBook = field(default_factory=lambda: StrategyBook.empty(CONFIG))
    lives: StrategyLives = field(default_factory=StrategyLives)
    steps: list[StrategyTransition] = field(default_factory=list)
    outcomes: list[StrategyOutcome] = field(default_factory=list)

    def trade(self, strategy_id: str, rs: Sequence[float], *, live: bool = True) -> None:
        """One trade a step, each judged after it."""
        for number, r in enumerate(rs):
            self.now += STEP
            pnl = Decimal(str(r)) * 100
            self.book.fold(TradeEvidence(self.now, f"t{number}", strategy_id, pnl, Decimal(100), live))
            self.judge()

    def wait(self, days: float) -> None:
        """Nobody trades; judged every six hours all the same."""
        for _ in range(round(days * 4)):
            self.now += STEP
            self.judge()

    def judge(self) -> StrategyOutcome:
        outcome = judge(self.book, self.lives, self.mode, CONFIG, self.now, max_strategies=self.seats)
        self.lives = outcome.lives
        self.steps += outcome.transitions
        self.outcomes.append(outcome)
        return outcome

    def path(self, strategy_id: str) -> list[tuple[str, str]]:
        return [(step.after.value, step.reason.code) for step in self.steps if step.strategy_id == strategy_id]

    def grant(self, strategy_id: str) -> StrategyGrant | None:
        return next((one for one in self.outcomes[-1].grants if one.strategy_id == strategy_id), None)


def pattern(rs: Sequence[float], count: int) -> list[float]:
    return [rs[number % len(rs)] for number in range(count)]


def test_a_strategy_can_fall_from_grace_prove_itself_on_paper_and_come_back() -> None:
    season = Season()
    season.trade("TREND", pattern(WINS, 20))
    season.trade("TREND", pattern(LOSES, 30))
    assert season.path("TREND")[-1] == ("SHADOW", "STRATEGY_SHADOWED")
    assert season.grant("TREND") is None

    season.trade("TREND", pattern(WINS, 120), live=False)
    on_trial = season.grant("TREND")
    assert on_trial is not None
    assert on_trial.state is PROBATION
    season.trade("TREND", pattern(WINS, 12))

    assert season.path("TREND") == [
        ("PROBATION", "STRATEGY_NEW"),
        ("ACTIVE", "STRATEGY_PROBATION_PASSED"),
        ("BENCHED", "STRATEGY_PROBABILITY_LOW"),
        ("SHADOW", "STRATEGY_SHADOWED"),
        ("PROBATION", "STRATEGY_SHADOW_PASSED"),
        ("ACTIVE", "STRATEGY_PROBATION_PASSED"),
    ]


def test_on_trial_it_trades_a_quarter_of_the_risk_one_position_and_a_tenth_of_the_day() -> None:
    season = Season()
    season.trade("TREND", [1.0])

    assert season.grant("TREND") == StrategyGrant(
        strategy_id="TREND",
        state=PROBATION,
        risk_multiplier=0.25,
        max_positions=1,
        max_daily_trades_fraction=0.10,
    )

    season.trade("TREND", pattern(WINS, 12))
    assert season.grant("TREND") == StrategyGrant(
        strategy_id="TREND", state=ACTIVE, risk_multiplier=1.0, max_positions=0, max_daily_trades_fraction=1.0
    )


def test_a_trial_ends_with_its_tenth_trade_and_not_before() -> None:
    season = Season()
    season.trade("TREND", pattern(WINS, 9))
    assert season.path("TREND") == [("PROBATION", "STRATEGY_NEW")]

    season.trade("TREND", [1.0])
    assert season.path("TREND")[-1] == ("ACTIVE", "STRATEGY_PROBATION_PASSED")


def test_in_shadow_losing_on_paper_leads_nowhere() -> None:
    season = Season()
    season.trade("TREND", pattern(LOSES, 12))
    season.trade("TREND", pattern(LOSES, 120), live=False)

    assert season.path("TREND")[-1][0] == "SHADOW"
    assert season.outcomes[-1].grants == ()


def test_a_strategy_long_silent_in_shadow_is_tried_like_a_new_one() -> None:
    season = Season()
    season.trade("TREND", pattern(LOSES, 12))
    assert season.path("TREND")[-1][0] == "SHADOW"

    season.wait(60)

    assert season.path("TREND")[-1] == ("PROBATION", "STRATEGY_TRIED_ANEW")
    assert sum(code == "STRATEGY_TRIED_ANEW" for _, code in season.path("TREND")) == 1


def test_an_active_one_that_falls_silent_keeps_its_seat_while_its_record_is_worth_a_trade() -> None:
    season = Season()
    season.trade("TREND", pattern(WINS, 30))
    fell_silent = season.now
    season.wait(90)

    stale = season.steps[-1]
    assert (stale.after, stale.reason.code) == (PROBATION, "STRATEGY_EVIDENCE_STALE")
    # About eighteen trades' worth, halved every fourteen days: between four and five half-lives.
    assert timedelta(days=50) < stale.at - fell_silent < timedelta(days=70)


def test_a_strategy_that_a_person_retired_trades_no_more_whatever_it_earns_and_comes_back_by_the_bench() -> None:
    season = Season()
    season.trade("TREND", pattern(WINS, 20))
    season.lives, _ = retire(season.lives, "TREND", season.now, "Ada: its exchange closes")
    season.trade("TREND", pattern(WINS, 40), live=False)
    assert season.outcomes[-1].grants == ()
    assert season.outcomes[-1].rankings[-1].state is RETIRED

    season.lives, _ = reinstate(season.lives, "TREND", season.now, "Ada: listed elsewhere")
    season.trade("TREND", pattern(WINS, 25), live=False)

    assert [after for after, _ in season.path("TREND")[-2:]] == ["SHADOW", "PROBATION"]


@pytest.mark.parametrize(("seats", "seated"), [(0, 0), (1, 1), (3, 3), (4, 4), (10, 4)])
def test_seats_are_never_more_than_the_mode_has(seats: int, seated: int) -> None:
    season = Season(seats=seats)
    for name in "ABCD":
        season.trade(name, pattern(WINS, 15))

    outcome = season.outcomes[-1]
    assert len(outcome.grants) == seated
    assert [one.reason.code for one in outcome.rankings].count("STRATEGY_NO_SEAT") == 4 - seated
    assert [one.allowed for one in outcome.rankings] == [True] * seated + [False] * (4 - seated)


def test_when_the_mode_tightens_the_worst_lose_their_seats_and_keep_their_state() -> None:
    season = Season(seats=8)
    for number, name in enumerate("ABCDEF"):
        season.trade(name, pattern((1.0 + number / 10, 1.2, -0.5), 15))
    before = {one.strategy_id: one.state for one in season.outcomes[-1].rankings}

    season.seats, season.mode = 4, DEFENSIVE
    outcome = season.judge()

    assert len(outcome.grants) == 4
    assert {one.strategy_id: one.state for one in outcome.rankings} == before
    assert [one.strategy_id for one in outcome.rankings if one.allowed] == [
        one.strategy_id for one in outcome.rankings[:4]
    ]


FLEET = st.lists(
    st.tuples(st.sampled_from("ABCD"), st.sampled_from([WINS, LOSES, MIXED]), st.booleans(), st.integers(1, 25)),
    min_size=1,
    max_size=8,
)


@given(FLEET, st.lists(st.sampled_from(RiskMode), min_size=8, max_size=8), st.integers(0, 3))
@settings(max_examples=30)
def test_whatever_a_fleet_does_every_step_is_a_legal_one_and_promotions_come_one_at_a_time(
    chapters: list[tuple[str, tuple[float, ...], bool, int]], modes: list[RiskMode], seats: int
) -> None:
    season = Season(seats=seats)
    for (name, rs, live, count), mode in zip(chapters, modes, strict=False):
        season.mode = mode
        season.trade(name, pattern(rs, count), live=live)

    assert {(step.before, step.after) for step in season.steps} <= LEGAL
    for outcome in season.outcomes:
        assert sum((step.before, step.after) in UP for step in outcome.transitions) <= 1
        assert len(outcome.grants) <= seats
        for grant in outcome.grants:
            assert outcome.lives.by_id[grant.strategy_id].state is grant.state
            assert grant.state in {ACTIVE, PROBATION}


@given(FLEET)
@settings(max_examples=20)
def test_the_steps_told_are_the_whole_story_of_every_life(
    chapters: list[tuple[str, tuple[float, ...], bool, int]],
) -> None:
    season = Season()
    for name, rs, live, count in chapters:
        season.trade(name, pattern(rs, count), live=live)

    for strategy_id, life in season.lives.by_id.items():
        steps = [step for step in season.steps if step.strategy_id == strategy_id]
        assert steps[0].before is None
        assert [step.before for step in steps[1:]] == [step.after for step in steps[:-1]]
        assert (steps[-1].after, steps[-1].at, steps[-1].reason) == (life.state, life.since, life.reason)


def stored_lives(season: Season) -> Iterator[StrategyLives]:
    for outcome in season.outcomes:
        yield StrategyLives.decode(json.loads(json.dumps(outcome.lives.encode(), allow_nan=False)))


def test_lives_of_every_state_come_back_from_storage_as_they_were() -> None:
    season = Season()
    season.trade("GOOD", pattern(WINS, 15))
    season.trade("BAD", pattern(LOSES, 15))
    season.trade("NEW", [1.0])
    season.lives, _ = retire(season.lives, "GOOD", season.now, "Ada: enough")
    season.judge()

    seen = {life.state for outcome in season.outcomes for life in outcome.lives.by_id.values()}
    assert seen == set(StrategyState)
    assert list(stored_lives(season)) == [outcome.lives for outcome in season.outcomes]
