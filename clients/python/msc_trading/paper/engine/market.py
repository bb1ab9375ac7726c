"""The market of one symbol: its price, and a book made up around it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

from msc_client import Side
from msc_trading.paper.config import SymbolSpec
from msc_trading.paper.engine.bars import Bars
from msc_trading.paper.engine.values import ZERO

DEPTH_LEVELS = 1000
CENT_OF_A_CENT = Decimal("0.00000001")


def money(amount: Decimal) -> Decimal:
    """Returns an amount as the wallet keeps it, in eight decimals."""
    # Adding 0 turns a negative zero into a plain one.
    return amount.quantize(CENT_OF_A_CENT) + 0


def on_step(value: Decimal, step: Decimal, rounding: str = ROUND_HALF_EVEN) -> Decimal:
    """Returns the value as a whole number of steps."""
    return (value / step).to_integral_value(rounding=rounding) * step


class Market:
    """Price, mark and bars of one symbol.

    The book is the same to every order: each level a tick apart, `level_quantity` on each, filled up again at once. The
    last price is the best bid.
    """

    def __init__(self, spec: SymbolSpec, first_trade_id: int) -> None:
        self.spec = spec
        self.bars = Bars()
        self.last = ZERO
        self.mark = ZERO
        self.update_id = first_trade_id
        self.next_trade_id = first_trade_id

    @property
    def has_price(self) -> bool:
        """Whether there was a price yet."""
        return self.last > 0

    @property
    def bid(self) -> Decimal:
        """Best price to sell at."""
        return self.last

    @property
    def ask(self) -> Decimal:
        """Best price to buy at."""
        return self.last + self.spec.tick_size

    def set_price(self, price: Decimal) -> None:
        """Moves the last price, and the mark after it."""
        self.last = price
        lag = self.spec.mark_lag if self.mark else ZERO
        self.mark = price + (self.mark - price) * lag if lag else price
        self.update_id += 1

    def take_trade_id(self) -> int:
        """Returns the next id of a trade in this symbol."""
        taken = self.next_trade_id
        self.next_trade_id += 1
        return taken

    def levels(self, taker: Side) -> Iterator[tuple[Decimal, Decimal | None]]:
        """Yields price and quantity of what a taker meets, best first; a quantity of None has no end."""
        price, step = (self.ask, self.spec.tick_size) if taker is Side.BUY else (self.bid, -self.spec.tick_size)
        for _ in range(DEPTH_LEVELS):
            if price <= 0:
                return
            yield price, self.spec.level_quantity
            price += step

    def available(self, taker: Side, limit: Decimal) -> Decimal | None:
        """Returns what can be taken up to a limit; None has no end."""
        total = ZERO
        for price, quantity in self.levels(taker):
            if worse(taker, price, limit):
                break
            if quantity is None:
                return None
            total += quantity
        return total

    def beyond(self, price: Decimal, upwards: bool) -> Decimal:
        """Returns the first price on the tick that has reached this one."""
        return on_step(price, self.spec.tick_size, ROUND_CEILING if upwards else ROUND_FLOOR)


def worse(taker: Side, price: Decimal, limit: Decimal) -> bool:
    """Returns whether a price is worse for the taker than the limit."""
    return price > limit if taker is Side.BUY else price < limit
