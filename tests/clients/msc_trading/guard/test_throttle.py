"""How often: the same entry again and again latches its strategy; orders in ten seconds are counted exactly."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from guard_builders import AT, NS, Desk, facts, intent
from hypothesis import given
from hypothesis import strategies as st

from msc_client.facts import Side
from msc_trading.guard import Latch, ReasonCode
from msc_trading.guard.throttle import RateLane, RepeatThrottle

KEY = ("TREND_001", "BTCUSDT", Side.BUY)


def test_a_strategy_that_repeats_itself_is_latched_until_a_person_clears_it() -> None:
    desk = Desk(repeat_max=2)
    desk.granted()
    desk.granted()

    third = desk.ask()
    assert (third.reason_code, third.text) == (
        ReasonCode.REPEAT_THROTTLE,
        "same entry current=3 limit=2 within 60 s",
    )
    an_hour_later = facts(now=AT + timedelta(hours=1))
    assert desk.ask(known=an_hour_later).text == "strategy TREND_001 is latched until a person clears it"

    latch = Latch(ReasonCode.REPEAT_THROTTLE, "TREND_001")
    assert desk.guard.latches == {latch}
    desk.guard.clear_latch(latch)
    assert desk.ask(known=an_hour_later).allowed


def test_the_latch_stops_the_strategy_everywhere_and_nobody_else() -> None:
    desk = Desk(latched=(Latch(ReasonCode.REPEAT_THROTTLE, "TREND_001"),))

    assert not desk.ask(intent(symbol="ETHUSDT"), facts("ETHUSDT")).allowed
    assert desk.ask(intent(strategy_id="MOMENTUM_002")).allowed


def test_another_symbol_or_side_is_not_a_repetition() -> None:
    desk = Desk(repeat_max=1)
    desk.granted()

    assert desk.ask(intent(symbol="ETHUSDT"), facts("ETHUSDT")).allowed
    short = intent(symbol="SOLUSDT", side=Side.SELL, stop_price=Decimal(40_500))
    assert desk.ask(short, facts("SOLUSDT")).allowed


def test_what_is_older_than_the_window_is_no_repetition() -> None:
    desk = Desk(repeat_max=1)
    desk.granted()

    assert desk.ask(known=facts(now=AT + timedelta(seconds=60))).allowed


def test_a_loss_latches_and_midnight_does_not_clear_it() -> None:
    desk = Desk()
    desk.ask(known=facts(day_pnl=Decimal(-600)))

    tomorrow = facts(now=AT + timedelta(days=1))
    assert desk.ask(known=tomorrow).text == "latched until a person clears it"
    desk.guard.clear_latch(Latch(ReasonCode.DAILY_LOSS))
    assert desk.ask(known=tomorrow).allowed


def test_a_streak_latches_and_a_win_does_not_clear_it() -> None:
    desk = Desk()
    desk.ask(known=facts(losing_streak=10))

    assert desk.ask(known=facts(losing_streak=0)).reason_code is ReasonCode.LOSS_STREAK


def test_not_knowing_a_loss_latches_nothing() -> None:
    desk = Desk()
    desk.ask(known=facts(day_pnl=None))
    desk.ask(known=facts(losing_streak=None))

    assert desk.guard.latches == frozenset()


def test_a_day_loss_just_short_of_the_limit_passes() -> None:
    # The day began with 10,000 + 500: five percent of that is 525.
    assert Desk().ask(known=facts(day_pnl=Decimal(-500))).allowed
    assert not Desk().ask(known=facts(equity=Decimal(9_500), day_pnl=Decimal(-500))).allowed


@given(st.lists(st.integers(0, 15 * NS), max_size=60), st.integers(1, 5))
def test_no_ten_seconds_hold_more_orders_than_the_lane(gaps_ns: list[int], limit: int) -> None:
    lane, now_ns, taken = RateLane(limit), 0, []

    for gap_ns in gaps_ns:
        now_ns += gap_ns
        if lane.used(now_ns) < limit:
            lane.take(now_ns)
            taken.append(now_ns)

    for start in taken:
        assert sum(1 for at in taken if start <= at < start + 10 * NS) <= limit


@given(st.lists(st.integers(0, 90), max_size=60))
def test_the_throttle_counts_exactly_what_the_window_holds(gaps_s: list[int]) -> None:
    throttle, now = RepeatThrottle(60.0), AT
    noted: list[datetime] = []

    for gap_s in gaps_s:
        now += timedelta(seconds=gap_s)
        assert throttle.count(KEY, now) == len([at for at in noted if at > now - timedelta(seconds=60)])
        throttle.note(KEY, now)
        noted.append(now)
