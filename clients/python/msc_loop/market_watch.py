"""What the orchestrator is told of the market: how wild it is, which way it goes, what trading costs."""

from __future__ import annotations

import math
from collections import deque
from itertools import pairwise
from typing import Final

from msc_trading.market import Candle
from msc_trading.orchestrator import MarketState, Regime, SymbolState, Volatility

WINDOW: Final = 240
_FEWEST: Final = 60
_DAY: Final = 1440
_ROUND_TRIP_COST: Final = 0.0010
"""Two taker fees, and a tick or two of spread, as a fraction of notional."""
_VOLATILITIES: Final = ((0.015, Volatility.LOW), (0.07, Volatility.NORMAL), (0.14, Volatility.HIGH))
_CRASH: Final = -0.05
_TREND_DEVIATIONS: Final = 1.0


class MarketWatch:
    """Looks at the last four hours of one symbol."""

    def __init__(self, symbol: str) -> None:
        self._symbol = symbol
        self._closes: deque[float] = deque(maxlen=WINDOW + 1)

    def take(self, candle: Candle) -> None:
        """Takes in a closed one-minute candle."""
        self._closes.append(float(candle.close))

    def state(self) -> MarketState:
        """Returns the market as it stands."""
        symbols = {self._symbol: SymbolState(cost_fraction=_ROUND_TRIP_COST)}
        if len(self._closes) <= _FEWEST:
            return MarketState(symbols=symbols)
        closes = list(self._closes)
        moves = [math.log(after / before) for before, after in pairwise(closes)]
        a_minute = math.sqrt(sum(move * move for move in moves) / len(moves))
        return MarketState(
            regime=_regime(sum(moves), a_minute * math.sqrt(len(moves))),
            volatility=_volatility(a_minute * math.sqrt(_DAY)),
            symbols=symbols,
        )


def _volatility(a_day: float) -> Volatility:
    return next((level for limit, level in _VOLATILITIES if a_day < limit), Volatility.EXTREME)


def _regime(move: float, deviation: float) -> Regime:
    if move <= _CRASH:
        return Regime.CRASH
    if abs(move) <= _TREND_DEVIATIONS * deviation:
        return Regime.RANGE
    return Regime.TREND_UP if move > 0 else Regime.TREND_DOWN
