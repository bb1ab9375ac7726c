"""What becomes of orders and fills, as the journal takes it. The same event always makes the same fact."""

from __future__ import annotations

from msc_client.facts import Execution
from msc_trading.executor.book import BookedFill
from msc_trading.executor.config import ExecutorConfig
from msc_trading.executor.numbers import canonical
from msc_trading.executor.records import OrderRecord
from msc_trading.venue.port import OrderStatus

_MAX_REASON_CHARS = 256


def accepted_fact(record: OrderRecord, config: ExecutorConfig) -> Execution:
    """Returns the fact that the venue has accepted an order, with the decision behind it, at the instant of that."""
    return _order_fact(record, config, OrderStatus.NEW, detail_json=record.decision_json)


def refused_fact(record: OrderRecord, config: ExecutorConfig) -> Execution:
    """Returns the fact that an order certainly does not exist, and why."""
    return _order_fact(record, config, OrderStatus.REJECTED, detail_json=record.decision_json)


def ended_fact(record: OrderRecord, status: OrderStatus, config: ExecutorConfig) -> Execution:
    """Returns the fact that an order was cancelled or has expired."""
    return _order_fact(record, config, status)


def _order_fact(
    record: OrderRecord, config: ExecutorConfig, status: OrderStatus, *, detail_json: str = ""
) -> Execution:
    return Execution(
        event_id=f"order:{config.account_id}:{record.client_order_id}:{status}",
        account=config.account_id,
        executor=config.executor_id,
        strategy_id=record.strategy_id,
        symbol=record.symbol,
        side=record.side,
        order_id=record.order_id,
        client_order_id=record.client_order_id,
        status=status.value,
        quantity=canonical(record.quantity),
        reduce_only=record.purpose.reduces,
        confidence=record.confidence,
        policy_version=record.policy_version,
        at=record.prepared_at,
        reason=record.reason[:_MAX_REASON_CHARS].strip() if status is OrderStatus.REJECTED else "",
        detail_json=detail_json,
    )


def fill_fact(booked: BookedFill, config: ExecutorConfig) -> Execution:
    """Returns the fact of a fill, named by symbol and venue trade id, so that it is in the journal once."""
    fill, record = booked.fill, booked.record
    return Execution(
        event_id=f"fill:{config.account_id}:{fill.symbol}:{fill.trade_id}",
        account=config.account_id,
        executor=config.executor_id,
        strategy_id=booked.strategy_id,
        symbol=fill.symbol,
        side=fill.side,
        order_id=fill.order_id,
        client_order_id=fill.client_order_id,
        status=booked.status.value,
        quantity=canonical(fill.quantity),
        price=canonical(fill.price),
        fee=canonical(fill.fee),
        realized_pnl=canonical(fill.realized_pnl),
        reduce_only=booked.reduces,
        confidence=None if record is None else record.confidence,
        policy_version=0 if record is None else record.policy_version,
        at=fill.at,
    )
