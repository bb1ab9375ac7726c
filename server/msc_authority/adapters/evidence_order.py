"""Evidence of both kinds in the one order decisions are made in."""

from __future__ import annotations

from collections.abc import Iterator

from msc_authority.core.evidence import EquityEvidence, Evidence, TradeEvidence


def merged(trades: Iterator[TradeEvidence], equity: Iterator[EquityEvidence]) -> Iterator[Evidence]:
    """Both, each ordered by (at, id), by instant: trades before the equity readings of the same instant."""
    point = next(equity, None)
    for trade in trades:
        while point is not None and point.at < trade.at:
            yield point
            point = next(equity, None)
        yield trade
    if point is not None:
        yield point
    yield from equity
