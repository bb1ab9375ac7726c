"""Many ask at once: k free slots are exactly k grants, every time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from guard_builders import Desk, facts, intent, others, position, positions, reduce_intent

from msc_client.policy import StrategyGrant
from msc_client.testing import make_policy
from msc_trading.guard import Decision, ReasonCode

D = Decimal
THREADS = 16
ASKED = 64
DEADLINE_S = 30.0
SMALL = {"quantity": D("0.003")}


def _in_threads(ask: Callable[[int], Decision]) -> list[Decision]:
    """Asks from 16 threads that all start at the same instant."""
    start = threading.Barrier(THREADS)

    def work(thread: int) -> list[Decision]:
        start.wait(DEADLINE_S)
        return [ask(number) for number in range(thread, ASKED, THREADS)]

    with ThreadPoolExecutor(THREADS) as pool:
        return [decision for part in pool.map(work, range(THREADS), timeout=DEADLINE_S) for decision in part]


def _in_tasks(ask: Callable[[int], Decision]) -> list[Decision]:
    """Asks from as many tasks, which give way to each other before and after."""

    async def work(number: int) -> Decision:
        await asyncio.sleep(0)
        decision = ask(number)
        await asyncio.sleep(0)
        return decision

    async def everything() -> list[Decision]:
        return await asyncio.gather(*(work(number) for number in range(ASKED)))

    return asyncio.run(everything())


RUNNERS = [pytest.param(_in_threads, id="threads"), pytest.param(_in_tasks, id="tasks")]
Runner = Callable[[Callable[[int], Decision]], list[Decision]]


def _granted(decisions: list[Decision]) -> int:
    return sum(1 for decision in decisions if decision.allowed)


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("slots", [0, 1, 7, 16])
def test_k_free_slots_are_exactly_k_grants(runner: Runner, slots: int) -> None:
    desk = Desk(make_policy(max_positions=slots + 3, max_daily_trades=1_000), repeat_max=1_000)
    held = others(3)

    def ask(number: int) -> Decision:
        symbol = f"N{number}USDT"
        return desk.ask(intent(symbol=symbol, **SMALL), facts(symbol, positions=held))

    decisions = runner(ask)

    assert _granted(decisions) == slots
    refused = {decision.reason_code for decision in decisions if not decision.allowed}
    assert refused == {ReasonCode.MAX_POSITIONS}


@pytest.mark.parametrize("runner", RUNNERS)
def test_k_trades_left_are_exactly_k_grants(runner: Runner) -> None:
    desk = Desk(make_policy(max_daily_trades=9), repeat_max=1_000)

    decisions = runner(lambda _: desk.ask(intent(**SMALL)))

    assert _granted(decisions) == 9


@pytest.mark.parametrize("runner", RUNNERS)
def test_room_for_k_exposures_is_exactly_k_grants(runner: Runner) -> None:
    # 120 each, of 10,000 x 0.07 = 700 in all.
    desk = Desk(make_policy(max_daily_trades=1_000), repeat_max=1_000, max_gross_leverage=D("0.07"))

    decisions = runner(lambda _: desk.ask(intent(**SMALL)))

    assert _granted(decisions) == 5


@pytest.mark.parametrize("runner", RUNNERS)
def test_room_for_k_risks_is_exactly_k_grants(runner: Runner) -> None:
    # 1.5954 each, of 10,000 x 0.001 = 10 in all.
    desk = Desk(make_policy(max_daily_trades=1_000), repeat_max=1_000, max_open_risk_fraction=D("0.001"))

    decisions = runner(lambda _: desk.ask(intent(**SMALL)))

    assert _granted(decisions) == 6


@pytest.mark.parametrize("runner", RUNNERS)
def test_k_order_tokens_are_exactly_k_grants(runner: Runner) -> None:
    desk = Desk(make_policy(max_daily_trades=1_000), repeat_max=1_000, entry_orders_per_10s=11)

    assert _granted(runner(lambda _: desk.ask(intent(**SMALL)))) == 11


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_cap_of_one_strategy_is_kept_by_all_who_ask(runner: Runner) -> None:
    grant = StrategyGrant(strategy_id="TREND_001", max_positions=2)
    desk = Desk(make_policy(max_positions=100, max_daily_trades=100, strategy_grants=(grant,)), repeat_max=1_000)

    def ask(number: int) -> Decision:
        symbol = f"N{number}USDT"
        return desk.ask(intent(symbol=symbol, **SMALL), facts(symbol))

    assert _granted(runner(ask)) == 2


@pytest.mark.parametrize("runner", RUNNERS)
def test_one_id_is_one_grant_however_many_ask_with_it(runner: Runner) -> None:
    desk = Desk()
    same = intent(client_order_id="same")

    decisions = runner(lambda _: desk.ask(same))

    assert len({decision.decision_id for decision in decisions}) == 1
    assert len(desk.guard.live()) == 1


@pytest.mark.parametrize("runner", RUNNERS)
def test_reductions_that_ask_at_once_never_add_up_to_more_than_the_position(runner: Runner) -> None:
    desk = Desk()
    held = facts(positions=positions(position(quantity="0.5")))

    assert _granted(runner(lambda _: desk.ask(reduce_intent(quantity=D("0.1")), held))) == 5


def test_slots_given_back_in_between_are_never_granted_twice() -> None:
    desk = Desk(make_policy(max_positions=4, max_daily_trades=10_000), repeat_max=10_000, entry_orders_per_10s=10_000)
    most = 0
    lock = threading.Lock()
    holding = 0

    def ask(number: int) -> Decision:
        nonlocal most, holding
        symbol = f"N{number}USDT"
        asked = intent(symbol=symbol, **SMALL)
        decision = desk.ask(asked, facts(symbol))
        if decision.allowed:
            with lock:
                holding += 1
                most = max(most, holding)
            with lock:
                holding -= 1
            desk.guard.release(asked.client_order_id)
        return decision

    decisions = _in_threads(ask)

    assert most <= 4
    assert _granted(decisions) >= 4
    assert desk.guard.live() == ()


def test_every_decision_has_an_id_of_its_own() -> None:
    desk = Desk(make_policy(max_daily_trades=5))

    ids = [decision.decision_id for decision in _in_threads(lambda _: desk.ask(intent(**SMALL)))]

    assert len(set(ids)) == ASKED
