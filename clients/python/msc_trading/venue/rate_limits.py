"""A budget of requests: entries stop first, then routine queries; what closes or settles goes on to the last.

The venue counts weight by address and orders by account, in fixed windows of its own time, and tells its counts in the
headers of its answers. Other processes on the same address show up there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from msc_trading.venue.port import RateLimited
from msc_trading.venue.wire import Json, Malformed, rows, text, whole

DEFAULT_HOLD_S = 60.0
BAN_HOLD_S = 120.0


class Lane(StrEnum):
    """What a request is for."""

    ENTRY = "ENTRY"
    """Opens or adds to a position."""
    QUERY = "QUERY"
    """Asks, as a matter of routine."""
    SETTLE = "SETTLE"
    """Reduces, protects, cancels, or settles what is unknown."""


# The fraction of each limit that a lane may use up.
SHARES = {Lane.ENTRY: 0.6, Lane.QUERY: 0.8, Lane.SETTLE: 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """At most `most` in each window of the venue's time. `header` is where the venue tells its count."""

    header: str
    window_ms: int
    most: int
    counts_orders: bool


WEIGHT_1M = Limit(header="X-MBX-USED-WEIGHT-1M", window_ms=60_000, most=2400, counts_orders=False)
ORDERS_10S = Limit(header="X-MBX-ORDER-COUNT-10S", window_ms=10_000, most=300, counts_orders=True)
ORDERS_1M = Limit(header="X-MBX-ORDER-COUNT-1M", window_ms=60_000, most=1200, counts_orders=True)
DEFAULT_LIMITS = (WEIGHT_1M, ORDERS_10S, ORDERS_1M)

_UNITS_MS = {"SECOND": ("S", 1000), "MINUTE": ("M", 60_000), "HOUR": ("H", 3_600_000), "DAY": ("D", 86_400_000)}
_KINDS = {"REQUEST_WEIGHT": ("X-MBX-USED-WEIGHT", False), "ORDERS": ("X-MBX-ORDER-COUNT", True)}


def limits_from(exchange_info: Json) -> tuple[Limit, ...]:
    """Returns the limits the venue announces; those it counts in ways we do not know are left out."""
    return tuple(_limit(row) for row in rows(exchange_info.get("rateLimits")) if row.get("rateLimitType") in _KINDS)


def _limit(row: Json) -> Limit:
    header, counts_orders = _KINDS[text(row, "rateLimitType")]
    interval = text(row, "interval")
    if interval not in _UNITS_MS:
        raise Malformed("interval: a unit of time was expected")
    letter, unit_ms = _UNITS_MS[interval]
    many, most = whole(row, "intervalNum"), whole(row, "limit")
    if many < 1 or most < 1:
        # Either would stop every request, exits too.
        raise Malformed("intervalNum, limit: numbers above zero were expected")
    return Limit(
        header=f"{header}-{many}{letter}",
        window_ms=many * unit_ms,
        most=most,
        counts_orders=counts_orders,
    )


class RateBudget:
    """Knows what is left, and says no before the venue would."""

    def __init__(self, *, time_scale: float) -> None:
        """Takes how many seconds pass on the venue while one passes here."""
        self._scale = time_scale
        self._limits: tuple[Limit, ...] = DEFAULT_LIMITS
        self._used: dict[Limit, tuple[int, int]] = {}
        self._held_until = float("-inf")

    def follow(self, limits: tuple[Limit, ...]) -> None:
        """Goes by these limits from now on; counts of those that stay are kept."""
        announced = {limit.counts_orders for limit in limits}
        # Of a kind that is not announced, the usual ones: there are limits all the same.
        self._limits = (*limits, *(usual for usual in DEFAULT_LIMITS if usual.counts_orders not in announced))

    def spend(self, lane: Lane, *, weight: int, orders: int, venue_ms: int, monotonic: float) -> None:
        """Counts a request that is about to be sent.

        Raises:
            RateLimited: it must not be sent now. Nothing was counted.
        """
        if monotonic < self._held_until:
            wait = self._held_until - monotonic
            raise RateLimited(f"the venue asked for quiet, {wait:.1f} s are left", retry_after_s=wait)
        costs = [(limit, orders if limit.counts_orders else weight) for limit in self._limits]
        for limit, cost in costs:
            self._refuse_beyond(limit, cost, lane, venue_ms)
        for limit, cost in costs:
            self._used[limit] = (venue_ms // limit.window_ms, self._count(limit, venue_ms) + cost)

    def _refuse_beyond(self, limit: Limit, cost: int, lane: Lane, venue_ms: int) -> None:
        allowed, used = int(limit.most * SHARES[lane]), self._count(limit, venue_ms)
        if cost and used + cost > allowed:
            wait = (limit.window_ms - venue_ms % limit.window_ms) / 1000 / self._scale
            raise RateLimited(
                f"{limit.header}: {used} used and {cost} wanted of {allowed} for {lane}", retry_after_s=wait
            )

    def _count(self, limit: Limit, venue_ms: int) -> int:
        window, used = self._used.get(limit, (0, 0))
        return used if window == venue_ms // limit.window_ms else 0

    def observe(self, headers: Mapping[str, str], *, venue_ms: int) -> None:
        """Learns the venue's own counts. Ours stay where they are higher: requests under way are in ours alone."""
        for limit in self._limits:
            told = headers.get(limit.header, "")
            if told.isdecimal():
                self._used[limit] = (venue_ms // limit.window_ms, max(int(told), self._count(limit, venue_ms)))

    def exhaust_orders(self, *, venue_ms: int) -> float:
        """Sends no order for the rest of the shortest order window; returns how long that is, in local seconds."""
        limit = min((limit for limit in self._limits if limit.counts_orders), key=lambda it: it.window_ms)
        self._used[limit] = (venue_ms // limit.window_ms, limit.most)
        return (limit.window_ms - venue_ms % limit.window_ms) / 1000 / self._scale

    def hold(self, seconds: float, *, monotonic: float) -> None:
        """Sends nothing for so many local seconds, whatever it is for: asking on leads from a warning to a ban."""
        self._held_until = max(self._held_until, monotonic + seconds)
