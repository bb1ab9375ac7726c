"""Why things were not done: logged, counted by strategy and reason, and journalled."""

from __future__ import annotations

import json
import logging
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from msc_client.facts import Direction, Execution, Fact, Side
from msc_client.view import PolicyView
from msc_trading.executor.config import ExecutorConfig
from msc_trading.executor.numbers import canonical, is_fraction
from msc_trading.guard.reasons import ReasonCode
from msc_trading.signals import Signal, SignalKind

_LOG = logging.getLogger("msc_trading.executor")
_ONE: Final = Decimal(1)
_SHOWN_CHARS: Final = 100
_BLOCKED: Final = "[MSC AI] BLOCKED"
_NOT_DONE: Final = "[EXECUTOR] Not done"


class BlockReason(StrEnum):
    """Why the executor did not act on a signal. The guard's reasons come on top of these, in its words."""

    INVALID_SIGNAL = "INVALID_SIGNAL"
    DUPLICATE_SIGNAL = "DUPLICATE_SIGNAL"
    SIGNAL_EXPIRED = "SIGNAL_EXPIRED"
    SUPERSEDED_BY_EXIT = "SUPERSEDED_BY_EXIT"
    SYMBOL_NOT_SERVED = "SYMBOL_NOT_SERVED"
    SYMBOL_HELD = "SYMBOL_HELD"
    ENTRY_PENDING = "ENTRY_PENDING"
    STOP_PENDING = "STOP_PENDING"
    POSITION_MISMATCH = "POSITION_MISMATCH"
    TRADING_HALTED = "TRADING_HALTED"
    TRADING_REDUCING = "TRADING_REDUCING"
    POLICY_EXPIRED = "POLICY_EXPIRED"
    POLICY_MISSING = "POLICY_MISSING"
    POLICY_CHANGED = "POLICY_CHANGED"
    STRATEGY_NOT_ALLOWED = "STRATEGY_NOT_ALLOWED"
    CONFIDENCE_TOO_LOW = "CONFIDENCE_TOO_LOW"
    ORCHESTRATOR = "ORCHESTRATOR"
    NO_STOP = "NO_STOP"
    STOP_NOT_PROTECTING = "STOP_NOT_PROTECTING"
    SIZE_UNKNOWN = "SIZE_UNKNOWN"
    SIZE_TOO_SMALL = "SIZE_TOO_SMALL"
    STATE_UNWRITABLE = "STATE_UNWRITABLE"
    VENUE_UNAVAILABLE = "VENUE_UNAVAILABLE"
    RATE_LIMITED = "RATE_LIMITED"
    NOTHING_TO_EXIT = "NOTHING_TO_EXIT"


NOT_BY_POLICY: Final = frozenset(
    map(
        str,
        (
            # The signal itself, or an order of it that the venue would not take.
            *(BlockReason.INVALID_SIGNAL, BlockReason.DUPLICATE_SIGNAL, BlockReason.SIGNAL_EXPIRED),
            *(BlockReason.SYMBOL_NOT_SERVED, BlockReason.NO_STOP, BlockReason.STOP_NOT_PROTECTING),
            *(BlockReason.SIZE_TOO_SMALL, ReasonCode.INVALID_INPUT, ReasonCode.ID_CONFLICT, ReasonCode.PRICE_COLLAR),
            *(ReasonCode.FILTER_PRICE_RANGE, ReasonCode.FILTER_TICK_SIZE, ReasonCode.FILTER_LOT_SIZE),
            *(ReasonCode.FILTER_STEP_SIZE, ReasonCode.FILTER_MARKET_LOT_SIZE, ReasonCode.FILTER_MIN_NOTIONAL),
            ReasonCode.FILTER_PERCENT_PRICE,
            # What is held or under way already.
            *(BlockReason.SYMBOL_HELD, BlockReason.ENTRY_PENDING, BlockReason.STOP_PENDING),
            *(BlockReason.SUPERSEDED_BY_EXIT, BlockReason.POSITION_MISMATCH, BlockReason.NOTHING_TO_EXIT),
            *(ReasonCode.SYMBOL_LOCKED, ReasonCode.FLIP_NOT_ALLOWED, ReasonCode.NOTHING_TO_REDUCE),
            # What does not work, or nobody knows.
            *(BlockReason.VENUE_UNAVAILABLE, BlockReason.STATE_UNWRITABLE, BlockReason.SIZE_UNKNOWN),
            *(ReasonCode.JOURNAL_UNAVAILABLE, ReasonCode.CLOCK_OFFSET, ReasonCode.PRICE_STALE),
            *(ReasonCode.EQUITY_UNKNOWN, ReasonCode.POSITIONS_UNKNOWN),
            # How often orders may be sent.
            *(BlockReason.RATE_LIMITED, ReasonCode.RATE_LIMIT, ReasonCode.REPEAT_THROTTLE),
        ),
    )
)
"""Reasons that neither the policy nor a limit of it is behind, as the authority tells them apart, too: whoever looks
for what the policy blocks is not told of these. A reason that is new counts as the policy's."""


Row = tuple[str, object, object, bool]
"""A check as it is recorded: name, value, limit, passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Why a signal is not acted upon: a stable code, a sentence with the numbers, and the checks up to there."""

    reason: str
    text: str
    rows: tuple[Row, ...] = ()


class Blocks:
    """Says, counts and journals every block."""

    def __init__(self, config: ExecutorConfig, *, epoch: int, record: Callable[[Fact], None]) -> None:
        self._config = config
        self._epoch = epoch
        self._record = record
        self._number = 0
        self.counts: Counter[tuple[str, str]] = Counter()
        """Blocks by (strategy, reason) since the start."""

    def note(
        self,
        signal: Signal,
        block: Block,
        *,
        at: datetime,
        view: PolicyView | None = None,
        quantity: Decimal | None = None,
        client_order_id: str = "",
        detail_json: str = "",
    ) -> None:
        """Takes note of a block. `quantity` is what would have been ordered, None where it did not come to that."""
        self._number += 1
        strategy_id, reason = _shown(signal.strategy_id), str(block.reason)
        self.counts[strategy_id, reason] += 1
        _say(signal, reason, block.text)
        event_id = f"{self._config.account_id}:{self._config.executor_id}:{self._epoch}:b{self._number}"
        detail = detail_json or self._detail(signal, block, event_id, at, view, quantity)
        reduces = signal.kind is SignalKind.EXIT
        self._record(
            Execution(
                event_id=event_id,
                account=self._config.account_id,
                executor=self._config.executor_id,
                strategy_id=strategy_id,
                symbol=_shown(signal.symbol) or "(none)",
                side=Side.BUY if (signal.direction is Direction.LONG) is not reduces else Side.SELL,
                client_order_id=client_order_id,
                status="BLOCKED",
                # The journal has no "nothing": where no size was found, one is written, and the detail says null.
                quantity=_ONE if quantity is None else canonical(quantity),
                reduce_only=reduces,
                confidence=_fraction(signal.confidence),
                policy_version=_version(view),
                at=at,
                reason=reason,
                detail_json=detail,
            )
        )

    def _detail(
        self,
        signal: Signal,
        block: Block,
        event_id: str,
        at: datetime,
        view: PolicyView | None,
        quantity: Decimal | None,
    ) -> str:
        document = {
            "decision_id": event_id,
            "allowed": False,
            "reason_code": block.reason,
            "text": block.text,
            "at": at.isoformat(),
            "executor": self._config.executor_id,
            "epoch": self._epoch,
            "signal_id": _shown(signal.signal_id),
            "strategy_id": _shown(signal.strategy_id),
            "symbol": _shown(signal.symbol),
            "direction": _shown(signal.direction),
            "kind": _shown(signal.kind),
            "confidence": _plain(signal.confidence),
            "reference_price": _plain(signal.reference_price),
            "stop_price": _plain(signal.stop_price),
            "quantity": _plain(quantity),
            "policy_version": _version(view),
            "policy_tier": None if view is None else view.tier.name,
            "risk_mode": None if view is None else view.policy.risk_mode.name,
            "checks": [
                {"name": name, "value": _plain(value), "limit": _plain(limit), "passed": passed}
                for name, value, limit, passed in block.rows
            ],
        }
        return json.dumps(document, separators=(",", ":"), allow_nan=False)


def _say(signal: Signal, reason: str, text: str) -> None:
    level, what = (logging.INFO, _NOT_DONE) if reason in NOT_BY_POLICY else (logging.WARNING, _BLOCKED)
    _LOG.log(level, "%s: %s %s - %s", what, _shown(signal.symbol), _shown(signal.direction), text)


def _version(view: PolicyView | None) -> int:
    return 0 if view is None or view.ref is None else view.ref.version


def _fraction(confidence: object) -> float | None:
    return float(confidence) if is_fraction(confidence) else None


def _shown(text: object) -> str:
    """Returns text that a log line and a fact can hold, whatever a signal brought."""
    shown = "".join(char for char in str(text) if char.isprintable())
    return shown.encode("utf-8", "replace").decode()[:_SHOWN_CHARS].strip()


def _plain(value: object) -> object:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else str(value)
    return _shown(value)
