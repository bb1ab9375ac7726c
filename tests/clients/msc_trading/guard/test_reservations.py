"""What was granted counts until the venue has decided, whatever order its reports come in."""

from __future__ import annotations

from decimal import Decimal

import pytest
from guard_builders import AT, Desk, config, facts, intent, open_order, position, positions
from hypothesis import given
from hypothesis import strategies as st

from msc_client.facts import Side
from msc_client.testing import make_policy
from msc_trading.guard import Lane, ReasonCode, Reservation, ReservationState
from msc_trading.guard.day import DayBook
from msc_trading.guard.ledger import Ledger, Totals
from msc_trading.guard.reservations import TRANSITIONS, OrderEvent

D = Decimal
S = ReservationState
E = OrderEvent
ONE_SLOT = make_policy(max_positions=1)


def reservation(client_order_id: str = "e1", **overrides: object) -> Reservation:
    values: dict[str, object] = {
        "reservation_id": "r",
        "client_order_id": client_order_id,
        "lane": Lane.ENTRY,
        "strategy_id": "TREND_001",
        "symbol": "BTCUSDT",
        "side": Side.BUY,
        "quantity": D("0.1"),
        "notional": D(4_000),
        "risk": D("53.18"),
        "day": AT.date(),
        "expires_ns": 0,
    }
    return Reservation(**(values | overrides))  # type: ignore[arg-type]  # builders pass what the test says


def ledger() -> Ledger:
    return Ledger(DayBook("main"), config())


@pytest.mark.parametrize("event", list(E))
@pytest.mark.parametrize("state", list(S))
def test_each_event_leads_where_the_table_says_and_nowhere_else(state: ReservationState, event: OrderEvent) -> None:
    book = ledger()
    book.add(reservation(state=state, filled=D("0.1") if state is S.FILLED else D(0)))

    after = book.apply("e1", event, now_ns=1)

    assert after is not None
    assert after.state is TRANSITIONS.get((state, event), state)


@pytest.mark.parametrize("state", list(S))
def test_only_closed_and_released_count_no_more(state: ReservationState) -> None:
    assert reservation(state=state).is_live is (state not in (S.CLOSED, S.RELEASED))


@pytest.mark.parametrize("state", list(S))
def test_giving_back_is_what_the_table_says_of_an_order_never_sent(state: ReservationState) -> None:
    quick, thorough = ledger(), ledger()
    for book in (quick, thorough):
        book.add(reservation(state=state, order_id="o-1", filled=D("0.05"), sent_ns=7, absent_ns=8, accepted=True))
        book.add(reservation("e2", symbol="ETHUSDT"))

    assert quick.release("e1") == thorough.apply("e1", E.ABANDONED, now_ns=9)
    assert quick.live() == thorough.live()
    assert vars(quick.totals) == vars(thorough.totals)
    assert quick.release("nobody") is None


def test_entries_are_told_apart_by_symbol_side_and_strategy() -> None:
    totals = Totals()
    bought, sold = reservation("e1"), reservation("e2", side=Side.SELL, strategy_id="MOMENTUM_002")
    elsewhere = reservation("e3", symbol="ETHUSDT", strategy_id="MOMENTUM_002")
    for entry in (bought, sold, elsewhere):
        totals.add(entry)

    assert totals.entries("BTCUSDT", Side.BUY) == [bought]
    assert totals.entries("ETHUSDT", Side.SELL) == []
    assert totals.exposure("BTCUSDT") == D(8_000)
    assert totals.symbols_of("MOMENTUM_002") == {"BTCUSDT", "ETHUSDT"}
    assert totals.symbols_of("TREND_001") == {"BTCUSDT"}
    assert totals.symbols_of("NOBODY") == frozenset()


def test_an_event_of_an_order_that_nobody_reserved_is_told_apart() -> None:
    assert ledger().apply("nobody", E.FILLED, now_ns=1) is None
    assert Desk().guard.filled("nobody", D(1)) is None
    assert Desk().guard.ended("nobody") is None
    assert Desk().guard.reservation("nobody") is None


@given(st.lists(st.tuples(st.sampled_from(["e1", "e2", "e3"]), st.sampled_from(E), st.integers(0, 12)), max_size=40))
def test_in_any_order_of_events_the_totals_are_those_of_what_is_live(
    events: list[tuple[str, OrderEvent, int]],
) -> None:
    book = ledger()
    book.add(reservation("e1"))
    book.add(reservation("e2", symbol="ETHUSDT", side=Side.SELL, notional=D("333.33"), risk=D("0.07")))
    book.add(reservation("e3", strategy_id="MOMENTUM_002", notional=D("1E-7")))

    for id_, event, hundredths in events:
        book.apply(id_, event, now_ns=1, filled=D(hundredths) / 100)

    expected = Totals()
    for live in book.live():
        expected.add(live)
    assert book.totals.symbols == expected.symbols
    assert book.totals.gross_exposure == expected.gross_exposure
    assert book.totals.risk == expected.risk
    assert all(book.totals.exposure(symbol) == expected.exposure(symbol) for symbol in ("BTCUSDT", "ETHUSDT"))


@given(st.lists(st.sampled_from(E), max_size=30))
def test_what_has_filled_is_never_lost(events: list[OrderEvent]) -> None:
    book = ledger()
    book.add(reservation())

    for event in events:
        book.apply("e1", event, now_ns=1)
    after = book.apply("e1", E.FILLED, now_ns=1)

    assert after is not None
    assert after.state in (S.FILLED, S.CLOSED)


@given(st.lists(st.sampled_from(E), max_size=30))
def test_a_days_trade_is_counted_as_long_as_it_may_exist_or_was_accepted(events: list[OrderEvent]) -> None:
    day_book = DayBook("main")
    day_book.rebuild(AT, fills=(), executions=())
    book = Ledger(day_book, config())
    book.add(reservation())

    for event in events:
        after = book.apply("e1", event, now_ns=1)
        assert after is not None
        assert day_book.used(AT.date()) == int(after.is_live or after.accepted)


def test_the_usual_life_of_an_entry() -> None:
    desk = Desk(ONE_SLOT)
    id_ = desk.granted()

    assert desk.guard.sent(id_) is S.SENT
    assert desk.guard.bind(id_, "o-1") is S.BOUND
    assert desk.guard.filled(id_, D("0.04")) is S.PARTIAL
    assert desk.guard.filled(id_, D("0.1")) is S.FILLED
    assert desk.guard.settled(id_) is S.CLOSED
    order = desk.guard.reservation(id_)
    assert order is not None
    assert (order.order_id, order.filled, order.accepted) == ("o-1", D("0.1"), True)
    assert desk.guard.live() == ()


def test_a_filled_entry_keeps_its_slot_until_the_positions_hold_it() -> None:
    desk = Desk(ONE_SLOT)
    id_ = desk.granted()
    desk.guard.filled(id_, D("0.1"))

    other = intent(symbol="ETHUSDT")
    assert desk.ask(other, facts("ETHUSDT")).reason_code is ReasonCode.MAX_POSITIONS

    desk.guard.settled(id_)
    held = positions(position(quantity="0.1"))
    assert desk.ask(intent(symbol="ETHUSDT"), facts("ETHUSDT", positions=held)).reason_code is ReasonCode.MAX_POSITIONS
    assert desk.ask(intent(symbol="ETHUSDT"), facts("ETHUSDT")).allowed


def test_a_refused_entry_gives_back_slot_and_trade() -> None:
    desk = Desk(make_policy(max_positions=1, max_daily_trades=1))
    id_ = desk.granted()
    desk.guard.sent(id_)

    assert desk.guard.rejected(id_) is S.RELEASED
    assert desk.ask(intent(symbol="ETHUSDT"), facts("ETHUSDT")).allowed


def test_an_accepted_entry_that_is_cancelled_gives_back_the_slot_and_keeps_the_trade() -> None:
    desk = Desk(make_policy(max_positions=1, max_daily_trades=1))
    id_ = desk.granted()
    desk.guard.sent(id_)
    desk.guard.bind(id_, "o-1")

    assert desk.guard.ended(id_) is S.RELEASED
    assert desk.ask(intent(symbol="ETHUSDT"), facts("ETHUSDT")).reason_code is ReasonCode.MAX_DAILY_TRADES


def test_a_part_that_filled_before_the_end_counts_for_what_it_is() -> None:
    desk = Desk()
    id_ = desk.granted()

    assert desk.guard.ended(id_, D("0.025")) is S.FILLED
    order = desk.guard.reservation(id_)
    assert order is not None
    assert (order.notional, order.risk) == (D(1_000), D("13.295"))


def test_a_part_that_is_told_after_the_end_counts_too() -> None:
    desk = Desk()
    entry = desk.granted(quantity=D("0.1"))
    desk.guard.ended(entry, D("0.025"))
    desk.guard.filled(entry, D("0.05"))
    after = desk.guard.reservation(entry)
    assert after is not None
    assert (after.filled, after.notional, after.risk) == (D("0.05"), D(2_000), D("26.59"))

    desk.guard.filled(entry, D("0.1"))
    whole = desk.guard.reservation(entry)
    assert whole is not None
    assert (whole.state, whole.notional) == (S.FILLED, D(4_000))


def test_a_grant_that_was_never_sent_can_be_given_back() -> None:
    desk = Desk(make_policy(max_daily_trades=1))
    id_ = desk.granted()

    assert desk.guard.release(id_) is S.RELEASED
    assert desk.ask().allowed


def test_a_grant_that_was_sent_cannot_be_given_back() -> None:
    desk = Desk(ONE_SLOT)
    id_ = desk.granted()
    desk.guard.sent(id_)

    assert desk.guard.release(id_) is S.SENT
    assert not desk.ask(intent(symbol="ETHUSDT"), facts("ETHUSDT")).allowed


def test_an_unknown_outcome_counts_until_it_is_known() -> None:
    desk = Desk(ONE_SLOT)
    id_ = desk.granted()
    desk.guard.sent(id_)

    assert desk.guard.unknown(id_) is S.UNKNOWN
    assert not desk.ask(intent(symbol="ETHUSDT"), facts("ETHUSDT")).allowed
    assert desk.guard.filled(id_, D("0.1")) is S.FILLED


def test_time_alone_frees_nothing() -> None:
    desk = Desk(ONE_SLOT)
    id_ = desk.granted()
    assert desk.guard.overdue() == ()

    desk.bench.advance(30.0)

    assert [order.client_order_id for order in desk.guard.overdue()] == [id_]
    desk.bench.advance(86_400.0)
    assert not desk.ask(intent(symbol="ETHUSDT"), facts("ETHUSDT")).allowed


def test_what_the_venue_has_accepted_is_never_overdue() -> None:
    desk = Desk()
    desk.guard.bind(desk.granted(), "o-1")
    desk.bench.advance(99.0)

    assert desk.guard.overdue() == ()


def test_two_late_answers_of_no_such_order_free_it_and_its_trade() -> None:
    desk = Desk(make_policy(max_positions=1, max_daily_trades=1))
    id_ = desk.granted()
    desk.guard.sent(id_)
    desk.guard.unknown(id_)

    desk.bench.advance(7.0)
    assert not desk.guard.absent(id_), "not later than the receive window and its margin"
    desk.bench.advance(0.001)
    assert not desk.guard.absent(id_), "the first one that counts"
    desk.bench.advance(0.9)
    assert not desk.guard.absent(id_), "too soon after the first"
    desk.bench.advance(0.1)
    assert desk.guard.absent(id_)
    assert desk.ask(intent(symbol="ETHUSDT"), facts("ETHUSDT")).allowed


def test_no_such_order_means_nothing_once_the_venue_was_heard_of_it() -> None:
    desk = Desk()
    id_ = desk.granted()
    desk.guard.sent(id_)
    desk.guard.bind(id_, "o-1")

    for _ in range(3):
        desk.bench.advance(60.0)
        assert not desk.guard.absent(id_)


def test_no_such_order_means_nothing_of_what_was_never_sent_or_never_granted() -> None:
    desk = Desk()
    id_ = desk.granted()
    desk.bench.advance(60.0)

    assert not desk.guard.absent(id_)
    assert not desk.guard.absent("nobody")


def test_a_lost_answer_of_an_unmarked_request_counts_from_then() -> None:
    desk = Desk()
    id_ = desk.granted()
    desk.guard.unknown(id_)

    order = desk.guard.reservation(id_)
    assert order is not None
    assert order.sent_ns == desk.bench.now_ns()


def test_an_order_that_turns_up_after_all_counts_again() -> None:
    desk = Desk(ONE_SLOT)
    id_ = desk.granted()
    desk.guard.sent(id_)
    for seconds in (8.0, 1.0):
        desk.bench.advance(seconds)
        desk.guard.absent(id_)

    assert desk.guard.bind(id_, "o-1") is S.BOUND
    assert not desk.ask(intent(symbol="ETHUSDT"), facts("ETHUSDT")).allowed


def test_a_report_that_comes_after_the_end_does_not_reopen_the_order() -> None:
    desk = Desk()
    id_ = desk.granted()
    desk.guard.sent(id_)
    desk.guard.ended(id_)

    assert desk.guard.bind(id_, "o-1") is S.RELEASED
    assert desk.guard.filled(id_, D("0.05")) is S.FILLED


def test_an_order_found_after_a_restart_counts() -> None:
    desk = Desk(ONE_SLOT)

    found = desk.guard.adopt(open_order(), strategy_id="TREND_001", price=D(40_000), risk=D(50))

    assert (found.state, found.notional, found.risk, found.accepted) == (S.BOUND, D(4_000), D(50), True)
    assert not desk.ask(intent(symbol="ETHUSDT"), facts("ETHUSDT")).allowed
    assert desk.guard.filled("found", D("0.1")) is S.FILLED


def test_an_order_found_in_part_filled_is_partial_and_adopted_once() -> None:
    desk = Desk()
    partly = open_order(filled_quantity=D("0.05"))

    first = desk.guard.adopt(partly, strategy_id="TREND_001", price=D(40_000), risk=D(50))
    second = desk.guard.adopt(open_order(), strategy_id="OTHER", price=D(1), risk=D(1))

    assert first.state is S.PARTIAL
    assert second is first


def test_a_reduction_found_after_a_restart_takes_nothing_and_is_pending() -> None:
    desk = Desk(make_policy(max_positions=1, max_daily_trades=1))
    closing = open_order(side=Side.SELL, reduce_only=True)

    found = desk.guard.adopt(closing, strategy_id="TREND_001", price=D(40_000), risk=D(50))

    assert (found.lane, found.notional, found.risk, found.pending_reduce) == (Lane.REDUCE, D(0), D(0), D("0.1"))
    assert desk.ask().allowed


def test_old_finished_orders_are_forgotten_and_live_ones_never() -> None:
    desk = Desk(make_policy(max_positions=10_000, max_daily_trades=10_000), remembered_decisions=3)
    kept = desk.granted(quantity=D("0.003"))
    gone = desk.granted(quantity=D("0.003"))
    desk.guard.release(gone)
    for _ in range(4):
        desk.granted(quantity=D("0.003"))

    assert desk.guard.reservation(kept) is not None
    assert desk.guard.reservation(gone) is None
