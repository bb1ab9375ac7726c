"""Whether the journal holds exactly what happened at the exchange: each fill once, with the same numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from msc_authority.core.facts import Execution

Told = tuple[str, str, Decimal, Decimal, Decimal, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """The two sides, fill by fill. Names are symbol and the venue's trade id."""

    at_exchange: int
    in_journal: int
    missing: tuple[str, ...]
    """Filled, and not in the journal."""
    unexplained: tuple[str, ...]
    """In the journal, and never filled."""
    different: tuple[str, ...]
    """In both, with other numbers."""

    @property
    def is_complete(self) -> bool:
        """Whether both sides are equal."""
        return not (self.missing or self.unexplained or self.different)


def compare_fills(trades: Iterable[Mapping[str, object]], fills: Sequence[Execution]) -> Completeness:
    """Returns how the exchange's own list of fills and the journal's differ. Numbers are compared as numbers."""
    there = {f"{trade['symbol']}:{trade['id']}": _of_trade(trade) for trade in trades}
    here = {_name(fill): _of_fill(fill) for fill in fills}
    both = there.keys() & here.keys()
    return Completeness(
        at_exchange=len(there),
        in_journal=len(fills),
        missing=tuple(sorted(there.keys() - here.keys())),
        unexplained=tuple(sorted(here.keys() - there.keys())),
        different=tuple(sorted(name for name in both if there[name] != here[name])),
    )


def _name(fill: Execution) -> str:
    return ":".join(fill.event_id.split(":")[-2:])


def _of_trade(trade: Mapping[str, object]) -> Told:
    price, quantity, fee, made = (Decimal(str(trade[name])) for name in ("price", "qty", "commission", "realizedPnl"))
    return str(trade["side"]), str(trade["orderId"]), price, quantity, fee, made


def _of_fill(fill: Execution) -> Told:
    price = fill.price if fill.price is not None else Decimal("NaN")
    return fill.side.name, fill.order_id, price, fill.quantity, fill.fee, fill.realized_pnl
