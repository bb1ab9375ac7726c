"""Each step in a strategy's life."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from msc_authority.core.policy import Reason, RiskMode, StrategyState
from msc_authority.core.strategies import (
    StrategyConfig,
    StrategyEvidence,
    StrategyLife,
    StrategyLives,
    reinstate,
    retire,
)
from msc_authority.core.strategies.lifecycle import advance, next_move
from msc_authority.core.strategies.ranking import Standing

ACTIVE, BENCHED, SHADOW, PROBATION, RETIRED = StrategyState
DEFENSIVE, NORMAL, AGGRESSIVE = RiskMode
CONFIG = StrategyConfig()
SINCE = datetime(2024, 1, 1, tzinfo=UTC)
NOW = SINCE + timedelta(minutes=30)


def a_standing(
    strategy_id: str = "TREND",
    *,
    probability: float = 0.7,
    mean_r: float = 0.3,
    weight: float = 15.0,
    live: int = 50,
    shadow: int = 30,
) -> Standing:
    return Standing(
        evidence=StrategyEvidence(
            strategy_id=strategy_id,
            weight=weight,
            square_weight=weight,
            sum_r=weight * mean_r,
            sum_square_r=weight,
            live_trades=live,
            shadow_trades=shadow,
        ),
        prior_mean_r=0.0,
        posterior_mean_r=mean_r,
        posterior_lower_r=mean_r - 0.2,
        probability_positive=probability,
        drawdown_penalty_r=0.0,
        selection_penalty_r=0.0,
    )


def a_life(state: StrategyState, *, live: int = 40, shadow: int = 0, since: datetime = SINCE) -> StrategyLife:
    return StrategyLife(
        state=state,
        since=since,
        reason=Reason(code="EARLIER", text="earlier"),
        live_trades_at_entry=live,
        shadow_trades_at_entry=shadow,
    )


# The life it has (40 live and no shadow trades at its start), what is believed (50 live trades and 30 shadow trades
# unless said otherwise), the mode; then where it goes and why. None: it stays.
EDGES = [
    ("an earning one stays", a_life(ACTIVE), a_standing(), NORMAL, None, ""),
    ("at the line it stays", a_life(ACTIVE), a_standing(probability=0.50), NORMAL, None, ""),
    ("under it, it leaves", a_life(ACTIVE), a_standing(probability=0.499), NORMAL, BENCHED, "STRATEGY_PROBABILITY_LOW"),
    ("a strict mode does not expel", a_life(ACTIVE), a_standing(probability=0.50), DEFENSIVE, None, ""),
    (
        "a lax mode expels as well",
        a_life(ACTIVE),
        a_standing(probability=0.499),
        AGGRESSIVE,
        BENCHED,
        "STRATEGY_PROBABILITY_LOW",
    ),
    ("old evidence holds down to one trade", a_life(ACTIVE), a_standing(weight=1.0), NORMAL, None, ""),
    (
        "what is not known any more is on trial",
        a_life(ACTIVE),
        a_standing(weight=0.99),
        NORMAL,
        PROBATION,
        "STRATEGY_EVIDENCE_STALE",
    ),
    (
        "nor benched for what others lose meanwhile",
        a_life(ACTIVE),
        a_standing(weight=0.9, probability=0.4),
        NORMAL,
        PROBATION,
        "STRATEGY_EVIDENCE_STALE",
    ),
    ("the bench leads to shadow", a_life(BENCHED), a_standing(probability=0.1), NORMAL, SHADOW, "STRATEGY_SHADOWED"),
    ("not in the same instant", a_life(BENCHED, since=NOW), a_standing(), NORMAL, None, ""),
    (
        "proven in shadow",
        a_life(SHADOW),
        a_standing(probability=0.80, live=40, shadow=20),
        DEFENSIVE,
        PROBATION,
        "STRATEGY_SHADOW_PASSED",
    ),
    (
        "live trades prove as well",
        a_life(SHADOW),
        a_standing(probability=0.80, live=60, shadow=0),
        NORMAL,
        PROBATION,
        "STRATEGY_SHADOW_PASSED",
    ),
    ("nineteen are too few", a_life(SHADOW), a_standing(probability=0.99, live=40, shadow=19), NORMAL, None, ""),
    ("not likely enough", a_life(SHADOW), a_standing(probability=0.799), AGGRESSIVE, None, ""),
    ("the fleet's edge is not its own", a_life(SHADOW), a_standing(probability=0.9, mean_r=-0.1), NORMAL, None, ""),
    (
        "a forgotten one is as good as new",
        a_life(SHADOW),
        a_standing(probability=0.4, mean_r=-0.5, weight=0.9, live=40, shadow=0),
        NORMAL,
        PROBATION,
        "STRATEGY_TRIED_ANEW",
    ),
    ("on trial for ten trades", a_life(PROBATION), a_standing(probability=0.01, live=49), NORMAL, None, ""),
    ("passed", a_life(PROBATION), a_standing(probability=0.60), NORMAL, ACTIVE, "STRATEGY_PROBATION_PASSED"),
    ("failed", a_life(PROBATION), a_standing(probability=0.599), NORMAL, BENCHED, "STRATEGY_PROBATION_FAILED"),
    (
        "passed when strict",
        a_life(PROBATION),
        a_standing(probability=0.8),
        DEFENSIVE,
        ACTIVE,
        "STRATEGY_PROBATION_PASSED",
    ),
    (
        "failed when strict",
        a_life(PROBATION),
        a_standing(probability=0.7),
        DEFENSIVE,
        BENCHED,
        "STRATEGY_PROBATION_FAILED",
    ),
    (
        "passed when lax",
        a_life(PROBATION),
        a_standing(probability=0.5),
        AGGRESSIVE,
        ACTIVE,
        "STRATEGY_PROBATION_PASSED",
    ),
    (
        "no edge of its own",
        a_life(PROBATION),
        a_standing(probability=0.9, mean_r=0.0),
        AGGRESSIVE,
        BENCHED,
        "STRATEGY_PROBATION_FAILED",
    ),
    ("too little to decide by", a_life(PROBATION), a_standing(probability=0.9, weight=1.9), NORMAL, None, ""),
    ("shadow trades are no trial", a_life(PROBATION, live=45), a_standing(shadow=500), NORMAL, None, ""),
    ("retired stays retired", a_life(RETIRED), a_standing(probability=0.99), AGGRESSIVE, None, ""),
]


@pytest.mark.parametrize(
    ("_story", "life", "standing", "mode", "after", "code"), EDGES, ids=[edge[0] for edge in EDGES]
)
def test_the_step_that_is_due(
    _story: str, life: StrategyLife, standing: Standing, mode: RiskMode, after: StrategyState | None, code: str
) -> None:
    move = next_move(standing, life, mode, NOW, CONFIG)

    assert (move.after if move else None, move.reason.code if move else "") == (after, code)


def test_a_reason_carries_the_numbers_it_was_decided_by() -> None:
    move = next_move(a_standing(probability=0.437, mean_r=-0.12), a_life(ACTIVE), NORMAL, NOW, CONFIG)

    assert move is not None
    assert (move.reason.metric, move.reason.value, move.reason.threshold) == ("probability_positive", 0.437, 0.5)
    assert "P(mean R > 0) 0.437 (own mean R -0.120, worth 15.0 trades" in move.reason.text


def test_a_step_writes_one_transition_and_a_new_life() -> None:
    lives = StrategyLives({"TREND": a_life(PROBATION)})

    after, (transition,) = advance([a_standing(live=50, shadow=30)], lives, NORMAL, NOW, CONFIG)

    assert (transition.strategy_id, transition.before, transition.after) == ("TREND", PROBATION, ACTIVE)
    assert (transition.at, transition.reason) == (NOW, after.by_id["TREND"].reason)
    assert after.by_id["TREND"] == StrategyLife(
        state=ACTIVE, since=NOW, reason=transition.reason, live_trades_at_entry=50, shadow_trades_at_entry=30
    )


def test_who_stays_keeps_its_life_untouched() -> None:
    lives = StrategyLives({"TREND": a_life(ACTIVE)})

    assert advance([a_standing()], lives, NORMAL, NOW, CONFIG) == (lives, ())


def test_of_many_ready_for_promotion_only_the_most_likely_one_is_promoted() -> None:
    standings = [a_standing("A", probability=0.85), a_standing("B", probability=0.95), a_standing("C", probability=0.9)]
    lives = StrategyLives({"A": a_life(PROBATION), "B": a_life(SHADOW), "C": a_life(PROBATION)})

    after, transitions = advance(standings, lives, NORMAL, NOW, CONFIG)

    assert [(one.strategy_id, one.after) for one in transitions] == [("B", PROBATION)]
    assert after.by_id["C"] == lives.by_id["C"]


def test_equally_likely_ones_are_promoted_in_the_order_of_their_ids() -> None:
    lives = StrategyLives({"B": a_life(PROBATION), "A": a_life(PROBATION)})

    _, transitions = advance([a_standing("B"), a_standing("A")], lives, NORMAL, NOW, CONFIG)

    assert [one.strategy_id for one in transitions] == ["A"]


def test_steps_down_are_not_rationed() -> None:
    standings = [a_standing(name, probability=0.2) for name in "ABC"]
    lives = StrategyLives({name: a_life(ACTIVE) for name in "ABC"})

    _, transitions = advance(standings, lives, NORMAL, NOW, CONFIG)

    assert [one.after for one in transitions] == [BENCHED] * 3


@pytest.mark.parametrize(
    ("standing", "state", "code"),
    [
        (a_standing(live=1, shadow=0, weight=1.0), PROBATION, "STRATEGY_NEW"),
        (a_standing(live=0, shadow=9, weight=4.0, probability=0.1), PROBATION, "STRATEGY_NEW"),
        (a_standing(live=5, shadow=15, probability=0.5), SHADOW, "STRATEGY_NEW"),
        (a_standing(live=0, shadow=25, probability=0.9), PROBATION, "STRATEGY_SHADOW_PASSED"),
        (a_standing(live=10, shadow=0), ACTIVE, "STRATEGY_PROBATION_PASSED"),
        (a_standing(live=10, shadow=0, probability=0.3), BENCHED, "STRATEGY_PROBATION_FAILED"),
    ],
    ids=["new", "few on paper", "mostly on paper", "proven on paper", "with a good record", "with a bad record"],
)
def test_a_strategy_seen_for_the_first_time_starts_where_its_record_puts_it(
    standing: Standing, state: StrategyState, code: str
) -> None:
    lives, (transition,) = advance([standing], StrategyLives(), NORMAL, NOW, CONFIG)

    assert (transition.before, transition.after, transition.reason.code) == (None, state, code)
    assert lives.by_id["TREND"].state is state


def test_newcomers_with_good_records_wait_on_probation_for_their_turn() -> None:
    standings = [a_standing(name) for name in "ABC"]

    first, _ = advance(standings, StrategyLives(), NORMAL, SINCE, CONFIG)
    second, _ = advance(standings, first, NORMAL, NOW, CONFIG)

    assert [first.by_id[name].state for name in "ABC"] == [ACTIVE, PROBATION, PROBATION]
    assert [second.by_id[name].state for name in "ABC"] == [ACTIVE, ACTIVE, PROBATION]


def test_a_person_retires_and_reinstates_through_the_bench() -> None:
    lives = StrategyLives({"TREND": a_life(ACTIVE)})

    gone, retired = retire(lives, "TREND", NOW, "Ada: exchange delists it")
    back, reinstated = reinstate(gone, "TREND", NOW, "Ada: listed again")

    assert (retired.before, retired.after, retired.at) == (ACTIVE, RETIRED, NOW)
    assert "Ada: exchange delists it" in retired.reason.text
    assert (reinstated.before, reinstated.after) == (RETIRED, BENCHED)
    assert (gone.by_id["TREND"].since, back.by_id["TREND"].state) == (NOW, BENCHED)


def test_retiring_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="strategy_id: TREND is retired already, since 2024-01-01"):
        retire(StrategyLives({"TREND": a_life(RETIRED)}), "TREND", NOW, "again")


def test_reinstating_who_is_not_retired_is_refused() -> None:
    with pytest.raises(ValueError, match="strategy_id: TREND is SHADOW, not RETIRED"):
        reinstate(StrategyLives({"TREND": a_life(SHADOW)}), "TREND", NOW, "why not")


def test_a_mistyped_id_is_refused_rather_than_left_trading() -> None:
    with pytest.raises(ValueError, match="strategy_id: 'TRENT' is not known"):
        retire(StrategyLives({"TREND": a_life(ACTIVE)}), "TRENT", NOW, "typo")


def test_lives_survive_storage() -> None:
    lives, _ = advance([a_standing("B"), a_standing("A", probability=0.1)], StrategyLives(), NORMAL, NOW, CONFIG)

    stored = json.dumps(lives.encode(), allow_nan=False)

    assert StrategyLives.decode(json.loads(stored)) == lives
    assert json.dumps(StrategyLives.decode(json.loads(stored)).encode()) == stored


@pytest.mark.parametrize("document", [{"schema": 2}, {"schema": 1, "lives": {"A": {"state": "ASLEEP", "reason": {}}}}])
def test_lives_that_cannot_be_understood_are_refused(document: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"schema must be 1, not 2|'ASLEEP' is not a valid StrategyState"):
        StrategyLives.decode(document)


def test_lives_are_not_changed_behind_their_back() -> None:
    given = {"TREND": a_life(ACTIVE)}
    lives = StrategyLives(given)

    given["TREND"] = a_life(RETIRED)

    assert lives.by_id["TREND"].state is ACTIVE
