"""What traders may do under overrides: tightening wins, a halt outlives everything, and an end restores exactly."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_builders import a_content
from msc_core_builders import HOUR, T0
from msc_overrides import (
    MODES,
    STRATEGIES,
    a_grant,
    a_loosening,
    a_permission,
    an_override,
    instants,
    permissions,
    several,
)

from msc_authority.core.effective import Effective
from msc_authority.core.limits import limits_for
from msc_authority.core.overrides import Bench, Override, PinMode, Reduce, Rollback, SetLimits
from msc_authority.core.overriding import (
    Overridden,
    apply_overrides,
    expired,
    in_force,
    looser_limits,
    next_expiry,
    of_lineage,
    reason_of,
)
from msc_authority.core.policy import PolicyRef, RiskMode, StrategyState, TradingState

DEFENSIVE, NORMAL, AGGRESSIVE = RiskMode
ACTIVE, REDUCING, HALTED = TradingState
NOW = T0 + timedelta(minutes=30)


def under(permission: Effective, *overrides: Override, now: datetime = NOW) -> Effective:
    return apply_overrides(permission, overrides, MODES, now).effective


@given(permissions(), several(loosening=False), instants())
def test_without_loosening_nothing_is_ever_looser_than_the_controller(
    permission: Effective, overrides: tuple[Override, ...], now: datetime
) -> None:
    assert not apply_overrides(permission, overrides, MODES, now).effective.is_looser_than(permission)


@given(permissions(), several(), instants())
def test_every_override_that_tightens_is_obeyed_whatever_the_others_loosen(
    permission: Effective, overrides: tuple[Override, ...], now: datetime
) -> None:
    published = apply_overrides(permission, overrides, MODES, now).effective

    for one in in_force(overrides, now):
        if not one.loosens:
            assert under(published, one, now=now) == published


@given(permissions(), several(), instants())
def test_no_override_loosens_the_trading_state(
    permission: Effective, overrides: tuple[Override, ...], now: datetime
) -> None:
    assert apply_overrides(permission, overrides, MODES, now).effective.trading_state >= permission.trading_state


@given(permissions(), several(), instants(), st.frozensets(st.sampled_from(STRATEGIES)))
def test_no_override_lets_in_who_is_retired(
    permission: Effective, overrides: tuple[Override, ...], now: datetime, retired: frozenset[str]
) -> None:
    published = apply_overrides(permission, overrides, MODES, now, retired=retired).effective

    assert not retired & {grant.strategy_id for grant in published.grants}


@given(permissions(), several(), instants())
def test_the_end_of_an_override_restores_exactly_what_the_others_leave(
    permission: Effective, overrides: tuple[Override, ...], now: datetime
) -> None:
    rest = tuple(one for one in overrides if one not in expired(overrides, now))

    assert apply_overrides(permission, overrides, MODES, now) == apply_overrides(permission, rest, MODES, now)


@given(permissions(), several())
def test_behind_every_end_there_is_what_the_controller_allows(
    permission: Effective, overrides: tuple[Override, ...]
) -> None:
    ending = tuple(one for one in overrides if one.expires_at is not None)

    assert apply_overrides(permission, ending, MODES, T0 + 72 * HOUR) == Overridden(permission, (), 0)


@given(permissions(), several(), instants(), st.data())
def test_the_order_in_which_they_are_kept_makes_no_difference(
    permission: Effective, overrides: tuple[Override, ...], now: datetime, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(overrides))

    assert apply_overrides(permission, shuffled, MODES, now) == apply_overrides(permission, overrides, MODES, now)


@given(permissions(), several(), instants())
def test_a_strategy_is_listed_once_and_in_the_state_it_may_trade_in(
    permission: Effective, overrides: tuple[Override, ...], now: datetime
) -> None:
    published = apply_overrides(permission, overrides, MODES, now).effective

    ids = [grant.strategy_id for grant in published.grants]
    assert len(set(ids)) == len(ids)


def test_without_overrides_the_controller_has_the_word() -> None:
    assert apply_overrides(a_permission(), (), MODES, NOW) == Overridden(a_permission(), (), 0)


def test_a_reduction_stops_entries_and_leaves_the_rest() -> None:
    assert under(a_permission(), an_override(Reduce())) == a_permission(trading_state=REDUCING)


@pytest.mark.parametrize("state", [ACTIVE, REDUCING, HALTED])
def test_a_halt_wins_over_everything(state: TradingState) -> None:
    rollback = Rollback(revision=PolicyRef(7, 1), permission=a_permission(AGGRESSIVE, trading_state=state))

    published = under(
        a_permission(trading_state=HALTED), a_loosening(rollback), a_loosening(PinMode(mode=AGGRESSIVE)), an_override()
    )

    assert published.trading_state is HALTED


def test_a_pinned_mode_brings_its_limits_and_its_seats_proven_strategies_first() -> None:
    on_trial = [a_grant(name, state=StrategyState.PROBATION) for name in ("NEWS", "SWING")]
    proven = [a_grant(name) for name in ("TREND", "RANGE", "PAIRS")]
    permission = a_permission(grants=(on_trial[0], *proven, on_trial[1]))

    published = under(permission, an_override(PinMode(mode=DEFENSIVE)))

    assert published.mode is DEFENSIVE
    assert published.limits == limits_for(DEFENSIVE, MODES)
    assert published.grants == (on_trial[0], *proven)


def test_a_mode_above_the_controllers_is_a_ceiling_unless_it_loosens() -> None:
    assert under(a_permission(NORMAL), an_override(PinMode(mode=AGGRESSIVE))) == a_permission(NORMAL)

    loosened = under(a_permission(NORMAL), a_loosening(PinMode(mode=AGGRESSIVE)))

    assert loosened == a_permission(AGGRESSIVE)


def test_a_tight_mode_wins_over_limits_that_were_loosened() -> None:
    loosened = a_loosening(SetLimits(max_risk_per_trade=0.05, max_positions=3))

    published = under(a_permission(NORMAL), an_override(PinMode(mode=DEFENSIVE)), loosened)

    assert published.limits.max_risk_per_trade == limits_for(DEFENSIVE, MODES).max_risk_per_trade
    assert published.limits.max_positions == 3


def test_a_limit_tightens_and_only_with_loosening_does_more() -> None:
    tight = under(a_permission(NORMAL), an_override(SetLimits(max_risk_per_trade=0.01, max_positions=2)))
    loose = under(a_permission(NORMAL), a_loosening(SetLimits(max_risk_per_trade=0.01, max_positions=2)))

    assert (tight.limits.max_risk_per_trade, tight.limits.max_positions) == (0.0075, 2)
    assert (loose.limits.max_risk_per_trade, loose.limits.max_positions) == (0.01, 2)


def test_a_benched_strategy_is_off_the_list() -> None:
    published = under(a_permission(), an_override(Bench(strategy_id="TREND")))

    assert published == a_permission(grants=(a_grant("RANGE"),))


def test_a_rollback_allows_what_both_allow() -> None:
    earlier = a_permission(DEFENSIVE, grants=(a_grant("NEWS"), a_grant("RANGE")))
    rollback = Rollback(revision=PolicyRef(7, 4), permission=earlier)

    published, reasons, rollback_of = apply_overrides(a_permission(), [an_override(rollback)], MODES, NOW)

    assert published == a_permission(DEFENSIVE, grants=(a_grant("RANGE"),))
    assert rollback_of == 4
    assert reasons[0].code == "OVERRIDE_ROLLBACK"


def test_a_rollback_that_may_loosen_brings_back_all_but_the_retired() -> None:
    earlier = a_permission(AGGRESSIVE, grants=(a_grant("NEWS"), a_grant("SWING")))
    rollback = a_loosening(Rollback(revision=PolicyRef(7, 4), permission=earlier))

    published = apply_overrides(a_permission(DEFENSIVE), [rollback], MODES, NOW, retired=frozenset({"SWING"}))

    assert published.effective == a_permission(AGGRESSIVE, grants=(a_grant("NEWS"),))


def test_the_rollback_that_was_said_last_is_the_one_that_is_named() -> None:
    older = an_override(Rollback(revision=PolicyRef(7, 9), permission=a_permission()), created_at=T0)
    newer = an_override(Rollback(revision=PolicyRef(7, 2), permission=a_permission()), created_at=T0 + HOUR / 4)

    assert apply_overrides(a_permission(), [newer, older], MODES, NOW).rollback_of == 2


def test_the_reasons_say_what_by_whom_until_when_and_why() -> None:
    texts = [
        reason_of(one).text
        for one in (
            an_override(),
            a_loosening(PinMode(mode=AGGRESSIVE)),
            an_override(SetLimits(max_risk_per_trade=0.002, max_positions=3)),
            an_override(Bench(strategy_id="TREND")),
            an_override(Rollback(revision=PolicyRef(7, 4), permission=a_permission())),
        )
    ]

    assert texts == [
        "entries stopped (REDUCING) by alice: exchange incident",
        "pinned to AGGRESSIVE by alice until 2024-03-01 01:00:00Z: exchange incident",
        "limits set (max_risk_per_trade 0.002, max_positions 3) by alice: exchange incident",
        "TREND benched by alice: exchange incident",
        "rolled back to version 4 by alice: exchange incident",
    ]


def test_the_next_end_is_the_first_of_all() -> None:
    later, sooner, never = (an_override(expires_at=at) for at in (T0 + 2 * HOUR, T0 + HOUR, None))

    assert next_expiry([later, sooner, never]) == T0 + HOUR
    assert next_expiry([never]) is None


def test_looser_limits_are_named() -> None:
    limits = limits_for(NORMAL, MODES)

    assert looser_limits(SetLimits(max_risk_per_trade=0.0075, global_min_confidence=0.6), limits) == []
    assert looser_limits(SetLimits(max_positions=11, max_daily_trades=30), limits) == ["max_positions"]
    assert looser_limits(SetLimits(global_min_confidence=0.59), limits) == ["global_min_confidence"]


def test_a_rollback_names_its_version_in_its_own_epoch_only() -> None:
    back = an_override(Rollback(revision=PolicyRef(7, 3), permission=a_permission()))
    says = a_content(rollback_of=3)
    assert of_lineage(says, (back,), epoch=7) == says
    assert of_lineage(says, (back,), epoch=8) == a_content(rollback_of=0)
    plain = a_content()
    assert of_lineage(plain, (back,), epoch=8) is plain
