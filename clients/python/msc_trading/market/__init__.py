"""Prices: candles from files, and made-up ones."""

from msc_trading.market.candle import MINUTE, Candle
from msc_trading.market.files import CandleFileError, Gap, read_candles
from msc_trading.market.generator import MODELS, Regime, SymbolModel, generated_candles, regimes
from msc_trading.market.resample import Resampler, resampled

__all__ = [
    "MINUTE",
    "Candle",
    "CandleFileError",
    "Gap",
    "read_candles",
    "MODELS",
    "Regime",
    "SymbolModel",
    "generated_candles",
    "regimes",
    "Resampler",
    "resampled",
]
