"""The guard's answer: one value with the reason, the numbers, and every check on the way."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Final, NamedTuple

from msc_client.policy import Ref, RiskMode
from msc_client.tier import Tier
from msc_client.view import PolicyView
from msc_trading.filters import plain
from msc_trading.guard.capacity import Usage
from msc_trading.guard.config import GuardConfig
from msc_trading.guard.facts import GuardFacts
from msc_trading.guard.intent import OrderIntent
from msc_trading.guard.limits import Limits
from msc_trading.guard.reasons import CheckRow, Lane, ReasonCode
from msc_trading.guard.reservations import Reservation
from msc_trading.guard.rows import rows_of

__all__ = ["Check", "CheckRow", "Counters", "Decision", "Lane", "ReasonCode"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check: what was found, what was allowed, and whether it passed. A None value was unknown."""

    name: str
    value: object
    limit: object
    passed: bool


@dataclass(frozen=True, slots=True)
class Counters:
    """How much of the counted limits was in use. `daily_used` None: not known yet."""

    positions_confirmed: int
    positions_reserved: int
    positions_limit: int
    daily_used: int | None
    daily_limit: int


class Decision(NamedTuple):
    """What the guard said of one intent, whole: enough to judge the judgement later.

    It keeps what was judged (`facts`, `view`, `limits`, `config`, `usage`) and reads the rest from that. `written` are
    the rows of the checks, None for a grant: those of one that passed everything can be told at any time. `notional`,
    `risk_amount` and `equity` are None where no check needed them; `usage` where no count was reached. `reservation`
    is what was set aside, as it was then (None: nothing). Instants are on the policy source's clock.
    """

    decision_id: str
    intent: OrderIntent
    reason_code: ReasonCode
    text: str
    headline: str
    written: tuple[CheckRow, ...] | None
    facts: GuardFacts
    view: PolicyView
    limits: Limits
    config: GuardConfig
    usage: Usage | None
    reservation: Reservation | None
    notional: Decimal | None
    risk_amount: Decimal | None
    equity: Decimal | None
    started_ns: int
    ended_ns: int

    @property
    def allowed(self) -> bool:
        """Whether the order may be sent."""
        return self.reason_code is ReasonCode.ALLOWED

    @property
    def lane(self) -> Lane:
        """How it was judged."""
        return Lane.REDUCE if self.intent.only_reduces else Lane.ENTRY

    @property
    def rows(self) -> tuple[CheckRow, ...]:
        """Every check that was made, in order, as it is recorded."""
        if self.written is not None or self.usage is None:
            return self.written or ()
        return rows_of(
            self.intent,
            self.facts,
            view=self.view,
            limits=self.limits,
            usage=self.usage,
            config=self.config,
            now_ns=self.started_ns,
        )

    @property
    def checks(self) -> tuple[Check, ...]:
        """Every check that was made, in order, with its value and its limit."""
        return tuple(
            Check(name=name, value=value, limit=limit, passed=passed) for name, value, limit, passed in self.rows
        )

    @property
    def at(self) -> datetime:
        """When, by the venue's clock."""
        return self.facts.now

    @property
    def reservation_id(self) -> str | None:
        """What was set aside, None when nothing was."""
        return None if self.reservation is None else self.reservation.reservation_id

    @property
    def expires_at_ns(self) -> int | None:
        """When the reservation is to be asked about, should it still be undecided."""
        return None if self.reservation is None else self.reservation.expires_ns

    @property
    def policy_ref(self) -> Ref | None:
        """The revision that the decision was made under, None when there was none."""
        return self.view.ref

    @property
    def policy_version(self) -> int:
        """Its version, 0 when there was none."""
        return 0 if self.view.ref is None else self.view.ref.version

    @property
    def policy_tier(self) -> Tier:
        """How far it could be trusted."""
        return self.view.tier

    @property
    def policy_age_s(self) -> float | None:
        """Seconds since the authority had vouched for it, None when it never had."""
        return self.view.age_s(self.started_ns)

    @property
    def risk_mode(self) -> RiskMode:
        """The mode in force."""
        return self.limits.policy.risk_mode

    @property
    def degraded(self) -> bool:
        """Whether nobody vouched for the policy at that time."""
        return self.view.tier is not Tier.FRESH

    @property
    def risk_fraction(self) -> Decimal | None:
        """The loss at the stop, as a fraction of equity; None where it was not reached."""
        return None if self.risk_amount is None or self.equity is None else self.risk_amount / self.equity

    @property
    def counters_before(self) -> Counters | None:
        """The counted limits as they were, None where no count was reached."""
        return self._counters(granted=False)

    @property
    def counters_after(self) -> Counters | None:
        """The counted limits as the decision left them."""
        return self._counters(granted=self.reservation is not None)

    @property
    def latency_us(self) -> float:
        """How long the decision took, in microseconds."""
        return (self.ended_ns - self.started_ns) / 1000

    def as_json(self) -> str:
        """Returns the whole decision as one JSON object on one line. Decimals are strings, unknown is null."""
        document = {name: _plain(getattr(self, name)) for name in _DOCUMENT}
        document["equity_age_s"] = _plain(self.facts.equity_age_s)
        document["checks"] = [
            {"name": name, "value": _plain(value), "limit": _plain(limit), "passed": passed}
            for name, value, limit, passed in self.rows
        ]
        return json.dumps(document, separators=(",", ":"), allow_nan=False)

    def _counters(self, *, granted: bool) -> Counters | None:
        usage = self.usage
        if usage is None:
            return None
        return Counters(
            usage.confirmed,
            usage.reserved + (granted and not usage.holds_slot),
            self.limits.max_positions,
            None if usage.daily_used is None else usage.daily_used + granted,
            self.limits.max_daily_trades,
        )


_DOCUMENT: Final = (
    "decision_id",
    "intent",
    "lane",
    "allowed",
    "reason_code",
    "text",
    "at",
    "started_ns",
    "latency_us",
    "reservation_id",
    "expires_at_ns",
    "policy_ref",
    "policy_tier",
    "policy_age_s",
    "risk_mode",
    "degraded",
    "notional",
    "risk_fraction",
    "equity",
    "counters_before",
    "counters_after",
)
_UNTOUCHED: Final = (str, bool, int)


def _plain(value: object) -> object:  # noqa: PLR0911 -- one line for each kind of value
    if isinstance(value, Enum):
        return value.name
    if value is None or isinstance(value, _UNTOUCHED):
        return value
    if isinstance(value, float):
        # JSON has no word for these, and a document that cannot be read tells nobody.
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Decimal):
        return plain(value) if value.is_finite() else str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, OrderIntent | Ref | Counters):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    # Somebody passed what has no business here: shown, not hidden.
    return str(value)
