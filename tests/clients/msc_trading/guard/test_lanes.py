"""Reducing an exposure is always allowed; an order against a position that could flip it never is."""

from __future__ import annotations

from decimal import Decimal

import pytest
from guard_builders import Desk, blind_facts, facts, intent, others, position, positions, reduce_intent, rules

from msc_client.facts import Side
from msc_client.policy import TradingState
from msc_client.testing import make_policy
from msc_client.tier import Tier
from msc_trading.guard import ConfirmedPositions, KillState, Lane, Latch, ReasonCode
from msc_trading.venue.port import OrderType

D = Decimal
LONG = positions(position(quantity="0.5"))
SHORT = positions(position(quantity="-0.5"))
EVERYTHING_STOPPED = KillState(account=TradingState.HALTED, symbols={"BTCUSDT": TradingState.HALTED})


def test_a_reduction_passes_when_everything_is_halted() -> None:
    desk = Desk(make_policy(trading_state=TradingState.HALTED))

    decision = desk.ask(reduce_intent(), facts(positions=LONG, kill=EVERYTHING_STOPPED))

    assert (decision.allowed, decision.lane) == (True, Lane.REDUCE)


@pytest.mark.parametrize("tier", list(Tier))
def test_a_reduction_passes_in_every_tier(tier: Tier) -> None:
    desk = Desk()
    desk.bench.set(make_policy(trading_state=TradingState.HALTED), tier, entries_until_ns=0)

    decision = desk.ask(reduce_intent(), facts(positions=LONG))

    assert decision.allowed
    assert decision.degraded is (tier is not Tier.FRESH)


def test_a_reduction_passes_without_any_policy() -> None:
    desk = Desk()
    desk.bench.set_nothing()

    assert desk.ask(reduce_intent(), facts(positions=LONG)).allowed


def test_a_reduction_passes_under_an_older_policy() -> None:
    desk = Desk(make_policy(5))
    desk.ask()
    desk.bench.set(make_policy(4))

    assert desk.ask(reduce_intent(), facts(positions=LONG)).allowed


def test_a_reduction_passes_at_every_limit() -> None:
    desk = Desk(
        make_policy(max_positions=0, max_daily_trades=0, max_risk_per_trade=0.0, global_min_confidence=1.0),
        max_order_notional=D("0.01"),
        max_order_quantity={"BTCUSDT": D("0.0001")},
        max_symbol_leverage=D("0.0001"),
        max_gross_leverage=D("0.0001"),
        entry_orders_per_10s=1,
        repeat_max=1,
        latched=(Latch(ReasonCode.DAILY_LOSS), Latch(ReasonCode.LOSS_STREAK)),
        rebuilt=False,
    )
    crowded = positions(position(quantity="0.5"), *(position(f"C{n}USDT", "1", "10") for n in range(20)))

    assert desk.ask(reduce_intent(), facts(positions=crowded, day_pnl=D(-9_000), losing_streak=99)).allowed


def test_a_reduction_passes_below_the_smallest_notional() -> None:
    small = reduce_intent(quantity=D("0.001"))

    assert Desk().ask(small, facts(positions=LONG, rules=rules(min_notional=D(100_000)))).allowed


def test_a_reduction_passes_with_stale_facts_of_every_kind() -> None:
    stale = facts(
        positions=LONG,
        equity_age_s=9_999.0,
        reference_price_age_s=9_999.0,
        clock_offset_s=60.0,
        journal_writable=False,
        day_pnl=None,
        losing_streak=None,
        kill=None,
        locks=None,
    )

    assert Desk().ask(reduce_intent(), stale).allowed


def test_a_reduction_passes_when_nothing_is_known_but_the_venue_is_told_to_only_reduce() -> None:
    assert Desk().ask(reduce_intent(), blind_facts()).allowed
    assert Desk().ask(reduce_intent(reduce_only=False, close_position=True), blind_facts()).allowed


def test_a_position_that_was_confirmed_too_long_ago_is_not_known() -> None:
    flat_long_ago = facts(positions=ConfirmedPositions.of(), positions_age_s=61.0)

    assert Desk().ask(reduce_intent(), flat_long_ago).allowed


def test_what_an_entry_has_just_opened_may_be_closed_before_the_positions_hold_it() -> None:
    desk = Desk()
    entry = desk.granted(quantity=D("0.1"))
    desk.guard.filled(entry, D("0.1"))

    assert desk.ask(reduce_intent(quantity=D("0.1")), facts()).allowed
    more = desk.ask(reduce_intent(quantity=D("0.001")), facts())
    assert more.text == "0.001 is more than the 0.0 that open reductions leave of 0.1"


def test_an_entry_that_adds_to_a_position_may_be_closed_with_it_whatever_is_known_of_its_fate() -> None:
    desk = Desk()
    entry = intent(quantity=D("0.1"))
    assert desk.ask(entry, facts(positions=positions(position(quantity="0.1")))).allowed
    desk.guard.unknown(entry.client_order_id)

    assert desk.ask(reduce_intent(quantity=D("0.2")), facts(positions=positions(position(quantity="0.1")))).allowed


def test_an_entry_that_is_settled_or_of_the_other_side_adds_nothing_to_reduce() -> None:
    desk = Desk()
    entry = desk.granted()
    assert desk.ask(reduce_intent(side=Side.BUY), facts()).reason_code is ReasonCode.NOTHING_TO_REDUCE
    desk.guard.filled(entry, D("0.1"))
    desk.guard.settled(entry)

    assert desk.ask(reduce_intent(), facts()).reason_code is ReasonCode.NOTHING_TO_REDUCE


def test_a_short_is_reduced_by_buying() -> None:
    assert Desk().ask(reduce_intent(side=Side.BUY), facts(positions=SHORT)).allowed


@pytest.mark.parametrize(("held", "side"), [(LONG, Side.BUY), (SHORT, Side.SELL), (others(1), Side.SELL)])
def test_where_there_is_nothing_to_reduce_the_order_is_refused(held: ConfirmedPositions, side: Side) -> None:
    decision = Desk().ask(reduce_intent(side=side), facts(positions=held))

    assert decision.reason_code is ReasonCode.NOTHING_TO_REDUCE


def test_the_whole_position_may_be_reduced_and_not_a_step_more() -> None:
    assert Desk().ask(reduce_intent(quantity=D("0.5")), facts(positions=LONG)).allowed
    more = Desk().ask(reduce_intent(quantity=D("0.501")), facts(positions=LONG))

    assert more.reason_code is ReasonCode.FLIP_NOT_ALLOWED
    assert more.text == "0.501 is more than the 0.5 that open reductions leave of 0.5"


def test_open_reductions_share_one_position() -> None:
    desk = Desk()
    first = reduce_intent(quantity=D("0.3"))
    assert desk.ask(first, facts(positions=LONG)).allowed

    second = desk.ask(reduce_intent(quantity=D("0.3")), facts(positions=LONG))
    assert second.reason_code is ReasonCode.FLIP_NOT_ALLOWED

    desk.guard.rejected(first.client_order_id)
    assert desk.ask(reduce_intent(quantity=D("0.3")), facts(positions=LONG)).allowed


def test_what_has_filled_of_a_reduction_is_open_no_more() -> None:
    desk = Desk()
    first = reduce_intent(quantity=D("0.3"))
    desk.ask(first, facts(positions=LONG))
    desk.guard.filled(first.client_order_id, D("0.2"))

    left = positions(position(quantity="0.3"))
    assert not desk.ask(reduce_intent(quantity=D("0.21")), facts(positions=left)).allowed
    assert desk.ask(reduce_intent(quantity=D("0.2")), facts(positions=left)).allowed


def test_a_reduction_whose_fate_is_unknown_does_not_stand_in_the_way_of_an_exit() -> None:
    desk = Desk()
    first = reduce_intent(quantity=D("0.5"))
    desk.ask(first, facts(positions=LONG))
    desk.guard.sent(first.client_order_id)
    desk.guard.unknown(first.client_order_id)

    assert desk.ask(reduce_intent(quantity=D("0.5")), facts(positions=LONG)).allowed


def test_a_stop_that_closes_the_position_neither_counts_nor_is_counted() -> None:
    desk = Desk()
    stop = reduce_intent(reduce_only=False, close_position=True, quantity=D(99))
    assert desk.ask(stop, facts(positions=LONG)).allowed

    assert desk.ask(reduce_intent(quantity=D("0.5")), facts(positions=LONG)).allowed


def test_an_order_that_would_flip_is_refused() -> None:
    flip = intent(side=Side.SELL, stop_price=D(40_500), quantity=D("0.6"))

    decision = Desk().ask(flip, facts(positions=LONG))

    assert decision.reason_code is ReasonCode.FLIP_NOT_ALLOWED
    assert decision.text == "0.6 would flip a position of 0.5: close it reduce-only, enter with a second order"


def test_an_order_against_a_position_must_be_marked_reduce_only() -> None:
    unmarked = intent(side=Side.SELL, stop_price=D(40_500), quantity=D("0.1"))

    decision = Desk().ask(unmarked, facts(positions=LONG))

    assert decision.reason_code is ReasonCode.FLIP_NOT_ALLOWED
    assert decision.text == "0.1 against a position of 0.5 must be sent reduce-only"


def test_an_entry_is_refused_while_one_on_the_other_side_is_under_way() -> None:
    desk = Desk()
    desk.granted(side=Side.BUY)

    decision = desk.ask(intent(side=Side.SELL, stop_price=D(40_500)))

    assert decision.reason_code is ReasonCode.FLIP_NOT_ALLOWED
    assert decision.text == "an entry on the other side of BTCUSDT is under way"


def test_flat_and_reducing_refuses_entries() -> None:
    decision = Desk(make_policy(trading_state=TradingState.REDUCING)).ask()

    assert decision.reason_code is ReasonCode.TRADING_REDUCING


@pytest.mark.parametrize(
    ("overrides", "code"),
    [
        ({"quantity": D("0.1005")}, ReasonCode.FILTER_STEP_SIZE),
        ({"order_type": OrderType.LIMIT, "price": D("40000.05")}, ReasonCode.FILTER_TICK_SIZE),
    ],
)
def test_a_reduction_that_the_venue_would_refuse_is_refused_here(
    overrides: dict[str, object], code: ReasonCode
) -> None:
    assert Desk().ask(reduce_intent(**overrides), facts(positions=LONG)).reason_code is code


def test_a_reduction_is_not_held_to_a_price_that_may_be_old() -> None:
    far = reduce_intent(order_type=OrderType.LIMIT, price=D(20_000))

    assert Desk().ask(far, facts(positions=LONG)).allowed


def test_rules_of_another_symbol_are_no_reason_to_keep_a_position() -> None:
    assert Desk().ask(reduce_intent(quantity=D("0.1005")), facts(positions=LONG, rules=rules("ETHUSDT"))).allowed


def test_reductions_have_a_rate_lane_that_entries_cannot_fill() -> None:
    desk = Desk(entry_orders_per_10s=1, reduce_orders_per_10s=2)
    desk.granted(symbol="ETHUSDT")
    known = facts(positions=LONG)

    assert desk.ask(reduce_intent(), known).allowed
    assert desk.ask(reduce_intent(), known).allowed
    third = desk.ask(reduce_intent(), known)
    assert (third.reason_code, third.text) == (ReasonCode.RATE_LIMIT, "reductions in 10 s current=2 limit=2")

    desk.bench.advance(10.0)
    assert desk.ask(reduce_intent(), known).allowed


def test_a_reduction_takes_no_slot_trade_or_risk() -> None:
    desk = Desk(make_policy(max_daily_trades=1))
    desk.ask(reduce_intent(), facts(positions=LONG))

    assert desk.ask(intent(symbol="ETHUSDT"), facts("ETHUSDT")).allowed


def test_a_refused_reduction_may_ask_again_with_the_same_id() -> None:
    desk = Desk()
    again = reduce_intent(client_order_id="exit-1")
    assert not desk.ask(again, facts()).allowed

    assert desk.ask(again, facts(positions=LONG)).allowed


def test_a_reduction_that_came_to_nothing_may_be_tried_again_with_the_same_id() -> None:
    desk = Desk()
    again = reduce_intent(client_order_id="exit-1")
    first = desk.ask(again, facts(positions=LONG))
    desk.guard.rejected("exit-1")

    second = desk.ask(again, facts(positions=LONG))

    assert second.allowed
    assert second.reservation_id != first.reservation_id
