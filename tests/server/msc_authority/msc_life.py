"""A life of ten days, written hour by hour: what an account and its strategies did, as facts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from msc_builders import a_trade, an_equity_point

from msc_authority.core.facts import Fact

BORN = datetime(2025, 3, 3, tzinfo=UTC)
HOURS = 240
CAPITAL = Decimal(100_000)
RISK = Decimal(100)

FALL_AT = 156
"""Hour at which five percent of the account go at once; nobody trades for 30 hours."""
BREAK_AT = 190
"""Hour from which TREND loses what it made, and NEWS is tried."""
CRASH_AT = 216
"""Hour at which open positions lose ten percent, and sixteen an hour later; another hour, and they are back."""


def hour(number: float) -> datetime:
    """The instant so many hours into the life."""
    return BORN + timedelta(hours=number)


def ten_days() -> list[Fact]:
    """Every fact of the life, in order of time."""
    facts: list[Fact] = [an_equity_point(BORN, wallet_balance=CAPITAL, unrealized_pnl=Decimal(0))]
    balance = CAPITAL
    for number in range(HOURS):
        for strategy_id, pnl in _results(number):
            balance += pnl
            facts.append(_trade(number, strategy_id, pnl))
        if number == FALL_AT:
            balance *= Decimal("0.95")
        facts.append(_reading(number + 0.25, balance, _paper_loss(number) * balance))
        # Half an hour later the market breathes: without some of it there is no volatility to compare with.
        facts.append(_reading(number + 0.75, balance, (_paper_loss(number) - _breath(number)) * balance))
    return facts


def _results(number: int) -> Iterator[tuple[str, Decimal]]:
    if FALL_AT <= number < FALL_AT + 30:
        return
    if number < BREAK_AT:
        yield "TREND", Decimal(-80 if number % 3 == 2 else 100)
    elif number % 2:
        yield "TREND", Decimal(30 if number % 8 == 7 else -100)
    if number % 4 == 1:
        yield "RANGE", Decimal(-90 if number % 8 == 5 else 85)
    if number >= BREAK_AT and number % 3 == 0:
        yield "NEWS", Decimal(-50 if number % 9 == 0 else 70)


def _paper_loss(number: int) -> Decimal:
    return {CRASH_AT: Decimal("-0.101"), CRASH_AT + 1: Decimal("-0.16")}.get(number, Decimal(0))


def _breath(number: int) -> Decimal:
    return Decimal("0.004") if number % 2 else Decimal("0.003")


def _reading(at_hour: float, balance: Decimal, unrealized: Decimal) -> Fact:
    cent = Decimal("0.01")
    return an_equity_point(
        hour(at_hour), wallet_balance=balance.quantize(cent), unrealized_pnl=unrealized.quantize(cent)
    )


def _trade(number: int, strategy_id: str, pnl: Decimal) -> Fact:
    closed_at = hour(number + 0.2)
    return a_trade(
        f"{strategy_id}-{number}",
        strategy_id=strategy_id,
        opened_at=closed_at - timedelta(minutes=8),
        closed_at=closed_at,
        gross_pnl=pnl,
        fees=Decimal(0),
        funding=Decimal(0),
        net_pnl=pnl,
        risk_at_entry=RISK,
    )
