"""The account as the venue last told of it, with the age of everything. What was never heard is None."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC
from decimal import Decimal

from msc_trading.executor.records import DayStart
from msc_trading.executor.timing import ExecutorClock
from msc_trading.guard.facts import ConfirmedPositions
from msc_trading.venue.port import Balance, Position, PositionUpdate, Price


class AccountView:
    """Balance, positions and prices of one account. Ages are by the executor's clock, since receipt."""

    def __init__(self, clock: ExecutorClock) -> None:
        self._clock = clock
        self._positions: dict[str, Position] = {}
        self._positions_at: float | None = None
        self._confirmed: ConfirmedPositions | None = None
        self._balance_at: float | None = None
        self._told: dict[str, int] = {}
        self.news = 0
        """How many positions the stream has told of so far."""
        self._prices: dict[str, tuple[Price, float]] = {}
        self.balance: Balance | None = None

    def take_balance(self, balance: Balance) -> None:
        """Takes in a full reading of the balance."""
        self.balance, self._balance_at = balance, self._clock.monotonic()

    def take_positions(self, positions: Iterable[Position], *, asked: int) -> None:
        """Takes in a full reading of the positions that was asked for when `news` was `asked`.

        What the stream has told of a symbol since then is newer, and stays.

        Raises:
            ValueError: a position makes no sense. What was known before is then kept, and ages.
        """
        held = {position.symbol: position for position in positions}
        for symbol in (symbol for symbol, number in self._told.items() if number > asked):
            held.pop(symbol, None)
            if symbol in self._positions:
                held[symbol] = self._positions[symbol]
        self._confirmed = ConfirmedPositions.of(held.values())
        self._positions, self._positions_at = held, self._clock.monotonic()

    def take_update(self, update: PositionUpdate) -> None:
        """Takes in what the user stream tells: one position, or the wallet. It does not make the rest any younger."""
        if update.wallet_balance is not None and self.balance is not None:
            self.balance = replace(self.balance, wallet_balance=update.wallet_balance)
        if update.symbol is None or update.quantity is None or self._confirmed is None:
            return
        self._take_quantity(update.symbol, update.quantity, update.entry_price)

    def _take_quantity(self, symbol: str, quantity: Decimal, entry_price: Decimal | None) -> None:
        known = self._positions.get(symbol)
        entry = entry_price or (None if known is None else known.entry_price)
        mark = self.price_of(symbol) or (None if known is None else known.mark_price) or entry
        positions = dict(self._positions)
        positions.pop(symbol, None)
        if quantity != 0:
            if entry is None or mark is None:
                # A position without any price cannot be valued: nothing is confirmed until the next full reading.
                self._positions_at = None
                return
            pnl = (mark - entry) * quantity
            positions[symbol] = Position(
                symbol=symbol, quantity=quantity, entry_price=entry, mark_price=mark, unrealized_pnl=pnl
            )
        self._confirmed = ConfirmedPositions.of(positions.values())
        self._positions = positions
        self.news += 1
        self._told[symbol] = self.news

    def take_price(self, price: Price) -> None:
        """Takes in a price, unless a newer one is known."""
        known = self._prices.get(price.symbol)
        if known is None or known[0].at <= price.at:
            self._prices[price.symbol] = (price, self._clock.monotonic())

    @property
    def positions(self) -> ConfirmedPositions | None:
        """The confirmed positions."""
        return self._confirmed

    @property
    def positions_age_s(self) -> float | None:
        """Seconds since the positions were read in full."""
        return self._age(self._positions_at)

    @property
    def equity_age_s(self) -> float | None:
        """Seconds since the balance was read in full."""
        return self._age(self._balance_at)

    def position(self, symbol: str) -> Position | None:
        """Returns the symbol's position, None when it is flat."""
        return self._positions.get(symbol)

    def quantity(self, symbol: str) -> Decimal | None:
        """Returns the signed quantity that the venue holds for us, None while that is unknown."""
        return None if self._confirmed is None else self._confirmed.quantity(symbol)

    def price(self, symbol: str) -> Price | None:
        """Returns the newest price with its instant."""
        known = self._prices.get(symbol)
        return None if known is None else known[0]

    def price_of(self, symbol: str) -> Decimal | None:
        """Returns the newest price."""
        known = self._prices.get(symbol)
        return None if known is None else known[0].price

    def price_age_s(self, symbol: str) -> float | None:
        """Returns the seconds since the newest price was received."""
        known = self._prices.get(symbol)
        return None if known is None else self._age(known[1])

    def day_pnl(self, start: DayStart | None) -> Decimal | None:
        """Returns what the day made so far, realised and not, after fees. None: unknown."""
        if self.balance is None or start is None:
            return None
        if start.day != self.balance.at.astimezone(UTC).date():
            return None
        return self.balance.equity - start.equity

    def _age(self, at: float | None) -> float | None:
        return None if at is None else self._clock.monotonic() - at
