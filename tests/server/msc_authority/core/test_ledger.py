"""The ledger: folding in any pieces gives the same bytes, and bad rows do not pass unseen."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_core_builders import CONFIG, DAY, HOUR, T0, a_ledger, a_point, a_result, histories, with_amount

from msc_authority.core import codec
from msc_authority.core.codec import StateMismatch
from msc_authority.core.config import EquityConfig
from msc_authority.core.evidence import EquityEvidence, Evidence
from msc_authority.core.ledger import Ledger


@given(histories(), st.lists(st.integers(0, 60), max_size=4))
def test_folding_in_pieces_with_restarts_in_between_gives_the_bytes_of_folding_at_once(
    rows: list[Evidence], cuts: list[int]
) -> None:
    at_once, in_pieces = Ledger.empty(CONFIG), Ledger.empty(CONFIG)
    at_once.fold(rows)
    edges = [0, *sorted(cuts), len(rows)]
    for start, end in pairwise(edges):
        in_pieces.fold(rows[start:end])
        in_pieces = Ledger.decode(in_pieces.encode(), CONFIG)
    assert in_pieces.encode() == at_once.encode()


@given(histories(), st.lists(st.integers(0, 60), max_size=4))
def test_a_ledger_that_was_written_before_gives_the_bytes_of_one_that_was_not(
    rows: list[Evidence], cuts: list[int]
) -> None:
    unwritten, written = Ledger.empty(CONFIG), Ledger.empty(CONFIG)
    unwritten.fold(rows)
    for start, end in pairwise([0, *sorted(cuts), len(rows)]):
        written.fold(rows[start:end])
        # All of it by the plain encoder, that knows nothing of what was written before.
        assert written.encode() == codec.to_bytes(json.loads(written.encode()))
    assert written.encode() == unwritten.encode()


@given(histories())
def test_a_stored_ledger_is_the_same_ledger(rows: list[Evidence]) -> None:
    payload = a_ledger(rows).encode()
    assert Ledger.decode(payload, CONFIG).encode() == payload


def test_an_empty_ledger_knows_nothing() -> None:
    ledger = a_ledger()
    assert ledger.watermark is None
    assert ledger.equity_source == "none"
    assert Ledger.decode(ledger.encode(), CONFIG).encode() == ledger.encode()


def test_the_watermark_is_the_instant_of_the_newest_row() -> None:
    ledger = a_ledger([a_result(T0, 1), a_point(T0 + HOUR, 100)])
    ledger.fold([])
    assert ledger.watermark == T0 + HOUR
    assert Ledger.decode(ledger.encode(), CONFIG).watermark == T0 + HOUR


def test_a_row_earlier_than_one_before_it_is_refused_by_its_id() -> None:
    ledger = a_ledger([a_result(T0 + HOUR, 1)])
    late = a_result(T0, 2)
    with pytest.raises(ValueError, match=re.escape(late.id)):
        ledger.fold([late])
    assert ledger.watermark == T0 + HOUR


def test_without_readings_equity_is_starting_capital_plus_what_live_trades_made() -> None:
    ledger = a_ledger([a_result(T0, 500), a_result(T0 + HOUR, -250), a_result(T0 + HOUR, -999, live=False)])
    reading = ledger.curve.settled().reading(T0 + DAY)
    assert reading is not None
    assert ledger.equity_source == "closed_trades"
    assert reading.equity == CONFIG.equity.starting_capital + 250
    assert reading.drawdown_pct == pytest.approx(250 / (CONFIG.equity.starting_capital + 500) * 100)


def test_shadow_trades_alone_are_no_equity() -> None:
    assert a_ledger([a_result(T0, -500, live=False)]).equity_source == "none"


def test_the_first_reading_of_the_account_replaces_the_curve_of_trades() -> None:
    ledger = a_ledger([a_result(T0, -5_000), a_point(T0 + HOUR, 80_000), a_result(T0 + 2 * HOUR, -5_000)])
    reading = ledger.curve.settled().reading(T0 + DAY)
    assert reading is not None
    assert ledger.equity_source == "equity_points"
    assert (reading.equity, reading.drawdown_pct, reading.first_at) == (80_000.0, 0.0, T0 + HOUR)


def test_equity_is_the_sum_of_the_latest_readings_of_all_accounts() -> None:
    ledger = a_ledger(
        [
            a_point(T0, 1_000, account="a"),
            a_point(T0, 3_000, account="b"),
            a_point(T0 + HOUR, 900, account="a"),
            a_point(T0 + 2 * HOUR, 2_700, account="b"),
        ]
    )
    reading = ledger.curve.settled().reading(T0 + DAY)
    assert reading is not None
    assert reading.equity == 3_600.0
    assert reading.drawdown_pct == pytest.approx(10.0)


def test_unrealised_pnl_is_part_of_equity() -> None:
    point = EquityEvidence(T0 + HOUR, "main", Decimal(1000), Decimal(-100), Decimal(0))
    reading = a_ledger([a_point(T0, 1_000), point]).curve.settled().reading(T0 + DAY)
    assert reading is not None
    assert reading.drawdown_pct == pytest.approx(10.0)


def test_an_account_that_joins_brings_capital_and_no_gain() -> None:
    ledger = a_ledger([a_point(T0, 1_000, account="a"), a_point(T0 + HOUR, 900, account="a")])
    ledger.fold([a_point(T0 + 2 * HOUR, 50_000, account="b", flow=123)])
    reading = ledger.curve.settled().reading(T0 + DAY)
    assert reading is not None
    assert reading.drawdown_pct == pytest.approx(10.0)


def test_a_transfer_between_accounts_is_neither_gain_nor_loss() -> None:
    ledger = a_ledger([a_point(T0, 1_000, account="a"), a_point(T0, 1_000, account="b")])
    later = T0 + HOUR
    ledger.fold([a_point(later, 400, flow=-600, account="a"), a_point(later, 1_600, flow=600, account="b")])
    reading = ledger.curve.settled().reading(T0 + DAY)
    assert reading is not None
    assert (reading.nav, reading.max_drawdown_pct) == (1.0, 0.0)


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-Infinity", "1e400", "-1e20"])
def test_a_trade_without_sense_makes_the_tape_invalid_until_it_has_left_it(amount: str) -> None:
    config = replace(CONFIG, tape=replace(CONFIG.tape, length_trades=3))
    ledger = a_ledger([a_result(T0, amount)], config)
    assert not ledger.tape.valid
    assert Ledger.decode(ledger.encode(), config).encode() == ledger.encode()
    ledger.fold([a_result(T0 + number * HOUR, 1) for number in range(1, 4)])
    assert ledger.tape.valid


@pytest.mark.parametrize("amount", ["NaN", "1e400"])
def test_a_risk_without_sense_makes_the_tape_invalid(amount: str) -> None:
    assert not a_ledger([a_result(T0, 1, risk=amount)]).tape.valid


@pytest.mark.parametrize("field", ["wallet_balance", "unrealized_pnl", "net_flow"])
@pytest.mark.parametrize("amount", ["NaN", "Infinity", "1e400"])
def test_a_reading_without_sense_makes_the_curve_invalid(field: str, amount: str) -> None:
    bad = with_amount(a_point(T0 + HOUR, 1_000), field, Decimal(amount))
    ledger = a_ledger([a_point(T0, 1_000), bad])
    reading = ledger.curve.settled().reading(T0 + DAY)
    assert reading is not None
    assert not reading.valid
    assert math.isfinite(reading.nav)
    assert Ledger.decode(ledger.encode(), CONFIG).encode() == ledger.encode()


def test_streak_and_instants_are_of_live_trades() -> None:
    rows = [a_result(T0, 5), a_result(T0 + HOUR, -5), a_result(T0 + 2 * HOUR, 0), a_result(T0 + 3 * HOUR, -5)]
    tape = a_ledger([*rows, a_result(T0 + 4 * HOUR, 5, live=False)]).tape
    assert (tape.loss_streak, tape.live_trades) == (2, 4)
    assert (tape.first_at, tape.last_at) == (T0, T0 + 3 * HOUR)
    assert (tape.last_profit_at, tape.last_loss_at) == (T0, T0 + 3 * HOUR)


def test_a_profit_ends_the_streak() -> None:
    assert a_ledger([a_result(T0, -5), a_result(T0 + HOUR, 5)]).tape.loss_streak == 0


def test_a_ledger_folded_with_other_numbers_is_refused() -> None:
    payload = a_ledger([a_point(T0, 1_000)]).encode()
    with pytest.raises(StateMismatch, match=r"ledger\.config"):
        Ledger.decode(payload, replace(CONFIG, equity=EquityConfig(high_water_window_d=20)))
    other = replace(CONFIG, strategies=replace(CONFIG.strategies, evidence_half_life_d=3.0))
    with pytest.raises(StateMismatch, match=r"ledger\.book"):
        Ledger.decode(payload, other)


def test_numbers_that_only_judge_need_no_new_folding() -> None:
    payload = a_ledger([a_point(T0, 1_000)]).encode()
    assert Ledger.decode(payload, replace(CONFIG, facts_max_age_s=60.0)).encode() == payload


@given(histories(max_size=10), st.data())
def test_damaged_bytes_are_refused_and_never_half_read(rows: list[Evidence], data: st.DataObject) -> None:
    document = json.loads(a_ledger(rows).encode())
    name = data.draw(st.sampled_from(sorted(document)))
    document[name] = data.draw(st.sampled_from([["x"], "x", -1.5]))
    with pytest.raises(StateMismatch, match="ledger"):
        Ledger.decode(json.dumps(document).encode(), CONFIG)


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b"null", b"\xff\xfe"])
def test_bytes_that_are_no_ledger_are_refused(payload: bytes) -> None:
    with pytest.raises(StateMismatch, match="ledger"):
        Ledger.decode(payload, CONFIG)


def falling(days: int) -> list[Evidence]:
    hours = days * 24
    points = [a_point(T0 + number * HOUR, f"{10_000 - number * 0.5}") for number in range(hours)]
    return [*points, *(a_result(T0 + number * HOUR, number % 7 - 3) for number in range(hours))]


def test_the_ledger_does_not_grow_with_history_even_while_every_hour_is_a_peak_to_remember() -> None:
    some, more = len(a_ledger(falling(100)).encode()), len(a_ledger(falling(300)).encode())
    assert more < 1.02 * some
