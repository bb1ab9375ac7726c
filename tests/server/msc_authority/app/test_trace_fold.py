"""What is drawn of the journal: samples and results, in bounded number, and none of them wrong."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_builders import START, at

from msc_authority.app.trace_fold import (
    BIN,
    COARSE,
    FINE_FOR,
    MAX_POINTS,
    MAX_STRATEGIES,
    MAX_VALUES,
    SPAN,
    Sample,
    Stopped,
    TraceFold,
    reduced,
)
from msc_authority.core.config import DecisionConfig
from msc_authority.core.evidence import EquityEvidence, Evidence, TradeEvidence

CONFIG = DecisionConfig()
NOW = START
DAY = timedelta(days=1)


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def a_reading(when: datetime, equity: float, account: str = "main", flow: float = 0.0) -> EquityEvidence:
    return EquityEvidence(when, account, Decimal(str(equity)), Decimal(0), Decimal(str(flow)))


def a_result(
    when: datetime, net_pnl: float, strategy_id: str = "TREND", *, name: str = "", live: bool = True
) -> TradeEvidence:
    trade_id = name or f"{strategy_id}@{when}"
    return TradeEvidence(when, trade_id, strategy_id, Decimal(str(net_pnl)), Decimal(10), live)


def never() -> bool:
    return False


def folded(evidence: Iterable[Evidence], now: datetime = NOW) -> TraceFold:
    fold = TraceFold(CONFIG)
    fold.fold(sorted(evidence, key=lambda row: (row.at, isinstance(row, EquityEvidence), row.id)), now, never)
    fold.prune(now)
    return fold


def falls(fold: TraceFold) -> list[float | None]:
    return [None if point.drawdown_pct is None else round(point.drawdown_pct, 6) for point in fold.points()]


def test_without_evidence_there_is_nothing_to_draw() -> None:
    fold = folded([])

    assert fold.points() == []
    assert fold.results() == {}
    assert fold.watermark is None


def test_equity_and_drawdown_are_those_of_the_account() -> None:
    fold = folded([a_reading(ago(30), 1000), a_reading(ago(20), 1100), a_reading(ago(10), 990)])

    assert fold.points() == [
        Sample(ago(30), 1000.0, 0.0),
        Sample(ago(20), 1100.0, 0.0),
        Sample(ago(10), 990.0, 10.0),
    ]


def test_a_deposit_is_no_gain_and_a_withdrawal_no_drawdown() -> None:
    readings = [a_reading(ago(30), 1000), a_reading(ago(20), 2000, flow=1000), a_reading(ago(10), 500, flow=-1500)]

    fold = folded(readings)

    assert [point.equity for point in fold.points()] == [1000.0, 2000.0, 500.0]
    assert falls(fold) == [0.0, 0.0, 0.0]


def test_accounts_are_added_up_and_a_new_one_is_capital_brought_in() -> None:
    fold = folded(
        [
            a_reading(ago(30), 1000, "a"),
            a_reading(ago(20), 500, "b"),
            a_reading(ago(10), 450, "b"),
            a_reading(ago(10), 900, "a"),
        ]
    )

    assert [point.equity for point in fold.points()] == [1000.0, 1500.0, 1350.0]
    assert falls(fold) == [0.0, 0.0, 10.0]


def test_before_there_are_readings_of_the_account_closed_trades_make_the_curve() -> None:
    fold = folded([a_result(ago(30), 100), a_result(ago(20), -202)])

    assert [point.equity for point in fold.points()] == [10_100.0, 9898.0]
    assert falls(fold) == [0.0, 2.0]


def test_from_the_first_reading_of_the_account_on_only_the_account_is_drawn() -> None:
    fold = folded([a_result(ago(60), 100), a_reading(ago(30), 500), a_result(ago(20), -1), a_reading(ago(10), 499)])

    assert [point.equity for point in fold.points()] == [500.0, 499.0]
    assert fold.results() == {"TREND": pytest.approx((100.0, 99.0))}


def test_rows_of_the_future_wait() -> None:
    fold = TraceFold(CONFIG)
    rows = [a_reading(ago(1), 1000), a_reading(at(1), 900)]

    assert fold.fold(rows, NOW, never)
    assert [point.equity for point in fold.points()] == [1000.0]
    assert not fold.fold(rows[1:], at(2), never)
    assert [point.equity for point in fold.points()] == [1000.0, 900.0]


def test_a_high_from_before_the_window_still_counts_for_the_drawdown_in_it() -> None:
    readings = [a_reading(NOW - SPAN - DAY, 2000), a_reading(NOW - SPAN + DAY, 1000), a_reading(NOW, 1500)]

    fold = folded(readings)

    assert [(point.at, point.drawdown_pct) for point in fold.points()] == [(NOW - SPAN + DAY, 50.0), (NOW, 0.0)]


def test_a_month_of_minutes_is_a_bounded_number_of_points_and_keeps_the_deepest_fall() -> None:
    minutes = int(SPAN.total_seconds() // 60)
    deepest = ago(17 * 24 * 60 + 3)
    readings = [a_reading(ago(m), 500 if ago(m) == deepest else 1000 + m % 7) for m in range(minutes, -1, -5)]
    readings.append(a_reading(deepest, 500))

    points = folded(readings).points()

    assert 300 <= len(points) <= MAX_POINTS
    assert points == sorted(points)
    assert max(points, key=lambda point: point.drawdown_pct or 0.0).equity == 500.0
    assert points[-1].at == NOW
    assert points[0].at <= NOW - SPAN + DAY / 2


def test_the_newest_hours_are_drawn_more_closely_than_older_ones() -> None:
    readings = [a_reading(ago(m), 1000 + m % 3) for m in range(8 * 60, -1, -1)]

    instants = [point.at for point in folded(readings).points()]

    newest = [instant for instant in instants if instant >= NOW - FINE_FOR]
    assert len(newest) == FINE_FOR / timedelta(minutes=1) + 1
    assert len(instants) - len(newest) == (timedelta(hours=8) - FINE_FOR) / COARSE


def test_what_was_close_together_is_thinned_out_as_it_grows_old() -> None:
    fold = TraceFold(CONFIG)
    for hour in range(48):
        now = START + timedelta(hours=hour + 1)
        rows = [a_reading(START + timedelta(hours=hour, seconds=20 * n), 1000 + n) for n in range(180)]
        fold.fold(rows, now, never)
        fold.prune(now)

    within = (fold._samples[-1].at - fold._samples[0].at) / COARSE + FINE_FOR / timedelta(seconds=20)
    assert len(fold._samples) <= within + 12
    assert len(fold._rewinds) < 40


def test_readings_that_make_no_sense_are_not_drawn() -> None:
    fold = folded([a_reading(ago(30), 1000), EquityEvidence(ago(20), "main", Decimal("NaN"), Decimal(0), Decimal(0))])

    assert [point.at for point in fold.points()] == [ago(30)]


def test_a_ruined_account_has_its_whole_drawdown() -> None:
    fold = folded([a_reading(ago(30), 1000), a_reading(ago(20), -50)])

    assert [(point.equity, point.drawdown_pct) for point in fold.points()] == [(1000.0, 0.0), (-50.0, 105.0)]


def test_results_of_live_and_shadow_trades_are_added_up_by_strategy_over_the_same_time() -> None:
    fold = folded(
        [
            a_result(ago(100), 10, "A"),
            a_result(ago(70), -4, "A", live=False),
            a_result(ago(40), 5, "B"),
            a_result(ago(10), 1, "A"),
        ]
    )

    results = fold.results()

    assert results == {"A": pytest.approx((10.0, 6.0, 6.0, 7.0)), "B": pytest.approx((0.0, 0.0, 5.0, 5.0))}


def test_a_month_of_trades_is_a_few_dozen_values() -> None:
    trades = [a_result(ago(10 * n), 1, f"S-{n % 3}", name=str(n)) for n in range(30 * 24 * 6)]

    results = folded(trades).results()

    assert {len(values) for values in results.values()} == {MAX_VALUES}
    assert {values[-1] for values in results.values()} == {1440.0}
    assert all(list(values) == sorted(values) for values in results.values())


def test_trades_that_have_left_the_window_count_no_more() -> None:
    fold = folded([a_result(NOW - SPAN - DAY, 100, "OLD"), a_result(NOW - SPAN + DAY, 7, "A"), a_result(NOW, 1, "B")])
    assert {name: values[-1] for name, values in fold.results().items()} == {"A": 7.0, "B": 1.0}

    fold.prune(NOW + 2 * DAY)

    assert fold.results() == {"B": (1.0,)}


def test_of_very_many_strategies_those_that_traded_last_are_kept() -> None:
    fold = folded([a_result(ago(40 * n), 1, f"S-{n:04}") for n in range(MAX_STRATEGIES + 20)])

    assert sorted(fold.results()) == [f"S-{n:04}" for n in range(MAX_STRATEGIES)]


def test_an_amount_beyond_all_numbers_is_left_out() -> None:
    fold = folded([a_result(ago(9), 1, "A"), TradeEvidence(ago(5), "x", "A", Decimal("Infinity"), None, False)])

    assert fold.results() == {"A": (1.0,)}


def test_it_stops_when_told_to() -> None:
    asked = iter([False, False, True])
    rows = [a_reading(ago(600 - m), 1000) for m in range(600)]

    with pytest.raises(Stopped):
        TraceFold(CONFIG).fold(rows, NOW, lambda: next(asked))


def test_going_back_and_folding_again_is_as_if_it_had_come_in_order() -> None:
    rows: list[Evidence] = [a_reading(ago(m), 1000 + m % 11) for m in range(600, 0, -1)]
    rows += [a_result(ago(m), 1, f"S-{m % 3}") for m in range(590, 0, -10)]
    rows.sort(key=lambda row: (row.at, isinstance(row, EquityEvidence), row.id))
    late: list[Evidence] = [a_reading(ago(90.5), 700, "main"), a_result(ago(90.2), -50, "S-9")]
    fold = folded(rows)

    complete_to = fold.rewind(late[0].at)
    assert complete_to is not None
    again: list[Evidence] = sorted([*rows, *late], key=lambda row: (row.at, isinstance(row, EquityEvidence), row.id))
    fold.fold([row for row in again if row.at > complete_to], NOW, never)

    whole = folded(again)
    assert late[0].at - 2 * BIN <= complete_to < late[0].at
    assert fold.results() == whole.results()
    assert fold.points() == whole.points()


def test_there_is_no_way_back_behind_the_beginning() -> None:
    fold = folded([a_reading(ago(m), 1000) for m in range(300, 0, -1)])

    assert fold.rewind(ago(300)) is None


def test_rewind_points_are_few_and_close_where_it_matters() -> None:
    fold = folded([a_reading(ago(m), 1000) for m in range(29 * 24 * 60, 0, -15)])

    assert len(fold._rewinds) <= 40
    for minutes in (50, 300, 3000, 20_000):
        back = folded([a_reading(ago(m), 1000) for m in range(29 * 24 * 60, 0, -15)]).rewind(ago(minutes))
        assert back is not None
        assert ago(minutes) - back <= max(2 * BIN, timedelta(minutes=minutes / 2))


def test_few_samples_are_all_drawn() -> None:
    samples = [Sample(ago(10 - n), 1.0, None) for n in range(10)]

    assert reduced(samples, 10) == samples


@given(st.lists(st.tuples(st.integers(0, 10_000), st.floats(0, 100)), min_size=1, max_size=80), st.integers(2, 20))
def test_of_many_samples_the_deepest_and_the_last_are_always_drawn(rows: list[tuple[int, float]], most: int) -> None:
    samples = [Sample(at(minute), 1.0, fall) for minute, fall in sorted(rows)]

    drawn = reduced(samples, most)

    assert len(drawn) <= max(most, 2)
    assert [sample.at for sample in drawn] == sorted(sample.at for sample in drawn)
    assert drawn[-1] == samples[-1]
    assert max(sample.drawdown_pct or 0.0 for sample in drawn) == max(fall for _, fall in rows)
