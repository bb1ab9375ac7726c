"""`can_execute`: yes or no, and why."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal

import pytest
from guard_builders import ACCOUNT, Desk, facts, position, positions

from msc_client.facts import Side
from msc_client.testing import make_policy
from msc_trading.guard import Decision, GuardFacts, RiskGuardService

D = Decimal


class Counter:
    """A service at a desk, and the decisions that it told of."""

    def __init__(self, desk: Desk, known: Callable[[str], GuardFacts] = facts) -> None:
        self.desk = desk
        self.decided: list[Decision] = []
        self._service = RiskGuardService(
            desk.guard, desk.bench, known, account_id=ACCOUNT, executor_id="executor-1", decided=self.decided.append
        )

    def ask(self, **overrides: object) -> tuple[bool, str]:
        values: dict[str, object] = {
            "symbol": "BTCUSDT",
            "notional": D(4_000),
            "side": Side.BUY,
            "client_order_id": "e1",
            "strategy_id": "TREND_001",
            "confidence": 0.7,
            "stop_price": D(39_500),
        }
        return asyncio.run(self._service.can_execute(**(values | overrides)))  # type: ignore[arg-type]  # mixed


def test_yes_means_that_it_is_reserved() -> None:
    counter = Counter(Desk())

    assert counter.ask() == (True, "ALLOWED: allowed")
    reserved = counter.desk.guard.reservation("e1")
    assert reserved is not None
    assert reserved.quantity == D("0.1")


def test_no_comes_with_code_and_numbers() -> None:
    counter = Counter(Desk(make_policy(max_positions=0)))

    assert counter.ask() == (False, "MAX_POSITIONS: positions current=0 limit=0")
    assert counter.desk.guard.live() == ()


def test_the_quantity_is_rounded_down_to_the_step() -> None:
    counter = Counter(Desk())
    counter.ask(notional=4_039.99)

    assert counter.decided[0].intent.quantity == D("0.1")


def test_the_policy_of_now_is_read_for_each_question() -> None:
    counter = Counter(Desk())
    counter.ask()
    counter.desk.bench.set(make_policy(2, strategies=()))

    allowed, reason = counter.ask(client_order_id="e2")

    assert (allowed, reason) == (False, "STRATEGY_NOT_ALLOWED: strategy TREND_001 not in MSC AI allowed list")
    assert [decision.policy_version for decision in counter.decided] == [1, 2]


@pytest.mark.parametrize("notional", [float("nan"), D("NaN"), float("inf"), D(0), D(-1)])
def test_a_notional_that_is_no_amount_is_refused(notional: float | Decimal) -> None:
    allowed, reason = Counter(Desk()).ask(notional=notional)

    assert not allowed
    assert reason.startswith("INVALID_INPUT: quantity: ")


@pytest.mark.parametrize("price", [None, D("NaN"), D(0)])
def test_without_a_price_there_is_no_quantity(price: Decimal | None) -> None:
    allowed, reason = Counter(Desk(), lambda symbol: facts(symbol, reference_price=price)).ask()

    assert (allowed, reason) == (False, "PRICE_STALE: BTCUSDT has no price to turn 4000 into a quantity")


def test_without_rules_an_entry_is_refused() -> None:
    allowed, reason = Counter(Desk(), lambda symbol: facts(symbol, rules=None)).ask()

    assert not allowed
    assert reason == "INVALID_INPUT: symbol: the venue's rules of BTCUSDT are not known"


def test_a_reduction_passes() -> None:
    counter = Counter(Desk(make_policy(max_positions=0)), lambda symbol: facts(symbol, positions=positions(position())))

    assert counter.ask(side=Side.SELL, reduce_only=True, stop_price=None, strategy_id="") == (True, "ALLOWED: allowed")


EXIT = {"side": Side.SELL, "reduce_only": True, "stop_price": None, "confidence": None}
HELD = positions(position(quantity="0.5", mark="40000"))


@pytest.mark.parametrize("price", [None, D("NaN"), D(39_000), D(41_000)])
def test_the_whole_exposure_may_be_closed_whatever_the_price_has_done_since(price: Decimal | None) -> None:
    counter = Counter(Desk(), lambda symbol: facts(symbol, positions=HELD, reference_price=price))

    assert counter.ask(notional=D(20_000) if price != D(41_000) else D(20_500), **EXIT) == (True, "ALLOWED: allowed")
    assert counter.decided[0].intent.quantity == D("0.5")


def test_a_reduction_needs_no_rules() -> None:
    counter = Counter(Desk(), lambda symbol: facts(symbol, positions=HELD, rules=None, reference_price=D(39_999)))

    assert counter.ask(notional=D(4_000), **EXIT) == (True, "ALLOWED: allowed")
    assert counter.decided[0].intent.quantity == D("0.1")


def test_a_reduction_of_what_is_not_held_is_refused_by_the_guard() -> None:
    counter = Counter(Desk())

    allowed, reason = counter.ask(**EXIT)

    assert (allowed, reason) == (False, "NOTHING_TO_REDUCE: a SELL cannot reduce a position of 0")
