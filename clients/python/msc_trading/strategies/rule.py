"""What a strategy's rule is: bars in, a wish out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from msc_client.facts import Direction
from msc_trading.market.candle import Candle

_LEAST: Final = 0.4
_MIN_STOP_FRACTION: Final = 0.003


@dataclass(frozen=True, slots=True)
class Wish:
    """The position that a rule wants now. `direction` None: flat, and the rest means nothing.

    `confidence` is a fraction; `stop_distance` is how far behind the price the stop belongs, in units of 1e-8.
    """

    direction: Direction | None
    confidence: float = 0.0
    stop_distance: int = 0


FLAT: Final = Wish(None)


class Rule(Protocol):
    """Decides from closed bars of one symbol what position to want. Its memory is the bars of its windows alone."""

    @property
    def warmup_bars(self) -> int:
        """How many bars it must see before it measures what it would after any number of them."""
        ...

    def on_bar(self, bar: Candle, held: Direction | None) -> Wish | None:
        """Takes a closed bar, and returns the position wanted; None: whatever is `held` may stay."""
        ...


def confidence(*evidence: float) -> float:
    """Returns a confidence from 0.4 to 1: the mean of what each piece of evidence, 0 or more, lends to it.

    A piece of 1 lends one half of what it can, one of 3 three quarters.
    """
    lent = [max(piece, 0.0) / (1.0 + max(piece, 0.0)) for piece in evidence]
    return round(_LEAST + (1 - _LEAST) * sum(lent) / len(lent), 4)


def stop_distance(close: int, mean_range: float, ranges: float) -> int:
    """Returns so many mean ranges, and at least 0.3 % of the price: a stop within the noise only pays fees."""
    return round(max(ranges * mean_range, _MIN_STOP_FRACTION * close))
