"""The least that could be called an incremental evaluation: a raw cursor, a state in memory, and nothing kept.

For each strategy count, wins and sums, the account's high-water mark and drawdown, a window of 30 days by the hour, and
the slope over seven days. No clipping, no decay, no doubt about a number, no log, no commit.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from pathlib import Path

HISTORY = """
SELECT closed_at, trade_id, strategy_id, net_pnl, risk_at_entry, source = 'LIVE'
FROM trade_logs ORDER BY closed_at, trade_id
"""
SINCE = """
SELECT closed_at, trade_id, strategy_id, net_pnl, risk_at_entry, source = 'LIVE', sequence
FROM trade_logs WHERE sequence > ? ORDER BY sequence
"""
CAPITAL = 10_000.0
HOUR, DAY = len("2026-01-01T00"), len("2026-01-01")
WINDOW_HOURS, SLOPE_DAYS = 30 * 24, 7


class Prototype:
    """State of one journal, and the connection it reads with."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        self._cursor = 0
        self._strategies: dict[str, list[float]] = {}
        self._equity = self._high = CAPITAL
        self._hour = self._day = ""
        self._highs: deque[float] = deque(maxlen=WINDOW_HOURS)
        self._closes: deque[float] = deque(maxlen=90)

    def update(self) -> tuple[float, float, dict[str, float]]:
        """Takes in what is new, and returns drawdown, slope and each strategy's win rate."""
        for at, _, strategy, pnl, risk, live, sequence in self._database.execute(SINCE, (self._cursor,)):
            self._fold(at, strategy, float(pnl), float(risk or 0.0), live=live)
            self._cursor = sequence
        return self._drawdown(), self._slope(), {name: one[1] / one[0] for name, one in self._strategies.items()}

    def _fold(self, at: str, strategy: str, pnl: float, risk: float, *, live: bool) -> None:
        sums = self._strategies.setdefault(strategy, [0.0] * 5)
        r = pnl / risk if risk else 0.0
        sums[0] += 1.0
        sums[1] += pnl > 0.0
        sums[2] += pnl
        sums[3] += r
        sums[4] += r * r
        if not live:
            return
        self._equity += pnl
        if at[:HOUR] != self._hour:
            self._hour = at[:HOUR]
            self._highs.append(self._high)
            self._high = self._equity
            if at[:DAY] != self._day:
                self._day = at[:DAY]
                self._closes.append(self._equity)
        elif self._equity > self._high:
            self._high = self._equity

    def _drawdown(self) -> float:
        high = max(self._high, *self._highs) if self._highs else self._high
        return (high - self._equity) / high * 100.0

    def _slope(self) -> float:
        closes = [*self._closes][-SLOPE_DAYS:]
        if len(closes) < SLOPE_DAYS:
            return 0.0
        middle, mean = (SLOPE_DAYS - 1) / 2, sum(closes) / SLOPE_DAYS
        return sum((day - middle) * (close - mean) for day, close in enumerate(closes)) / mean

    def close(self) -> None:
        """Closes the connection."""
        self._database.close()


def read_all(path: Path) -> int:
    """Reads what a rebuild reads, in the same order, with a raw cursor, and returns how many rows there were."""
    database = sqlite3.connect(path, isolation_level=None)
    try:
        count = 0
        for _ in database.execute(HISTORY):
            count += 1
        return count
    finally:
        database.close()
