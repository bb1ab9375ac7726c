"""What it costs to read the policy and to judge an order by it, beside an attribute, a gRPC call and a Redis GET."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from benching.contenders import start_authority
from benching.peers.valkey import start_valkey
from benching.run import Candidate, Failed, Run, undisturbed
from benching.values import Benchmark, Goal

from msc_client import PolicySource, PolicyView, Role
from msc_client.facts import Side
from msc_trading.guard import (
    ConfirmedPositions,
    GuardConfig,
    GuardFacts,
    KillState,
    OrderIntent,
    ReservationState,
    RiskGuard,
)
from msc_trading.venue.port import OrderType, SymbolRules

if TYPE_CHECKING:
    from redis import Redis

ROUNDS, QUICK_ROUNDS = 25, 5

ATTRIBUTE, CURRENT, CHECK, GUARD = "attribute", "source.current()", "policy check", "guard decision"
UNARY = "unary GetPolicy"
REDIS, HIREDIS = "Redis GET + JSON", "Redis GET + JSON, hiredis"
KEY = "policy"
AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
STRATEGY, SYMBOL = "TREND_007", "BTCUSDT"
UNLIMITED = 10**9


@dataclass(slots=True)
class Holder:
    """What a program would hold the policy in without this library."""

    view: PolicyView


def repeated(name: str, times: int, one: Callable[[], object]) -> Candidate:
    """Returns a candidate that takes the nanoseconds of one call, of many in a row."""

    def take() -> float:
        with undisturbed():
            began = time.perf_counter_ns()
            for _ in range(times):
                one()
            return (time.perf_counter_ns() - began) / times

    return Candidate(name, take)


def attribute(holder: Holder, times: int) -> Candidate:
    """Reads an attribute, in the loop itself: a call would cost more than the read."""

    def take() -> float:
        with undisturbed():
            began = time.perf_counter_ns()
            for _ in range(times):
                holder.view  # noqa: B018 - the read is what is measured
            return (time.perf_counter_ns() - began) / times

    return Candidate(ATTRIBUTE, take)


def current(source: PolicySource, times: int) -> Candidate:
    """Reads the policy in force, with its tier, in the loop itself."""

    def take() -> float:
        with undisturbed():
            began = time.perf_counter_ns()
            for _ in range(times):
                source.current()
            return (time.perf_counter_ns() - began) / times

    return Candidate(CURRENT, take)


def allowed(source: PolicySource) -> Callable[[], None]:
    """Judges an entry signal by the policy in force."""

    def check() -> None:
        view = source.current()
        policy = view.policy
        passes = (
            view.entry_denial(source.now_ns()) is None
            and policy.allows(STRATEGY)
            and policy.global_min_confidence <= 0.8
            and policy.max_risk_per_trade >= 0.002
            and policy.max_positions > 3
            and policy.max_daily_trades > 7
        )
        if not passes:
            raise Failed("the policy of the benchmark does not allow its signal")

    return check


class Desk:
    """A guard that grants an entry and takes it back. Intents are made before they are judged."""

    def __init__(self, source: PolicySource, times: int) -> None:
        self._source, self._times = source, times
        self._numbers = itertools.count(1)
        self._facts = facts()
        self._intents: list[OrderIntent] = []
        # How often is limited by this guard as by any other; the limits alone are out of the way.
        config = GuardConfig(max_order_notional=Decimal(50_000), repeat_max=UNLIMITED, entry_orders_per_10s=UNLIMITED)
        self._guard = RiskGuard(account_id="main", config=config, policies=source, instance_id="bench")
        self._guard.rebuild_day(AT, fills=(), executions=())

    def prepare(self) -> None:
        """Makes the intents of a round."""
        self._intents = [intent(f"entry-{next(self._numbers)}") for _ in range(self._times)]

    def take(self) -> float:
        """Returns the nanoseconds of one decision, with its reservation and its release."""
        source, guard, known, intents = self._source, self._guard, self._facts, self._intents
        with undisturbed():
            began = time.perf_counter_ns()
            for asked in intents:
                guard.authorize(asked, source.current(), known)
                guard.release(asked.client_order_id)
            took = (time.perf_counter_ns() - began) / self._times
        self._check(intents[-1])
        return took

    def _check(self, asked: OrderIntent) -> None:
        reservation = self._guard.reservation(asked.client_order_id)
        if reservation is None or reservation.state is not ReservationState.RELEASED or self._guard.live():
            raise Failed("the guard of the benchmark did not grant an entry and take it back")


def intent(client_order_id: str) -> OrderIntent:
    """Returns an entry that passes: 0.1 BTCUSDT at 40,000 with a stop 500 below."""
    return OrderIntent(
        account_id="main",
        executor_id="executor-1",
        strategy_id=STRATEGY,
        symbol=SYMBOL,
        side=Side.BUY,
        order_type=OrderType.MARKET,
        quantity=Decimal("0.1"),
        client_order_id=client_order_id,
        signal_at=AT,
        stop_price=Decimal(39_500),
        confidence=0.70,
        ref_price=Decimal(40_000),
        ref_price_at=AT,
        ref_price_source="bench",
        trace_id="trace-1",
    )


def facts() -> GuardFacts:
    """Returns what a healthy executor knows."""
    return GuardFacts(
        now=AT,
        positions=ConfirmedPositions.of(()),
        positions_age_s=1.0,
        equity=Decimal(10_000),
        equity_age_s=1.0,
        day_pnl=Decimal(0),
        losing_streak=0,
        open_risk=Decimal(0),
        reference_price=Decimal(40_000),
        reference_price_age_s=0.1,
        rules=rules(),
        clock_offset_s=0.01,
        journal_writable=True,
        kill=KillState(),
        locks={},
        strategy_symbols={},
    )


def rules() -> SymbolRules:
    """Returns the filters of a symbol."""
    return SymbolRules(
        symbol=SYMBOL,
        trading=True,
        tick_size=Decimal("0.1"),
        min_price=Decimal("0.1"),
        max_price=Decimal(1_000_000),
        step_size=Decimal("0.001"),
        min_quantity=Decimal("0.001"),
        max_quantity=Decimal(1000),
        market_step_size=Decimal("0.001"),
        market_min_quantity=Decimal("0.001"),
        market_max_quantity=Decimal(120),
        min_notional=Decimal(100),
        multiplier_up=Decimal("1.05"),
        multiplier_down=Decimal("0.95"),
    )


def read_json(redis: Redis) -> Callable[[], object]:
    """Reads the policy from Redis as a document."""

    def read() -> object:
        return json.loads(redis.get(KEY) or b"null")

    return read


def measure(run: Run) -> None:
    """One process that reads in a loop; the authority and Valkey are real, and beside it.

    On a quiet machine a question to Valkey also wakes a core: where one is kept awake by somebody else, it answers in a
    third of the time, and the ratios are smaller.
    """
    authority = start_authority(run)
    source = run.stack.enter_context(PolicySource(authority.target, role=Role.EXECUTOR, name="bench", state_dir=None))
    view = source.wait_for(lambda view: view.ref is not None, timeout_s=10)
    share = 10 if run.quick else 1
    desk = Desk(source, 2_000 // share)
    candidates = [
        attribute(Holder(view), 200_000 // share),
        current(source, 100_000 // share),
        repeated(CHECK, 50_000 // share, allowed(source)),
        Candidate(GUARD, desk.take, desk.prepare),
        repeated(UNARY, 200 // share, source.get_policy),
    ]
    candidates += redis_readers(run, view, 500 // share)
    run.rounds(candidates, QUICK_ROUNDS if run.quick else ROUNDS)


def redis_readers(run: Run, view: PolicyView, times: int) -> list[Candidate]:
    """Returns those who read the same policy from a real server of the Redis protocol, where there is one."""
    readers: list[Candidate] = []
    with run.optional(REDIS, HIREDIS):
        valkey = start_valkey(run)
        plain = valkey.client(hiredis=False)
        plain.set(KEY, json.dumps(asdict(view.policy), default=str))
        readers.append(repeated(REDIS, times, read_json(plain)))
        with run.optional(HIREDIS):
            readers.append(repeated(HIREDIS, times, read_json(valkey.client(hiredis=True))))
    return readers


BENCHMARK = Benchmark(
    name="read",
    question="Reading the policy in force and judging an order by it, in a trading process",
    unit="ns",
    baseline=ATTRIBUTE,
    goals=(
        Goal(what=CURRENT, against=ATTRIBUTE, at_most=15),
        Goal(what=UNARY, against=CURRENT, at_least=1_000),
        Goal(what=REDIS, against=CURRENT, at_least=500),
        Goal(what=HIREDIS, against=CURRENT, at_least=500),
        Goal(what=GUARD, against=REDIS, at_most=0.15),
        Goal(what=GUARD, against=HIREDIS, at_most=0.15),
    ),
    measure=measure,
)
