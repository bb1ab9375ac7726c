"""The ranking with every part of the score, and its lines."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from msc_builders import a_ranking
from msc_dashboard import facts, kept

from msc_authority.app.trace import EquityTrace
from msc_authority.core.policy import StrategyState
from msc_authority.http.dashboard.strategy_view import SPARK_HEIGHT, SPARK_WIDTH, spark, strategies


def test_a_row_says_every_part_of_the_score() -> None:
    row = strategies(facts(kept=kept())).rows[0]

    assert (row.rank, row.strategy_id, row.state, row.allowed) == (1, "TREND_001", "ACTIVE", True)
    assert (row.score, row.lower, row.drawdown_penalty, row.selection_penalty) == (
        "+0.120",
        "+0.200",
        "−0.050",
        "−0.030",
    )
    assert (row.mean, row.probability, row.winrate, row.trades) == ("+0.350", "93 %", "60 %", "40 + 0")
    assert (row.net_pnl, row.drawdown, row.effective_n, row.fallback) == ("+812.50", "1.50", "31.5", "")


def test_what_a_strategy_has_not_done_is_unknown() -> None:
    ranking = a_ranking(state=StrategyState.SHADOW, allowed=False, winrate_fraction=None, last_trade_at=None)

    shown = strategies(facts(kept=kept(rankings=(ranking,))))

    assert shown.rows[0].winrate == "unknown"
    assert shown.rows[0].last_trade is None
    assert shown.rows[0].spark is None
    assert shown.allowed == 0


def test_a_strategy_with_results_has_a_line() -> None:
    trace = EquityTrace(strategies={"TREND_001": (0.0, 10.0, 5.0), "OTHER": (1.0,)})

    line = strategies(facts(kept=kept(), trace=trace)).rows[0].spark

    assert line is not None
    assert line.points == "2.0,22.0 48.0,2.0 94.0,12.0"
    assert line.zero == 22.0
    assert line.rising
    assert line.text == "+5.00 in account currency, live + shadow, over the last 30 days"


def test_a_line_says_what_all_days_came_to_the_first_one_too() -> None:
    line = spark((-40.0, -10.0))

    assert line.text.startswith("−10.00 ")
    assert not line.rising


def test_money_of_any_size_is_said() -> None:
    ranking = a_ranking(net_pnl=Decimal("-1234567.891"))

    assert strategies(facts(kept=kept(rankings=(ranking,)))).rows[0].net_pnl == "−1,234,567.89"


@given(st.lists(st.floats(-1e12, 1e12), min_size=2, max_size=48))
def test_a_line_stays_within_its_drawing(values: list[float]) -> None:
    drawn = spark(values)

    points = [tuple(map(float, point.split(","))) for point in drawn.points.split()]
    assert len(points) == len(values)
    assert all(0 <= x <= SPARK_WIDTH and 0 <= y <= SPARK_HEIGHT for x, y in points)
    assert drawn.zero is not None
    assert 0 <= drawn.zero <= SPARK_HEIGHT
