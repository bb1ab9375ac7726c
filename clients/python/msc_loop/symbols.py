"""The symbols that a fleet trades: what the exchange makes of them, and how their prices are made up."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from msc_trading.market import MODELS as KNOWN_MODELS
from msc_trading.market import SymbolModel

if TYPE_CHECKING:
    from msc_trading.paper import SymbolSpec

MODELS: Final = {
    **KNOWN_MODELS,
    "SOLUSDT": SymbolModel(
        first_price=Decimal(145),
        tick_size=Decimal("0.01"),
        share=1.4,
        own_volatility=0.018,
        volume_per_minute=9000.0,
    ),
}
SYMBOLS: Final = tuple(MODELS)
"""In this order a fleet takes them up, one executor each."""


def spec_of(symbol: str) -> SymbolSpec:
    """Returns the contract that the paper exchange lists under this name."""
    from msc_trading.paper import BTCUSDT, ETHUSDT

    listed = {spec.symbol: spec for spec in (BTCUSDT, ETHUSDT)}
    if symbol in listed:
        return listed[symbol]
    return replace(
        ETHUSDT,
        symbol=symbol,
        base_asset=symbol.removesuffix("USDT"),
        min_price=Decimal("0.42"),
        max_price=Decimal(6857),
        step_size=Decimal("0.01"),
        min_quantity=Decimal("0.01"),
        market_step_size=Decimal("0.01"),
        market_min_quantity=Decimal("0.01"),
        quantity_precision=2,
        min_notional=Decimal(5),
        level_quantity=Decimal(2000),
    )
