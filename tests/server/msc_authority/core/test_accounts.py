"""Several accounts, and money that moves between them and the world: performance is all that may show."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_core_builders import CONFIG, DAY, HOUR, T0, a_ledger, a_point, a_result, decided, metric

from msc_authority.core.equity import EquityReading
from msc_authority.core.evidence import EquityEvidence, Evidence
from msc_authority.core.ledger import Ledger


def read(rows: list[Evidence]) -> EquityReading:
    reading = a_ledger(rows).curve.settled().reading(T0 + 400 * DAY)
    assert reading is not None
    return reading


def test_the_equity_is_the_sum_of_the_newest_reading_of_every_account() -> None:
    rows: list[Evidence] = [
        a_point(T0, 1_000, account="a"),
        a_point(T0 + HOUR, 500, account="b"),
        a_point(T0 + 2 * HOUR, 1_100, account="a"),
    ]

    assert read(rows).equity == 1_600.0


def test_an_account_that_appears_is_capital_and_no_gain() -> None:
    reading = read([a_point(T0, 1_000, account="a"), a_point(T0 + HOUR, 9_000, account="b")])

    assert (reading.nav, reading.equity, reading.drawdown_pct) == (1.0, 10_000.0, 0.0)


def test_a_loss_of_one_account_weighs_as_much_as_its_share() -> None:
    rows: list[Evidence] = [
        a_point(T0, 1_000, account="a"),
        a_point(T0, 3_000, account="b"),
        a_point(T0 + HOUR, 900, account="a"),
    ]

    assert read(rows).drawdown_pct == pytest.approx(2.5)


def test_a_transfer_between_accounts_told_by_both_moves_nothing() -> None:
    rows: list[Evidence] = [
        a_point(T0, 1_000, account="a"),
        a_point(T0, 1_000, account="b"),
        a_point(T0 + HOUR, 600, flow=-400, account="a"),
        a_point(T0 + HOUR, 1_400, flow=400, account="b"),
    ]

    reading = read(rows)
    assert (reading.nav, reading.drawdown_pct, reading.max_drawdown_pct) == (1.0, 0.0, 0.0)


def test_a_transfer_of_which_one_side_is_read_an_hour_later_is_no_loss_in_between() -> None:
    rows: list[Evidence] = [
        a_point(T0, 1_000, account="a"),
        a_point(T0, 1_000, account="b"),
        a_point(T0 + HOUR, 600, flow=-400, account="a"),
        a_point(T0 + 2 * HOUR, 1_400, flow=400, account="b"),
    ]

    assert read(rows).max_drawdown_pct == 0.0


def test_a_withdrawal_of_which_the_flow_is_not_told_looks_like_the_loss_it_may_be() -> None:
    assert read([a_point(T0, 1_000), a_point(T0 + HOUR, 900)]).drawdown_pct == pytest.approx(10.0)


def test_a_deposit_after_a_loss_leaves_the_drawdown_in_percent_where_it_was() -> None:
    rows: list[Evidence] = [a_point(T0, 1_000), a_point(T0 + HOUR, 950), a_point(T0 + 2 * HOUR, 9_950, flow=9_000)]

    reading = read(rows)
    assert reading.drawdown_pct == pytest.approx(5.0)
    assert reading.equity == 9_950.0


def test_a_loss_on_the_capital_after_a_withdrawal_is_measured_on_what_was_left() -> None:
    rows: list[Evidence] = [
        a_point(T0, 1_000),
        a_point(T0 + HOUR, 100, flow=-900),
        a_point(T0 + 2 * HOUR, 90),
    ]

    reading = read(rows)
    assert reading.drawdown_pct == pytest.approx(10.0)
    assert reading.max_drawdown_money == pytest.approx(10.0)


def test_paper_losses_count_as_much_as_the_wallet() -> None:
    rows: list[Evidence] = [a_point(T0, 1_000)]
    rows.append(EquityEvidence(T0 + HOUR, "main", Decimal(1_000), Decimal(-60), Decimal(0)))

    assert read(rows).drawdown_pct == pytest.approx(6.0)


def test_before_the_account_is_read_closed_trades_stand_in_for_it_on_an_assumed_capital() -> None:
    rows: list[Evidence] = [a_result(T0, 500), a_result(T0 + HOUR, -2_100)]

    verdict = decided(rows, end=T0 + 2 * HOUR)[-1].verdict
    assert verdict.candidate.metrics.equity_source == "closed_trades"
    assert metric(verdict, "equity").value == 8_400.0
    assert verdict.candidate.metrics.system_drawdown == pytest.approx(20.0)
    assert metric(verdict, "drawdown_pct").source == "closed_trades"


def test_shadow_trades_stand_in_for_nothing() -> None:
    assert a_ledger([a_result(T0, -5_000, live=False)]).equity_source == "none"


SHARES = st.lists(st.integers(1, 98), min_size=1, max_size=3)
MOVES = st.lists(st.floats(-0.2, 0.25), min_size=1, max_size=25)


@given(MOVES, st.integers(1, 99))
def test_how_the_capital_is_split_over_accounts_that_move_alike_does_not_show(moves: list[float], share: int) -> None:
    one, two, capital = list[Evidence](), list[Evidence](), 100_000.0
    for number, move in enumerate([0.0, *moves]):
        capital *= 1 + move
        at = T0 + number * HOUR
        one.append(a_point(at, f"{capital:.6f}"))
        part = capital * share / 100
        two += [a_point(at, f"{part:.6f}", account="a"), a_point(at, f"{capital - part:.6f}", account="b")]

    alone, split = read(one), read(two)
    assert split.drawdown_pct == pytest.approx(alone.drawdown_pct, abs=1e-6)
    assert split.nav == pytest.approx(alone.nav, rel=1e-9)


@given(MOVES, st.lists(st.floats(-0.5, 2.0), min_size=25, max_size=25))
def test_flows_between_any_two_readings_do_not_show(moves: list[float], flows: list[float]) -> None:
    without, with_flows = list[Evidence](), list[Evidence]()
    capital = moving = 100_000.0
    for number, (move, share) in enumerate(zip([0.0, *moves], [0.0, *flows], strict=False)):
        at = T0 + number * HOUR
        capital *= 1 + move
        flow = moving * share
        moving = moving * (1 + move) + flow
        if moving < 1_000.0:
            return
        without.append(a_point(at, f"{capital:.9f}"))
        with_flows.append(a_point(at, f"{moving:.9f}", flow=f"{flow:.9f}"))

    plain, moved = read(without), read(with_flows)
    assert moved.nav == pytest.approx(plain.nav, rel=1e-6)
    assert moved.drawdown_pct == pytest.approx(plain.drawdown_pct, abs=1e-4)


@given(st.permutations(["a", "b", "c"]))
def test_the_order_in_which_accounts_of_one_instant_come_does_not_show(order: list[str]) -> None:
    balances = {"a": 100.1, "b": 200.2, "c": 1e9}
    ledger = Ledger.empty(CONFIG)
    ledger.fold([a_point(T0, balances[name], account=name) for name in order])
    ledger.fold([a_point(T0 + HOUR, balances[name] * 0.97, account=name) for name in order])

    reading = ledger.curve.settled().reading(T0 + HOUR)
    assert reading is not None
    assert reading.drawdown_pct == pytest.approx(3.0)
    assert reading.readings == 2
