"""What may enter, and how large: pure, so tried with any numbers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from executor_time import START
from hypothesis import assume, given
from hypothesis import strategies as st
from scripted_venue import rules_of

from msc_client.facts import Direction
from msc_client.policy import Policy, Ref, StrategyGrant, TradingState
from msc_client.testing import StaticPolicySource, make_policy
from msc_client.tier import Tier
from msc_trading.executor.blocks import Block
from msc_trading.executor.config import ExecutorConfig
from msc_trading.executor.judgement import Admission, Size, admit, expired, size_entry
from msc_trading.executor.numbers import canonical, is_fraction
from msc_trading.guard import loss_at_stop
from msc_trading.signals import Signal, SignalKind

CONFIG = ExecutorConfig(account_id="a", executor_id="e", symbols=("BTCUSDT",), state_file=Path("unused"))
RULES = rules_of("BTCUSDT")


@dataclass(frozen=True)
class Plan:
    """An orchestrator's plan, made by hand."""

    ref: Ref | None = field(default=None)
    allow_new_trades: bool = True
    max_risk_fraction: float = 1.0
    min_confidence: float = 0.0
    allowed_symbols: tuple[str, ...] = ("BTCUSDT",)
    notes: tuple[str, ...] = ()


def a_signal(confidence: float | None = 0.6, stop: Decimal | None = Decimal(49_000)) -> Signal:
    return Signal(
        signal_id="s",
        strategy_id="TREND_001",
        symbol="BTCUSDT",
        direction=Direction.LONG,
        kind=SignalKind.ENTRY,
        confidence=confidence,
        reference_price=Decimal(50_000),
        stop_price=stop,
        at=START,
    )


def judged(policy: Policy, plan: Plan | None = None, signal: Signal | None = None) -> Admission | Block:
    view = StaticPolicySource(policy).current()
    return admit(signal or a_signal(), view, plan or Plan(), now_ns=0, config=CONFIG)


def reason(outcome: object) -> str:
    assert isinstance(outcome, Block)
    return outcome.reason


@given(confidence=st.floats(0, 1), floor=st.floats(0, 1), planned=st.floats(0, 1))
def test_confidence_passes_from_the_higher_of_both_floors_on(confidence: float, floor: float, planned: float) -> None:
    outcome = judged(
        make_policy(global_min_confidence=floor), Plan(min_confidence=planned), a_signal(confidence=confidence)
    )
    assert isinstance(outcome, Admission) is (confidence >= max(floor, planned))


def test_the_first_thing_wrong_is_the_reason() -> None:
    nobody = make_policy(strategies=(), trading_state=TradingState.HALTED)
    assert reason(judged(nobody, Plan(allow_new_trades=False), a_signal(confidence=None))) == "TRADING_HALTED"
    nobody = replace(nobody, trading_state=TradingState.ACTIVE)
    assert reason(judged(nobody, Plan(allow_new_trades=False), a_signal(confidence=None))) == "STRATEGY_NOT_ALLOWED"
    some = make_policy()
    assert reason(judged(some, Plan(allow_new_trades=False), a_signal(confidence=None))) == "CONFIDENCE_TOO_LOW"
    assert reason(judged(some, Plan(allow_new_trades=False))) == "ORCHESTRATOR"
    assert reason(judged(some, Plan(allowed_symbols=("ETHUSDT",)))) == "ORCHESTRATOR"
    assert reason(judged(some, Plan(min_confidence=0.7))) == "CONFIDENCE_TOO_LOW"


def test_every_check_up_to_the_block_is_recorded_with_value_and_limit() -> None:
    outcome = judged(make_policy(global_min_confidence=0.9))
    assert isinstance(outcome, Block)
    assert outcome.rows == (
        ("policy", "FRESH", "entries allowed", True),
        ("strategy", "TREND_001", 2, True),
        ("confidence", 0.6, 0.9, False),
    )


def test_a_safe_tier_denies_once_its_time_for_entries_is_over() -> None:
    source = StaticPolicySource()
    source.set(make_policy(), Tier.SAFE_EXPIRED, entries_until_ns=100)
    for now_ns, allowed in ((99, True), (100, False)):
        outcome = admit(a_signal(), source.current(), Plan(), now_ns=now_ns, config=CONFIG)
        assert isinstance(outcome, Admission) is allowed


@pytest.mark.parametrize(
    ("multiplier", "planned", "expected"),
    [(1.0, 1.0, "0.0075"), (0.5, 1.0, "0.00375"), (1.0, 0.0075, "0.0075"), (1.0, 0.003, "0.003"), (0.5, 0.0, "0")],
)
def test_grants_and_the_plan_scale_the_risk_down(multiplier: float, planned: float, expected: str) -> None:
    grant = StrategyGrant(strategy_id="TREND_001", risk_multiplier=multiplier)
    outcome = judged(make_policy(strategy_grants=(grant,)), Plan(max_risk_fraction=planned))
    assert isinstance(outcome, Admission)
    assert outcome.risk_fraction == Decimal(expected)


@given(planned=st.floats())
def test_no_plan_loosens_what_the_policy_allows(planned: float) -> None:
    outcome = judged(make_policy(), Plan(max_risk_fraction=planned))
    assert isinstance(outcome, Admission)
    assert 0 <= outcome.risk_fraction <= Decimal("0.0075")


def test_a_symbol_may_have_a_share_of_the_risk() -> None:
    config = replace(CONFIG, symbol_risk_multiplier={"BTCUSDT": Decimal("0.5")})
    view = StaticPolicySource(make_policy()).current()
    outcome = admit(a_signal(), view, Plan(), now_ns=0, config=config)
    assert isinstance(outcome, Admission)
    assert outcome.risk_fraction == Decimal("0.00375")


PRICES = st.decimals(1000, 100_000, places=2)


@given(
    equity=st.decimals(100, 10_000_000, places=2),
    fraction=st.decimals("0.0001", "0.05", places=4),
    price=PRICES,
    stop=PRICES,
    long=st.booleans(),
)
def test_a_size_never_loses_more_than_its_share_and_is_one_step_from_it_at_most(
    equity: Decimal, fraction: Decimal, price: Decimal, stop: Decimal, long: bool
) -> None:
    direction = Direction.LONG if long else Direction.SHORT
    size = size_entry(
        replace(a_signal(stop=stop), direction=direction),
        risk_fraction=fraction,
        equity=equity,
        price=price,
        rules=RULES,
        config=CONFIG,
    )
    assume(isinstance(size, Size))
    assert isinstance(size, Size)
    budget, fee = equity * fraction, CONFIG.fee_rate
    assert size.risk == loss_at_stop(quantity=size.quantity, entry=price, stop=size.stop_price, fee_rate=fee)
    assert size.risk <= budget
    assert size.quantity * price <= equity * CONFIG.max_leverage
    # The stop is on the tick, and never farther away than asked.
    assert size.stop_price % RULES.tick_size == 0
    assert stop <= size.stop_price < price if long else price < size.stop_price <= stop
    more = size.quantity + RULES.step_size
    larger = loss_at_stop(quantity=more, entry=price, stop=size.stop_price, fee_rate=fee)
    is_capped = more * price > equity * CONFIG.max_leverage or more > RULES.market_max_quantity
    assert larger > budget or is_capped


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"equity": None}, "SIZE_UNKNOWN"),
        ({"equity": Decimal(0)}, "SIZE_UNKNOWN"),
        ({"equity": Decimal("NaN")}, "SIZE_UNKNOWN"),
        ({"price": None}, "SIZE_UNKNOWN"),
        ({"rules": None}, "SIZE_UNKNOWN"),
        ({"risk_fraction": Decimal(0)}, "SIZE_TOO_SMALL"),
        ({"price": Decimal(49_000)}, "STOP_NOT_PROTECTING"),
    ],
)
def test_what_is_unknown_has_no_size(change: dict[str, object], why: str) -> None:
    usual: dict[str, object] = {
        "risk_fraction": Decimal("0.01"),
        "equity": Decimal(10_000),
        "price": Decimal(50_000),
        "rules": RULES,
        "config": CONFIG,
    }
    size = size_entry(a_signal(), **(usual | change))  # type: ignore[arg-type]  # a table of fields
    assert reason(size) == why


def test_a_signal_expires_after_its_age_and_not_at_it() -> None:
    for age_s, is_over in ((10.0, False), (10.1, True), (-5.0, False)):
        block = expired(a_signal(), now=START + timedelta(seconds=age_s), max_age_s=10)
        assert (block is not None) is is_over


@given(st.decimals(-(10**14), 10**14, places=14))
def test_a_canonical_number_is_the_same_number_without_frills(number: Decimal) -> None:
    told = canonical(number)
    assert abs(told - number) <= Decimal("5e-13")
    text = format(told, "f")
    assert "." not in text or not text.endswith("0")
    assert str(canonical(told)) == str(told)
    assert str(canonical(number + Decimal("0.000"))) == str(told)


def test_only_numbers_from_0_to_1_are_fractions() -> None:
    assert all(is_fraction(value) for value in (0, 1, 0.5))
    assert not any(is_fraction(value) for value in (True, None, "0.5", 1.1, -0.1, float("nan"), float("inf")))
