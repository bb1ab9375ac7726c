"""Proof, from journal and policy history alone, that no order was sent against the policy in force at its decision.

What is trusted: the history of policies, and what the venue accepted. What is checked: every decision behind an order.
Orders that can only reduce a position are exempt: nothing may stop them.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Final

from msc_authority.core.facts import Execution
from msc_client import Policy, Ref, TradingState
from msc_trading.guard.limits import Limits, StrategyLimits

_TOLERANCE: Final = Decimal("1.000000001")
"""A ratio was rounded when it was written down."""
_SENT: Final = frozenset({"NEW", "REJECTED"})


class Rule(StrEnum):
    """What an order can be found to violate."""

    NO_DECISION = "NO_DECISION"
    """An order without a readable record of the decision behind it."""
    NOT_GRANTED = "NOT_GRANTED"
    """The decision had refused it."""
    OTHER_ORDER = "OTHER_ORDER"
    """The decision was about another order."""
    SIGNAL_TWICE = "SIGNAL_TWICE"
    """One signal led to two orders."""
    REVISION_UNKNOWN = "REVISION_UNKNOWN"
    """It names no revision of the history."""
    REVISION_NOT_YET = "REVISION_NOT_YET"
    """It names a revision that came after it."""
    REVISION_SUPERSEDED = "REVISION_SUPERSEDED"
    """It names a revision that another one had replaced."""
    TRADING_STATE = "TRADING_STATE"
    """Trading was not ACTIVE."""
    STRATEGY = "STRATEGY"
    """The strategy was not allowed."""
    CONFIDENCE = "CONFIDENCE"
    """The confidence was below the minimum, or there was none."""
    RISK = "RISK"
    """More was at risk than the strategy may, or nobody knows how much."""
    POSITIONS = "POSITIONS"
    """It took more positions than there may be, or nobody counted them."""
    DAILY_TRADES = "DAILY_TRADES"
    """It was one too many of its day, or nobody counted them."""
    STRATEGY_CAP = "STRATEGY_CAP"
    """It went over what its strategy may hold, or may trade in a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One finding: the journal's event, the order, the rule, and a sentence with the numbers."""

    rule: Rule
    event_id: str
    client_order_id: str
    at: datetime
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditResult:
    """What an audit found. `latest_s` is the longest that an order went by a revision already replaced."""

    revisions: int
    entries: int
    reductions: int
    refusals: int
    degraded: int
    latest_s: float
    grace_s: float
    violations: tuple[Violation, ...]

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
        return not self.violations


def audit(executions: Sequence[Execution], revisions: Sequence[Policy], *, grace_s: float) -> AuditResult:
    """Returns every violation of the policy in force, by orders in the journal.

    `grace_s` is how long a new revision may take to reach an executor, in the journal's time; within it the one before
    still counts. A decision under a policy that nobody confirmed (tier other than FRESH) may go by a revision that was
    replaced since: it could not know. It is then held to that revision's limits, as any other.
    """
    history = _History(revisions, timedelta(seconds=grace_s))
    entries = [fact for fact in executions if not fact.reduce_only and fact.status != "BLOCKED"]
    orders = [fact for fact in entries if fact.status in _SENT]
    judged = [_Judged(order, history) for order in orders]
    violations = [
        *(violation for each in judged for violation in each.violations()),
        *_orders_without_record(entries, {order.client_order_id for order in orders}),
        *_signals_twice(judged),
        *_days_overdrawn(judged),
    ]
    return AuditResult(
        revisions=len(revisions),
        entries=len(orders),
        reductions=len({fact.client_order_id for fact in executions if fact.reduce_only and fact.status != "BLOCKED"}),
        refusals=sum(fact.status == "BLOCKED" for fact in executions),
        degraded=sum(each.is_degraded for each in judged),
        latest_s=max((each.late_s for each in judged), default=0.0),
        grace_s=grace_s,
        violations=tuple(sorted(violations, key=lambda found: (found.at, found.event_id, found.rule))),
    )


class _History:
    """The revisions, each with when it came into force and when it was replaced."""

    def __init__(self, revisions: Iterable[Policy], grace: timedelta) -> None:
        # A new epoch replaces an old one when it comes, so the order of references is that of time.
        self._revisions = sorted(revisions, key=lambda policy: policy.ref)
        self._by_ref = {policy.ref: index for index, policy in enumerate(self._revisions)}
        self._since = [policy.created_at or datetime.max.replace(tzinfo=UTC) for policy in self._revisions]
        self.grace = grace

    def find(self, ref: Ref) -> Policy | None:
        """Returns the revision with this reference and this content."""
        index = self._by_ref.get(ref)
        found = None if index is None else self._revisions[index]
        return found if found is not None and found.ref.same_as(ref) else None

    def since(self, policy: Policy) -> datetime:
        """Returns when it came into force."""
        return self._since[self._by_ref[policy.ref]]

    def replaced_at(self, policy: Policy) -> datetime | None:
        """Returns when another one replaced it, None while it is the newest."""
        index = self._by_ref[policy.ref] + 1
        return self._since[index] if index < len(self._since) else None

    def newest_at(self, at: datetime) -> str:
        """Returns the reference of the newest revision at an instant, as text."""
        index = bisect_right(self._since, at) - 1
        return "none" if index < 0 else str(self._revisions[index].ref)


class _Judged:
    """One entry order, with what its decision says."""

    def __init__(self, order: Execution, history: _History) -> None:
        self.order = order
        self._history = history
        self.document = _document(order.detail_json)
        self.policy = None if self.document is None else _revision(self.document, history)
        self.at = _instant(self.document, order.at)
        self.late_s = self._late_s()

    @property
    def is_degraded(self) -> bool:
        """Whether nobody vouched for the policy at the decision."""
        return self.document is not None and self.document.get("policy_tier") != "FRESH"

    @property
    def signal_id(self) -> str:
        """The signal behind the order."""
        return str(_part(self.document or {}, "intent").get("trace_id") or "")

    def _late_s(self) -> float:
        replaced_at = None if self.policy is None else self._history.replaced_at(self.policy)
        if replaced_at is None or self.is_degraded:
            return 0.0
        return max(0.0, (self.at - replaced_at) / timedelta(seconds=1))

    def found(self, rule: Rule, text: str) -> Violation:
        """Returns a violation by this order."""
        order = self.order
        return Violation(
            rule=rule, event_id=order.event_id, client_order_id=order.client_order_id, at=order.at, text=text
        )

    def violations(self) -> Iterator[Violation]:
        """Yields everything that is wrong with the decision by itself."""
        if self.document is None:
            yield self.found(Rule.NO_DECISION, "the journal holds no decision for the order")
            return
        yield from self._record_violations(self.document)
        if self.policy is None:
            known = _part(self.document, "policy_ref") or "none"
            yield self.found(Rule.REVISION_UNKNOWN, f"policy {known} is not in the history")
            return
        yield from self._time_violations(self.policy)
        yield from self._limit_violations(self.policy, self.document)

    def _record_violations(self, document: dict[str, object]) -> Iterator[Violation]:
        if document.get("allowed") is not True:
            yield self.found(Rule.NOT_GRANTED, f"the guard had said {document.get('reason_code')}")
        intent, order = _part(document, "intent"), self.order
        same = {
            "client_order_id": order.client_order_id,
            "strategy_id": order.strategy_id,
            "symbol": order.symbol,
            "side": order.side.name,
        }
        for name, value in same.items():
            if intent.get(name) != value:
                yield self.found(Rule.OTHER_ORDER, f"{name}: sent {value}, decided {intent.get(name)}")
        if _number(intent.get("quantity")) != order.quantity:
            yield self.found(Rule.OTHER_ORDER, f"quantity: sent {order.quantity}, decided {intent.get('quantity')}")

    def _time_violations(self, policy: Policy) -> Iterator[Violation]:
        since, grace = self._history.since(policy), self._history.grace
        if self.at + grace < since:
            yield self.found(Rule.REVISION_NOT_YET, f"policy {policy.ref} came at {since.isoformat()}, after it")
        if self.late_s > grace.total_seconds():
            newest = self._history.newest_at(self.at)
            text = f"policy {policy.ref} was replaced {self.late_s:.1f} s before; {newest} was in force"
            yield self.found(Rule.REVISION_SUPERSEDED, text)

    def _limit_violations(self, policy: Policy, document: dict[str, object]) -> Iterator[Violation]:
        if policy.trading_state is not TradingState.ACTIVE:
            yield self.found(Rule.TRADING_STATE, f"trading was {policy.trading_state.name}")
        limits = Limits.of(policy)
        strategy = limits.strategies.get(self.order.strategy_id)
        if strategy is None:
            yield self.found(Rule.STRATEGY, f"strategy {self.order.strategy_id or '(none)'} was not allowed")
        confidence = _part(document, "intent").get("confidence")
        if not isinstance(confidence, int | float) or not confidence >= policy.global_min_confidence:
            yield self.found(
                Rule.CONFIDENCE, f"confidence {confidence}, at least {policy.global_min_confidence} was needed"
            )
        if strategy is not None:
            yield from self._risk_violations(strategy, document)
            yield from self._cap_violations(strategy, document)
        yield from self._count_violations(policy, document)

    def _risk_violations(self, strategy: StrategyLimits, document: dict[str, object]) -> Iterator[Violation]:
        told, found = _number(document.get("risk_fraction")), _risk_at_stop(document)
        most = strategy.max_risk * _TOLERANCE
        if told is None or found is None or not 0 <= told <= most or found > most:
            shown = "unknown" if told is None or found is None else f"{max(told, found):.6%}"
            yield self.found(Rule.RISK, f"risk {shown} of equity, at most {strategy.max_risk:.6%} was allowed")

    def _count_violations(self, policy: Policy, document: dict[str, object]) -> Iterator[Violation]:
        after = _part(document, "counters_after")
        confirmed, reserved, daily = (
            after.get(name) for name in ("positions_confirmed", "positions_reserved", "daily_used")
        )
        if not isinstance(confirmed, int) or not isinstance(reserved, int):
            yield self.found(Rule.POSITIONS, "positions were not counted")
        elif confirmed + reserved > policy.max_positions:
            yield self.found(Rule.POSITIONS, f"positions {confirmed + reserved}, at most {policy.max_positions}")
        if not isinstance(daily, int):
            yield self.found(Rule.DAILY_TRADES, "the day's trades were not counted")
        elif daily > policy.max_daily_trades:
            yield self.found(Rule.DAILY_TRADES, f"trade {daily} of its day, at most {policy.max_daily_trades}")

    def _cap_violations(self, strategy: StrategyLimits, document: dict[str, object]) -> Iterator[Violation]:
        for name, limit in (
            ("strategy_positions", strategy.max_positions),
            ("strategy_daily_trades", strategy.max_daily_trades),
        ):
            if limit is None:
                continue
            used = _checked(document, name)
            # What it holds already is no further position: then the count may be at the limit.
            most = limit if name == "strategy_positions" else limit - 1
            if used is None or used > most:
                yield self.found(Rule.STRATEGY_CAP, f"{name} {'unknown' if used is None else used}, limit {limit}")


def _orders_without_record(entries: Sequence[Execution], recorded: set[str]) -> Iterator[Violation]:
    told: set[str] = set()
    for fact in entries:
        if fact.client_order_id in recorded or fact.client_order_id in told:
            continue
        told.add(fact.client_order_id)
        yield Violation(
            rule=Rule.NO_DECISION,
            event_id=fact.event_id,
            client_order_id=fact.client_order_id,
            at=fact.at,
            text=f"{fact.status} of an order that nobody recorded as sent",
        )


def _signals_twice(judged: Sequence[_Judged]) -> Iterator[Violation]:
    orders: dict[tuple[str, str], set[str]] = defaultdict(set)
    for each in judged:
        key = (each.order.executor, each.signal_id)
        known = orders[key]
        known.add(each.order.client_order_id)
        if each.signal_id and len(known) > 1:
            yield each.found(Rule.SIGNAL_TWICE, f"signal {each.signal_id} led to {', '.join(sorted(known))}")


def _days_overdrawn(judged: Sequence[_Judged]) -> Iterator[Violation]:
    """Counts each account's accepted entries by UTC day, over all executors."""
    used: dict[tuple[str, date], set[str]] = defaultdict(set)
    for each in sorted(judged, key=lambda one: (one.at, one.order.event_id)):
        if each.order.status != "NEW":
            continue
        taken = used[each.order.account, each.at.astimezone(UTC).date()]
        taken.add(each.order.client_order_id)
        if each.policy is not None and len(taken) > each.policy.max_daily_trades:
            text = f"trade {len(taken)} of the account's day, at most {each.policy.max_daily_trades}"
            yield each.found(Rule.DAILY_TRADES, text)


def _document(text: str) -> dict[str, object] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) and isinstance(found.get("intent"), dict) else None


def _revision(document: dict[str, object], history: _History) -> Policy | None:
    ref = _part(document, "policy_ref")
    epoch, version, etag = ref.get("epoch"), ref.get("version"), ref.get("etag")
    if not isinstance(epoch, int) or not isinstance(version, int) or not isinstance(etag, str):
        return None
    return history.find(Ref(epoch, version, etag))


def _instant(document: dict[str, object] | None, otherwise: datetime) -> datetime:
    text = None if document is None else document.get("at")
    try:
        at = datetime.fromisoformat(text) if isinstance(text, str) else otherwise
    except ValueError:
        return otherwise
    return at if at.tzinfo is not None else otherwise


def _risk_at_stop(document: dict[str, object]) -> Decimal | None:
    """Returns the loss at the stop, without fees, as a fraction of equity: found again, not taken on trust."""
    intent = _part(document, "intent")
    quantity, stop = _number(intent.get("quantity")), _number(intent.get("stop_price"))
    notional, equity = _number(document.get("notional")), _number(document.get("equity"))
    if quantity is None or stop is None or notional is None or equity is None or quantity <= 0 or equity <= 0:
        return None
    return abs(notional - quantity * stop) / equity


def _checked(document: dict[str, object], name: str) -> int | None:
    checks = document.get("checks")
    for check in reversed(checks if isinstance(checks, list) else []):
        if isinstance(check, dict) and check.get("name") == name:
            value = check.get("value")
            return value if isinstance(value, int) and not isinstance(value, bool) else None
    return None


def _part(document: dict[str, object], name: str) -> dict[str, object]:
    part = document.get(name)
    return part if isinstance(part, dict) else {}


def _number(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
