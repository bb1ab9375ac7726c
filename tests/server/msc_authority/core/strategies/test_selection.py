"""Who may trade, from trades to grants."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import cycle, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msc_authority.core.evidence import TradeEvidence
from msc_authority.core.policy import Reason, RiskMode, StrategyGrant, StrategyState
from msc_authority.core.strategies import (
    StrategyBook,
    StrategyConfig,
    StrategyLife,
    StrategyLives,
    StrategyOutcome,
    judge,
)

ACTIVE, BENCHED, SHADOW, PROBATION, RETIRED = StrategyState
DEFENSIVE, NORMAL, AGGRESSIVE = RiskMode
STRATEGIES_AT_MOST = {DEFENSIVE: 4, NORMAL: 8, AGGRESSIVE: 10}
CONFIG = StrategyConfig()
START = datetime(2024, 1, 1, tzinfo=UTC)
NOW = START + timedelta(days=1)
GOOD = (1.5, -1.0, 0.8, 1.2, -0.5)
BAD = (-1.0, -1.0, 0.7, -1.0, 0.4)


def a_book(histories: Mapping[str, Iterable[float]], *, live: bool = True) -> StrategyBook:
    book = StrategyBook.empty(CONFIG)
    for strategy_id, rs in histories.items():
        for r in rs:
            book.fold(TradeEvidence(START, "t", strategy_id, Decimal(str(r)) * 100, Decimal(100), live))
    return book


def taken(pattern: Sequence[float], count: int) -> list[float]:
    return list(islice(cycle(pattern), count))


def lives_in(states: Mapping[str, StrategyState]) -> StrategyLives:
    reason = Reason(code="EARLIER", text="earlier")
    return StrategyLives({one: StrategyLife(state=state, since=START, reason=reason) for one, state in states.items()})


def judged(
    book: StrategyBook,
    lives: StrategyLives | None = None,
    mode: RiskMode = NORMAL,
    *,
    seats: int = 8,
    as_what_if: bool = False,
) -> StrategyOutcome:
    lives = StrategyLives() if lives is None else lives
    return judge(book, lives, mode, CONFIG, NOW, max_strategies=seats, as_what_if=as_what_if)


def granted(outcome: StrategyOutcome) -> list[str]:
    return [grant.strategy_id for grant in outcome.grants]


def actives(outcome: StrategyOutcome) -> set[str]:
    return {grant.strategy_id for grant in outcome.grants if grant.state is ACTIVE}


def test_without_strategies_nobody_is_allowed() -> None:
    assert judged(StrategyBook.empty(CONFIG)) == StrategyOutcome(
        rankings=(), transitions=(), lives=StrategyLives(), grants=()
    )


def test_a_newcomer_trades_small_on_probation() -> None:
    outcome = judged(a_book({"NEW": [1.0]}))

    assert outcome.grants == (
        StrategyGrant(
            strategy_id="NEW", state=PROBATION, risk_multiplier=0.25, max_positions=1, max_daily_trades_fraction=0.10
        ),
    )


def test_a_proven_strategy_trades_without_limits_of_its_own() -> None:
    outcome = judged(a_book({"PROVEN": taken(GOOD, 30)}), lives_in({"PROVEN": ACTIVE}))

    assert outcome.grants == (
        StrategyGrant(
            strategy_id="PROVEN", state=ACTIVE, risk_multiplier=1.0, max_positions=0, max_daily_trades_fraction=1.0
        ),
    )


def test_the_bench_the_shadow_and_the_retired_are_not_allowed() -> None:
    book = a_book({name: taken(GOOD, 30) for name in "ABC"})

    outcome = judged(book, lives_in({"A": BENCHED, "B": RETIRED, "C": SHADOW}), as_what_if=True)

    assert outcome.grants == ()
    assert not any(ranking.allowed for ranking in outcome.rankings)


def test_seats_go_to_the_best_and_the_others_are_told() -> None:
    book = a_book({"A": taken((*GOOD, -0.5), 30), "B": taken(GOOD, 30), "C": taken((*GOOD, 2.0), 30)})

    outcome = judged(book, lives_in(dict.fromkeys("ABC", ACTIVE)), seats=2)

    assert granted(outcome) == ["C", "B"]
    assert [(one.strategy_id, one.rank, one.allowed) for one in outcome.rankings] == [
        ("C", 1, True),
        ("B", 2, True),
        ("A", 3, False),
    ]
    assert outcome.rankings[2].reason.code == "STRATEGY_NO_SEAT"
    assert "2 seats" in outcome.rankings[2].reason.text


def test_a_newcomer_takes_no_proven_strategys_seat_even_with_a_better_score() -> None:
    book = a_book({"NEW": taken((3.0, 2.8), 9), "PROVEN": taken((0.4, -0.3), 40)})

    outcome = judged(book, lives_in({"NEW": PROBATION, "PROVEN": ACTIVE}), seats=1)

    assert [one.strategy_id for one in outcome.rankings] == ["NEW", "PROVEN"]
    assert granted(outcome) == ["PROVEN"]


def test_when_both_have_seats_the_list_is_best_first_all_the_same() -> None:
    book = a_book({"NEW": taken((3.0, 2.8), 9), "PROVEN": taken((0.4, -0.3), 40)})

    assert granted(judged(book, lives_in({"NEW": PROBATION, "PROVEN": ACTIVE}))) == ["NEW", "PROVEN"]


def test_no_seats_mean_nobody() -> None:
    assert judged(a_book({"PROVEN": taken(GOOD, 30)}), seats=0).grants == ()


def test_a_negative_number_of_seats_is_refused() -> None:
    with pytest.raises(ValueError, match="max_strategies must be 0 or above, not -1"):
        judged(StrategyBook.empty(CONFIG), seats=-1)


def test_of_a_losing_fleet_not_even_the_best_is_allowed() -> None:
    book = a_book({f"LOSER{k}": taken(BAD, 40 + k) for k in range(6)})

    outcome = judged(book, lives_in({f"LOSER{k}": ACTIVE for k in range(6)}))

    assert outcome.grants == ()
    assert {transition.after for transition in outcome.transitions} == {BENCHED}


def test_in_a_losing_fleet_a_newcomer_still_gets_its_trial() -> None:
    book = a_book({**{f"LOSER{k}": taken(BAD, 40) for k in range(3)}, "NEW": [0.5]})

    outcome = judged(book, lives_in({f"LOSER{k}": ACTIVE for k in range(3)}))

    assert [(grant.strategy_id, grant.state) for grant in outcome.grants] == [("NEW", PROBATION)]


def test_a_winning_fleet_alone_activates_nobody() -> None:
    book = a_book({**{f"GOOD{k}": taken(GOOD, 60) for k in range(5)}, "NEW": [0.0]})

    outcome = judged(book, lives_in({f"GOOD{k}": ACTIVE for k in range(5)}))

    newcomer = next(one for one in outcome.rankings if one.strategy_id == "NEW")
    assert newcomer.probability_positive > CONFIG.probability_to_enter_defensive
    assert newcomer.state is PROBATION


def test_shadow_evidence_convinces_less_than_live_evidence() -> None:
    live = judged(a_book({"TREND": taken(GOOD, 30)})).rankings[0]
    shadow = judged(a_book({"TREND": taken(GOOD, 30)}, live=False)).rankings[0]

    assert 0.5 < shadow.probability_positive < live.probability_positive
    assert shadow.effective_n == pytest.approx(live.effective_n)


def test_the_ranking_shows_what_the_strategy_did() -> None:
    book = a_book({"TREND": [1.0, -0.5, 0.0]})
    book.fold(TradeEvidence(NOW, "s", "TREND", Decimal(7), None, live=False))

    (ranking,) = judged(book).rankings

    assert (ranking.live_trades, ranking.shadow_trades, ranking.fallback_fraction) == (3, 1, 0.25)
    assert (ranking.winrate_fraction, ranking.net_pnl, ranking.last_trade_at) == (0.5, Decimal(50), NOW)
    assert ranking.drawdown_r == pytest.approx(0.5)


def test_a_what_if_changes_nobodys_life() -> None:
    book = a_book({"FADED": taken(BAD, 30), "NEW": [1.0]})
    lives = lives_in({"FADED": ACTIVE})

    outcome = judged(book, lives, AGGRESSIVE, seats=10, as_what_if=True)

    assert (outcome.lives, outcome.transitions) == (lives, ())
    assert {grant.strategy_id: grant.state for grant in outcome.grants} == {"FADED": ACTIVE, "NEW": PROBATION}


def test_judging_leaves_the_book_as_it_was() -> None:
    book = a_book({"TREND": taken(GOOD, 30)})
    before = json.dumps(book.encode())

    judged(book)

    assert json.dumps(book.encode()) == before


histories = st.dictionaries(
    st.sampled_from([f"S{k:02}" for k in range(14)]),
    st.lists(st.sampled_from([-2.0, -1.0, -0.4, 0.0, 0.6, 1.0, 1.7, 3.0]), min_size=1, max_size=25),
    max_size=14,
)


@st.composite
def fleets(draw: st.DrawFn) -> tuple[StrategyBook, StrategyLives]:
    rs = draw(histories)
    states = {one: draw(st.sampled_from(StrategyState)) for one in rs if draw(st.booleans())}
    return a_book(rs), lives_in(states)


@given(fleets(), st.sampled_from(RiskMode))
def test_the_ranking_is_a_total_order_of_all_strategies(
    fleet: tuple[StrategyBook, StrategyLives], mode: RiskMode
) -> None:
    outcome = judged(*fleet, mode, seats=STRATEGIES_AT_MOST[mode])

    keys = [(one.state is RETIRED, -one.score, one.strategy_id) for one in outcome.rankings]
    assert keys == sorted(keys)
    assert [one.rank for one in outcome.rankings] == list(range(1, len(keys) + 1))
    assert {one.strategy_id for one in outcome.rankings} == set(outcome.lives.by_id)
    assert granted(outcome) == [one.strategy_id for one in outcome.rankings if one.allowed]


@given(fleets(), st.sampled_from(RiskMode))
def test_only_the_active_and_those_on_probation_are_seated_and_never_more_than_the_cap(
    fleet: tuple[StrategyBook, StrategyLives], mode: RiskMode
) -> None:
    outcome = judged(*fleet, mode, seats=STRATEGIES_AT_MOST[mode])

    assert len(outcome.grants) <= STRATEGIES_AT_MOST[mode]
    assert {outcome.lives.by_id[grant.strategy_id].state for grant in outcome.grants} <= {ACTIVE, PROBATION}


@given(fleets(), st.sampled_from(RiskMode))
def test_at_most_one_strategy_is_promoted_in_one_evaluation(
    fleet: tuple[StrategyBook, StrategyLives], mode: RiskMode
) -> None:
    promotions = {"STRATEGY_PROBATION_PASSED", "STRATEGY_SHADOW_PASSED", "STRATEGY_TRIED_ANEW"}

    outcome = judged(*fleet, mode)

    codes = [transition.reason.code for transition in outcome.transitions]
    assert sum(code in promotions for code in codes) <= 1
    assert sum(one.after is ACTIVE for one in outcome.transitions) <= 1


@given(fleets())
def test_a_stricter_mode_allows_no_active_strategy_that_a_looser_one_does_not(
    fleet: tuple[StrategyBook, StrategyLives],
) -> None:
    strict, normal, lax = (actives(judged(*fleet, mode, seats=STRATEGIES_AT_MOST[mode])) for mode in RiskMode)

    assert strict <= normal <= lax


@given(fleets(), st.sampled_from(RiskMode))
def test_judging_again_and_from_storage_gives_the_same(
    fleet: tuple[StrategyBook, StrategyLives], mode: RiskMode
) -> None:
    book, lives = fleet
    stored_book = StrategyBook.decode(json.loads(json.dumps(book.encode())), CONFIG)
    stored_lives = StrategyLives.decode(json.loads(json.dumps(lives.encode())))

    assert judged(stored_book, stored_lives, mode) == judged(book, lives, mode)


@given(st.lists(st.floats(min_value=0.05, max_value=3), min_size=1, max_size=8))
def test_strategies_that_only_lose_are_never_active(sizes: list[float]) -> None:
    book = a_book({f"S{k}": [-size] * 15 for k, size in enumerate(sizes)})

    outcome = judged(book, lives_in({f"S{k}": ACTIVE for k in range(len(sizes))}), AGGRESSIVE)

    assert actives(outcome) == set()


# Four characters over 120 days: one that earns, one that loses, one that earned until it did not, one that comes late.
def a_realistic_journal() -> Iterator[TradeEvidence]:
    patterns: dict[str, tuple[float, Sequence[float]]] = {
        "EARNER": (0.0, (1.8, -1.0, 0.6, -1.0, 2.2, -0.4)),
        "LOSER": (0.1, (-1.0, 0.5, -1.0, 0.8, -1.0)),
        "FADER": (0.2, (1.2, 0.9, -0.6)),
        "LATE": (60.3, (1.4, -0.5, 1.8, 0.3)),
    }
    for step in range(240):
        day = step / 2
        for strategy_id, (first_day, pattern) in patterns.items():
            if day < first_day:
                continue
            r = pattern[step % len(pattern)] - (1.5 if strategy_id == "FADER" and day > 40 else 0.0)
            at = START + timedelta(days=day + first_day % 1)
            yield TradeEvidence(
                at, f"{strategy_id}-{step:03}", strategy_id, Decimal(str(round(r, 2))), Decimal(1), True
            )


def replayed(*, through_storage: bool) -> list[StrategyOutcome]:
    journal = sorted(a_realistic_journal(), key=lambda trade: (trade.at, trade.id))
    book, lives, outcomes = StrategyBook.empty(CONFIG), StrategyLives(), []
    for quarter_day in range(480):
        as_of = START + timedelta(days=quarter_day / 4)
        while journal and journal[0].at <= as_of:
            book.fold(journal.pop(0))
        outcomes.append(judge(book, lives, NORMAL, CONFIG, as_of, max_strategies=8))
        lives = outcomes[-1].lives
        if through_storage:
            book = StrategyBook.decode(json.loads(json.dumps(book.encode())), CONFIG)
            lives = StrategyLives.decode(json.loads(json.dumps(lives.encode())))
    return outcomes


def test_a_realistic_fleet_is_sorted_by_what_it_earns() -> None:
    outcomes = replayed(through_storage=False)

    steps = [transition for outcome in outcomes for transition in outcome.transitions]
    path = {
        name: [step.after for step in steps if step.strategy_id == name]
        for name in ("EARNER", "LOSER", "FADER", "LATE")
    }
    assert path["EARNER"] == [PROBATION, ACTIVE]
    assert path["LOSER"] == [PROBATION, BENCHED, SHADOW]
    assert path["FADER"] == [PROBATION, ACTIVE, BENCHED, SHADOW]
    assert path["LATE"] == [PROBATION, ACTIVE]
    assert granted(outcomes[-1]) == [one.strategy_id for one in outcomes[-1].rankings[:2]]
    assert actives(outcomes[-1]) == {"EARNER", "LATE"}


def test_a_fleet_that_falls_silent_goes_back_to_trial_instead_of_trading_on_old_fame() -> None:
    outcomes = replayed(through_storage=False)
    book = StrategyBook.empty(CONFIG)
    for trade in a_realistic_journal():
        book.fold(trade)

    later = judge(book, outcomes[-1].lives, NORMAL, CONFIG, START + timedelta(days=260), max_strategies=8)

    assert {grant.state for grant in later.grants} == {PROBATION}
    assert {"EARNER", "LATE"} <= set(granted(later))


def test_restarting_after_every_evaluation_changes_nothing() -> None:
    assert replayed(through_storage=True) == replayed(through_storage=False)
