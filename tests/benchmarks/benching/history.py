"""A long trading history in the product's own tables, made in seconds by SQLite itself."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from benching.run import Unavailable
from msc_authority.adapters.sql import SqlStore, open_store
from msc_authority.core.facts import Direction, Trade, TradeSource
from msc_authority.ports.clock import Clock

SPAN = timedelta(days=365)
"""Histories of every length are spread over the same time, so that every window of an evaluation is full in all."""
ENDED = timedelta(hours=1)
"""How long ago the last trade of a history was closed."""
STRATEGIES = 10
NEW_ROWS = 100
BYTES_A_TRADE = 300

# Each value depends on the number of its row alone. As in life, ids and instants grow with the order of arrival.
_HISTORY = """
INSERT INTO trade_logs (
  trade_id, strategy_id, symbol, direction, quantity, entry_price, exit_price, opened_at, closed_at,
  gross_pnl, fees, funding, net_pnl, risk_at_entry, source, policy_version
)
WITH RECURSIVE
  numbers(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM numbers WHERE i + 1 < :trades),
  drawn AS (
    SELECT i, (i * 7919 + 13) % 1009 AS luck,
      strftime('%Y-%m-%dT%H:%M:%f', :since + :span * (i + 1.0) / :trades, 'unixepoch') || '000Z' AS at
    FROM numbers
  )
SELECT
  printf('T-%010d', i), printf('TREND_%03d', luck % :strategies), 'BTCUSDT', 'LONG', '0.010', '50000.00', '50010.00',
  at, at, printf('%.2f', (luck - 498) / 100.0), '0.05', '0.00', printf('%.2f', (luck - 503) / 100.0),
  CASE WHEN luck % 7 THEN '5.00' END, CASE WHEN luck % 20 THEN 'LIVE' ELSE 'SHADOW' END, 1
FROM drawn
"""


def need_space(folder: Path, trades: int) -> None:
    """Raises Unavailable where a history of so many trades could fill the disk."""
    needed, free = 2 * BYTES_A_TRADE * trades, shutil.disk_usage(folder).free
    if free < needed:
        raise Unavailable(
            f"{trades:,} trades need {needed / 1e9:.1f} GB in {folder}, where {free / 1e9:.1f} GB are free"
        )


def make_history(folder: Path, trades: int, clock: Clock) -> Path:
    """Returns the path of a new database in `folder` with so many closed trades, the last of them an hour ago.

    Raises:
        Unavailable: there is no space for it.
    """
    need_space(folder, trades)
    path = folder / "msc.db"
    open_store(url_of(path), clock).close()
    since = clock.now() - ENDED - SPAN
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        # Nobody mourns it after a power cut.
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -200000", "locking_mode = EXCLUSIVE"):
            database.execute(f"PRAGMA {pragma}")
        values = {"since": since.timestamp(), "span": SPAN.total_seconds(), "trades": trades, "strategies": STRATEGIES}
        database.execute(_HISTORY, values)
    return path


def url_of(path: Path) -> str:
    """Returns the URL of a database in a file."""
    return f"sqlite:///{path}"


class NewTrades:
    """Records further trades, which are closed when they are recorded: nothing of them is late."""

    def __init__(self, store: SqlStore, clock: Clock) -> None:
        self._store, self._clock, self._number = store, clock, 0

    def record(self, count: int = NEW_ROWS) -> None:
        """Records so many, closed in the last microseconds one after the other."""
        now = self._clock.now()
        self._store.journal.record([self._next(now - timedelta(microseconds=count - i)) for i in range(count)])

    def _next(self, at: datetime) -> Trade:
        self._number += 1
        return trade(f"N-{at.timestamp():.6f}-{self._number:07d}", self._number, at)


def trade(trade_id: str, number: int, at: datetime) -> Trade:
    """Returns a closed trade as histories have them."""
    luck = (number * 7919 + 13) % 1009
    return Trade(
        trade_id=trade_id,
        strategy_id=f"TREND_{luck % STRATEGIES:03d}",
        symbol="BTCUSDT",
        direction=Direction.LONG,
        quantity=Decimal("0.010"),
        entry_price=Decimal("50000.00"),
        exit_price=Decimal("50010.00"),
        opened_at=at,
        closed_at=at,
        gross_pnl=Decimal(luck - 498) / 100,
        fees=Decimal("0.05"),
        funding=Decimal("0.00"),
        net_pnl=Decimal(luck - 503) / 100,
        risk_at_entry=Decimal("5.00") if luck % 7 else None,
        source=TradeSource.LIVE if luck % 20 else TradeSource.SHADOW,
        policy_version=1,
    )


def trades_until_now(count: int, name: str) -> Sequence[Trade]:
    """Returns so many trades with ids that begin with `name`, a second apart, the last of them closed now."""
    now = datetime.now(UTC)
    return [trade(f"{name}-{i:010d}", i, now - timedelta(seconds=count - i)) for i in range(count)]
