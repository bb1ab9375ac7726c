"""What persons said holds behind a restore: never looser than either database was told; loosening needs both."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_core_builders import HOUR, T0
from msc_overrides import MODES, STRATEGIES, a_loosening, a_permission, an_override, instants, permissions, several

from msc_authority.core.effective import Effective
from msc_authority.core.overrides import Bench, Override, PinMode, Rollback, SetLimits
from msc_authority.core.overriding import apply_overrides, in_force
from msc_authority.core.policy import PolicyRef, Reason, RiskMode, StrategyState, TradingState
from msc_authority.core.restoring import Fate, Word, halted_unread, revoked_since, what_a_restore_keeps
from msc_authority.core.state import ControllerState
from msc_authority.core.strategies.lifecycle import StrategyLife, StrategyLives

DEFENSIVE, NORMAL, AGGRESSIVE = RiskMode
ACTIVE, REDUCING, HALTED = TradingState
NOW = T0 + HOUR / 2
SAID = Reason(code="OPERATOR_HALT", text="HALTED by alice: news")
PINNED = a_loosening(PinMode(mode=NORMAL))
TIGHT = an_override(SetLimits(max_risk_per_trade=0.001), override_id="o-2")


def a_life(state: StrategyState, trades: int = 5) -> StrategyLife:
    reason = Reason(code="STRATEGY_RETIRED", text="retired by a person: alice: delisted")
    return StrategyLife(state=state, since=T0, reason=reason, live_trades_at_entry=trades)


def lives(retired: Collection[str], known: Collection[str] = ("TREND", "RANGE")) -> StrategyLives:
    states = {**dict.fromkeys(known, StrategyState.ACTIVE), **dict.fromkeys(retired, StrategyState.RETIRED)}
    return StrategyLives({strategy_id: a_life(state) for strategy_id, state in states.items()})


def a_state(*overrides: Override, **fields: object) -> ControllerState:
    """One that has allowed TREND and RANGE."""
    initial = replace(ControllerState.initial(T0), lives=lives(()), overrides=overrides)
    trading_state = fields.get("trading_state", ACTIVE)
    assert isinstance(trading_state, TradingState)
    return replace(initial, **{"effective": a_permission(trading_state=trading_state), **fields})  # type: ignore[arg-type]  # fields by name


def states() -> st.SearchStrategy[ControllerState]:
    return st.builds(
        lambda overrides, trading_state, retired: a_state(
            *overrides, trading_state=trading_state, lives=lives(retired, STRATEGIES)
        ),
        several(),
        st.sampled_from(TradingState),
        st.frozensets(st.sampled_from(STRATEGIES)),
    )


def published(permission: Effective, state: ControllerState, now: datetime) -> Effective:
    retired = state.lives.in_state(StrategyState.RETIRED)
    allowed = replace(permission, trading_state=max(permission.trading_state, state.trading_state))
    return apply_overrides(allowed, state.overrides, MODES, now, retired=retired).effective


def fates(words: tuple[Word, ...]) -> list[tuple[Fate, str]]:
    return [(word.fate, word.target) for word in words]


def without_seats(effective: Effective) -> Effective:
    # Who gets the seats of a mode depends on who else is there: fewer strategies may be others.
    return replace(effective, grants=())


@given(permissions(), states(), states(), instants())
def test_nothing_is_looser_than_what_was_replaced(
    permission: Effective, backup: ControllerState, replaced: ControllerState, now: datetime
) -> None:
    kept = what_a_restore_keeps(backup, replaced, now).state

    assert not without_seats(published(permission, kept, now)).is_looser_than(
        without_seats(published(permission, replaced, now))
    )


@given(permissions(), states(), states(), instants())
def test_every_word_of_either_that_tightens_is_obeyed(
    permission: Effective, backup: ControllerState, replaced: ControllerState, now: datetime
) -> None:
    kept = what_a_restore_keeps(backup, replaced, now).state
    result = published(permission, kept, now)

    assert result.trading_state >= max(backup.trading_state, replaced.trading_state)
    for one in in_force((*backup.overrides, *replaced.overrides), now):
        if not one.loosens:
            assert apply_overrides(result, [one], MODES, now).effective == result
    for either in (backup, replaced):
        assert either.lives.in_state(StrategyState.RETIRED) <= kept.lives.in_state(StrategyState.RETIRED)


@given(states(), st.none() | states(), instants(), st.booleans())
def test_what_loosens_needs_both(
    backup: ControllerState, replaced: ControllerState | None, now: datetime, lose: bool
) -> None:
    kept = what_a_restore_keeps(backup, replaced, now, lose_tightenings=lose).state

    known = replaced.overrides if replaced else ()
    assert all(one in backup.overrides and one in known for one in kept.overrides if one.loosens)


@given(states(), instants())
def test_what_both_have_stays_and_is_no_news(state: ControllerState, now: datetime) -> None:
    in_time = replace(state, overrides=in_force(state.overrides, now))

    kept = what_a_restore_keeps(in_time, in_time, now)

    assert (kept.words, kept.transitions) == ((), ())
    assert replace(kept.state, effective=None) == replace(in_time, effective=None)


@given(states(), states(), instants())
def test_a_state_that_was_kept_reads_back(backup: ControllerState, replaced: ControllerState, now: datetime) -> None:
    state = what_a_restore_keeps(backup, replaced, now).state

    assert ControllerState.decode(state.encode()) == state


def test_a_halt_since_the_backup_holds_with_its_reason() -> None:
    kept = what_a_restore_keeps(a_state(), a_state(trading_state=HALTED, halted_because=SAID), NOW)

    assert (kept.state.trading_state, kept.state.halted_because) == (HALTED, SAID)
    assert kept.state.effective is not None
    assert kept.state.effective.trading_state is HALTED
    assert kept.words == (Word(fate=Fate.KEPT, target="trading", text="HALTED by alice: news"),)


def test_a_halt_that_was_resumed_since_holds_again() -> None:
    kept = what_a_restore_keeps(
        a_state(trading_state=HALTED, halted_because=SAID), a_state(trading_state=REDUCING), NOW
    )

    assert (kept.state.trading_state, kept.state.halted_because) == (HALTED, SAID)
    assert fates(kept.words) == [(Fate.BACK, "trading")]


def test_a_halt_by_the_drawdown_since_the_backup_is_latched_as_well() -> None:
    kept = what_a_restore_keeps(a_state(), a_state(trading_state=HALTED), NOW)

    assert (kept.state.trading_state, kept.state.halted_because) == (HALTED, None)
    assert [word.text for word in kept.words] == ["HALTED by the hard drawdown limit"]


def test_a_tightening_that_only_one_has_holds_whichever_it_is() -> None:
    bench = an_override(Bench(strategy_id="TREND"), override_id="o-3")

    kept = what_a_restore_keeps(a_state(TIGHT), a_state(bench, an_override()), NOW)

    assert kept.state.overrides == (TIGHT, bench, an_override())
    assert fates(kept.words) == [
        (Fate.KEPT, "override o-3"),
        (Fate.KEPT, "override o-1"),
        (Fate.BACK, "override o-2"),
    ]


@pytest.mark.parametrize("replaced", [a_state(), None])
def test_a_loosening_that_was_lifted_since_or_of_which_nobody_knows_is_dropped(
    replaced: ControllerState | None,
) -> None:
    kept = what_a_restore_keeps(a_state(PINNED, TIGHT), replaced, NOW)

    assert kept.state.overrides == (TIGHT,)
    assert (Fate.DROPPED, "override o-1") in fates(kept.words)


def test_a_loosening_placed_since_holds_only_in_so_far_as_it_tightens() -> None:
    kept = what_a_restore_keeps(a_state(), a_state(PINNED), NOW)

    assert kept.state.overrides == (replace(PINNED, loosens=False),)
    assert published(a_permission(AGGRESSIVE), kept.state, NOW).mode is NORMAL
    assert published(a_permission(DEFENSIVE), kept.state, NOW).mode is DEFENSIVE
    assert "only in so far as it tightens" in kept.words[0].text


def test_what_is_over_by_itself_is_left_to_the_authority_and_is_no_news() -> None:
    ended = an_override(expires_at=T0 + timedelta(minutes=1))

    kept = what_a_restore_keeps(a_state(ended), a_state(replace(ended, override_id="o-9")), NOW)

    assert (kept.state.overrides, kept.words) == ((ended,), ())


def test_a_retirement_since_the_backup_holds_and_is_a_step_of_its_life() -> None:
    there = StrategyLives({"TREND": a_life(StrategyState.RETIRED, trades=99), "NEWS": a_life(StrategyState.RETIRED)})

    kept = what_a_restore_keeps(a_state(), a_state(lives=there), NOW)

    assert kept.state.lives.in_state(StrategyState.RETIRED) == {"TREND", "NEWS"}
    assert kept.state.lives.by_id["TREND"].live_trades_at_entry == 5
    assert [(one.strategy_id, one.before) for one in kept.transitions] == [
        ("NEWS", None),
        ("TREND", StrategyState.ACTIVE),
    ]
    assert kept.state.effective is not None
    assert [grant.strategy_id for grant in kept.state.effective.grants] == ["RANGE"]
    assert kept.words[1].text == "TREND retired by a person: alice: delisted"


def test_who_was_reinstated_since_is_retired_again() -> None:
    kept = what_a_restore_keeps(a_state(lives=lives(["TREND"])), a_state(), NOW)

    assert kept.state.lives.in_state(StrategyState.RETIRED) == {"TREND"}
    assert fates(kept.words) == [(Fate.BACK, "strategy TREND")]


def test_tightenings_are_lost_only_if_a_person_says_so_and_each_is_named() -> None:
    replaced = a_state(an_override(), trading_state=HALTED, lives=lives(["TREND"]))

    kept = what_a_restore_keeps(a_state(TIGHT), replaced, NOW, lose_tightenings=True)

    assert kept.state == a_state(TIGHT)
    assert kept.transitions == ()
    assert fates(kept.words) == [
        (Fate.LOST, "trading"),
        (Fate.LOST, "override o-1"),
        (Fate.BACK, "override o-2"),
        (Fate.LOST, "strategy TREND"),
    ]


def test_words_that_cannot_be_read_count_as_a_halt() -> None:
    kept = halted_unread(what_a_restore_keeps(a_state(), None, NOW), "the replaced database", {"because": "torn"})

    assert kept.state.trading_state is HALTED
    assert kept.state.halted_because is not None
    assert "cannot be read in the replaced database" in kept.state.halted_because.text
    assert kept.words[0].detail == {"because": "torn"}


def test_a_rollback_that_both_have_goes_on() -> None:
    rolled = a_loosening(Rollback(revision=PolicyRef(7, 1), permission=a_permission()), override_id="o-5")

    assert what_a_restore_keeps(a_state(rolled), a_state(rolled), NOW).state.overrides == (rolled,)


def test_a_token_that_was_revoked_since_is_revoked_whether_the_backup_has_it_or_not() -> None:
    before = {"held": None, "gone": T0, "stays": None}
    since = {"held": NOW, "gone": NOW, "stays": None, "made and gone": NOW, "made": None}

    assert revoked_since(before, since) == {"held": NOW, "made and gone": NOW}


STEPS = st.lists(
    st.tuples(st.sampled_from(["create", "revoke", "back up", "restore", "restore"]), st.integers(0, 3)), max_size=25
)


@given(STEPS)
def test_a_token_that_was_ever_revoked_never_holds_again_whatever_is_restored_over_whatever(
    steps: list[tuple[str, int]],
) -> None:
    tokens: dict[str, datetime | None] = {}
    backups: list[dict[str, datetime | None]] = [{}]
    revoked: set[str] = set()
    for step, number in steps:
        name = f"token {number}"
        if step == "create" and name not in revoked:
            tokens[name] = None
        elif step == "revoke" and name in tokens:
            tokens[name] = tokens[name] or NOW
            revoked.add(name)
        elif step == "back up":
            backups.append(dict(tokens))
        elif step == "restore":
            backup = backups[number % len(backups)]
            tokens = {**backup, **revoked_since(backup, tokens)}
        assert revoked.isdisjoint(name for name, at in tokens.items() if at is None)
