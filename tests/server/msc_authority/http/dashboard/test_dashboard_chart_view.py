"""Equity and drawdown with what was in force."""

from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from msc_builders import at
from msc_dashboard import a_span

from msc_authority.app.trace import EquityTrace, TracePoint
from msc_authority.core.policy import RiskMode
from msc_authority.http.dashboard.chart_view import CHANGES_SHOWN, bands, chart, options, summary

DAY = 24 * 60


def _trace(*equities: float) -> EquityTrace:
    points = [TracePoint(at=at(day * DAY), equity=equity, drawdown_pct=0.0) for day, equity in enumerate(equities)]
    return EquityTrace(points=tuple(points))


def test_without_points_there_is_nothing_to_draw() -> None:
    assert chart(EquityTrace(), (a_span(at(0)),), at(1)).points == ()


def test_bands_join_revisions_of_one_mode_and_cover_the_whole_time() -> None:
    spans = (
        a_span(at(-DAY), RiskMode.NORMAL, 1),
        a_span(at(0.5 * DAY), RiskMode.NORMAL, 2),
        a_span(at(DAY), RiskMode.DEFENSIVE, 3),
    )

    drawn = chart(_trace(100.0, 99.0, 98.0), spans, at(2 * DAY)).bands

    assert [band.mode for band in drawn] == ["NORMAL", "DEFENSIVE"]
    assert drawn[0].start == _ms(0)
    assert drawn[0].end == drawn[1].start == _ms(DAY)
    assert drawn[1].end == _ms(2 * DAY)


@given(st.lists(st.tuples(st.integers(0, 10_000), st.sampled_from(list(RiskMode))), max_size=30))
def test_bands_touch_each_other_and_never_overlap(changes: list[tuple[int, RiskMode]]) -> None:
    spans = [a_span(at(minute), mode) for minute, mode in sorted(changes, key=lambda change: change[0])]

    drawn = bands(spans, at(100), at(9000))

    assert all(before.end <= after.start for before, after in pairwise(drawn))
    assert all(_ms(100) <= band.start < band.end <= _ms(9000) for band in drawn)


def test_each_policy_is_marked_at_the_height_of_the_equity() -> None:
    spans = (a_span(at(-5), version=1), a_span(at(1.5 * DAY), RiskMode.DEFENSIVE, 2))

    (change,) = chart(_trace(100.0, 90.0, 80.0), spans, at(2 * DAY)).changes

    assert (change.name, change.equity, change.mode) == ("v2", 90.0, RiskMode.DEFENSIVE)


def test_only_the_newest_of_many_policies_are_marked() -> None:
    spans = tuple(a_span(at(number), version=number) for number in range(1, CHANGES_SHOWN + 20))

    drawn = chart(_trace(100.0, 90.0), spans, at(DAY))

    assert len(drawn.changes) == CHANGES_SHOWN
    assert drawn.changes[-1].name == f"v{CHANGES_SHOWN + 19}"


def test_the_summary_says_it_in_words() -> None:
    points = (
        TracePoint(at=at(0), equity=1000.0, drawdown_pct=None),
        TracePoint(at=at(60), equity=900.0, drawdown_pct=10.0),
        TracePoint(at=at(120), equity=1100.0, drawdown_pct=2.0),
    )

    assert summary(points) == (
        "Equity 1,100.00, +100.00 (10.00 %) since 30 Nov 10:30. Drawdown now 2.00 %, at worst 10.00 % on 30 Nov 11:30."
    )


def test_an_account_without_money_or_drawdown_has_a_summary_all_the_same() -> None:
    said = summary((TracePoint(at=at(0), equity=0.0, drawdown_pct=None),))

    assert said == "Equity 0.00, 0.00 (unknown) since 30 Nov 10:30."


def test_the_options_are_plain_values_in_the_colours_of_the_page() -> None:
    spans = (a_span(at(0)), a_span(at(DAY), RiskMode.DEFENSIVE, 2))

    drawn = json.dumps(options(chart(_trace(100.0, 97.0, 98.0), spans, at(2 * DAY)), 3.0), allow_nan=False)

    assert all(part in drawn for part in ("@defensive-band", "@normal", "v2 DEFENSIVE", '"useUTC": true'))


def test_the_line_of_the_drawdown_is_drawn_only_where_the_drawdown_comes_near_it() -> None:
    calm = _trace(100.0, 99.9)
    near = EquityTrace(points=(*calm.points, TracePoint(at=at(2 * DAY), equity=98.0, drawdown_pct=2.0)))

    assert '"yAxis": 3.0' not in json.dumps(options(chart(calm, (), at(DAY)), 3.0))
    assert '"yAxis": 3.0' in json.dumps(options(chart(near, (), at(DAY)), 3.0))


def _ms(minutes: float) -> int:
    return round(at(minutes).timestamp() * 1000)
