"""Numbers and instants as the venue writes them."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal

from msc_trading.paper.engine.bars import milliseconds

__all__ = ["dumps", "fixed", "instant", "milliseconds", "plain"]


def plain(value: Decimal) -> str:
    """Returns the shortest plain text, never with an exponent."""
    return format(value.normalize(), "f") if value else "0"


def fixed(value: Decimal, places: int) -> str:
    """Returns the text with at least these many places, and up to eight where the value has them."""
    short = plain(round(value, 8))
    written = len(short.partition(".")[2])
    return short if written >= places > 0 else f"{value:.{places}f}"


def instant(at: datetime | None) -> int:
    """Returns milliseconds since 1970, 0 for never."""
    return 0 if at is None else milliseconds(at)


def dumps(message: object) -> str:
    """Returns JSON without blanks."""
    return json.dumps(message, separators=(",", ":"))
