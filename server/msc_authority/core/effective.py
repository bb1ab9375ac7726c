"""What traders may do under a policy, and whether one such permission is looser than another."""

from __future__ import annotations

from dataclasses import dataclass, replace

from msc_authority.core import codec
from msc_authority.core.policy import Limits, RiskMode, StrategyGrant, StrategyState, TradingState


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """The part of a policy that traders act on."""

    mode: RiskMode
    trading_state: TradingState
    limits: Limits
    grants: tuple[StrategyGrant, ...]

    def is_looser_than(self, other: Effective) -> bool:
        """Returns whether anything is allowed here that is not there: mode, state, a limit, a strategy or its share."""
        return (
            self.mode > other.mode
            or self.trading_state < other.trading_state
            or _limits_looser(self.limits, other.limits)
            or _grants_looser(self.grants, other.grants)
        )

    def tightened_to(self, other: Effective) -> Effective:
        """Returns the tighter of both in every field. A strategy stays only where both allow it."""
        allowed = {grant.strategy_id: grant for grant in other.grants}
        return Effective(
            mode=min(self.mode, other.mode),
            trading_state=max(self.trading_state, other.trading_state),
            limits=_tighter_limits(self.limits, other.limits),
            grants=tuple(
                _tighter_grant(grant, allowed[grant.strategy_id])
                for grant in self.grants
                if grant.strategy_id in allowed
            ),
        )

    def encode(self) -> dict[str, object]:
        """Returns it as a JSON-able document."""
        limits = self.limits
        return {
            "grants": [_grant_row(grant) for grant in self.grants],
            "limits": [
                limits.max_risk_per_trade,
                limits.global_min_confidence,
                limits.max_positions,
                limits.max_daily_trades,
            ],
            "mode": self.mode.name,
            "trading_state": self.trading_state.name,
        }

    @classmethod
    def decode(cls, value: object) -> Effective:
        """Returns what `encode` wrote."""
        stored = codec.Reader(value, "effective")
        return cls(
            mode=stored.get("mode", lambda name: RiskMode[codec.text(name)]),
            trading_state=stored.get("trading_state", lambda name: TradingState[codec.text(name)]),
            limits=stored.get("limits", _limits),
            grants=tuple(stored.items("grants", _grant)),
        )


def _limits_looser(one: Limits, other: Limits) -> bool:
    return (
        one.max_risk_per_trade > other.max_risk_per_trade
        or one.global_min_confidence < other.global_min_confidence
        or one.max_positions > other.max_positions
        or one.max_daily_trades > other.max_daily_trades
    )


def _tighter_limits(one: Limits, other: Limits) -> Limits:
    return Limits(
        max_risk_per_trade=min(one.max_risk_per_trade, other.max_risk_per_trade),
        global_min_confidence=max(one.global_min_confidence, other.global_min_confidence),
        max_positions=min(one.max_positions, other.max_positions),
        max_daily_trades=min(one.max_daily_trades, other.max_daily_trades),
    )


def _grants_looser(ones: tuple[StrategyGrant, ...], others: tuple[StrategyGrant, ...]) -> bool:
    allowed = {grant.strategy_id: grant for grant in others}
    return any(
        grant.strategy_id not in allowed or _tighter_grant(grant, allowed[grant.strategy_id]) != grant for grant in ones
    )


def _tighter_grant(one: StrategyGrant, other: StrategyGrant) -> StrategyGrant:
    # On probation is the tighter standing: the state says which share is meant.
    state = other.state if other.state is StrategyState.PROBATION else one.state
    return replace(
        one,
        state=state,
        risk_multiplier=min(one.risk_multiplier, other.risk_multiplier),
        max_positions=_tighter_cap(one.max_positions, other.max_positions),
        max_daily_trades_fraction=min(one.max_daily_trades_fraction, other.max_daily_trades_fraction),
    )


def _tighter_cap(one: int, other: int) -> int:
    # 0 means no cap of its own.
    return min(one, other) if one and other else max(one, other)


def _grant_row(grant: StrategyGrant) -> list[object]:
    return [
        grant.strategy_id,
        grant.state.value,
        grant.risk_multiplier,
        grant.max_positions,
        grant.max_daily_trades_fraction,
    ]


def _limits(value: object) -> Limits:
    risk, confidence, positions, trades = codec.row(value, 4)
    return Limits(
        max_risk_per_trade=codec.number(risk),
        global_min_confidence=codec.number(confidence),
        max_positions=codec.integer(positions),
        max_daily_trades=codec.integer(trades),
    )


def _grant(value: object) -> StrategyGrant:
    strategy_id, state, multiplier, positions, fraction = codec.row(value, 5)
    return StrategyGrant(
        strategy_id=codec.text(strategy_id),
        state=StrategyState(codec.text(state)),
        risk_multiplier=codec.number(multiplier),
        max_positions=codec.integer(positions),
        max_daily_trades_fraction=codec.number(fraction),
    )
