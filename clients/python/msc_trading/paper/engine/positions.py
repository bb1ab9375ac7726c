"""Arithmetic of a position in one-way mode."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from msc_client import Side
from msc_trading.paper.engine.market import money
from msc_trading.paper.engine.values import ZERO, Position


def signed(side: Side, quantity: Decimal) -> Decimal:
    """Returns a quantity, negative when sold."""
    return quantity if side is Side.BUY else -quantity


def reduces(position: Position, side: Side) -> bool:
    """Returns whether an order on this side makes the position smaller."""
    return position.quantity < 0 if side is Side.BUY else position.quantity > 0


def after_fill(
    position: Position, side: Side, quantity: Decimal, price: Decimal, at: datetime
) -> tuple[Position, Decimal]:
    """Returns the position after a fill, and what the fill realised before fees."""
    change = signed(side, quantity)
    closed = min(quantity, abs(position.quantity)) if reduces(position, side) else ZERO
    direction = 1 if position.quantity > 0 else -1
    realized = money((price - position.entry_price) * closed * direction)
    after = replace(
        position,
        quantity=position.quantity + change,
        entry_price=_entry_price(position, change, price),
        realized=position.realized + realized,
        updated=at,
    )
    return after, realized


def _entry_price(position: Position, change: Decimal, price: Decimal) -> Decimal:
    total = position.quantity + change
    if total == 0:
        return ZERO
    if position.quantity == 0 or (position.quantity > 0) != (total > 0):
        return price
    if abs(total) < abs(position.quantity):
        return position.entry_price
    return (position.entry_price * position.quantity + price * change) / total
