"""What happens inside the authority, told to whoever listens. A listener cannot hurt the teller."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from msc_authority.app.alerts.values import Alert, AlertState, Severity
from msc_authority.app.clients import FleetEntry
from msc_authority.app.signals import BlockedSignal
from msc_authority.core.policy import Policy, PolicyRef, RiskMode, TradingState
from msc_authority.ports.evaluations import EvaluationEntry
from msc_authority.ports.operator import ActEntry

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyPublished:
    """A new head is being served. `before` is None for the first policy ever."""

    before: Policy | None
    after: Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskModeChanged:
    """The policy in force has another risk mode."""

    before: RiskMode | None
    policy: Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingStateChanged:
    """The policy in force has another trading state."""

    before: TradingState | None
    policy: Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationDone:
    """An evaluation succeeded, whether or not it published something."""

    entry: EvaluationEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadUnconfirmed:
    """The head could not be confirmed against the store for `age_s` seconds."""

    ref: PolicyRef
    age_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadConfirmed:
    """The head is confirmed again, after `outage_s` seconds without."""

    ref: PolicyRef
    outage_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationBroken:
    """An evaluation could not be made. The policy was kept."""

    trigger: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorActed:
    """A person has done something, or an override has ended. It may have left the policy as it was."""

    entry: ActEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrityBroken:
    """The store has other content under the reference that is served: two writers are at work."""

    ref: PolicyRef
    text: str


class ClientChange(StrEnum):
    """What is new about a client."""

    JOINED = "joined"
    LEFT = "left"
    APPLIED = "applied"
    TIER = "tier"
    FORGOTTEN = "forgotten"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientChanged:
    """A client is not as it was."""

    entry: FleetEntry
    change: ClientChange


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyApplied:
    """A client has applied a revision, `propagation_s` seconds after it was published here."""

    entry: FleetEntry
    propagation_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalBlocked:
    """An executor has journalled that it blocked a signal."""

    signal: BlockedSignal


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertChanged:
    """An alert began to fire, or is resolved."""

    alert: Alert


class LeadershipCause(StrEnum):
    """What is new about who leads."""

    BEGAN = "began"
    """This replica leads."""
    FOLLOWS = "follows"
    """Another one than before leads."""
    STOPPING = "stopping"
    """This replica has given the lease back."""
    NOT_RENEWED = "not_renewed"
    """This replica could not renew its lease in time."""
    TAKEN_OVER = "taken_over"
    """Another replica has the lease that this one had."""
    FENCED = "fenced"
    """The store has refused what this replica was writing: its term is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadershipChanged:
    """Who leads has changed, seen from here. `address` is the leader's; empty: nobody leads, as far as is known."""

    cause: LeadershipCause
    term: int
    address: str
    text: str = ""


Event = (
    PolicyPublished
    | RiskModeChanged
    | TradingStateChanged
    | EvaluationDone
    | EvaluationBroken
    | OperatorActed
    | HeadUnconfirmed
    | HeadConfirmed
    | IntegrityBroken
    | ClientChanged
    | PolicyApplied
    | SignalBlocked
    | AlertChanged
    | LeadershipChanged
)
Listener = Callable[[Event], None]
Later = Callable[[Callable[[], None]], object]
"""Has a call made later, on the same thread."""


class EventBus:
    """Hands each event to every listener, in the order they came, on the caller's thread."""

    def __init__(self, later: Later | None = None) -> None:
        """Starts without listeners. `later` has a call made on this thread behind what is due already; None: at once.

        With an event loop's `call_soon`, watchers that a publication has woken write before patient listeners hear.
        """
        self._listeners: tuple[Listener, ...] = ()
        self._patient: tuple[Listener, ...] = ()
        self._later = later
        # Listeners come and go on several threads; events are told on one.
        self._changing = threading.Lock()

    def subscribe(self, listener: Listener, *, patient: bool = False) -> Callable[[], None]:
        """Calls `listener` with every later event. Returns what ends that. May be called from any thread.

        One that is `patient` hears of an event a little later: for those that take long, and decide nothing.
        """
        with self._changing:
            if patient:
                self._patient = (*self._patient, listener)
            else:
                self._listeners = (*self._listeners, listener)
        return lambda: self._remove(listener)

    def emit(self, *events: Event) -> None:
        """Tells every listener. What a listener raises is logged and goes no further."""
        self._tell_all(self._listeners, events)
        if not self._patient or not events:
            return
        if self._later is None:
            self._tell_all(self._patient, events)
        else:
            self._later(lambda: self._tell_all(self._patient, events))

    def _tell_all(self, listeners: tuple[Listener, ...], events: tuple[Event, ...]) -> None:
        for event in events:
            for listener in listeners:
                self._tell(listener, event)

    def _tell(self, listener: Listener, event: Event) -> None:
        try:
            listener(event)
        except Exception:
            _log.exception("A listener failed on %s", type(event).__name__)

    def _remove(self, listener: Listener) -> None:
        with self._changing:
            self._listeners = tuple(other for other in self._listeners if other is not listener)
            self._patient = tuple(other for other in self._patient if other is not listener)


def events_of(before: Policy | None, after: Policy) -> list[Event]:
    """Returns what it means that `after` follows `before`."""
    events: list[Event] = [PolicyPublished(before=before, after=after)]
    old = before.content if before else None
    if old is None or old.risk_mode is not after.content.risk_mode:
        events.append(RiskModeChanged(before=old.risk_mode if old else None, policy=after))
    if old is None or old.trading_state is not after.content.trading_state:
        events.append(TradingStateChanged(before=old.trading_state if old else None, policy=after))
    return events


def name_of(ref: PolicyRef) -> str:
    """Returns a reference as people write it."""
    return f"{ref.epoch}:{ref.version}"


def log_event(event: Event) -> None:
    """Writes an event to the log, in the words operators look for."""
    match event:
        case PolicyPublished():
            _log.info("Policy %s published by %s", name_of(event.after.ref), event.after.content.author)
        case RiskModeChanged():
            _log_risk_mode(event)
        case TradingStateChanged():
            _log_trading_state(event)
        case EvaluationDone():
            _log_evaluation(event.entry)
        case HeadUnconfirmed() | HeadConfirmed():
            _log_head(event)
        case EvaluationBroken():
            _log.error("Evaluation (%s) failed, the policy is kept: %s", event.trigger, event.text)
        case OperatorActed():
            _log_act(event.entry)
        case IntegrityBroken():
            _log.critical("[INTEGRITY] %s", event.text)
        case AlertChanged():
            _log_alert(event.alert)
        case LeadershipChanged():
            _log_leadership(event)
        case ClientChanged() | PolicyApplied() | SignalBlocked():
            _log.debug("%s", event)
        case _:
            assert_never(event)


def _log_head(event: HeadUnconfirmed | HeadConfirmed) -> None:
    if isinstance(event, HeadConfirmed):
        _log.info("Head %s confirmed again after %.1f s", name_of(event.ref), event.outage_s)
        return
    text = "Head %s unconfirmed for %.1f s: the store does not confirm it; serving it with its age"
    _log.error(text, name_of(event.ref), event.age_s)


def _log_risk_mode(event: RiskModeChanged) -> None:
    content = event.policy.content
    mode, risk_pct = content.risk_mode.name, content.limits.max_risk_per_trade * 100
    before = event.before.name if event.before else "none"
    reasons = "; ".join(reason.text for reason in content.reasons) or "no reason given"
    _log.warning("[POLICY UPDATE] MSC AI: %s mode (risk=%.2f%%)", mode, risk_pct)
    ref = name_of(event.policy.ref)
    _log.info("Risk mode %s -> %s (risk_mode=%s, policy %s): %s", before, mode, mode, ref, reasons)


def _log_trading_state(event: TradingStateChanged) -> None:
    state = event.policy.content.trading_state
    before = event.before.name if event.before else "none"
    level = logging.INFO if state is TradingState.ACTIVE else logging.CRITICAL
    _log.log(level, "Trading state %s -> %s (policy %s)", before, state.name, name_of(event.policy.ref))


def _log_evaluation(entry: EvaluationEntry) -> None:
    outcome = f"committed {name_of(entry.committed)}" if entry.committed else "the policy stays"
    _log.info("Evaluation %s (%s) done in %.3f s: %s", entry.evaluation_id, entry.trigger, entry.duration_s, outcome)


def _log_act(entry: ActEntry) -> None:
    outcome = f"committed {name_of(entry.committed)}" if entry.committed else "the policy stays"
    _log.warning("[OPERATOR] %s of %s by %s: %s; %s", entry.act, entry.target, entry.actor, entry.reason, outcome)


def _log_leadership(event: LeadershipChanged) -> None:
    match event.cause:
        case LeadershipCause.BEGAN:
            _log.info("Leading from now on, in term %d", event.term)
        case LeadershipCause.FOLLOWS:
            _log.info("Following the leader at %s, in term %d", event.address, event.term)
        case LeadershipCause.STOPPING:
            _log.info("No longer leading in term %d: %s", event.term, event.text)
        case _:
            _log.warning("No longer leading in term %d: %s", event.term, event.text)


def _log_alert(alert: Alert) -> None:
    subject = f" {alert.subject}" if alert.subject else ""
    if alert.state is not AlertState.FIRING:
        _log.info("[%s]%s resolved: %s", alert.code, subject, alert.title)
        return
    level = logging.CRITICAL if alert.severity is Severity.CRITICAL else logging.WARNING
    _log.log(level, "[%s]%s %s. %s", alert.code, subject, alert.text, alert.advice)
