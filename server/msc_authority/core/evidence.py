"""The slice of the journal that decisions are made from: light rows, in the order of (at, id)."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple


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
