"""Closed trades in their plainest form, which nearly all have: taken at a glance, without a look at each field."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from msc_authority.core.facts import Direction, Trade, TradeSource
from msc_authority.core.intake import net_pnl_agrees
from msc_authority.core.raw_row import (
    EARLIEST,
    MAX_AHEAD,
    MAX_DECIMAL_PLACES,
    MAX_ID_CHARS,
    MAX_INTEGER_DIGITS,
    MAX_VERSION,
)

PLAIN_TEXTS = (
    "trade_id",
    "strategy_id",
    "symbol",
    "quantity",
    "entry_price",
    "exit_price",
    "gross_pnl",
    "fees",
    "funding",
    "net_pnl",
    "risk_at_entry",
)
"""The columns of a trade that are text in a message, in the order in which `plain_trade` takes them."""

# Possessive, "}+": nothing that has matched is given back.
_NAME = rf"[!-~]{{1,{MAX_ID_CHARS}}}+"
_NUMBER = rf"-?[0-9]{{1,{MAX_INTEGER_DIGITS}}}+(?:\.[0-9]{{1,{MAX_DECIMAL_PLACES}}}+)?+"
# One look at all texts: no name and no number holds a line break, so that nothing can pass for its neighbour.
_are_plain = re.compile(r"\n".join([_NAME] * 3 + [_NUMBER] * 7 + [f"(?:{_NUMBER})?"])).fullmatch


def plain_trade(
    texts: Sequence[str],
    direction: Direction | None,
    source: TradeSource | None,
    opened_at: datetime | None,
    closed_at: datetime | None,
    policy_version: int,
    now: datetime,
) -> Trade | None:
    """Returns the trade that `parse_trade` would return, or None: then `parse_trade` says what it is, or is not.

    `texts` are PLAIN_TEXTS; `policy_version` is not below 0.
    """
    if direction is None or source is None or policy_version > MAX_VERSION or not _are_plain("\n".join(texts)):
        return None
    if opened_at is None or closed_at is None or not opened_at.tzinfo is closed_at.tzinfo is UTC:
        return None
    if not EARLIEST <= opened_at <= closed_at or closed_at - now > MAX_AHEAD:
        return None
    trade_id, strategy_id, symbol = texts[:3]
    quantity, entry_price, exit_price, gross_pnl, fees, funding, net_pnl = map(Decimal, texts[3:10])
    risk_at_entry = Decimal(texts[10]) if texts[10] else None
    above_zero = quantity > 0 and entry_price > 0 and exit_price > 0 and (risk_at_entry is None or risk_at_entry > 0)
    if not above_zero or not net_pnl_agrees(gross_pnl, fees, funding, net_pnl):
        return None
    return Trade(
        trade_id=trade_id,
        strategy_id=strategy_id,
        symbol=symbol,
        direction=direction,
        quantity=quantity,
        entry_price=entry_price,
        exit_price=exit_price,
        opened_at=opened_at,
        closed_at=closed_at,
        gross_pnl=gross_pnl,
        fees=fees,
        funding=funding,
        net_pnl=net_pnl,
        risk_at_entry=risk_at_entry,
        source=source,
        policy_version=policy_version,
    )
