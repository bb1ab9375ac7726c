"""The journal's fills beside the exchange's, fill by fill."""

from __future__ import annotations

from decimal import Decimal

import pytest
from loop_builders import fill

from msc_authority.core.facts import Side
from msc_loop.completeness import compare_fills


def told(trade_id: int = 1, **changes: object) -> dict[str, object]:
    """What the exchange says of the fill that `loop_builders.fill` journals."""
    usual: dict[str, object] = {
        "symbol": "BTCUSDT",
        "id": trade_id,
        "orderId": 1,
        "side": "BUY",
        "price": "1000.5",
        "qty": "1.000",
        "commission": "0.40020000",
        "realizedPnl": "0.00000000",
    }
    return usual | changes


def test_equal_numbers_written_otherwise_are_equal() -> None:
    found = compare_fills([told(1), told(2)], [fill("2"), fill("1")])

    assert found.is_complete
    assert (found.at_exchange, found.in_journal) == (2, 2)


def test_nothing_on_both_sides_is_complete() -> None:
    assert compare_fills([], []).is_complete


def test_a_fill_that_the_journal_lacks_is_missing() -> None:
    found = compare_fills([told(1), told(2)], [fill("1")])

    assert (found.is_complete, found.missing) == (False, ("BTCUSDT:2",))


def test_a_fill_that_never_was_is_unexplained() -> None:
    found = compare_fills([], [fill("9")])

    assert (found.is_complete, found.unexplained) == (False, ("BTCUSDT:9",))


def test_the_same_number_in_another_symbol_is_another_fill() -> None:
    found = compare_fills([told(1, symbol="ETHUSDT")], [fill("1")])

    assert (found.missing, found.unexplained) == (("ETHUSDT:1",), ("BTCUSDT:1",))


@pytest.mark.parametrize(
    "changes",
    [
        {"price": Decimal("1000.51")},
        {"quantity": Decimal("1.001")},
        {"fee": Decimal("0.4003")},
        {"realized_pnl": Decimal("0.01")},
        {"side": Side.SELL},
        {"order_id": "2"},
        {"price": None},
    ],
)
def test_any_other_number_is_told(changes: dict[str, object]) -> None:
    found = compare_fills([told()], [fill(**changes)])

    assert (found.is_complete, found.different) == (False, ("BTCUSDT:1",))
