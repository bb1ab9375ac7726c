"""Overrides, and permissions to put them on: plain ones with overrides of their fields, and any at all."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import strategies as st
from msc_core_builders import HOUR, T0, changed

from msc_authority.core.config import ModesConfig
from msc_authority.core.effective import Effective
from msc_authority.core.limits import limits_for
from msc_authority.core.overrides import Bench, Override, PinMode, Reduce, Rollback, SetLimits
from msc_authority.core.policy import Limits, PolicyRef, RiskMode, StrategyGrant, StrategyState, TradingState

MODES = ModesConfig()
STRATEGIES = ("TREND", "RANGE", "NEWS", "SWING", "PAIRS", "CARRY")


def a_grant(strategy_id: str = "TREND", **fields: object) -> StrategyGrant:
    """A proven strategy with the full limits."""
    grant = StrategyGrant(
        strategy_id=strategy_id,
        state=StrategyState.ACTIVE,
        risk_multiplier=1.0,
        max_positions=0,
        max_daily_trades_fraction=1.0,
    )
    return changed(grant, fields)


def a_permission(mode: RiskMode = RiskMode.NORMAL, **fields: object) -> Effective:
    """What that mode allows, for TREND and RANGE."""
    permission = Effective(
        mode=mode,
        trading_state=TradingState.ACTIVE,
        limits=limits_for(mode, MODES),
        grants=(a_grant("TREND"), a_grant("RANGE")),
    )
    return changed(permission, fields)


def an_override(sets: Rollback | PinMode | SetLimits | Bench | Reduce | None = None, **fields: object) -> Override:
    """Alice's word at T0, until it is lifted: no entries, unless it sets something else."""
    override = Override(
        override_id="o-1",
        actor="alice",
        reason="exchange incident",
        created_at=T0,
        expires_at=None,
        sets=sets or Reduce(),
    )
    return changed(override, fields)


def a_loosening(sets: Rollback | PinMode | SetLimits, **fields: object) -> Override:
    """An override that may loosen, for an hour."""
    return an_override(sets, loosens=True, expires_at=T0 + HOUR, **fields)


def limits() -> st.SearchStrategy[Limits]:
    """Any limits."""
    return st.builds(
        Limits,
        max_risk_per_trade=st.sampled_from([0.001, 0.003, 0.0075, 0.015, 0.1]),
        global_min_confidence=st.sampled_from([0.2, 0.5, 0.6, 0.7, 0.9]),
        max_positions=st.integers(1, 20),
        max_daily_trades=st.integers(1, 60),
    )


def grants() -> st.SearchStrategy[tuple[StrategyGrant, ...]]:
    """Any grants, each strategy once."""
    one = st.builds(
        a_grant,
        st.sampled_from(STRATEGIES),
        state=st.sampled_from([StrategyState.ACTIVE, StrategyState.PROBATION]),
        risk_multiplier=st.sampled_from([0.25, 0.5, 1.0]),
        max_positions=st.integers(0, 3),
        max_daily_trades_fraction=st.sampled_from([0.2, 1.0]),
    )
    return st.lists(one, max_size=6, unique_by=lambda grant: grant.strategy_id).map(tuple)


def permissions() -> st.SearchStrategy[Effective]:
    """Any permission, also such as no mode gives."""
    return st.builds(
        Effective,
        mode=st.sampled_from(RiskMode),
        trading_state=st.sampled_from(TradingState),
        limits=limits(),
        grants=grants(),
    )


def _settings() -> st.SearchStrategy[Rollback | PinMode | SetLimits | Bench | Reduce]:
    return st.one_of(
        st.just(Reduce()),
        st.sampled_from(STRATEGIES).map(lambda one: Bench(strategy_id=one)),
        st.sampled_from(RiskMode).map(lambda mode: PinMode(mode=mode)),
        limit_changes(),
        st.builds(Rollback, revision=st.builds(PolicyRef, st.just(7), st.integers(1, 9)), permission=permissions()),
    )


def limit_changes() -> st.SearchStrategy[SetLimits]:
    """Some of the limits, at least one."""
    risk, positions = st.sampled_from([0.002, 0.01, 0.5]), st.integers(1, 30)
    return st.one_of(
        st.builds(SetLimits, max_risk_per_trade=risk),
        st.builds(SetLimits, global_min_confidence=st.sampled_from([0.1, 0.65, 1.0]), max_positions=positions),
        st.builds(SetLimits, max_risk_per_trade=risk, max_daily_trades=positions),
    )


@st.composite
def overrides(draw: st.DrawFn, *, loosening: bool | None = None) -> Override:
    """Any override of the hours behind T0. `loosening` None: one that loosens, or does not."""
    sets = draw(_settings())
    loosens = isinstance(sets, PinMode | SetLimits | Rollback) and (
        draw(st.booleans()) if loosening is None else loosening
    )
    since = draw(instants())
    lasts = draw(st.sampled_from([timedelta(minutes=1), HOUR, 24 * HOUR]))
    return an_override(
        sets,
        override_id=f"o-{draw(st.integers(0, 10_000))}",
        actor=draw(st.sampled_from(["alice", "bob"])),
        reason=draw(st.text(min_size=1, max_size=8)),
        created_at=since,
        expires_at=since + lasts if loosens or draw(st.booleans()) else None,
        loosens=loosens,
    )


def several(*, loosening: bool | None = None) -> st.SearchStrategy[tuple[Override, ...]]:
    """Any overrides, each under an id of its own."""
    return st.lists(overrides(loosening=loosening), max_size=6, unique_by=lambda one: one.override_id).map(tuple)


def instants() -> st.SearchStrategy[datetime]:
    """Instants of the day behind T0, some of them equal."""
    return st.integers(0, 48).map(lambda half_hours: T0 + half_hours * HOUR / 2)
