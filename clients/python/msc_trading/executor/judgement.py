"""Whether a signal may become an order, and of what size, before the guard is asked. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final, Protocol

from msc_client.facts import Direction, Side
from msc_client.policy import Ref
from msc_client.view import PolicyView
from msc_trading.executor.blocks import Block, BlockReason, Row
from msc_trading.executor.config import ExecutorConfig
from msc_trading.executor.numbers import is_fraction
from msc_trading.filters import EXACT, plain, round_down_quantity, round_to_tick
from msc_trading.guard.limits import Limits
from msc_trading.guard.risk import loss_at_stop, quantity_for
from msc_trading.signals import Signal, SignalKind
from msc_trading.venue.port import SymbolRules

MAX_ID_CHARS: Final = 128
_ONE: Final = Decimal(1)


class TradingPlan(Protocol):
    """What the orchestrator lays down, as far as an entry needs it."""

    @property
    def ref(self) -> Ref | None:
        """The policy it belongs to."""
        ...

    @property
    def allow_new_trades(self) -> bool:
        """Whether anything may be entered."""
        ...

    @property
    def max_risk_fraction(self) -> float:
        """Risk of one entry, as a fraction of equity."""
        ...

    @property
    def min_confidence(self) -> float:
        """Confidence an entry needs."""
        ...

    @property
    def allowed_symbols(self) -> tuple[str, ...]:
        """Symbols that may be entered."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What was tightened, and why."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """A signal that may enter: with which share of equity at risk, after which checks."""

    risk_fraction: Decimal
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What to order: quantity in base currency, the stop on the venue's tick, the loss there in quote currency."""

    quantity: Decimal
    stop_price: Decimal
    risk: Decimal


def malformed(signal: Signal) -> Block | None:
    """Returns what is wrong with a signal, starting with the field's name. Whatever is not a number stops here."""
    problem = (
        _text_problem("signal_id", signal.signal_id)
        or _text_problem("symbol", signal.symbol)
        or _member_problem("direction", signal.direction, Direction)
        or _member_problem("kind", signal.kind, SignalKind)
        or (_text_problem("strategy_id", signal.strategy_id) if signal.strategy_id != "" else None)
        or _instant_problem(signal.at)
        or (_entry_problem(signal) if signal.kind is SignalKind.ENTRY else None)
    )
    return None if problem is None else Block(reason=BlockReason.INVALID_SIGNAL, text=problem)


def _entry_problem(signal: Signal) -> str | None:
    stop = signal.stop_price
    return (
        _price_problem("reference_price", signal.reference_price)
        or (None if stop is None else _price_problem("stop_price", stop))
        or _confidence_problem(signal.confidence)
    )


def _text_problem(field: str, text: object) -> str | None:
    sound = isinstance(text, str) and 0 < len(text) <= MAX_ID_CHARS and text.isprintable() and text == text.strip()
    return None if sound else f"{field}: must be printable text of 1 to {MAX_ID_CHARS} characters"


def _member_problem(field: str, value: object, kind: type[StrEnum]) -> str | None:
    return None if isinstance(value, kind) else f"{field}: must be one of {', '.join(kind)}"


def _instant_problem(at: object) -> str | None:
    return None if isinstance(at, datetime) and at.utcoffset() is not None else "at: must be an aware datetime"


def _price_problem(field: str, price: object) -> str | None:
    if isinstance(price, Decimal) and price.is_finite() and price > 0:
        return None
    return f"{field}: is {price!r}; it must be a Decimal above 0"


def _confidence_problem(confidence: object) -> str | None:
    if confidence is None or is_fraction(confidence):
        return None
    return f"confidence: is {confidence!r}; it must be a number from 0 to 1"


def expired(signal: Signal, *, now: datetime, max_age_s: float) -> Block | None:
    """Returns the block of a signal that waited for too long. `now` is the venue's time."""
    age_s = (now - signal.at) / timedelta(seconds=1)
    if age_s <= max_age_s:
        return None
    return Block(reason=BlockReason.SIGNAL_EXPIRED, text=f"signal is {age_s:.0f} s old, limit {max_age_s:g} s")


def admit(
    signal: Signal, view: PolicyView, plan: TradingPlan, *, now_ns: int, config: ExecutorConfig
) -> Admission | Block:
    """Returns whether the policy of now lets the signal enter: policy, strategy, confidence, orchestrator."""
    rows: list[Row] = []
    block = (
        _policy_block(view, now_ns, rows)
        or _strategy_block(signal, view, rows)
        or _confidence_block(signal, view.policy.global_min_confidence, rows, "confidence")
        or _orchestrator_block(signal, plan, rows)
    )
    if block is not None:
        return Block(reason=block.reason, text=block.text, rows=tuple(rows))
    return Admission(risk_fraction=_risk_fraction(signal, view, plan, config), rows=tuple(rows))


def _policy_block(view: PolicyView, now_ns: int, rows: list[Row]) -> Block | None:
    denial = view.entry_denial(now_ns)
    rows.append(("policy", denial or view.tier.name, "entries allowed", denial is None))
    if denial is None:
        return None
    return Block(reason=denial, text=f"policy {view.ref} is {view.tier.name}: {denial}")


def _strategy_block(signal: Signal, view: PolicyView, rows: list[Row]) -> Block | None:
    id_ = signal.strategy_id
    allowed = id_ != "" and view.policy.allows(id_)
    rows.append(("strategy", id_, len(view.policy.allowed), allowed))
    if allowed:
        return None
    text = f"Strategy {id_} not in MSC AI allowed list" if id_ else "the signal names no strategy"
    return Block(reason=BlockReason.STRATEGY_NOT_ALLOWED, text=text)


def _confidence_block(signal: Signal, floor: float, rows: list[Row], name: str) -> Block | None:
    confidence = signal.confidence
    passed = confidence is not None and math.isfinite(floor) and confidence >= floor
    rows.append((name, confidence, floor, passed))
    if passed:
        return None
    shown = "none" if confidence is None else f"{confidence:g}"
    return Block(reason=BlockReason.CONFIDENCE_TOO_LOW, text=f"confidence {shown} is below {floor:g}")


def _orchestrator_block(signal: Signal, plan: TradingPlan, rows: list[Row]) -> Block | None:
    allowed = plan.allow_new_trades and signal.symbol in plan.allowed_symbols
    rows.append(("orchestrator", signal.symbol, plan.allow_new_trades, allowed))
    if not allowed:
        what = f"no entry in {signal.symbol}" if plan.allow_new_trades else "no new trades"
        why = "; ".join(plan.notes)[:200] or "it gives no reason"
        return Block(reason=BlockReason.ORCHESTRATOR, text=f"orchestrator allows {what}: {why}")
    return _confidence_block(signal, plan.min_confidence, rows, "orchestrator_confidence")


def _risk_fraction(signal: Signal, view: PolicyView, plan: TradingPlan, config: ExecutorConfig) -> Decimal:
    """Returns the strategy's share under the policy, scaled down by as much as the orchestrator tightened."""
    limits = Limits.of(view.policy)
    strategy = limits.strategies[signal.strategy_id]
    fraction = EXACT.multiply(strategy.max_risk, config.symbol_risk_multiplier.get(signal.symbol, _ONE))
    planned = Decimal(repr(plan.max_risk_fraction)) if math.isfinite(plan.max_risk_fraction) else Decimal(0)
    if planned >= limits.max_risk or limits.max_risk <= 0:
        return fraction
    return EXACT.divide(EXACT.multiply(fraction, max(planned, Decimal(0))), limits.max_risk)


def size_entry(
    signal: Signal,
    *,
    risk_fraction: Decimal,
    equity: Decimal | None,
    price: Decimal | None,
    rules: SymbolRules | None,
    config: ExecutorConfig,
) -> Size | Block:
    """Returns the size whose loss at the stop, fees included, is `risk_fraction` of equity, on the venue's step."""
    if signal.stop_price is None:
        return Block(reason=BlockReason.NO_STOP, text="the signal has no stop, so its risk is unknown")
    if equity is None or price is None or rules is None or not equity.is_finite() or equity <= 0:
        known = {"equity": equity, "price": price, "rules": rules}
        missing = ", ".join(name for name, value in known.items() if value is None) or f"equity of {equity}"
        return Block(reason=BlockReason.SIZE_UNKNOWN, text=f"no size can be found: {missing}")
    long = signal.direction is Direction.LONG
    stop = round_to_tick(signal.stop_price, rules, up=long)
    if stop <= 0 or (stop >= price if long else stop <= price):
        text = f"stop {plain(stop)} does not protect a {signal.direction} at {plain(price)}"
        return Block(reason=BlockReason.STOP_NOT_PROTECTING, text=text)
    wanted = quantity_for(equity=equity, risk_fraction=risk_fraction, entry=price, stop=stop, fee_rate=config.fee_rate)
    most = min(_affordable(equity, config)) / price
    quantity = round_down_quantity(min(wanted, most), rules, config.entry_order)
    if quantity <= 0 or EXACT.multiply(quantity, price) < rules.min_notional:
        text = f"{risk_fraction:.4%} of {plain(equity)} at risk makes {wanted:f}, less than {rules.symbol} takes"
        return Block(reason=BlockReason.SIZE_TOO_SMALL, text=text)
    risk = loss_at_stop(quantity=quantity, entry=price, stop=stop, fee_rate=config.fee_rate)
    return Size(quantity=quantity, stop_price=stop, risk=risk)


def _affordable(equity: Decimal, config: ExecutorConfig) -> Sequence[Decimal]:
    by_leverage = equity * config.max_leverage
    return [by_leverage] if config.max_order_notional is None else [by_leverage, config.max_order_notional]


def entry_side(direction: Direction) -> Side:
    """Returns the side that opens a position of this direction."""
    return Side.BUY if direction is Direction.LONG else Side.SELL


def opposite(side: Side) -> Side:
    """Returns the other side."""
    return Side.SELL if side is Side.BUY else Side.BUY
