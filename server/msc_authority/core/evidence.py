"""The slice of the journal that decisions are made from: light rows, in the order of (at, id)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class TradeEvidence(NamedTuple):
    """A closed trade as the ledger folds it. `risk_at_entry` is None where it is unknown."""

    at: datetime
    id: str
    strategy_id: str
    net_pnl: Decimal
    risk_at_entry: Decimal | None
    live: bool


class EquityEvidence(NamedTuple):
    """An equity reading as the ledger folds it. `id` is the account."""

    at: datetime
    id: str
    wallet_balance: Decimal
    unrealized_pnl: Decimal
    net_flow: Decimal


Evidence = TradeEvidence | EquityEvidence


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeColumns:
    """Closed trades in the order of (at, id), column by column: what a ledger folds of very many.

    `at_us` is in microseconds since 1970. Amounts are exact decimal numbers in plain text, without an exponent; a risk
    of None is unknown.
    """

    at_us: NDArray[np.int64]
    strategy_ids: Sequence[str]
    net_pnl: Sequence[str]
    risk_at_entry: Sequence[str | None]
    live: Sequence[bool]

    def rows(self) -> Iterator[TradeEvidence]:
        """Yields the trades one by one. Their ids are not known."""
        columns = (self.at_us.tolist(), self.strategy_ids, self.net_pnl, self.risk_at_entry, self.live)
        for at_us, strategy_id, net_pnl, risk, live in zip(*columns, strict=True):
            at_risk = None if risk is None else Decimal(risk)
            yield TradeEvidence(instant_of(at_us), "", strategy_id, Decimal(net_pnl), at_risk, bool(live))


def columns_of(trades: Sequence[TradeEvidence]) -> TradeColumns:
    """Returns trades as columns."""
    import numpy as np

    return TradeColumns(
        at_us=np.array([microseconds_of(trade.at) for trade in trades], dtype=np.int64),
        strategy_ids=[trade.strategy_id for trade in trades],
        net_pnl=[f"{trade.net_pnl:f}" for trade in trades],
        risk_at_entry=[None if trade.risk_at_entry is None else f"{trade.risk_at_entry:f}" for trade in trades],
        live=[trade.live for trade in trades],
    )


def instant_of(at_us: int) -> datetime:
    """Returns the instant so many microseconds after 1970 began."""
    return _EPOCH + timedelta(microseconds=at_us)


def microseconds_of(at: datetime) -> int:
    """Returns how many microseconds after 1970 began an instant was."""
    return (at - _EPOCH) // _MICROSECOND
