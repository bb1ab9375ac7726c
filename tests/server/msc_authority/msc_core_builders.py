"""Evidence and small histories for the tests of the core."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

from hypothesis import strategies as st

from msc_authority.core.config import DecisionConfig
from msc_authority.core.controller import ControllerState, Decision, decide
from msc_authority.core.evaluation import HealthMetric, Verdict
from msc_authority.core.evidence import EquityEvidence, Evidence, TradeEvidence
from msc_authority.core.ledger import Ledger

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    T = TypeVar("T", bound=DataclassInstance)

CONFIG = DecisionConfig()
T0 = datetime(2024, 3, 1, tzinfo=UTC)
HALF_HOUR = timedelta(minutes=30)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def changed(value: T, changes: Mapping[str, object]) -> T:
    """The value with these fields changed, also to what their types do not allow."""
    return replace(value, **changes)


def a_result(
    at: datetime, pnl: str | float, *, strategy_id: str = "TREND", live: bool = True, risk: str | None = "100"
) -> TradeEvidence:
    """One closed trade."""
    return TradeEvidence(
        at, f"t-{at.isoformat()}-{pnl}", strategy_id, Decimal(str(pnl)), None if risk is None else Decimal(risk), live
    )


def a_point(at: datetime, equity: str | float, *, flow: str | float = 0, account: str = "main") -> EquityEvidence:
    """One reading of an account without open positions."""
    return EquityEvidence(at, account, Decimal(str(equity)), Decimal(0), Decimal(str(flow)))


def with_amount(row: Evidence, field: str, amount: Decimal) -> Evidence:
    """The row with another amount."""
    return row._replace(**{field: amount})  # type: ignore[arg-type]  # the field is one of amounts


def in_order(evidence: Iterable[Evidence]) -> list[Evidence]:
    """The order of the journal: by instant, trades before readings, then by id."""
    return sorted(evidence, key=lambda row: (row.at, isinstance(row, EquityEvidence), row.id))


def a_ledger(evidence: Iterable[Evidence] = (), config: DecisionConfig = CONFIG) -> Ledger:
    """A ledger with this evidence, in any order."""
    ledger = Ledger.empty(config)
    ledger.fold(in_order(evidence))
    return ledger


def decided(
    evidence: Iterable[Evidence],
    *,
    start: datetime = T0,
    end: datetime,
    every: timedelta = HALF_HOUR,
    state: ControllerState | None = None,
    config: DecisionConfig = CONFIG,
) -> list[Decision]:
    """Each decision from `start` to `end`, both included, every one on what had happened by then."""
    rows, ledger = in_order(evidence), Ledger.empty(config)
    state = state or ControllerState.initial(start)
    decisions: list[Decision] = []
    position, as_of = 0, start
    while as_of <= end:
        upto = next((i for i in range(position, len(rows)) if rows[i].at > as_of), len(rows))
        ledger.fold(rows[position:upto])
        position = upto
        decisions.append(decide(ledger, state, config, as_of))
        state = decisions[-1].state
        as_of += every
    return decisions


def thriving(days: float, *, start: datetime = T0, capital: float = 100_000.0) -> list[Evidence]:
    """A trade an hour, two of three won, a reading of the account behind each, and a dip every other half hour."""
    rows: list[Evidence] = [a_point(start, capital)]
    equity = capital
    for hour in range(1, round(days * 24) + 1):
        at = start + hour * HOUR
        pnl = -80.0 if hour % 3 == 0 else 100.0
        equity += pnl
        rows += [a_result(at, pnl), a_point(at, equity)]
        if hour % 2:
            rows.append(a_point(at - HALF_HOUR, f"{equity * 0.994:.4f}"))
    return rows


def equity_of(evidence: Iterable[Evidence]) -> float:
    """The newest reading of a single account."""
    return float([row for row in in_order(evidence) if isinstance(row, EquityEvidence)][-1].wallet_balance)


def readings(equity: float, *, start: datetime, end: datetime, every: timedelta = HALF_HOUR) -> list[Evidence]:
    """Readings of an account that stands still, after `start` until `end`."""
    count = int((end - start) / every)
    return [a_point(start + number * every, f"{equity:.6f}") for number in range(1, count + 1)]


def metric(verdict: Verdict, name: str) -> HealthMetric:
    """The metric of that name."""
    return next(found for found in verdict.metrics if found.name == name)


def codes(verdict: Verdict) -> list[str]:
    """The codes of all reasons, in order."""
    return [reason.code for reason in verdict.reasons]


def money(low: int, high: int) -> st.SearchStrategy[Decimal]:
    """Amounts with two decimals."""
    return st.integers(low * 100, high * 100).map(lambda cents: Decimal(cents) / 100)


@st.composite
def histories(draw: st.DrawFn, *, min_size: int = 1, max_size: int = 60) -> list[Evidence]:
    """Histories of trades and readings of up to three accounts, with flows and instants that coincide, in order."""
    count = draw(st.integers(min_size, max_size))
    at, rows = T0, list[Evidence]()
    for number in range(count):
        at += timedelta(seconds=draw(st.sampled_from([0, 1, 900, 1800, 3600, 40_000, 86_400, 3_000_000])))
        if draw(st.booleans()):
            strategy_id, live = draw(st.sampled_from(["TREND", "RANGE"])), draw(st.booleans())
            risk = draw(st.one_of(st.none(), money(1, 500)))
            rows.append(TradeEvidence(at, f"t{number}", strategy_id, draw(money(-400, 400)), risk, live))
        else:
            flow = draw(st.one_of(st.just(Decimal(0)), money(-2_000, 2_000)))
            account = draw(st.sampled_from(["a", "b", "c"]))
            rows.append(EquityEvidence(at, account, draw(money(-10, 20_000)), draw(money(-500, 500)), flow))
    return in_order(rows)
