"""A bundled journal of a small made-up fleet, so that a first start has something to show."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from msc_authority.core.facts import EquityPoint, Fact, Trade
from msc_authority.sample.files import EQUITY_FILE, TRADES_FILE, read_equity, read_text, read_trades
from msc_authority.sample.fleet import FIRST_CLOSE_AT

__all__ = ["sample_facts"]

_LATER_THAN_ANY_FACT = FIRST_CLOSE_AT + timedelta(days=365)


def sample_facts(ends_at: datetime) -> list[Fact]:
    """The sample's trades and equity readings, shifted in time so that the newest one is of `ends_at`, aware UTC."""
    trades = read_trades(read_text(TRADES_FILE), _LATER_THAN_ANY_FACT)
    points = read_equity(read_text(EQUITY_FILE), _LATER_THAN_ANY_FACT)
    shift = ends_at - max(point.at for point in points)
    moved_trades: list[Fact] = [_moved_trade(trade, shift) for trade in trades]
    moved_points: list[Fact] = [_moved_point(point, shift) for point in points]
    return moved_trades + moved_points


def _moved_trade(trade: Trade, shift: timedelta) -> Trade:
    return replace(trade, opened_at=trade.opened_at + shift, closed_at=trade.closed_at + shift)


def _moved_point(point: EquityPoint, shift: timedelta) -> EquityPoint:
    return replace(point, at=point.at + shift)
