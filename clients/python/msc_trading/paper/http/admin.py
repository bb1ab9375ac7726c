"""The admin port: time, prices and faults by hand. JSON in, JSON out."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TypeVar

from aiohttp import web

from msc_trading.paper.desk import Desk
from msc_trading.paper.engine.rejections import Rejected
from msc_trading.paper.http.faults import ArmedEventFault, ArmedRequestFault, EventFault, RequestFault
from msc_trading.paper.http.hub import PRIVATE
from msc_trading.paper.http.order_shapes import Shape, trade_shape
from msc_trading.paper.http.text import dumps, plain

Kind = TypeVar("Kind", bound=StrEnum)
CATEGORIES = frozenset({"", "private", "public", "market"})


class Asked:
    """Fields of a request to the admin port. Each reading names what is wrong; `done` refuses what is left."""

    def __init__(self, fields: Mapping[str, object]) -> None:
        self._fields = dict(fields)

    def number(self, name: str, default: float | None = None) -> float:
        """Returns a finite number; without a default it is mandatory."""
        value = self._fields.pop(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"{name}: must be a finite number")
        return float(value)

    def optional_number(self, name: str) -> float | None:
        """Returns a number, None when it was not sent."""
        return None if self._fields.get(name) is None and self._fields.pop(name, None) is None else self.number(name)

    def count(self, name: str, default: int | None) -> int | None:
        """Returns how often, None for always."""
        value = self._fields.pop(name, default)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise ValueError(f"{name}: must be a whole number of at least 1, or null for always")
        return value

    def flag(self, name: str) -> bool:
        """Returns a truth value, False when it was not sent."""
        return self.optional_flag(name) or False

    def optional_flag(self, name: str) -> bool | None:
        """Returns a truth value, None when it was not sent."""
        value = self._fields.pop(name, None)
        if value is not None and not isinstance(value, bool):
            raise ValueError(f"{name}: must be true or false")
        return value

    def text(self, name: str, default: str | None = None) -> str:
        """Returns a text; without a default it is mandatory."""
        value = self._fields.pop(name, default)
        if not isinstance(value, str):
            raise ValueError(f"{name}: must be a text")
        return value

    def price(self, name: str) -> Decimal:
        """Returns a price, sent as a text."""
        try:
            value = Decimal(self.text(name))
        except InvalidOperation as broken:
            raise ValueError(f"{name}: must be a price as a text") from broken
        if not value.is_finite() or value <= 0:
            raise ValueError(f"{name}: must be positive")
        return value

    def kind(self, name: str, kind: type[Kind]) -> Kind:
        """Returns a value of a closed set."""
        try:
            return kind(self.text(name))
        except ValueError as unknown:
            raise ValueError(f"{name}: must be one of {', '.join(kind)}") from unknown

    def category(self) -> str:
        """Returns a category of streams, "" for all."""
        category = self.text("category", "")
        if category not in CATEGORIES:
            raise ValueError("category: must be private, public, market, or empty for all")
        return category

    def done(self) -> None:
        """Refuses fields that nobody has read."""
        if self._fields:
            raise ValueError(f"{next(iter(self._fields))}: no such field here")


def status(desk: Desk, _: Asked) -> object:
    """Tells how the exchange is doing."""
    state = desk.engine.state
    return {
        "now": desk.now().isoformat(),
        "speed": desk.clock.speed,
        "paused": desk.clock.paused,
        "feed_ended": desk.feed_ended,
        "seed": desk.config.seed,
        "clock_offset_ms": desk.time.offset_ms,
        "frozen": not desk.thawed.is_set(),
        "prices": {symbol: plain(market.last) for symbol, market in state.markets.items()},
        "wallet": plain(state.wallet),
        "positions": {position.symbol: plain(position.quantity) for position in state.held()},
        "open_orders": sum(map(len, state.open_orders.values())),
        "open_algos": sum(map(len, state.open_algos.values())),
        "trades": sum(map(len, state.trades.values())),
        "listen_keys": len(desk.listen_keys),
        "connections": {category: desk.hub.count(category) for category in sorted(CATEGORIES - {""})},
        "messages_sent": desk.hub.sent,
        "refused_by_limit": {str(code): count for code, count in desk.limiter.refused.items()},
        "faults": len(desk.faults.requests) + len(desk.faults.events),
    }


def trades(desk: Desk, _: Asked) -> object:
    """Tells every fill there was, in order of time, with the client's id of its order."""
    state = desk.engine.state
    found = [trade for each in state.trades.values() for trade in each]
    every = sorted(found, key=lambda trade: (trade.at, trade.order_id, trade.trade_id))
    return [trade_shape(state.spec(trade.symbol), trade) | {"clientOrderId": trade.client_order_id} for trade in every]


def pause(desk: Desk, _: Asked) -> object:
    """Stops simulated time."""
    desk.catch_up()
    desk.clock.pause()
    return _time(desk)


def resume(desk: Desk, _: Asked) -> object:
    """Lets simulated time run again."""
    desk.clock.resume()
    return _time(desk)


def step(desk: Desk, asked: Asked) -> object:
    """Moves simulated time forward by `seconds`."""
    seconds = asked.number("seconds")
    asked.done()
    desk.step(timedelta(seconds=seconds))
    return _time(desk)


def speed(desk: Desk, asked: Asked) -> object:
    """Sets simulated seconds per real second."""
    desk.clock.set_speed(asked.number("speed"))
    return _time(desk)


def price(desk: Desk, asked: Asked) -> object:
    """Moves the price of `symbol` to `price`; `jumps` leaves out the prices between."""
    symbol, target, jumps = asked.text("symbol"), asked.price("price"), asked.flag("jumps")
    asked.done()
    desk.set_price(symbol, target, jumps=jumps)
    return {"symbol": symbol, "price": plain(desk.engine.state.markets[symbol].last)}


def liquidate(desk: Desk, asked: Asked) -> object:
    """Closes the position of `symbol` as a liquidation would, or with `by_adl` as automatic deleveraging would."""
    symbol, by_adl = asked.text("symbol"), asked.flag("by_adl")
    asked.done()
    order = desk.liquidate(symbol, by_adl=by_adl)
    return {"clientOrderId": None if order is None else order.client_order_id}


def arm_request_fault(desk: Desk, asked: Asked) -> object:
    """Arms a fault for the next `count` requests that match `method` and `path`."""
    fault = ArmedRequestFault(
        kind=asked.kind("kind", RequestFault),
        method=asked.text("method", ""),
        path=asked.text("path", ""),
        count=asked.count("count", 1),
        delay_s=asked.number("delay_s", 0.0),
        executes=asked.optional_flag("executes"),
    )
    asked.done()
    desk.faults.requests.append(fault)
    return faults(desk, asked)


def arm_event_fault(desk: Desk, asked: Asked) -> object:
    """Arms a fault for the next `count` messages of type `event` on the private stream."""
    fault = ArmedEventFault(
        kind=asked.kind("kind", EventFault), event=asked.text("event", ""), count=asked.count("count", 1)
    )
    asked.done()
    desk.faults.events.append(fault)
    return faults(desk, asked)


def faults(desk: Desk, _: Asked) -> object:
    """Tells what is armed."""
    requests: list[Shape] = [
        {"kind": each.kind.value, "method": each.method, "path": each.path, "count": each.count}
        for each in desk.faults.requests
    ]
    events: list[Shape] = [
        {"kind": each.kind.value, "event": each.event, "count": each.count} for each in desk.faults.events
    ]
    return {"requests": requests, "events": events, "clock_offset_ms": desk.time.offset_ms}


def clear_faults(desk: Desk, asked: Asked) -> object:
    """Disarms everything, sets the clock right and ends a freeze."""
    desk.faults.clear()
    desk.time.offset_ms = 0
    desk.thaw()
    return faults(desk, asked)


def clock_offset(desk: Desk, asked: Asked) -> object:
    """Sets how far the exchange's clock is off, in `ms`."""
    desk.time.offset_ms = round(asked.number("ms"))
    return faults(desk, asked)


def freeze(desk: Desk, asked: Asked) -> object:
    """Answers and sends nothing for so many real `seconds`, or until it is thawed."""
    desk.freeze(asked.optional_number("seconds"))
    return {"frozen": True}


def thaw(desk: Desk, _: Asked) -> object:
    """Ends a freeze."""
    desk.thaw()
    return {"frozen": False}


def kill_streams(desk: Desk, asked: Asked) -> object:
    """Cuts the connections of a `category`, or all, without a goodbye."""
    return {"killed": desk.hub.kill(asked.category())}


def burst(desk: Desk, asked: Asked) -> object:
    """Sends `count` messages at once to every connection of a `category`, private unless it is named."""
    category = asked.category() or PRIVATE
    count = asked.count("count", 300) or 300
    return {"connections": desk.hub.burst(category, count), "count": count}


def expire_listen_keys(desk: Desk, _: Asked) -> object:
    """Ends every ticket to the private stream."""
    return {"expired": desk.expire_listen_keys()}


def _time(desk: Desk) -> Shape:
    return {"now": desk.now().isoformat(), "paused": desk.clock.paused, "speed": desk.clock.speed}


ACTIONS: dict[tuple[str, str], Callable[[Desk, Asked], object]] = {
    ("GET", "/status"): status,
    ("GET", "/trades"): trades,
    ("POST", "/pause"): pause,
    ("POST", "/resume"): resume,
    ("POST", "/step"): step,
    ("POST", "/speed"): speed,
    ("POST", "/price"): price,
    ("POST", "/liquidate"): liquidate,
    ("GET", "/faults"): faults,
    ("DELETE", "/faults"): clear_faults,
    ("POST", "/faults/request"): arm_request_fault,
    ("POST", "/faults/event"): arm_event_fault,
    ("POST", "/faults/clock_offset"): clock_offset,
    ("POST", "/faults/freeze"): freeze,
    ("POST", "/faults/thaw"): thaw,
    ("POST", "/streams/kill"): kill_streams,
    ("POST", "/streams/burst"): burst,
    ("POST", "/listen_keys/expire"): expire_listen_keys,
}


class Admin:
    """Answers the admin port. It has no key: keep it on the loopback address."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def handle(self, request: web.Request) -> web.Response:
        """Answers one request."""
        action = ACTIONS.get((request.method, request.path))
        if action is None:
            return _answer({"error": "no such action", "actions": [" ".join(each) for each in ACTIONS]}, 404)
        try:
            asked = Asked(_fields(await request.text()))
            answer = action(self._desk, asked)
            asked.done()
        except ValueError as wrong:
            return _answer({"error": str(wrong)}, 400)
        except Rejected as refused:
            return _answer({"error": refused.message, "code": refused.code}, 400)
        return _answer(answer)


def _fields(text: str) -> dict[str, object]:
    if not text:
        return {}
    try:
        found = json.loads(text)
    except ValueError as broken:
        raise ValueError(f"body: not JSON: {broken}") from broken
    if not isinstance(found, dict):
        raise ValueError("body: must be a JSON object")
    return found


def _answer(answer: object, status_code: int = 200) -> web.Response:
    return web.Response(status=status_code, text=dumps(answer), content_type="application/json")
