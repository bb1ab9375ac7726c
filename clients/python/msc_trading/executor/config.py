"""Who an executor is, and how careful."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from decimal import Decimal
from pathlib import Path
from typing import Final

from msc_trading.venue.port import OrderType

MAX_NAME_CHARS: Final = 40
_MAY_BE_ZERO: Final = frozenset({"fee_rate"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorConfig:
    """Everything about an executor but its connections. Seconds are of the executor's clock unless said otherwise.

    Raises:
        ValueError: a field is out of sense. The message starts with its name.
    """

    account_id: str
    """Account that is traded; several executors may share it when each has symbols of its own."""
    executor_id: str
    """What people and the journal know this executor by. It must stay the same across restarts."""
    symbols: tuple[str, ...]
    """Symbols that this executor alone trades on the account."""
    state_file: Path
    """Where it remembers what it sent. No other executor may use the file."""
    entry_order: OrderType = OrderType.MARKET
    """How entries are sent; LIMIT rests at the newest price and is cancelled when it grew too old."""
    entry_rests_s: float = 120.0
    """Longest that a LIMIT entry may rest, in the venue's time."""
    fee_rate: Decimal = Decimal("0.0004")
    """Fee of one side, as a fraction of notional. Must not be below the guard's."""
    symbol_risk_multiplier: dict[str, Decimal] = field(default_factory=dict)
    """Share of the policy's risk per trade that a symbol may use, as the guard has it."""
    max_leverage: Decimal = Decimal(2)
    """Largest notional of one entry, as a multiple of equity; a size above is cut down to it."""
    max_order_notional: Decimal | None = None
    """Largest notional of one entry, in quote currency; a size above is cut down to it. None: no such limit."""
    max_signal_age_s: float = 120.0
    """Oldest signal that may still enter, in the venue's time. Exits never grow too old."""
    price_refresh_s: float = 2.0
    """Age at which a price is asked for again before an entry."""
    recv_window_s: float = 5.0
    """The venue refuses a request that reaches it later than this."""
    absent_margin_s: float = 2.0
    """How long after that an answer "no such order" starts to mean something."""
    absent_gap_s: float = 1.0
    """How far apart two such answers must be to be conclusive."""
    settle_every_s: float = 0.5
    """How often orders without a final answer are asked about."""
    answer_patience_s: float = 2.0
    """How long a MARKET order that was accepted may stay silent before it is asked about."""
    account_every_s: float = 15.0
    """How often balance and positions are read in full."""
    equity_every_s: float = 60.0
    """How often the journal gets an equity point, in the venue's time."""
    records_equity: bool = True
    """Whether this executor writes the account's equity points; one per account does."""
    tick_s: float = 0.25
    """How often waiting things are looked at again: resting entries, facts to write, minutes to close."""
    dead_man_s: float = 120.0
    """The venue cancels resting entries this long after the last renewal."""
    dead_man_every_s: float = 30.0
    """How often that is renewed."""
    reduce_pause_s: float = 0.5
    """Pause between two attempts to reduce."""
    mismatch_patience_s: float = 2.0
    """How long the book and the venue may differ before everything is compared again."""
    retry_pause_s: float = 1.0
    """Pause before a stream or a comparison that failed is tried again."""
    flush_timeout_s: float = 1.0
    """Longest that an entry waits for the journal to reach the disk."""
    keep_orders_s: float = 7 * 86_400.0
    """How long orders that are over are remembered, so that a signal that comes twice is known."""

    def __post_init__(self) -> None:
        """Refuses what is out of sense."""
        for name in ("account_id", "executor_id"):
            text = getattr(self, name)
            sound = 0 < len(text) <= MAX_NAME_CHARS and text.isprintable() and text == text.strip()
            _require(name, sound, f"printable text of 1 to {MAX_NAME_CHARS} characters")
        _require("symbols", isinstance(self.symbols, tuple) and bool(self.symbols) and all(self.symbols), "symbols")
        _require("symbols", len(set(self.symbols)) == len(self.symbols), "symbols that differ")
        for item in fields(self):
            _check_number(item.name, getattr(self, item.name))
        for symbol, share in self.symbol_risk_multiplier.items():
            _require(f"symbol_risk_multiplier[{symbol}]", share.is_finite() and 0 <= share <= 1, "a fraction")
        _require("dead_man_every_s", self.dead_man_every_s < self.dead_man_s, "below dead_man_s")


def _check_number(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, float | int | Decimal):
        return
    _require(name, math.isfinite(value) and (value > 0 or (value == 0 and name in _MAY_BE_ZERO)), "a number above 0")


def _require(name: str, is_fine: bool, wanted: str) -> None:
    if not is_fine:
        raise ValueError(f"{name}: must be {wanted}")
