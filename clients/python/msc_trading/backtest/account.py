"""The money of one side: wallet, what the open positions are worth, and the deepest fall so far."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Final

from msc_client.facts import ClosedTrade, EquityPoint
from msc_trading.backtest.book import Leg, fee_of

_ZERO: Final = Decimal(0)


class Account:
    """Equity by the last closes. Fees are paid as orders fill."""

    def __init__(self, account_id: str, starting_equity: Decimal, fee_rate: Decimal) -> None:
        self._account_id = account_id
        self._fee_rate = fee_rate
        self.wallet = starting_equity
        self._peak = self.equity = starting_equity
        self._unrealized = _ZERO
        self._quantities: dict[str, Decimal] = {}
        self._costs: dict[str, Decimal] = {}
        self.marks: dict[str, Decimal] = {}
        self.max_drawdown = _ZERO

    def opened(self, leg: Leg) -> None:
        """Takes a position that was opened."""
        order = leg.order
        self.wallet -= fee_of(order.quantity, leg.entry_price, self._fee_rate)
        self._move(order.symbol, order.signed, leg.entry_price)

    def closed(self, leg: Leg, trade: ClosedTrade) -> None:
        """Takes a position that was closed. The entry's fee was paid before."""
        self.wallet += trade.gross_pnl - fee_of(trade.quantity, trade.exit_price, self._fee_rate)
        self._move(trade.symbol, -leg.order.signed, leg.entry_price)

    def mark(self) -> None:
        """Values everything at the newest marks."""
        marks, costs = self.marks, self._costs
        self._unrealized = sum(
            (quantity * marks[symbol] - costs[symbol] for symbol, quantity in self._quantities.items()), _ZERO
        )
        self.equity = equity = self.wallet + self._unrealized
        if equity >= self._peak:
            self._peak = equity
        else:
            self.max_drawdown = max(self.max_drawdown, (self._peak - equity) / self._peak)

    def reading(self, at: datetime) -> EquityPoint:
        """Returns the account as the journal has it."""
        return EquityPoint(account=self._account_id, at=at, wallet_balance=self.wallet, unrealized_pnl=self._unrealized)

    def _move(self, symbol: str, quantity: Decimal, price: Decimal) -> None:
        after = self._quantities.get(symbol, _ZERO) + quantity
        cost = self._costs.get(symbol, _ZERO) + quantity * price
        if after or cost:
            self._quantities[symbol], self._costs[symbol] = after, cost
        else:
            del self._quantities[symbol], self._costs[symbol]
