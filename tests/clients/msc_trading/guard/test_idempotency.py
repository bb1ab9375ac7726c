"""The same id is the same order: it is granted once, and answered as often as somebody asks."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from guard_builders import AT, Desk, facts, intent, open_order

from msc_client.facts import Side
from msc_client.testing import make_policy
from msc_trading.guard import ReasonCode
from msc_trading.venue.port import OrderType

D = Decimal


def test_the_same_order_gets_the_same_answer_and_reserves_once() -> None:
    desk = Desk(make_policy(max_positions=1, max_daily_trades=1))
    asked = intent()

    first, second = desk.ask(asked), desk.ask(asked)

    assert second is first
    assert len(desk.guard.live()) == 1


def test_the_same_refusal_is_given_again() -> None:
    desk = Desk()
    asked = intent()
    first = desk.ask(asked, facts(reference_price_age_s=9.0))

    assert desk.ask(asked) is first


def test_what_was_known_when_it_was_asked_does_not_make_it_another_order() -> None:
    desk = Desk()
    asked = intent(client_order_id="same")
    later = intent(client_order_id="same", signal_at=AT + timedelta(seconds=1), trace_id="trace-2", confidence=0.9)

    assert desk.ask(later) is desk.ask(asked)
    assert len(desk.guard.live()) == 1


@pytest.mark.parametrize(
    "overrides",
    [
        {"quantity": D("0.101")},
        {"side": Side.SELL, "stop_price": D(40_500)},
        {"stop_price": D(39_501)},
        {"symbol": "ETHUSDT"},
        {"strategy_id": "MOMENTUM_002"},
        {"order_type": OrderType.LIMIT, "price": D(40_000)},
        {"reduce_only": True},
        {"close_position": True},
    ],
)
def test_another_order_under_the_same_id_is_a_conflict(overrides: dict[str, object]) -> None:
    desk = Desk()
    desk.ask(intent(client_order_id="same"))

    changed = intent(**({"client_order_id": "same"} | overrides))
    decision = desk.ask(changed, facts(changed.symbol))

    assert decision.reason_code is ReasonCode.ID_CONFLICT
    assert len(desk.guard.live()) == 1


def test_an_equal_quantity_written_otherwise_is_the_same_order() -> None:
    desk = Desk()
    first = desk.ask(intent(client_order_id="same", quantity=D("0.1")))

    assert desk.ask(intent(client_order_id="same", quantity=D("0.100"))) is first


def test_an_entry_that_was_given_back_needs_a_new_id() -> None:
    desk = Desk()
    asked = intent(client_order_id="same")
    desk.ask(asked)
    desk.guard.release("same")

    decision = desk.ask(asked)

    assert decision.reason_code is ReasonCode.ID_CONFLICT
    assert decision.text == "client_order_id: same was granted, and given back; use a new one"
    assert desk.guard.live() == ()


def test_an_order_from_before_the_restart_is_not_granted_again() -> None:
    desk = Desk()
    desk.guard.adopt(open_order("found"), strategy_id="TREND_001", price=D(40_000), risk=D(50))

    decision = desk.ask(intent(client_order_id="found"))

    assert decision.text == "client_order_id: found is that of an order from before"


def test_a_finished_order_is_answered_as_it_was() -> None:
    desk = Desk()
    asked = intent()
    first = desk.ask(asked)
    desk.guard.filled(asked.client_order_id, D("0.1"))
    desk.guard.settled(asked.client_order_id)

    assert desk.ask(asked) is first
    assert desk.guard.live() == ()
