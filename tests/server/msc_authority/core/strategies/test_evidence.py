"""What the trades of a strategy add up to."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import isfinite

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msc_authority.core import codec
from msc_authority.core.evidence import TradeEvidence
from msc_authority.core.strategies import StrategyBook, StrategyConfig, StrategyEvidence

START = datetime(2024, 1, 1, tzinfo=UTC)
CONFIG = StrategyConfig()


def a_trade(
    pnl: str | int,
    *,
    risk: str | None = "100",
    day: float = 0.0,
    live: bool = True,
    strategy_id: str = "TREND",
) -> TradeEvidence:
    return TradeEvidence(
        at=START + timedelta(days=day),
        id="t",
        strategy_id=strategy_id,
        net_pnl=Decimal(pnl),
        risk_at_entry=None if risk is None else Decimal(risk),
        live=live,
    )


def a_book(trades: Iterable[TradeEvidence]) -> StrategyBook:
    book = StrategyBook.empty(CONFIG)
    for trade in trades:
        book.fold(trade)
    return book


def evidence_of(*trades: TradeEvidence, day: float | None = None) -> StrategyEvidence:
    as_of = trades[-1].at if day is None else START + timedelta(days=day)
    return a_book(trades).evidence("TREND", as_of)


def as_bytes(book: StrategyBook) -> str:
    return json.dumps(book.encode(), allow_nan=False)


amounts = st.decimals(min_value=-5000, max_value=5000, places=2)
risks = st.none() | st.decimals(min_value=-10, max_value=1000, places=2)
journals = st.lists(
    st.builds(
        lambda pnl, risk, live, name, hours: (pnl, risk, live, name, hours),
        amounts,
        risks,
        st.booleans(),
        st.sampled_from(["A", "B", "C"]),
        st.integers(min_value=0, max_value=400),
    ),
    max_size=60,
).map(
    lambda rows: [
        TradeEvidence(START + timedelta(hours=hours), f"{index:03}", name, pnl, risk, live)
        for index, (pnl, risk, live, name, hours) in enumerate(sorted(rows, key=lambda row: row[4]))
    ]
)


def test_a_strategy_that_never_traded_has_no_evidence() -> None:
    nothing = StrategyBook.empty(CONFIG).evidence("TREND", START)

    assert (nothing.weight, nothing.mean_r, nothing.winrate_fraction, nothing.last_trade_at) == (0.0, None, None, None)
    assert (nothing.effective_n, nothing.scatter_r2) == (0.0, 0.0)


def test_r_is_net_pnl_divided_by_the_risk_at_entry() -> None:
    evidence = evidence_of(a_trade(150), a_trade(-50))

    older = 2 ** (-1 / 30)
    assert evidence.weight == pytest.approx(1 + older)
    assert evidence.sum_r == pytest.approx(1.5 * older - 0.5)
    assert evidence.fallback_fraction == 0.0


def test_a_trade_weighs_half_after_thirty_more() -> None:
    evidence = evidence_of(a_trade(100), *[a_trade(0)] * 30)

    assert evidence.sum_r == pytest.approx(0.5)


def test_a_trade_weighs_half_after_fourteen_days_without_another() -> None:
    evidence = evidence_of(a_trade(100), day=14)

    assert evidence.weight == pytest.approx(0.5)
    assert evidence.sum_r == pytest.approx(0.5)
    assert evidence.effective_n == pytest.approx(1.0)


def test_only_the_strategys_own_trades_age_it_by_count() -> None:
    evidence = evidence_of(a_trade(100), *[a_trade(0, strategy_id="OTHER")] * 30)

    assert evidence.weight == 1.0


def test_an_instant_before_the_last_trade_does_not_make_evidence_fresher() -> None:
    assert evidence_of(a_trade(100, day=10), day=0).weight == 1.0


def test_shadow_evidence_weighs_half() -> None:
    pnls = (120, -80, 40)

    live = evidence_of(*[a_trade(pnl) for pnl in pnls])
    shadow = evidence_of(*[a_trade(pnl, live=False) for pnl in pnls])

    assert shadow.weight == pytest.approx(live.weight / 2)
    assert shadow.sum_r == pytest.approx(live.sum_r / 2)
    assert shadow.drawdown_r == pytest.approx(live.drawdown_r / 2)
    assert shadow.mean_r == pytest.approx(live.mean_r)


def test_shadow_trades_are_counted_apart_and_earn_no_money() -> None:
    evidence = evidence_of(a_trade("10.10"), a_trade(-5), a_trade(0), a_trade(9999, live=False))

    assert (evidence.live_trades, evidence.shadow_trades) == (3, 1)
    assert evidence.net_pnl == Decimal("5.10")
    assert evidence.winrate_fraction == 0.5


def test_net_pnl_is_exact_beyond_the_digits_of_the_default_context() -> None:
    evidence = evidence_of(a_trade("123456789012345"), a_trade("0.000000000000000000001"))

    assert evidence.net_pnl == Decimal("123456789012345.000000000000000000001")


@given(journals)
def test_folding_one_by_one_equals_weighing_the_whole_history(journal: list[TradeEvidence]) -> None:
    mine = [trade for trade in journal if trade.strategy_id == "A" and (trade.risk_at_entry or 0) > 0]
    as_of = START + timedelta(hours=500)

    evidence = a_book(mine).evidence("A", as_of)

    weights = [
        (1.0 if trade.live else 0.5) * 2 ** (-(len(mine) - 1 - k) / 30 - (as_of - trade.at) / timedelta(days=14))
        for k, trade in enumerate(mine)
    ]
    rs = [min(max(float(trade.net_pnl / (trade.risk_at_entry or 1)), -100.0), 20.0) for trade in mine]
    assert evidence.weight == pytest.approx(sum(weights))
    assert evidence.square_weight == pytest.approx(sum(w * w for w in weights))
    assert evidence.sum_r == pytest.approx(sum(w * r for w, r in zip(weights, rs, strict=True)), abs=1e-9)
    assert evidence.sum_square_r == pytest.approx(sum(w * r * r for w, r in zip(weights, rs, strict=True)))


def test_the_drawdown_is_measured_from_the_strategys_own_peak() -> None:
    evidence = evidence_of(a_trade(300), a_trade(-100), a_trade(-150), a_trade(50))

    assert evidence.drawdown_r == pytest.approx(2.0)


def test_a_new_peak_ends_the_drawdown() -> None:
    assert evidence_of(a_trade(-100), a_trade(150)).drawdown_r == 0.0


@pytest.mark.parametrize("risk", [None, "0", "-5"])
def test_without_a_risk_at_entry_r_is_measured_by_the_median_loss(risk: str | None) -> None:
    losses = [a_trade(-pnl, risk=risk) for pnl in (40, 50, 60, 50, 500)]

    evidence = evidence_of(*losses, a_trade(100, risk=risk))

    alone = evidence_of(*losses)
    assert evidence.sum_r - alone.sum_r * 2 ** (-1 / 30) == pytest.approx(100 / 50)
    assert evidence.fallback_fraction == 1.0


def test_wins_that_nothing_can_measure_are_no_evidence_at_all() -> None:
    evidence = evidence_of(*[a_trade(1000, risk=None)] * 12)

    assert (evidence.weight, evidence.mean_r, evidence.effective_n) == (0.0, None, 0.0)
    assert (evidence.live_trades, evidence.winrate_fraction, evidence.fallback_fraction) == (12, 1.0, 1.0)


def test_few_small_losses_do_not_turn_ordinary_wins_into_great_ones() -> None:
    evidence = evidence_of(*[a_trade(1000, risk=None)] * 12, a_trade("-0.01", risk=None))

    assert evidence.mean_r is not None
    assert evidence.mean_r <= 1.0


def test_until_enough_losses_are_known_the_largest_of_them_is_the_measure() -> None:
    evidence = evidence_of(a_trade(-10, risk=None), a_trade(-400, risk=None), a_trade(100, risk=None))

    assert evidence.mean_r is not None
    assert evidence.mean_r == pytest.approx((-10 * 2 ** (-2 / 30) - 400 * 2 ** (-1 / 30) + 100) / 400 / evidence.weight)


def test_losses_of_measured_trades_measure_those_without_a_risk() -> None:
    evidence = evidence_of(*[a_trade(-100, risk="50")] * 5, a_trade(200, risk=None))

    assert evidence.fallback_fraction == pytest.approx(1 / 6)
    assert evidence.sum_r == pytest.approx(-2 * sum(2 ** (-k / 30) for k in range(1, 6)) + 2)


def test_a_misstated_risk_cannot_make_a_gain_of_more_than_the_cap() -> None:
    evidence = evidence_of(a_trade(100, risk="0.0000000000001"))

    assert evidence.mean_r == CONFIG.gain_cap_r


def test_only_the_newest_losses_are_kept() -> None:
    book = a_book(a_trade(-k) for k in range(1, 301))

    losses = book.encode()["strategies"]["TREND"]["loss_sizes"]  # type: ignore[index] # JSON has no types
    assert losses == [float(k) for k in range(101, 301)]


@pytest.mark.parametrize("bad", ["NaN", "Infinity", "-Infinity", "1e400", "-1e16"])
def test_a_net_pnl_beyond_sense_is_refused_and_leaves_nothing_behind(bad: str) -> None:
    book = a_book([a_trade(5)])
    before = as_bytes(book)

    with pytest.raises(ValueError, match="net_pnl of trade t"):
        book.fold(a_trade(bad))

    assert as_bytes(book) == before


@pytest.mark.parametrize("bad", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_a_risk_at_entry_beyond_sense_is_refused_and_leaves_nothing_behind(bad: str) -> None:
    book = a_book([a_trade(5)])
    before = as_bytes(book)

    with pytest.raises(ValueError, match="risk_at_entry of trade t"):
        book.fold(a_trade(5, risk=bad))

    assert as_bytes(book) == before


def test_a_trade_without_a_strategy_is_nobodys_evidence() -> None:
    assert a_book([a_trade(5, strategy_id="")]).strategy_ids == ()


@given(
    st.lists(
        st.tuples(
            st.decimals(min_value=Decimal("-9e14"), max_value=Decimal("9e14")),
            st.none() | st.decimals(min_value=Decimal("-9e14"), max_value=Decimal("9e14")),
            st.booleans(),
            st.floats(min_value=0, max_value=4000),
        ),
        max_size=30,
    )
)
def test_whatever_finite_amounts_come_in_only_finite_numbers_go_out(
    rows: list[tuple[Decimal, Decimal | None, bool, float]],
) -> None:
    book = StrategyBook.empty(CONFIG)
    for pnl, risk, live, day in sorted(rows, key=lambda row: row[3]):
        book.fold(TradeEvidence(START + timedelta(days=day), "t", "TREND", pnl, risk, live))

    evidence = book.evidence("TREND", START + timedelta(days=4100))

    numbers = (evidence.weight, evidence.sum_r, evidence.scatter_r2, evidence.drawdown_r, evidence.effective_n)
    assert all(isfinite(number) for number in numbers)
    assert all(isfinite(number) for number in (evidence.mean_r or 0.0, evidence.fallback_fraction))


@given(journals, st.integers(min_value=0, max_value=60))
def test_storing_and_restoring_midway_changes_not_one_byte(journal: list[TradeEvidence], cut: int) -> None:
    restored = StrategyBook.decode(json.loads(as_bytes(a_book(journal[:cut]))), CONFIG)
    for trade in journal[cut:]:
        restored.fold(trade)

    assert as_bytes(restored) == as_bytes(a_book(journal))


@given(journals, st.lists(st.integers(0, 60), max_size=6), st.integers(1, 5))
def test_what_was_written_before_and_what_was_not_come_to_the_bytes_of_the_plain_encoder(
    journal: list[TradeEvidence], writings: list[int], losses_kept: int
) -> None:
    book = StrategyBook.empty(replace(CONFIG, loss_sample_trades=losses_kept, loss_sample_min_trades=1))
    for number, trade in enumerate(journal):
        book.fold(trade)
        for _ in range(writings.count(number)):
            assert codec.to_bytes(book.encode_for_bytes()) == codec.to_bytes(book.encode())
    assert codec.to_bytes(book.encode_for_bytes()) == codec.to_bytes(book.encode())


@given(journals, st.permutations(["A", "B", "C"]))
def test_the_stored_bytes_do_not_depend_on_which_strategy_came_first(
    journal: list[TradeEvidence], order: list[str]
) -> None:
    by_strategy = sorted(journal, key=lambda trade: order.index(trade.strategy_id))

    assert as_bytes(a_book(by_strategy)) == as_bytes(a_book(journal))


def test_a_book_of_another_schema_is_refused() -> None:
    with pytest.raises(ValueError, match="schema must be 1, not 99"):
        StrategyBook.decode({"schema": 99}, CONFIG)


def test_a_book_folded_with_other_half_lives_is_refused_because_sums_cannot_be_refolded() -> None:
    document = a_book([a_trade(5)]).encode()

    with pytest.raises(ValueError, match="fold the journal anew"):
        StrategyBook.decode(document, StrategyConfig(evidence_half_life_trades=60.0))


def test_a_change_of_thresholds_alone_keeps_the_book() -> None:
    book = a_book([a_trade(5)])

    kept = StrategyBook.decode(book.encode(), StrategyConfig(probability_to_leave_shadow=0.9))

    assert kept.encode() == book.encode()
