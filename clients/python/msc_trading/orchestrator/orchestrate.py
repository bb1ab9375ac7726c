"""The decision: the policy is the ceiling, and what is seen here can only lower it. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from msc_client.policy import RiskMode
from msc_client.tier import Tier
from msc_client.view import PolicyView
from msc_trading.orchestrator.config import OrchestratorConfig
from msc_trading.orchestrator.state import MarketState, Regime, RiskState, SymbolState, Volatility
from msc_trading.orchestrator.trading_policy import ExitMode, RiskProfile, TradingPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    allow: bool
    risk: float
    confidence: float
    mode: RiskMode
    protect: bool = False
    notes: tuple[str, ...] = ()

    def stopped(self, note: str) -> _Draft:
        return replace(self, allow=False, protect=True, notes=(*self.notes, note))

    def scaled(self, factor: float, note: str) -> _Draft:
        return replace(self, risk=self.risk * factor, notes=(*self.notes, f"{note}: risk x {factor:g}"))


def orchestrate(
    view: PolicyView, market: MarketState, risk: RiskState, config: OrchestratorConfig, *, now_ns: int
) -> TradingPolicy:
    """Returns how to trade under this policy, in this market, at this risk. `now_ns` is the policy source's."""
    draft = _from_policy(view, now_ns)
    draft = _with_positions(draft, risk, view.policy.max_positions)
    draft = _with_losses(draft, risk, config)
    draft = _with_streak(draft, risk, config)
    draft = _with_market(draft, market, config)
    disallowed = {symbol: why for symbol, state in market.symbols.items() if (why := _why_not(state, config))}
    allowed = tuple(sorted(symbol for symbol in market.symbols if symbol not in disallowed))
    if not allowed:
        draft = draft.stopped("no symbol is left to trade")
    return TradingPolicy(
        ref=view.ref,
        tier=view.tier,
        allow_new_trades=draft.allow,
        risk_profile=_profile(draft, view.policy.max_risk_per_trade),
        max_risk_fraction=draft.risk if draft.allow else 0.0,
        min_confidence=draft.confidence,
        max_positions=view.policy.max_positions,
        entry_mode=draft.mode,
        exit_mode=ExitMode.PROTECT if draft.protect or draft.mode is RiskMode.DEFENSIVE else ExitMode.NORMAL,
        allowed_symbols=allowed,
        disallowed_symbols=tuple(sorted(disallowed)),
        notes=(*draft.notes, *(f"{symbol}: {disallowed[symbol]}" for symbol in sorted(disallowed))),
    )


def _from_policy(view: PolicyView, now_ns: int) -> _Draft:
    policy = view.policy
    draft = _Draft(
        allow=True, risk=policy.max_risk_per_trade, confidence=policy.global_min_confidence, mode=policy.risk_mode
    )
    if view.tier is not Tier.FRESH:
        draft = replace(draft, notes=(f"degraded: the policy is {view.tier.name}",))
    denial = view.entry_denial(now_ns)
    if denial is not None:
        return draft.stopped(denial)
    return draft if policy.allowed_strategies else draft.stopped("no strategy is allowed")


def _with_positions(draft: _Draft, risk: RiskState, limit: int) -> _Draft:
    if risk.open_positions is None:
        return draft.stopped("open positions are unknown")
    if risk.open_positions >= limit:
        # At the limit nobody gets worse off by waiting: exits go on as they would.
        return replace(draft, allow=False, notes=(*draft.notes, f"position limit {risk.open_positions}/{limit}"))
    return draft


def _with_losses(draft: _Draft, risk: RiskState, config: OrchestratorConfig) -> _Draft:
    pnl, drawdown = _known(risk.day_pnl_fraction), _known(risk.drawdown_pct)
    exposure = _known(risk.exposure_fraction)
    if pnl is not None and -pnl >= config.max_day_loss_fraction:
        draft = draft.stopped(f"day loss {-pnl:.2%} has reached {config.max_day_loss_fraction:.2%}")
    if drawdown is not None and drawdown >= config.max_drawdown_pct:
        draft = draft.stopped(f"drawdown {drawdown:.2f} % has reached {config.max_drawdown_pct:g} %")
    if exposure is not None and exposure >= config.max_exposure_fraction:
        draft = draft.stopped(f"exposure {exposure:.2f} has reached {config.max_exposure_fraction:g} times equity")
    facts = {"day PnL": pnl, "drawdown": drawdown, "exposure": exposure}
    unknown = ", ".join(name for name, value in facts.items() if value is None)
    return draft.scaled(config.unknown_risk_factor, f"unknown {unknown}") if unknown else draft


def _with_streak(draft: _Draft, risk: RiskState, config: OrchestratorConfig) -> _Draft:
    streak = risk.losing_streak
    if streak is not None and streak < config.streak_from:
        return draft
    note = "losing streak unknown" if streak is None else f"losing streak {streak}"
    confidence = min(draft.confidence + config.streak_confidence_add, max(draft.confidence, 1.0))
    return replace(draft.scaled(config.streak_risk_factor, note), confidence=confidence, protect=True)


def _with_market(draft: _Draft, market: MarketState, config: OrchestratorConfig) -> _Draft:
    if market.volatility is Volatility.EXTREME:
        draft = draft.stopped("volatility EXTREME")
    elif market.volatility in (Volatility.HIGH, Volatility.UNKNOWN):
        scaled = draft.scaled(config.high_volatility_risk_factor, f"volatility {market.volatility}")
        draft = replace(scaled, mode=min(scaled.mode, RiskMode.NORMAL))
    if market.regime is Regime.CRASH:
        return replace(draft, mode=RiskMode.DEFENSIVE, notes=(*draft.notes, "regime CRASH: entries DEFENSIVE"))
    if market.regime is Regime.UNKNOWN:
        return replace(draft, mode=min(draft.mode, RiskMode.NORMAL))
    return draft


def _why_not(state: SymbolState, config: OrchestratorConfig) -> str | None:
    cost, result = _known(state.cost_fraction), _known(state.mean_return_fraction)
    if cost is None:
        return "its cost is unknown"
    if cost >= config.max_cost_fraction:
        return f"a round trip costs {cost:.2%}"
    if state.trades_n >= config.min_symbol_trades and (result is None or result < config.min_symbol_return_fraction):
        return f"its last {state.trades_n} trades made {'nobody knows what' if result is None else f'{result:.2%}'}"
    return None


def _profile(draft: _Draft, ceiling: float) -> RiskProfile:
    if not draft.allow:
        return RiskProfile.NO_NEW_TRADES
    reduced = draft.mode is RiskMode.DEFENSIVE or draft.risk < ceiling
    return RiskProfile.REDUCED if reduced else RiskProfile.NORMAL


def _known(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None
