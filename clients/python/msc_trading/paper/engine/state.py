"""What the engine remembers."""

from __future__ import annotations

import string
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from msc_client import Side
from msc_trading.clock import seeded
from msc_trading.paper.config import PaperConfig, SymbolSpec
from msc_trading.paper.engine.events import AccountEvent, AlgoEvent, Event
from msc_trading.paper.engine.market import Market
from msc_trading.paper.engine.rejections import BAD_SYMBOL, Rejected
from msc_trading.paper.engine.values import (
    ZERO,
    Algo,
    AlgoStatus,
    Income,
    IncomeType,
    Order,
    Position,
    Trade,
)

ALPHABET = string.ascii_letters + string.digits
CLIENT_ID_LENGTH = 22


class State:
    """Markets, account, orders and what happened, of one exchange with one account."""

    def __init__(self, config: PaperConfig, now: datetime) -> None:
        self.config = config
        self.now = now
        self._random = seeded(config.seed)
        self.markets = {spec.symbol: Market(spec, self._random.randrange(10**8, 10**9)) for spec in config.symbols}
        self.wallet = config.starting_balance
        self.hedge_mode = False
        self.margin_called = False
        self.leverage = {spec.symbol: spec.default_leverage for spec in config.symbols}
        self.positions = {spec.symbol: Position(symbol=spec.symbol) for spec in config.symbols}
        self.orders: dict[int, Order] = {}
        self.open_orders: dict[str, dict[int, Order]] = {spec.symbol: {} for spec in config.symbols}
        self.algos: dict[int, Algo] = {}
        self.open_algos: dict[str, dict[int, Algo]] = {spec.symbol: {} for spec in config.symbols}
        self.trades: dict[str, list[Trade]] = defaultdict(list)
        self.incomes: list[Income] = []
        self.funding: list[tuple[str, datetime, Decimal, Decimal]] = []
        self._order_ids: dict[tuple[str, str], int] = {}
        self._algo_ids: dict[str, int] = {}
        self._next_order_id = self._random.randrange(10**9, 10**10)
        self._next_algo_id = self._random.randrange(10**6, 10**7)
        self._next_transaction_id = self._random.randrange(10**9, 10**10)
        self._events: list[Event] = []
        self.earn(IncomeType.TRANSFER, "", config.starting_balance, moves_wallet=False)

    def market(self, symbol: str) -> Market:
        """Returns the market of a symbol.

        Raises:
            Rejected: there is none.
        """
        market = self.markets.get(symbol)
        if market is None:
            raise Rejected(BAD_SYMBOL)
        return market

    def spec(self, symbol: str) -> SymbolSpec:
        """Returns the contract of a symbol; raises as `market` does."""
        return self.market(symbol).spec

    def emit(self, event: Event) -> None:
        """Adds what happened."""
        self._events.append(event)

    def drain(self) -> list[Event]:
        """Returns what happened since the last call, in order."""
        events, self._events = self._events, []
        return events

    def take_order_id(self) -> int:
        """Returns the next order id."""
        self._next_order_id += 1
        return self._next_order_id

    def take_algo_id(self) -> int:
        """Returns the next id of a conditional order."""
        self._next_algo_id += 1
        return self._next_algo_id

    def make_client_id(self) -> str:
        """Returns a client id for an order that came without one."""
        return "".join(self._random.choices(ALPHABET, k=CLIENT_ID_LENGTH))

    def keep_order(self, order: Order) -> Order:
        """Stores an order's present state, and returns it."""
        self.orders[order.order_id] = order
        self._order_ids[order.symbol, order.client_order_id] = order.order_id
        open_ones = self.open_orders[order.symbol]
        if order.status.is_open:
            open_ones[order.order_id] = order
        else:
            open_ones.pop(order.order_id, None)
        return order

    def keep_algo(self, algo: Algo) -> Algo:
        """Stores a conditional order's present state, tells of it, and returns it."""
        self.algos[algo.algo_id] = algo
        self._algo_ids[algo.client_algo_id] = algo.algo_id
        open_ones = self.open_algos[algo.asked.symbol]
        if algo.status is AlgoStatus.NEW:
            open_ones[algo.algo_id] = algo
        else:
            open_ones.pop(algo.algo_id, None)
        self.emit(AlgoEvent(at=self.now, algo=algo))
        return algo

    def find_order(self, symbol: str, order_id: int | None, client_order_id: str | None) -> Order | None:
        """Returns the newest order of either id, or None."""
        if order_id is None:
            order_id = self._order_ids.get((symbol, client_order_id or ""))
        order = self.orders.get(order_id) if order_id is not None else None
        return order if order is not None and order.symbol == symbol else None

    def find_algo(self, algo_id: int | None, client_algo_id: str | None) -> Algo | None:
        """Returns the newest conditional order of either id, or None."""
        if algo_id is None:
            algo_id = self._algo_ids.get(client_algo_id or "")
        return self.algos.get(algo_id) if algo_id is not None else None

    def held(self) -> Iterator[Position]:
        """Yields positions that are not flat."""
        return (position for position in self.positions.values() if position.quantity)

    @property
    def holds_anything(self) -> bool:
        """Whether any position is not flat."""
        return any(position.quantity for position in self.positions.values())

    def earn(
        self, kind: IncomeType, symbol: str, amount: Decimal, *, trade_id: int | None = None, moves_wallet: bool = True
    ) -> None:
        """Changes the wallet, and keeps why."""
        if moves_wallet:
            self.wallet += amount
        self._next_transaction_id += 1
        self.incomes.append(
            Income(
                kind=kind,
                symbol=symbol,
                amount=amount,
                at=self.now,
                transaction_id=self._next_transaction_id,
                trade_id=trade_id,
            )
        )

    def tell_account(self, reason: str, position: Position | None, change: Decimal = ZERO) -> None:
        """Tells of the wallet, and of one position."""
        mark = self.markets[position.symbol].mark if position else ZERO
        self.emit(
            AccountEvent(at=self.now, reason=reason, wallet=self.wallet, change=change, position=position, mark=mark)
        )

    def pending(self, symbol: str, side: Side) -> Decimal:
        """Returns the notional of open orders that may add to a position."""
        orders = self.open_orders[symbol].values()
        return sum((o.remaining * o.price for o in orders if o.side is side and not o.reduce_only), ZERO)
