"""Facts read from raw rows by the journal's column names: a valid fact, or a refusal that names the field."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Context, Decimal

from msc_authority.core.facts import Direction, EquityPoint, Execution, Side, Trade, TradeSource
from msc_authority.core.raw_row import MAX_REASON_CHARS, Fields, RawRow, Refusal, RefusalCode, id_of

__all__ = [
    "EQUITY_FIELDS",
    "EXECUTION_FIELDS",
    "NET_PNL_TOLERANCE",
    "TRADE_FIELDS",
    "Fields",
    "Refusal",
    "RefusalCode",
    "net_pnl_agrees",
    "parse_equity",
    "parse_execution",
    "parse_trade",
]

NET_PNL_TOLERANCE = Decimal("0.02")
"""How far net_pnl may be from gross_pnl - fees + funding, in account currency: four numbers, each a rounded cent."""

_EXACT = Context(prec=80)

EXECUTION_FIELDS = Fields(
    required=("event_id", "account", "executor", "symbol", "side", "status", "quantity", "reduce_only", "at"),
    optional=(
        "strategy_id",
        "order_id",
        "client_order_id",
        "price",
        "fee",
        "realized_pnl",
        "confidence",
        "policy_version",
        "reason",
        "detail_json",
    ),
)
"""Columns of an execution report. A blocked order may be blocked because it has no strategy."""

TRADE_FIELDS = Fields(
    required=(
        "trade_id",
        "strategy_id",
        "symbol",
        "direction",
        "quantity",
        "entry_price",
        "exit_price",
        "opened_at",
        "closed_at",
        "gross_pnl",
        "fees",
        "funding",
        "net_pnl",
        "source",
    ),
    optional=("risk_at_entry", "policy_version"),
)
"""Columns of a closed trade."""

EQUITY_FIELDS = Fields(required=("account", "at", "wallet_balance", "unrealized_pnl"), optional=("net_flow",))
"""Columns of an equity reading."""


def parse_execution(raw: Mapping[str, object], now: datetime) -> Execution:
    """Returns the execution report in `raw`.

    Raises:
        Refusal: a field is missing, wrong or unknown.
    """
    row = RawRow(raw, EXECUTION_FIELDS, id_of(raw, "event_id"), now)
    return Execution(
        event_id=row.name("event_id"),
        account=row.name("account"),
        executor=row.name("executor"),
        strategy_id=row.optional_name("strategy_id"),
        symbol=row.name("symbol"),
        side=row.choice("side", Side),
        order_id=row.optional_name("order_id"),
        client_order_id=row.optional_name("client_order_id"),
        status=row.status("status"),
        quantity=row.positive("quantity"),
        price=row.optional_positive("price"),
        fee=row.optional_number("fee") or Decimal(0),
        realized_pnl=row.optional_number("realized_pnl") or Decimal(0),
        reduce_only=row.boolean("reduce_only"),
        confidence=row.optional_fraction("confidence"),
        policy_version=row.optional_version("policy_version"),
        at=row.instant("at"),
        reason=row.optional_name("reason", MAX_REASON_CHARS),
        detail_json=row.optional_json("detail_json"),
    )


def parse_trade(raw: Mapping[str, object], now: datetime) -> Trade:
    """Returns the closed trade in `raw`.

    Raises:
        Refusal: a field is missing, wrong or unknown, or the fields do not agree.
    """
    row = RawRow(raw, TRADE_FIELDS, id_of(raw, "trade_id"), now)
    trade = Trade(
        trade_id=row.name("trade_id"),
        strategy_id=row.name("strategy_id"),
        symbol=row.name("symbol"),
        direction=row.choice("direction", Direction),
        quantity=row.positive("quantity"),
        entry_price=row.positive("entry_price"),
        exit_price=row.positive("exit_price"),
        opened_at=row.instant("opened_at"),
        closed_at=row.instant("closed_at"),
        gross_pnl=row.number("gross_pnl"),
        fees=row.number("fees"),
        funding=row.number("funding"),
        net_pnl=row.number("net_pnl"),
        risk_at_entry=row.optional_positive("risk_at_entry"),
        source=row.choice("source", TradeSource),
        policy_version=row.optional_version("policy_version"),
    )
    _check_order(trade)
    _check_net_pnl(trade)
    return trade


def parse_equity(raw: Mapping[str, object], now: datetime) -> EquityPoint:
    """Returns the equity reading in `raw`. A wallet may be negative: that is a fact, and a grave one.

    Raises:
        Refusal: a field is missing, wrong or unknown.
    """
    row = RawRow(raw, EQUITY_FIELDS, id_of(raw, "account", "at"), now)
    return EquityPoint(
        account=row.name("account"),
        at=row.instant("at"),
        wallet_balance=row.number("wallet_balance"),
        unrealized_pnl=row.number("unrealized_pnl"),
        net_flow=row.optional_number("net_flow") or Decimal(0),
    )


def net_pnl_agrees(gross_pnl: Decimal, fees: Decimal, funding: Decimal, net_pnl: Decimal) -> bool:
    """Returns whether net_pnl is what the others come to, within NET_PNL_TOLERANCE."""
    net = _net_of(gross_pnl, fees, funding)
    return net == net_pnl or abs(_EXACT.subtract(net, net_pnl)) <= NET_PNL_TOLERANCE


def _net_of(gross_pnl: Decimal, fees: Decimal, funding: Decimal) -> Decimal:
    return _EXACT.add(_EXACT.subtract(gross_pnl, fees), funding)


def _check_order(trade: Trade) -> None:
    if trade.closed_at < trade.opened_at:
        reason = f"closed at {trade.closed_at.isoformat()}, before it was opened at {trade.opened_at.isoformat()}"
        raise Refusal(trade.trade_id, "closed_at", RefusalCode.CLOSED_BEFORE_OPENED, reason)


def _check_net_pnl(trade: Trade) -> None:
    if not net_pnl_agrees(trade.gross_pnl, trade.fees, trade.funding, trade.net_pnl):
        net = _net_of(trade.gross_pnl, trade.fees, trade.funding)
        reason = f"is {trade.net_pnl}, but gross_pnl - fees + funding is {net}"
        raise Refusal(trade.trade_id, "net_pnl", RefusalCode.INCONSISTENT, reason)
