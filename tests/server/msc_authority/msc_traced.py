"""A tracer on a journal, facts to trace, and what an evaluation says of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from decimal import Decimal

from msc_builders import START, a_trade, an_equity_point
from msc_live import ManualTime

from msc_authority.adapters.memory import MemoryJournal
from msc_authority.app.trace import EquityTracer, TracePoint
from msc_authority.app.work import Worker
from msc_authority.core.config import DecisionConfig
from msc_authority.core.facts import EquityPoint, Fact, Trade, happened_at
from msc_authority.core.ledger import Ledger
from msc_authority.ports.journal import Journal

CONFIG = DecisionConfig()


@asynccontextmanager
async def a_tracer(journal: Journal, time: ManualTime) -> AsyncIterator[EquityTracer]:
    worker = Worker(threads=1, name="trace")
    yield EquityTracer(journal=journal, clock=time, timer=time, worker=worker, config=CONFIG)
    worker.close()


def ago(minutes: float) -> datetime:
    return START - timedelta(minutes=minutes)


def a_reading(when: datetime, equity: float, account: str = "main") -> EquityPoint:
    return an_equity_point(when, account=account, wallet_balance=Decimal(str(equity)), unrealized_pnl=Decimal(0))


def a_result(when: datetime, net_pnl: float, strategy_id: str = "TREND", name: str = "") -> Trade:
    trade_id = name or f"{strategy_id}@{when.isoformat()}"
    return a_trade(trade_id, strategy_id=strategy_id, opened_at=when, closed_at=when, net_pnl=Decimal(str(net_pnl)))


def evaluated(facts: list[Fact], at: datetime) -> TracePoint:
    """What an evaluation at `at` reads off the equity curve."""
    journal = MemoryJournal()
    journal.record([fact for fact in facts if happened_at(fact) <= at])
    ledger = Ledger.empty(CONFIG)
    ledger.fold(journal.evidence_after(None, journal.end()))
    reading = ledger.curve.settled().reading(at)
    assert reading is not None
    return TracePoint(at=reading.at, equity=reading.equity, drawdown_pct=reading.drawdown_pct)
