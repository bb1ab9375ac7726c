"""A stretch of a market."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candle:
    """Prices of one minute that starts at `open_time` (aware UTC). Prices in quote, volume in base currency.

    What a Resampler returns covers several minutes.
    """

    symbol: str
    open_time: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
