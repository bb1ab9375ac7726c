"""The day's entries: counted by UTC date and client order id, so that counting one twice is impossible."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from typing import Final

from msc_client.facts import Execution
from msc_trading.venue.port import Fill

_KEPT_DAYS: Final = 2
# What the venue itself sends to close a position: no trade of anybody's.
_VENUE_ORDERS: Final = ("autoclose-", "adl_autoclose", "settlement_autoclose-")
# Statuses that say that the venue had accepted the order.
_ACCEPTED: Final = frozenset({"NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "EXPIRED", "EXPIRED_IN_MATCH"})
_NOBODY: Final = ""


class DayBook:
    """Entries of one account by day. Unknown until it was rebuilt: a restart hands out no second quota.

    Not safe for threads by itself: the guard keeps it under its lock.
    """

    def __init__(self, account_id: str) -> None:
        self._account_id = account_id
        self._days: dict[date, dict[str, str]] = {}
        self._latest: date | None = None
        self._day_ends = datetime.min.replace(tzinfo=UTC)
        self._rebuilt = False

    def day_of(self, now: datetime) -> date:
        """Returns the UTC day of an instant, or a later one that was seen before: a clock set back reopens no day."""
        if self._latest is not None and now.tzinfo is UTC and now <= self._day_ends:
            return self._latest
        today = now.astimezone(UTC).date()
        if self._latest is None or today > self._latest:
            self._latest = today
            self._day_ends = datetime.combine(today, time.max, UTC)
            self._drop_old()
        return self._latest

    def take(self, day: date, client_order_id: str, strategy_id: str) -> None:
        """Counts an entry on the day it was granted."""
        self._entries(day)[client_order_id] = strategy_id

    def give_back(self, day: date, client_order_id: str) -> None:
        """Uncounts an entry that the venue never accepted."""
        entries = self._days.get(day)
        if entries is not None:
            entries.pop(client_order_id, None)

    def used(self, day: date) -> int | None:
        """Returns how many entries the day has seen, None while that is not known."""
        return len(self._days.get(day, ())) if self._rebuilt else None

    def used_by(self, day: date, strategy_id: str) -> int:
        """Returns how many of them are this strategy's, or nobody knows whose."""
        return sum(1 for owner in self._days.get(day, {}).values() if owner in (strategy_id, _NOBODY))

    def rebuild(self, now: datetime, *, fills: Iterable[Fill], executions: Iterable[Execution]) -> None:
        """Adds what the venue and the journal say of today. Nothing that was counted is forgotten.

        `fills` are the account's since 00:00 UTC; `executions` should reach further back, to tell which of them were
        granted on a day before.
        """
        today = self.day_of(now)
        granted = _granted_days(executions, self._account_id)
        for client_order_id, (day, strategy_id) in granted.items():
            if day == today:
                self.take(today, client_order_id, strategy_id)
        for fill in fills:
            unknown_to_journal = fill.client_order_id not in granted
            if unknown_to_journal and _is_entry(fill) and fill.at.astimezone(UTC).date() == today:
                self._entries(today).setdefault(fill.client_order_id or fill.order_id, _NOBODY)
        self._rebuilt = True

    def _entries(self, day: date) -> dict[str, str]:
        entries = self._days.get(day)
        return self._days.setdefault(day, {}) if entries is None else entries

    def _drop_old(self) -> None:
        for day in sorted(self._days)[:-_KEPT_DAYS]:
            del self._days[day]


def _granted_days(executions: Iterable[Execution], account_id: str) -> dict[str, tuple[date, str]]:
    """Returns the day and strategy of each entry that the venue accepted, by the first report of it."""
    first: dict[str, Execution] = {}
    for report in executions:
        if report.account != account_id or report.reduce_only or report.status not in _ACCEPTED:
            continue
        known = first.get(report.client_order_id)
        if report.client_order_id and (known is None or report.at < known.at):
            first[report.client_order_id] = report
    return {id_: (report.at.astimezone(UTC).date(), report.strategy_id) for id_, report in first.items()}


def _is_entry(fill: Fill) -> bool:
    return not fill.reduce_only and not fill.client_order_id.startswith(_VENUE_ORDERS)
