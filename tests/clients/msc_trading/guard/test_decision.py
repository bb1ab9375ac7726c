"""A decision carries everything that is needed to judge it later."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from guard_builders import AT, Desk, PolicyBench, facts, intent, others, position, positions, reduce_intent

from msc_client.facts import MAX_DETAIL_CHARS, Side
from msc_client.policy import Ref, RiskMode, TradingState
from msc_client.testing import make_policy
from msc_client.view import PolicyView
from msc_trading.guard import BLOCKED, Check, Counters, Lane, ReasonCode, blocked_execution
from msc_trading.venue.port import OrderType

D = Decimal


def test_an_allowed_decision_says_what_was_weighed_and_what_was_set_aside() -> None:
    desk = Desk(make_policy(4))
    held = others(3)

    decision = desk.ask(known=facts(positions=held))

    assert (decision.decision_id, decision.reservation_id) == ("g-1", "r-g-1")
    assert (decision.lane, decision.reason_code, decision.text) == (Lane.ENTRY, ReasonCode.ALLOWED, "allowed")
    assert (decision.policy_ref, decision.policy_version, decision.risk_mode) == (Ref(1, 4), 4, RiskMode.NORMAL)
    assert (decision.notional, decision.risk_fraction) == (D(4_000), D("0.005318"))
    assert (decision.equity, decision.facts.equity_age_s) == (D(10_000), 1.0)
    assert decision.expires_at_ns == desk.bench.now_ns() + 30_000_000_000
    assert decision.counters_before == Counters(3, 0, 10, 0, 30)
    assert decision.counters_after == Counters(3, 1, 10, 1, 30)


def test_a_refused_decision_sets_nothing_aside() -> None:
    decision = Desk(make_policy(max_positions=3)).ask(known=facts(positions=others(3)))

    assert (decision.reservation_id, decision.expires_at_ns) == (None, None)
    assert decision.counters_before == decision.counters_after == Counters(3, 0, 3, 0, 30)


def test_adding_to_a_held_symbol_takes_a_trade_and_no_slot() -> None:
    decision = Desk().ask(known=facts(positions=positions(position(quantity="0.1"))))

    assert decision.counters_after == Counters(1, 0, 10, 1, 30)


def test_a_refusal_before_any_count_has_none() -> None:
    decision = Desk().ask(intent(confidence=0.1))

    assert decision.counters_before is None
    assert decision.notional is None
    assert decision.risk_fraction is None


def test_every_check_tells_value_and_limit() -> None:
    checks = {check.name: check for check in Desk().ask().checks}

    assert checks["confidence"] == Check(name="confidence", value=0.70, limit=0.60, passed=True)
    assert checks["risk"] == Check(name="risk", value=D("53.18"), limit=D(75), passed=True)
    assert checks["positions"] == Check(name="positions", value=0, limit=10, passed=True)
    assert checks["policy"].value == Ref(1, 1)


class _Slow(PolicyBench):
    """Time passes with every look at the clock."""

    def now_ns(self) -> int:
        self.advance(0.00002)
        return super().now_ns()


def test_the_decision_says_how_long_it_took_and_how_old_its_policy_was() -> None:
    decision = Desk(bench=_Slow(make_policy())).ask()

    assert decision.latency_us == pytest.approx(20.0)
    assert decision.policy_age_s == pytest.approx(0.00002)


def test_a_policy_that_nobody_vouched_for_has_no_age_and_no_version() -> None:
    desk = Desk()
    desk.bench.set_nothing(entries_until_ns=None)

    decision = desk.ask()

    assert (decision.policy_age_s, decision.policy_ref, decision.policy_version) == (None, None, 0)


def test_the_json_is_one_line_with_every_field_and_no_floating_money() -> None:
    decision = Desk().ask(intent(order_type=OrderType.LIMIT, price=D("4E+4")))

    text = decision.as_json()
    document = json.loads(text)

    assert "\n" not in text
    assert len(text) < MAX_DETAIL_CHARS
    assert document["intent"]["price"] == "40000"
    assert document["intent"]["side"] == "BUY"
    assert document["policy_ref"] == {"epoch": 1, "version": 1, "etag": '"1-1"'}
    assert document["at"] == "2026-01-01T12:00:00+00:00"
    assert document["risk_fraction"] == "0.005318"
    assert document["counters_after"]["daily_used"] == 1
    assert {"name": "risk", "value": "53.18000", "limit": "75.00000", "passed": True} in document["checks"]
    assert "rows" not in document


def test_the_json_of_unknown_and_of_nonsense_can_be_read() -> None:
    blind = json.loads(Desk().ask(known=facts(clock_offset_s=None)).as_json())
    nonsense = json.loads(Desk().ask(intent(confidence=float("nan"), quantity=D("Infinity"))).as_json())

    assert blind["checks"][-1] == {"name": "clock_offset_s", "value": None, "limit": 1.0, "passed": False}
    assert (nonsense["intent"]["confidence"], nonsense["intent"]["quantity"]) == ("nan", "Infinity")


def test_what_has_no_business_in_an_intent_is_shown_as_it_is() -> None:
    document = json.loads(Desk().ask(intent(quantity=b"0.1")).as_json())

    assert document["intent"]["quantity"] == "b'0.1'"


def test_a_refusal_becomes_a_blocked_execution() -> None:
    decision = Desk(make_policy(9, trading_state=TradingState.HALTED)).ask(
        intent(client_order_id="e1", order_type=OrderType.LIMIT, price=D(40_000))
    )

    execution = blocked_execution(decision)

    assert execution is not None
    assert (execution.event_id, execution.status, execution.reason) == ("g-1", BLOCKED, "TRADING_HALTED")
    assert (execution.account, execution.executor, execution.strategy_id) == ("main", "executor-1", "TREND_001")
    assert (execution.symbol, execution.side, execution.quantity) == ("BTCUSDT", Side.BUY, D("0.1"))
    assert (execution.price, execution.confidence, execution.policy_version) == (D(40_000), 0.70, 9)
    assert (execution.client_order_id, execution.reduce_only, execution.at) == ("e1", False, AT)
    assert json.loads(execution.detail_json)["reason_code"] == "TRADING_HALTED"


def test_a_refused_stop_counts_as_reducing_in_the_journal() -> None:
    stop = reduce_intent(reduce_only=False, close_position=True)

    execution = blocked_execution(Desk().ask(stop, facts()))

    assert execution is not None
    assert execution.reduce_only


def test_a_decision_of_an_instant_without_a_zone_has_no_place_in_the_journal() -> None:
    assert blocked_execution(Desk().ask(known=facts(now=AT.replace(tzinfo=None)))) is None


def test_a_decision_belongs_to_the_view_that_was_read_for_it() -> None:
    desk = Desk()
    view: PolicyView = desk.bench.current()
    desk.bench.advance(12.0)

    decision = desk.guard.authorize(intent(), view, facts(now=AT + timedelta(seconds=12)))

    assert decision.policy_age_s == 12.0
