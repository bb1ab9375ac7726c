"""The orchestrator: how to trade now, under the policy and never above it."""

from msc_trading.orchestrator.config import OrchestratorConfig
from msc_trading.orchestrator.orchestrate import orchestrate
from msc_trading.orchestrator.orchestrator import FollowedPolicies, Orchestrator
from msc_trading.orchestrator.state import MarketState, Regime, RiskState, SymbolState, Volatility
from msc_trading.orchestrator.trading_policy import ExitMode, RiskProfile, TradingPolicy

__all__ = [
    "ExitMode",
    "FollowedPolicies",
    "MarketState",
    "Orchestrator",
    "OrchestratorConfig",
    "Regime",
    "RiskProfile",
    "RiskState",
    "SymbolState",
    "TradingPolicy",
    "Volatility",
    "orchestrate",
]
