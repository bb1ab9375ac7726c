"""A paper exchange: USD-M Futures on loopback, on which the unmodified client trades without an account."""

from msc_trading.paper.cli import PaperSettings, paper_main, serve
from msc_trading.paper.config import (
    BTCUSDT,
    DEFAULT_BRACKETS,
    ETHUSDT,
    ApiKey,
    LeverageBracket,
    PaperConfig,
    RateLimits,
    SymbolSpec,
)
from msc_trading.paper.exchange import PaperExchange

__all__ = [
    "ApiKey",
    "BTCUSDT",
    "DEFAULT_BRACKETS",
    "ETHUSDT",
    "LeverageBracket",
    "PaperConfig",
    "PaperExchange",
    "PaperSettings",
    "RateLimits",
    "SymbolSpec",
    "paper_main",
    "serve",
]
