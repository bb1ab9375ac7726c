"""Rate limits: weight by address, orders by account, in windows of simulated time."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from msc_trading.paper.config import RateLimits
from msc_trading.paper.engine import rejections as reason
from msc_trading.paper.engine.rejections import Rejected

MINUTE_S = 60
TEN_SECONDS_S = 10
TOO_MANY_REQUESTS = 429
BANNED = 418


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Too many requests: 429, or 418 for those who went on. `wait_s` is simulated time."""

    status: int
    wait_s: int
    until: datetime


@dataclass(slots=True)
class _Window:
    index: int = -1
    used: int = 0

    def add(self, index: int, amount: int) -> int:
        if index != self.index:
            self.index, self.used = index, 0
        self.used += amount
        return self.used


@dataclass(slots=True)
class _Caller:
    weight: _Window
    ignored: int = 0
    bans: int = 0
    banned_until: datetime | None = None


class Limiter:
    """Counts what is asked for."""

    def __init__(self, limits: RateLimits) -> None:
        self._limits = limits
        self._callers: dict[str, _Caller] = {}
        self._orders_10s = _Window()
        self._orders_1m = _Window()
        self.refused: Counter[int] = Counter()

    def charge(self, address: str, weight: int, now: datetime) -> tuple[int, Refusal | None]:
        """Returns the weight an address has used in this minute, and the refusal when that is too much."""
        caller = self._callers.setdefault(address, _Caller(_Window()))
        index = _window(now, MINUTE_S)
        if caller.banned_until is not None and now < caller.banned_until:
            return caller.weight.used, self._refuse(BANNED, caller.banned_until, now)
        if index != caller.weight.index:
            caller.ignored = 0
        used = caller.weight.add(index, weight)
        if used <= self._limits.weight_per_minute:
            return used, None
        caller.ignored += 1
        if caller.ignored > self._limits.tolerated_while_limited:
            return used, self._ban(caller, now)
        end = now + timedelta(seconds=MINUTE_S - now.timestamp() % MINUTE_S)
        return used, self._refuse(TOO_MANY_REQUESTS, end, now)

    def _ban(self, caller: _Caller, now: datetime) -> Refusal:
        seconds = min(self._limits.first_ban_s * 2**caller.bans, self._limits.longest_ban_s)
        caller.bans += 1
        caller.ignored = 0
        caller.banned_until = now + timedelta(seconds=seconds)
        return self._refuse(BANNED, caller.banned_until, now)

    def _refuse(self, status: int, until: datetime, now: datetime) -> Refusal:
        self.refused[status] += 1
        return Refusal(status=status, wait_s=max(1, math.ceil((until - now).total_seconds())), until=until)

    def order(self, now: datetime) -> None:
        """Refuses one order more when there were too many."""
        for window, width, limit, name in (
            (self._orders_10s, TEN_SECONDS_S, self._limits.orders_per_10s, "10 SECOND"),
            (self._orders_1m, MINUTE_S, self._limits.orders_per_minute, "1 MINUTE"),
        ):
            if window.add(_window(now, width), 0) >= limit:
                raise Rejected(reason.TOO_MANY_ORDERS, limit=limit, interval=name)

    def count_order(self, now: datetime) -> None:
        """Counts an order that was accepted."""
        self._orders_10s.add(_window(now, TEN_SECONDS_S), 1)
        self._orders_1m.add(_window(now, MINUTE_S), 1)

    def order_counts(self) -> tuple[int, int]:
        """Returns the orders counted in ten seconds and in a minute."""
        return self._orders_10s.used, self._orders_1m.used


def _window(now: datetime, width_s: int) -> int:
    return int(now.timestamp()) // width_s
