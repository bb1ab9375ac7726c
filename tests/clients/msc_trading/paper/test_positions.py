"""Arithmetic of a position."""

from __future__ import annotations

from decimal import Decimal

import pytest
from paper_builders import NOON

from msc_client import Side
from msc_trading.paper.engine.positions import after_fill, reduces
from msc_trading.paper.engine.values import Position

BUY, SELL = Side.BUY, Side.SELL


def position(quantity: str, entry: str = "100") -> Position:
    return Position(symbol="BTCUSDT", quantity=Decimal(quantity), entry_price=Decimal(entry))


@pytest.mark.parametrize(
    ("held", "side", "quantity", "price", "after", "entry", "realized"),
    [
        ("0", BUY, "2", "100", "2", "100", "0"),
        ("0", SELL, "2", "100", "-2", "100", "0"),
        ("2", BUY, "2", "110", "4", "105", "0"),
        ("-2", SELL, "2", "90", "-4", "95", "0"),
        ("2", SELL, "1", "110", "1", "100", "10"),
        ("-2", BUY, "1", "110", "-1", "100", "-10"),
        ("2", SELL, "2", "90", "0", "0", "-20"),
        ("2", SELL, "3", "110", "-1", "110", "20"),
        ("-2", BUY, "5", "90", "3", "90", "20"),
    ],
)
def test_a_fill_changes_quantity_entry_and_realised_pnl(
    held: str, side: Side, quantity: str, price: str, after: str, entry: str, realized: str
) -> None:
    changed, earned = after_fill(position(held), side, Decimal(quantity), Decimal(price), NOON)

    assert (changed.quantity, changed.entry_price, earned) == (Decimal(after), Decimal(entry), Decimal(realized))


@pytest.mark.parametrize(
    ("held", "side", "expected"),
    [("1", SELL, True), ("1", BUY, False), ("-1", BUY, True), ("-1", SELL, False), ("0", BUY, False)],
)
def test_only_the_opposite_side_reduces(held: str, side: Side, expected: bool) -> None:
    assert reduces(position(held), side) is expected


def test_unrealised_pnl_has_the_sign_of_the_move() -> None:
    assert position("2").unrealized(Decimal(110)) == 20
    assert position("-2").unrealized(Decimal(110)) == -20


def test_what_a_position_has_earned_adds_up() -> None:
    first, _ = after_fill(position("4"), SELL, Decimal(1), Decimal(110), NOON)
    second, _ = after_fill(first, SELL, Decimal(1), Decimal(95), NOON)

    assert second.realized == 5
