"""Whole rows of every kind of fact, as text, and their parsing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from msc_authority.core.facts import Fact
from msc_authority.core.intake import (
    EQUITY_FIELDS,
    EXECUTION_FIELDS,
    TRADE_FIELDS,
    Fields,
    Refusal,
    parse_equity,
    parse_execution,
    parse_trade,
)

NOW = datetime(2022, 2, 1, 12, tzinfo=UTC)
Raw = dict[str, object]

TRADE: Raw = {
    "trade_id": "T-1",
    "strategy_id": "TREND_001",
    "symbol": "BTCUSDT",
    "direction": "LONG",
    "quantity": "2",
    "entry_price": "100",
    "exit_price": "110",
    "opened_at": "2022-01-01T00:00:00Z",
    "closed_at": "2022-01-01T01:00:00Z",
    "gross_pnl": "20",
    "fees": "1",
    "funding": "-0.5",
    "net_pnl": "18.5",
    "risk_at_entry": "10",
    "source": "LIVE",
    "policy_version": "3",
}
EQUITY: Raw = {
    "account": "main",
    "at": "2022-01-01T00:00:00Z",
    "wallet_balance": "1000.5",
    "unrealized_pnl": "-1",
    "net_flow": "25",
}
EXECUTION: Raw = {
    "event_id": "E-1",
    "account": "main",
    "executor": "exec-1",
    "strategy_id": "TREND_001",
    "symbol": "BTCUSDT",
    "side": "BUY",
    "order_id": "77",
    "client_order_id": "c-77",
    "status": "FILLED",
    "quantity": "0.5",
    "price": "46000",
    "fee": "0.1",
    "realized_pnl": "2",
    "reduce_only": "false",
    "confidence": "0.65",
    "policy_version": "3",
    "at": "2022-01-01T00:00:00.250Z",
    "reason": "entry",
    "detail_json": '{"check": 1}',
}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fact: how it is parsed, a whole row, and its columns."""

    name: str
    parse: Callable[[Mapping[str, object], datetime], Fact]
    row: Raw
    columns: Fields
    id: str


KINDS = {
    "trade": Kind("trade", parse_trade, TRADE, TRADE_FIELDS, "T-1"),
    "equity": Kind("equity", parse_equity, EQUITY, EQUITY_FIELDS, "main@2022-01-01T00:00:00Z"),
    "execution": Kind("execution", parse_execution, EXECUTION, EXECUTION_FIELDS, "E-1"),
}


def read(kind: str, **overrides: object) -> Fact:
    """The fact of a whole row with these columns changed."""
    return KINDS[kind].parse({**KINDS[kind].row, **overrides}, NOW)


def refusal(kind: str, **overrides: object) -> Refusal:
    """Why a row with these columns changed is refused."""
    with pytest.raises(Refusal) as caught:
        read(kind, **overrides)
    return caught.value
