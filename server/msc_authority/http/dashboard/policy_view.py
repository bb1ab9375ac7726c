"""The policy in force, its numbers, and how it came about, ready to be shown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from msc_authority.app.vitals import UNCONFIRMED_AFTER_S
from msc_authority.core.policy import (
    FieldChange,
    Limits,
    Policy,
    PolicyContent,
    PolicyRef,
    RiskMode,
    TradingState,
)
from msc_authority.http.dashboard.facts import Facts
from msc_authority.http.dashboard.text import calm_span, day_and_time, iso, plural, short_percent
from msc_authority.ports.evaluations import EvaluationEntry
from msc_authority.ports.policies import Revision

_STEADY_S = 0.75

MODE_MEANING = {
    RiskMode.DEFENSIVE: "Capital first: few strategies, small positions.",
    RiskMode.NORMAL: "Business as usual.",
    RiskMode.AGGRESSIVE: "Everything is measured to go well: more risk is allowed.",
}
STATE_MEANING = {
    TradingState.ACTIVE: "Entries are allowed.",
    TradingState.REDUCING: "No new positions; open ones may be reduced.",
    TradingState.HALTED: "Nothing may be opened. Only a person lifts a halt.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Instant:
    """An instant as people and machines read it, UTC."""

    text: str
    iso: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """What is in force. `mode` is empty while there is no policy; `valid_until` is in its monotonic seconds."""

    mode: str = ""
    mode_meaning: str = ""
    mode_since: Instant | None = None
    mode_for: str = ""
    trading_state: str = ""
    trading_meaning: str = ""
    trading_since: Instant | None = None
    policy: str = ""
    created: Instant | None = None
    author: str = ""
    rollback_of: str = ""
    grade: str = ""
    points: str = ""
    valid_until: float | None = None
    expired: bool = False
    unconfirmed: str = ""
    reasons: tuple[str, ...] = ()

    @property
    def announcement(self) -> str:
        """The sentence that screen readers are told when it changes."""
        if not self.mode:
            return "No policy yet."
        return f"Risk mode {self.mode}, trading {self.trading_state}, policy {self.policy}."


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRow:
    """One number of the policy."""

    label: str
    value: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsView:
    """The numbers of a policy, and what stands above them."""

    rows: tuple[LimitRow, ...] = ()
    overruled: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When the next evaluation is due, and how the last one went. `due` is in the server's monotonic seconds."""

    due: float
    overdue: str = ""
    last_at: Instant | None = None
    last_trigger: str = ""
    last_took: str = ""
    last_outcome: str = ""
    failure: str = ""
    failure_at: Instant | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """How one field changed. Lists say what came and what went instead of `before` and `after`."""

    label: str
    before: str = ""
    after: str = ""
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    direction: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRow:
    """One revision: what it says, how it differs from the one before, and why."""

    policy: str
    created: Instant
    author: str
    mode: str
    trading_state: str
    summary: str
    diffs: tuple[Diff, ...]
    reasons: tuple[str, ...]


def steady(new: float | None, before: float | None) -> float | None:
    """Returns the earlier value where the new one is the same but for jitter, so that nothing is sent for it."""
    if new is None or before is None or abs(new - before) > _STEADY_S:
        return None if new is None else round(new, 2)
    return before


def instant(at: datetime) -> Instant:
    """An instant, ready to be shown."""
    return Instant(text=day_and_time(at), iso=iso(at))


def name_of(ref: PolicyRef) -> str:
    """A version as people say it. The epoch only matters across databases."""
    return f"v{ref.version}"


def headline(facts: Facts, before: Headline | None = None) -> Headline:
    """Returns what is in force."""
    policy, seen = facts.current.head.policy, facts.observation
    unconfirmed = _unconfirmed(facts)
    if policy is None:
        return Headline(unconfirmed=unconfirmed)
    content = policy.content
    # The policy is shown before it is observed: until then, what the observation says is of the one before.
    seen_content = seen.head.policy.content if seen.head.policy else None
    same_mode = seen_content is not None and seen_content.risk_mode is content.risk_mode
    same_state = seen_content is not None and seen_content.trading_state is content.trading_state
    since = _since(seen.risk_mode_since if same_mode else None, policy)
    ttl_s = facts.freshness.ttl_s
    valid_until = None if ttl_s is None else seen.monotonic + ttl_s
    points = _points(facts.kept.evaluations.latest)
    return Headline(
        mode=content.risk_mode.name,
        mode_meaning=MODE_MEANING[content.risk_mode],
        mode_since=instant(since),
        mode_for=calm_span((seen.at - since).total_seconds()),
        trading_state=content.trading_state.name,
        trading_meaning=STATE_MEANING[content.trading_state],
        trading_since=instant(_since(seen.trading_state_since if same_state else None, policy)),
        policy=name_of(policy.ref),
        created=instant(policy.created_at),
        author=content.author,
        rollback_of=f"v{content.rollback_of}" if content.rollback_of else "",
        grade=str(content.metrics.system_health),
        points=points,
        valid_until=steady(valid_until, before.valid_until if before else None),
        expired=ttl_s is not None and ttl_s <= 0,
        unconfirmed=unconfirmed,
        reasons=tuple(reason.text for reason in content.reasons),
    )


def _since(known: datetime | None, policy: Policy) -> datetime:
    return known or policy.created_at


def _unconfirmed(facts: Facts) -> str:
    age_s = facts.freshness.replica_age_s
    return f"Not confirmed by the store for {calm_span(age_s)}." if age_s > UNCONFIRMED_AFTER_S else ""


def _points(entry: EvaluationEntry | None) -> str:
    if entry is None or entry.verdict is None:
        return ""
    return plural(entry.verdict.warning_points, "warning point")


def limits_of(content: PolicyContent | None) -> LimitsView:
    """Returns the numbers of a policy; none without one."""
    if content is None:
        return LimitsView()
    limits = content.limits
    allowed = content.allowed_strategies
    rows = (
        LimitRow(label="Risk per trade", value=short_percent(limits.max_risk_per_trade), note="of equity, at most"),
        LimitRow(label="Confidence", value=short_percent(limits.global_min_confidence), note="of a signal, at least"),
        LimitRow(label="Open positions", value=str(limits.max_positions), note="at most"),
        LimitRow(label="Trades a day", value=str(limits.max_daily_trades), note="at most"),
        LimitRow(label="Strategies", value=str(len(allowed)), note=", ".join(allowed) or "none is allowed"),
    )
    active = content.trading_state is TradingState.ACTIVE
    overruled = "" if active else f"{content.trading_state.name}: no new position, whatever the limits say."
    return LimitsView(rows=rows, overruled=overruled)


def schedule(facts: Facts, before: Schedule | None = None) -> Schedule:
    """Returns when the next evaluation is due and how the last one went."""
    seen, kept = facts.observation, facts.kept
    latest, failure = kept.evaluations.latest, kept.evaluations.failure
    due = steady(seen.monotonic + seen.next_evaluation_in_s, before.due if before else None)
    late_s = seen.evaluation_overdue_s
    return Schedule(
        due=due if due is not None else seen.monotonic,
        overdue=f"Overdue by {calm_span(late_s)}." if late_s > 0 else "",
        last_at=instant(latest.started_at) if latest else None,
        last_trigger=_TRIGGERS.get(latest.trigger, latest.trigger) if latest else "",
        last_took=f"{latest.duration_s * 1000:.0f} ms" if latest else "",
        last_outcome=_outcome(latest) if latest else "",
        failure=failure.failure if failure else seen.evaluations.last_failure,
        failure_at=instant(failure.started_at) if failure else None,
        trouble=kept.trouble,
    )


_TRIGGERS = {
    "start": "at start",
    "schedule": "on schedule",
    "request": "on request",
    "operator": "after an operator's act",
    "expiry": "when an override ended",
    "replay": "from the journal",
}


def _outcome(entry: EvaluationEntry) -> str:
    return f"published {name_of(entry.committed)}" if entry.committed else "the policy stays"


def history(revisions: tuple[Revision, ...]) -> tuple[HistoryRow, ...]:
    """Returns the revisions, newest first."""
    return tuple(_history_row(revision) for revision in revisions)


def _history_row(revision: Revision) -> HistoryRow:
    policy, content = revision.policy, revision.policy.content
    diffs = differences(revision.changes)
    return HistoryRow(
        policy=name_of(policy.ref),
        created=instant(policy.created_at),
        author=f"rollback to v{content.rollback_of}" if content.rollback_of else content.author,
        mode=content.risk_mode.name,
        trading_state=content.trading_state.name,
        summary=_summary(revision, diffs),
        diffs=diffs,
        reasons=tuple(reason.text for reason in content.reasons),
    )


def _summary(revision: Revision, diffs: tuple[Diff, ...]) -> str:
    # A mode there always was but before the first; other fields may have been empty, as a list of nobody is.
    if any(change.field == "risk_mode" and not change.before for change in revision.changes):
        return "the first policy"
    return ", ".join(diff.label.lower() for diff in diffs) or "no field that traders act on"


FIELD_LABELS = {
    "risk_mode": "Risk mode",
    "trading_state": "Trading state",
    "max_risk_per_trade": "Risk per trade",
    "global_min_confidence": "Confidence",
    "max_positions": "Open positions",
    "max_daily_trades": "Trades a day",
    "allowed_strategies": "Strategies",
    "strategy_grants": "Grants",
}
FRACTIONS = ("max_risk_per_trade", "global_min_confidence")
_LISTS = ("allowed_strategies", "strategy_grants")
# An item of a list may itself hold commas, in parentheses.
_BETWEEN_ITEMS = re.compile(r", (?![^(]*\))")


def differences(changes: tuple[FieldChange, ...]) -> tuple[Diff, ...]:
    """Returns the changes as people read them."""
    return tuple(_difference(change) for change in changes)


def _difference(change: FieldChange) -> Diff:
    label = FIELD_LABELS.get(change.field, change.field)
    if change.field in _LISTS:
        old, new = _items(change.before), _items(change.after)
        added = tuple(item for item in new if item not in old)
        removed = tuple(item for item in old if item not in new)
        order = "" if added or removed else "another order"
        return Diff(label=label, added=added, removed=removed, after=order)
    return Diff(
        label=label,
        before=_shown(change.field, change.before),
        after=_shown(change.field, change.after),
        direction=_direction(change),
    )


def _items(text: str) -> tuple[str, ...]:
    return tuple(_BETWEEN_ITEMS.split(text)) if text else ()


def _shown(field: str, text: str) -> str:
    return short_percent(float(text)) if text and field in FRACTIONS else text


def _direction(change: FieldChange) -> str:
    if not change.before:
        return ""
    before, after = _looseness(change.field, change.before), _looseness(change.field, change.after)
    if before is None or after is None or before == after:
        return ""
    return "looser" if after > before else "tighter"


def _looseness(field: str, text: str) -> float | None:
    if field == "risk_mode":
        return float(RiskMode[text])
    if field == "trading_state":
        return -float(TradingState[text])
    if field == "global_min_confidence":
        return -float(text)
    return float(text) if field in Limits.__dataclass_fields__ else None
