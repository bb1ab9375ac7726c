"""The account's fills, complete: all pages, each fill once, with our id of the order behind it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from msc_trading.venue.calls import GET_ORDER, TRADES
from msc_trading.venue.errors import NO_SUCH_ORDER
from msc_trading.venue.gateway import Gateway, unreadable
from msc_trading.venue.mapping import order_state, trade
from msc_trading.venue.port import Fill, OrderState, VenueError
from msc_trading.venue.wire import Json, Malformed, milliseconds, number, rows, text, whole

PAGE = 1000
LONGEST_WINDOW = timedelta(days=7)
REMEMBERED_ORDERS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderOwner:
    """What the trade list leaves out about an order."""

    client_order_id: str
    reduce_only: bool


class OrderOwners:
    """Remembers by the venue's order id whose an order is, so that it need not be asked again."""

    def __init__(self) -> None:
        """Remembers nothing yet."""
        self._owners: OrderedDict[tuple[str, str], OrderOwner] = OrderedDict()

    def learn(self, order: OrderState) -> OrderOwner:
        """Remembers an order."""
        owner = OrderOwner(client_order_id=order.client_order_id, reduce_only=order.reduce_only)
        self._owners[(order.symbol, order.order_id)] = owner
        if len(self._owners) > REMEMBERED_ORDERS:
            self._owners.popitem(last=False)
        return owner

    def of(self, symbol: str, order_id: str) -> OrderOwner | None:
        """Returns whose it is, None when that is not remembered."""
        return self._owners.get((symbol, order_id))


class FillHistory:
    """Reads the trade list of the account."""

    def __init__(self, gateway: Gateway, owners: OrderOwners, *, margin_asset: str) -> None:
        """Takes where to ask, and what is known of orders already."""
        self._gateway = gateway
        self._owners = owners
        self._asset = margin_asset

    async def since(self, symbol: str, since: datetime, until: datetime) -> list[Fill]:
        """Returns the fills between the two instants, oldest first.

        The list names neither our order id nor whether the order was reduce-only: each order is asked for once. Of an
        order that the venue no longer knows, `client_order_id` is "" and a fill counts as reducing when it realised
        PnL.
        """
        try:
            trades = await self._trades(symbol, since, until)
            return [await self._fill(row) for row in trades]
        except Malformed as error:
            raise unreadable(TRADES, error) from None

    async def _trades(self, symbol: str, since: datetime, until: datetime) -> list[Json]:
        found: dict[int, Json] = {}
        start = since
        while start <= until:
            end = min(start + LONGEST_WINDOW - timedelta(milliseconds=1), until)
            await self._read_window(symbol, milliseconds(start), milliseconds(end), found)
            start = end + timedelta(milliseconds=1)
        first, last = milliseconds(since), milliseconds(until)
        return [row for _, row in sorted(found.items()) if first <= whole(row, "time") <= last]

    async def _read_window(self, symbol: str, start: int, end: int, found: dict[int, Json]) -> None:
        page = await self._page(symbol, found, startTime=start, endTime=end)
        while len(page) == PAGE and whole(page[-1], "time") <= end:
            known = len(found)
            # From the last millisecond again, as the page may have ended in the middle of it.
            page = await self._page(symbol, found, startTime=whole(page[-1], "time"), endTime=end)
            if len(found) == known:
                # More than a page in one millisecond: only ids lead out of it.
                page = await self._page(symbol, found, fromId=max(found) + 1)

    async def _page(self, symbol: str, found: dict[int, Json], **where: int) -> list[Json]:
        page = rows(await self._gateway.request(TRADES, symbol=symbol, limit=PAGE, **where))
        page.sort(key=lambda row: whole(row, "id"))
        found.update((whole(row, "id"), row) for row in page)
        return page

    async def _fill(self, row: Json) -> Fill:
        symbol, order_id = text(row, "symbol"), text(row, "orderId")
        owner = self._owners.of(symbol, order_id) or await self._ask(symbol, order_id)
        guess = OrderOwner(client_order_id="", reduce_only=number(row, "realizedPnl") != 0)
        known = owner or guess
        return trade(row, client_order_id=known.client_order_id, reduce_only=known.reduce_only, asset=self._asset)

    async def _ask(self, symbol: str, order_id: str) -> OrderOwner | None:
        try:
            order = await self._gateway.ask(GET_ORDER, order_state, symbol=symbol, orderId=order_id)
        except VenueError as error:
            if error.code == NO_SUCH_ORDER:
                return None
            raise
        return self._owners.learn(order)
