"""Folding in bulk gives the bytes of folding row by row, whatever the rows are and wherever it begins and ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from math import exp2

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msc_core_builders import CONFIG, HOUR, T0, a_ledger, a_point, a_result, histories

from msc_authority.core import trade_arrays
from msc_authority.core.config import DecisionConfig
from msc_authority.core.evidence import EquityEvidence, Evidence, TradeColumns, TradeEvidence, columns_of
from msc_authority.core.ledger import Ledger
from msc_authority.core.strategies._runs import runs_of

AMOUNTS = st.one_of(
    st.decimals(-5000, 5000, places=2),
    st.decimals(-50, 50, places=8),
    st.integers(-9, 9).map(Decimal),
    st.sampled_from([Decimal("-0.00"), Decimal("0"), Decimal("1e3"), Decimal("-1e-9"), Decimal("12345678901234.567")]),
)
SENSELESS = st.sampled_from([Decimal("NaN"), Decimal("Infinity"), Decimal("1e400"), Decimal("-1e15"), Decimal("1e-30")])
RISKS = st.one_of(st.none(), st.decimals(-10, 500, places=2), st.sampled_from([Decimal("1e-12"), Decimal("1e20")]))
STEPS_S = st.sampled_from([0, 0, 0.000001, 1, 59.9, 900, 3600, 40_000, 86_400, 3_000_000])
NAMES = st.sampled_from(["TREND", "RANGE", "Ünï,code", ""])


@st.composite
def trades(draw: st.DrawFn, amounts: st.SearchStrategy[Decimal] = AMOUNTS, max_size: int = 250) -> list[Evidence]:
    """Trades in the order of the journal, many of them at one instant or within one hour."""
    at, rows = T0, list[Evidence]()
    for number in range(draw(st.integers(0, max_size))):
        at += timedelta(seconds=draw(STEPS_S))
        rows.append(
            TradeEvidence(
                at, f"t{number:04}", draw(NAMES), draw(amounts), draw(RISKS), draw(st.sampled_from([1, 1, 0])) == 1
            )
        )
    return rows


def in_bulk(rows: Sequence[Evidence], at_once: int) -> Iterator[EquityEvidence | TradeColumns]:
    yield from (row for row in rows if isinstance(row, EquityEvidence))
    some = [row for row in rows if isinstance(row, TradeEvidence)]
    for start in range(0, len(some), at_once):
        yield columns_of(some[start : start + at_once])


def folded_in_turns(rows: Sequence[Evidence], cuts: list[int], at_once: int, config: DecisionConfig) -> bytes:
    """Row by row and in bulk by turns, now and then by way of the stored bytes."""
    ledger = Ledger.empty(config)
    for number, (start, end) in enumerate(pairwise([0, *sorted(cuts), len(rows)])):
        if number % 2:
            ledger.fold(rows[start:end])
        else:
            ledger.fold_in_bulk(in_bulk(rows[start:end], at_once))
        if number % 3 == 1:
            ledger = Ledger.decode(ledger.encode(), config)
    return ledger.encode()


@settings(max_examples=200, deadline=None)
@given(trades(), st.lists(st.integers(0, 250), max_size=4), st.sampled_from([1, 7, 100]))
def test_trades_give_the_bytes_of_folding_them_one_by_one(rows: list[Evidence], cuts: list[int], at_once: int) -> None:
    assert folded_in_turns(rows, cuts, at_once, CONFIG) == a_ledger(rows).encode()


@settings(max_examples=100, deadline=None)
@given(trades(st.one_of(AMOUNTS, SENSELESS), 60), st.lists(st.integers(0, 60), max_size=3), st.sampled_from([1, 5]))
def test_trades_without_sense_are_looked_at_one_by_one(rows: list[Evidence], cuts: list[int], at_once: int) -> None:
    config = replace(CONFIG, tape=replace(CONFIG.tape, length_trades=20))

    assert folded_in_turns(rows, cuts, at_once, config) == a_ledger(rows, config).encode()


@settings(deadline=None)
@given(histories(), st.lists(st.integers(0, 60), max_size=4), st.sampled_from([1, 5]))
def test_trades_and_readings_give_the_bytes_of_their_common_order(
    rows: list[Evidence], cuts: list[int], at_once: int
) -> None:
    assert folded_in_turns(rows, cuts, at_once, CONFIG) == a_ledger(rows).encode()


@pytest.mark.parametrize(("drift", "apart_s"), [("0.4", 47), ("0", 47), ("-0.4", 47), ("0", 90_000)])
def test_long_runs_of_small_steps_keep_highs_and_falls_to_the_last_bit(drift: str, apart_s: int) -> None:
    steps = [Decimal(number * 7919 % 1009 - 504) / 100 + Decimal(drift) for number in range(12_000)]
    rows: list[Evidence] = [
        a_result(
            T0 + timedelta(seconds=apart_s * (number + number % 17 / 20)),
            str(step),
            strategy_id=f"S{number % 7}",
            live=number % 9 > 0,
        )
        for number, step in enumerate(steps)
    ]

    assert folded_in_turns(rows, [], 500, CONFIG) == a_ledger(rows).encode()


def test_an_account_that_lost_everything_is_followed_below_nothing() -> None:
    ruin = -CONFIG.equity.starting_capital - 1
    results = [10, ruin, -5, 3, -50, 2 * -ruin, 4, -4, 1]
    rows: list[Evidence] = [a_result(T0 + number * HOUR / 4, pnl) for number, pnl in enumerate(results)]

    assert folded_in_turns(rows, [], 100, CONFIG) == a_ledger(rows).encode()


def test_many_parts_are_folded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trade_arrays, "_TRADES_AT_ONCE", 25)
    rows: list[Evidence] = [
        a_result(T0 + number * HOUR, number % 5 - 2, strategy_id=f"S{number % 3}") for number in range(99)
    ]

    assert folded_in_turns(rows, [], 10, CONFIG) == a_ledger(rows).encode()


def test_trades_out_of_order_are_refused() -> None:
    early, late = a_result(T0, 1), a_result(T0 + HOUR, 2)

    with pytest.raises(ValueError, match="not in order"):
        Ledger.empty(CONFIG).fold_in_bulk([columns_of([late, early])])
    with pytest.raises(ValueError, match="earlier than"):
        Ledger.empty(CONFIG).fold_in_bulk([columns_of([late]), a_point(T0, 1), a_point(T0 - HOUR, 1)])
    with pytest.raises(ValueError, match="earlier than"):
        a_ledger([late]).fold_in_bulk([columns_of([early])])


def test_columns_hold_what_the_rows_held() -> None:
    rows = [a_result(T0, "-1.50", live=False), a_result(T0 + HOUR / 7, "2e3", risk=None)]

    assert [row._replace(id="") for row in rows] == list(columns_of(rows).rows())
    assert [str(row.net_pnl) for row in columns_of(rows).rows()] == ["-1.50", "2000"]


def test_what_time_leaves_of_a_strategy_is_the_power_of_two_that_single_trades_use() -> None:
    # Sums forget the last bit of what was long ago, so that a ledger would seldom show it.
    rows = [a_result(T0 + timedelta(seconds=number * (number + 7) / 3), 1) for number in range(3000)]
    trades = trade_arrays.arrays_of(columns_of(rows), trade_arrays.Numbers())
    assert trades is not None

    [run] = runs_of(trades, CONFIG.strategies, 86_400.0, lambda _: None)

    assert run.decays == [
        1.0,
        *(exp2(-(after.at - row.at).total_seconds() / 86_400.0) for row, after in pairwise(rows)),
    ]


def test_plain_amounts_become_exact_numbers_and_others_are_left_to_be_looked_at() -> None:
    def arrays(*amounts: str) -> trade_arrays.TradeArrays | None:
        trades = columns_of([a_result(T0, 1)] * len(amounts))
        return trade_arrays.arrays_of(replace(trades, net_pnl=amounts), trade_arrays.Numbers())

    even, uneven = arrays("-0.05", "12.30"), arrays("7", "-0.125")

    assert even is not None
    assert uneven is not None
    assert (even.units.tolist(), even.places.tolist()) == ([-5, 1230], [2, 2])
    assert (uneven.units.tolist(), uneven.places.tolist()) == ([7, -125], [0, 3])
    for text in ("NaN", "-Infinity", "1e5", "sNaN", "99999999999999999", f"0.{'0' * 30}1", "1_0", " 1.0"):
        assert arrays("1.00", text) is None
