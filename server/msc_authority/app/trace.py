"""Equity, drawdown and the strategies' results over the last days, kept small enough to draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TracePoint:
    """The account at an instant. `equity` in account currency; `drawdown_pct` from the rolling high; None: unknown."""

    at: datetime
    equity: float
    drawdown_pct: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EquityTrace:
    """A bounded number of points over the last days, oldest first, and each strategy's cumulated net PnL.

    `strategies` maps an id to at most a few dozen values of its cumulated net PnL of LIVE and SHADOW trades, in account
    currency, oldest first.
    """

    points: tuple[TracePoint, ...] = ()
    strategies: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
