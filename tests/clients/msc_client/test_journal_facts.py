"""Facts of the client: checked when made, and never refused later by the authority's own rules."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msc_authority.core import facts as facts_of_the_authority
from msc_authority.core.intake import parse_equity, parse_execution, parse_trade
from msc_client._wire.journal import columns_of, encode_fact
from msc_client.facts import ClosedTrade, Direction, EquityPoint, Execution, Fact, Side, TradeSource

AT = datetime(2022, 1, 1, tzinfo=UTC)
LATER = datetime(2100, 1, 1, tzinfo=UTC)


def execution(**overrides: object) -> Execution:
    values: dict[str, object] = {
        "event_id": "E-1",
        "account": "main",
        "executor": "exec-1",
        "symbol": "BTCUSDT",
        "side": Side.SELL,
        "status": "FILLED",
        "quantity": Decimal("0.5"),
        "reduce_only": False,
        "at": AT,
    }
    return Execution(**(values | overrides))  # type: ignore[arg-type]  # wrong types are what some tests pass


def trade(**overrides: object) -> ClosedTrade:
    values: dict[str, object] = {
        "trade_id": "T-1",
        "strategy_id": "TREND_001",
        "symbol": "BTCUSDT",
        "direction": Direction.SHORT,
        "quantity": Decimal(2),
        "entry_price": Decimal(100),
        "exit_price": Decimal(99),
        "opened_at": AT,
        "closed_at": AT + timedelta(hours=1),
        "gross_pnl": Decimal(2),
        "fees": Decimal("0.5"),
        "funding": Decimal("-0.1"),
        "net_pnl": Decimal("1.4"),
        "source": TradeSource.SHADOW,
    }
    return ClosedTrade(**(values | overrides))  # type: ignore[arg-type]  # wrong types are what some tests pass


def equity(**overrides: object) -> EquityPoint:
    values: dict[str, object] = {
        "account": "main",
        "at": AT,
        "wallet_balance": Decimal(1000),
        "unrealized_pnl": Decimal(-1),
    }
    return EquityPoint(**(values | overrides))  # type: ignore[arg-type]  # wrong types are what some tests pass


@pytest.mark.parametrize(
    ("make", "field", "value"),
    [
        (execution, "event_id", ""),
        (execution, "event_id", "x" * 129),
        (execution, "symbol", "BTC\x00"),
        (execution, "account", 7),
        (execution, "side", "BUY"),
        (execution, "status", "filled"),
        (execution, "status", ""),
        (execution, "quantity", Decimal(0)),
        (execution, "quantity", 0.5),
        (execution, "quantity", None),
        (execution, "price", Decimal(-1)),
        (execution, "fee", Decimal("NaN")),
        (execution, "fee", Decimal("1e400")),
        (execution, "realized_pnl", Decimal("1e-19")),
        (execution, "reduce_only", 1),
        (execution, "confidence", 1.1),
        (execution, "confidence", float("nan")),
        (execution, "policy_version", -1),
        (execution, "policy_version", True),
        (execution, "detail_json", "[1]"),
        (execution, "detail_json", "{"),
        (execution, "at", datetime(2022, 1, 1)),
        (execution, "at", "2022-01-01T00:00:00Z"),
        (execution, "at", datetime(1999, 1, 1, tzinfo=UTC)),
        (execution, "at", datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=10)))),
        (trade, "closed_at", AT - timedelta(seconds=1)),
        (trade, "net_pnl", Decimal(2)),
        (trade, "funding", None),
        (trade, "direction", "UP"),
        (trade, "source", TradeSource),
        (trade, "risk_at_entry", Decimal(0)),
        (equity, "wallet_balance", Decimal("Infinity")),
        (equity, "net_flow", Decimal(10**15)),
    ],
)
def test_a_fact_outside_sense_is_refused_when_it_is_made(make: Callable[..., Fact], field: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"^{field}: "):
        make(**{field: value})


def test_instants_are_kept_in_utc() -> None:
    point = equity(at=datetime(2022, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))))

    assert point.at.isoformat() == "2022-01-01T00:00:00+00:00"


def taken_by_the_authority(fact: Fact) -> facts_of_the_authority.Fact:
    row = columns_of(encode_fact(fact))
    match fact:
        case Execution():
            return parse_execution(row, LATER)
        case ClosedTrade():
            return parse_trade(row, LATER)
        case EquityPoint():
            return parse_equity(row, LATER)


_NUMBERS = st.decimals(min_value=-(10**9), max_value=10**9, places=18)
_ABOVE_ZERO = st.decimals(min_value=Decimal("1e-18"), max_value=10**9, places=18)
_NAMES = st.text(min_size=1, max_size=128)
_INSTANTS = st.datetimes(min_value=datetime(2000, 1, 2), max_value=datetime(2090, 1, 1), timezones=st.just(UTC))


@st.composite
def facts(draw: st.DrawFn) -> Fact | None:
    """Returns a fact of any kind, or None where the parts that were drawn do not make one."""
    makers: list[Callable[..., Fact]] = [execution, trade, equity]
    kind = draw(st.sampled_from(makers))
    parts: dict[str, object] = {}
    hints = {field.name: str(field.type) for field in dataclasses.fields(kind())}
    for name in draw(st.sets(st.sampled_from(sorted(hints)))):
        parts[name] = draw(_values_of(name, hints[name]))
    try:
        fact: Fact = kind(**parts)
    except ValueError:
        return None
    return fact


def _values_of(name: str, hint: str) -> st.SearchStrategy[object]:
    if name in {"quantity", "price", "entry_price", "exit_price", "risk_at_entry"}:
        return _ABOVE_ZERO
    by_hint: dict[str, st.SearchStrategy[object]] = {
        "str": _NAMES | st.sampled_from(["FILLED", "NEW_ADL", '{"a": [1]}', ""]),
        "Decimal": _NUMBERS,
        "bool": st.booleans(),
        "int": st.integers(0, 2**63 - 1),
        "datetime": _INSTANTS,
        "float | None": st.floats(0, 1),
        "Side": st.sampled_from(Side),
        "Direction": st.sampled_from(Direction),
        "TradeSource": st.sampled_from(TradeSource),
    }
    return by_hint[hint]


@given(fact=facts())
def test_what_the_client_takes_the_authority_takes_with_the_same_values(fact: Fact | None) -> None:
    if fact is None:
        return

    taken = taken_by_the_authority(fact)

    assert {field.name: getattr(taken, field.name) for field in dataclasses.fields(taken)} == {
        field.name: getattr(fact, field.name) for field in dataclasses.fields(fact)
    }


def test_a_whole_fact_of_each_kind_is_taken_by_the_authority() -> None:
    kinds = [type(taken_by_the_authority(fact)).__name__ for fact in (execution(), trade(), equity())]

    assert kinds == ["Execution", "Trade", "EquityPoint"]
