"""The policy that a person's act leads to: what the controller allows, under the overrides that are in force now."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from msc_authority.core.config import ModesConfig
from msc_authority.core.effective import Effective
from msc_authority.core.limits import limits_for
from msc_authority.core.overriding import apply_overrides
from msc_authority.core.policy import (
    PolicyContent,
    PolicyMetrics,
    Reason,
    RiskMode,
    StrategyState,
    SystemHealth,
    TradingState,
)
from msc_authority.core.state import ControllerState

_BY_PERSONS = ("OVERRIDE_", "OPERATOR_")
_OF_A_CHANGE = frozenset({"MODE_RAISED", "MODE_LOWERED", "TRADING_RESUMED", "DRAWDOWN_REBASED"})
"""What an evaluation changed: true of the policy that it published, and of none behind that."""
_OF_A_HALT = frozenset({"TRADING_HALTED", "HALT_LATCHED"})
_UNMEASURED = PolicyMetrics(
    system_drawdown=None,
    global_winrate=None,
    equity_slope=None,
    system_health=SystemHealth.UNKNOWN,
    trades_n=None,
    equity_source="none",
)


def permission_of(content: PolicyContent) -> Effective:
    """Returns what traders may do under a policy."""
    return Effective(
        mode=content.risk_mode, trading_state=content.trading_state, limits=content.limits, grants=content.grants
    )


def allowed_by_controller(state: ControllerState, modes: ModesConfig, *, evaluated: bool) -> Effective:
    """Returns what the controller itself allows: DEFENSIVE limits and nobody where nothing has been `evaluated`."""
    if state.effective is not None and evaluated:
        return state.effective
    return unevaluated(modes, state.trading_state)


def unevaluated(modes: ModesConfig, trading_state: TradingState) -> Effective:
    """Returns what is allowed before anything was evaluated."""
    limits = limits_for(RiskMode.DEFENSIVE, modes)
    return Effective(mode=RiskMode.DEFENSIVE, trading_state=trading_state, limits=limits, grants=())


def content_by_person(
    allowed: Effective,
    state: ControllerState,
    before: PolicyContent | None,
    modes: ModesConfig,
    now: datetime,
    *,
    because: Reason,
    author: str,
) -> PolicyContent:
    """Returns what the policy says at `now`. What was measured, and why the controller decided so, stays as it was.

    Why it changed something before does not: nothing of that changes here.
    """
    retired = state.lives.in_state(StrategyState.RETIRED)
    published = apply_overrides(allowed, state.overrides, modes, now, retired=retired)
    stays = still_true(before.reasons, state.trading_state) if before else ()
    halted = [state.halted_because] if state.halted_because else []
    return PolicyContent(
        risk_mode=published.effective.mode,
        trading_state=published.effective.trading_state,
        limits=published.effective.limits,
        grants=published.effective.grants,
        metrics=before.metrics if before else _UNMEASURED,
        reasons=tuple(dict.fromkeys((because, *halted, *published.reasons, *stays))),
        author=author,
        rollback_of=published.rollback_of,
    )


def still_true(reasons: Iterable[Reason], trading_state: TradingState) -> tuple[Reason, ...]:
    """Returns those of an earlier policy that are true of one that persons make of it.

    Neither what persons said, which is told anew, nor of a change that an evaluation made then; nor of a halt, unless
    `trading_state`, the controller's own, is still one.
    """
    over = _OF_A_CHANGE if trading_state is TradingState.HALTED else _OF_A_CHANGE | _OF_A_HALT
    return tuple(one for one in reasons if not one.code.startswith(_BY_PERSONS) and one.code not in over)
