"""The day's trades: by UTC date, from what is really known, and never twice."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from guard_builders import AT, Desk, facts, fill, intent, reduce_intent, report
from hypothesis import given
from hypothesis import strategies as st

from msc_client.policy import StrategyGrant, StrategyState
from msc_client.testing import make_policy
from msc_trading.guard import ReasonCode
from msc_trading.guard.day import DayBook

TODAY = AT.date()
YESTERDAY = AT - timedelta(days=1)
MIDNIGHT = datetime(2026, 1, 2, tzinfo=UTC)


def day_book(**known: object) -> DayBook:
    book = DayBook("main")
    book.rebuild(AT, **({"fills": (), "executions": ()} | known))  # type: ignore[arg-type]  # what the test says
    return book


def test_until_it_is_rebuilt_the_count_is_unknown() -> None:
    book = DayBook("main")
    book.take(TODAY, "e1", "TREND_001")

    assert book.used(TODAY) is None


def test_the_day_is_that_of_utc() -> None:
    tokyo = timezone(timedelta(hours=9))

    assert DayBook("main").day_of(datetime(2026, 1, 2, 8, 59, tzinfo=tokyo)) == date(2026, 1, 1)


@given(st.lists(st.datetimes(datetime(2026, 1, 1), datetime(2026, 2, 1), timezones=st.just(UTC)), min_size=1))
def test_a_clock_that_runs_backwards_reopens_no_day(instants: list[datetime]) -> None:
    book = DayBook("main")

    days = [book.day_of(instant) for instant in instants]

    assert days == sorted(days)
    assert days[-1] == max(instant.date() for instant in instants)


def test_an_order_is_counted_once_however_often_it_is_told() -> None:
    book = day_book(
        fills=[fill("e1"), fill("e1"), fill("e2")],
        executions=[report("e1", status="NEW"), report("e1", status="PARTIALLY_FILLED"), report("e1")],
    )

    assert book.used(TODAY) == 2


@pytest.mark.parametrize("status", ["NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "EXPIRED", "EXPIRED_IN_MATCH"])
def test_what_the_venue_had_accepted_counts(status: str) -> None:
    assert day_book(executions=[report(status=status)]).used(TODAY) == 1


@pytest.mark.parametrize(
    "overrides",
    [
        {"status": "BLOCKED"},
        {"status": "REJECTED"},
        {"reduce_only": True},
        {"account": "other"},
        {"at": YESTERDAY},
        {"client_order_id": ""},
    ],
)
def test_other_reports_do_not_count(overrides: dict[str, object]) -> None:
    values: dict[str, object] = {"client_order_id": "e1"} | overrides

    assert day_book(executions=[report(**values)]).used(TODAY) == 0  # type: ignore[arg-type]  # what the case says


@pytest.mark.parametrize(
    "overrides",
    [
        {"reduce_only": True},
        {"at": YESTERDAY},
        {"client_order_id": "autoclose-1"},
        {"client_order_id": "adl_autoclose"},
        {"client_order_id": "settlement_autoclose-1"},
    ],
)
def test_fills_that_are_no_entries_of_today_do_not_count(overrides: dict[str, object]) -> None:
    values: dict[str, object] = {"client_order_id": "e1"} | overrides

    assert day_book(fills=[fill(**values)]).used(TODAY) == 0  # type: ignore[arg-type]  # what the case says


def test_a_fill_of_today_that_the_journal_lost_counts() -> None:
    assert day_book(fills=[fill("e1"), fill("", order_id="77")]).used(TODAY) == 2


def test_an_order_counts_on_the_day_it_was_granted() -> None:
    granted_yesterday = [report("e1", status="NEW", at=YESTERDAY), report("e1", at=AT)]

    assert day_book(fills=[fill("e1")], executions=granted_yesterday).used(TODAY) == 0


def test_rebuilding_again_forgets_nothing() -> None:
    book = day_book(executions=[report("e1")])
    book.take(TODAY, "e2", "TREND_001")

    book.rebuild(AT, fills=[fill("e3")], executions=())

    assert book.used(TODAY) == 3


def test_what_nobody_owns_counts_for_every_strategy() -> None:
    book = day_book(
        fills=[fill("lost")],
        executions=[report("e1"), report("e2", strategy_id="MOMENTUM_002"), report("e3", strategy_id="")],
    )

    assert book.used_by(TODAY, "TREND_001") == 3
    assert book.used_by(TODAY, "MOMENTUM_002") == 3
    assert book.used_by(TODAY, "NEW") == 2


def test_a_trade_that_is_given_back_is_given_back_to_its_own_day() -> None:
    book = day_book()
    book.take(TODAY, "e1", "TREND_001")
    tomorrow = book.day_of(MIDNIGHT)
    book.take(tomorrow, "e2", "TREND_001")

    book.give_back(TODAY, "e1")

    assert (book.used(TODAY), book.used(tomorrow)) == (0, 1)


def test_only_the_last_two_days_are_kept() -> None:
    book = day_book(executions=[report("e1")])
    for days in range(1, 5):
        book.take(book.day_of(AT + timedelta(days=days)), f"e{days}", "TREND_001")

    assert book.used(TODAY) == 0
    assert book.used((AT + timedelta(days=4)).date()) == 1


def test_a_restart_hands_out_no_second_quota() -> None:
    policy = make_policy(max_daily_trades=3)
    restarted = Desk(policy, rebuilt=False)
    assert restarted.ask().reason_code is ReasonCode.MAX_DAILY_TRADES

    counted = restarted.guard.rebuild_day(AT, fills=[fill("e1")], executions=[report("e1"), report("e2")])

    assert counted == 2
    restarted.granted()
    assert restarted.ask().reason_code is ReasonCode.MAX_DAILY_TRADES


def test_a_new_utc_day_brings_a_new_quota_by_itself() -> None:
    desk = Desk(make_policy(max_daily_trades=1))
    desk.granted()
    just_before = facts(now=MIDNIGHT - timedelta(microseconds=1))
    assert desk.ask(known=just_before).reason_code is ReasonCode.MAX_DAILY_TRADES

    assert desk.ask(known=facts(now=MIDNIGHT)).allowed
    set_back = facts(now=MIDNIGHT - timedelta(seconds=1))
    assert desk.ask(known=set_back).reason_code is ReasonCode.MAX_DAILY_TRADES


def test_reductions_never_count() -> None:
    desk = Desk(make_policy(max_daily_trades=1))
    desk.ask(reduce_intent(), facts(positions=None))

    assert desk.ask().allowed


def test_a_reduction_by_a_wrong_clock_does_not_move_the_day_on_which_entries_are_counted() -> None:
    desk = Desk(make_policy(max_daily_trades=1))
    desk.granted()
    wrong = facts("ETHUSDT", now=AT + timedelta(days=300), positions=None)
    assert desk.ask(reduce_intent(symbol="ETHUSDT"), wrong).allowed

    assert desk.ask().reason_code is ReasonCode.MAX_DAILY_TRADES
    tomorrow = facts(now=MIDNIGHT)
    assert desk.ask(intent(), tomorrow).allowed


def test_a_strategy_on_probation_has_a_tenth_of_the_day() -> None:
    grant = StrategyGrant(strategy_id="TREND_001", state=StrategyState.PROBATION)
    desk = Desk(make_policy(max_daily_trades=20, strategy_grants=(grant,)))
    small = {"quantity": Decimal("0.003")}
    for _ in range(2):
        desk.granted(**small)

    third = desk.ask(intent(**small))

    assert (third.reason_code, third.text) == (
        ReasonCode.STRATEGY_CAP,
        "strategy TREND_001 daily trades current=2 limit=2",
    )
    assert desk.ask(intent(strategy_id="MOMENTUM_002")).allowed
