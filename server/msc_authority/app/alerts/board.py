"""Remembers what stands: which alerts are pending, which fire, and which were resolved lately."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from msc_authority.app.alerts.rule import Rule
from msc_authority.app.alerts.rules import RULE_BROKEN, RULES
from msc_authority.app.alerts.values import Alert, AlertState, Finding, Severity
from msc_authority.app.events import AlertChanged
from msc_authority.app.observation import Observation
from msc_authority.app.tidy import tidy

_log = logging.getLogger(__name__)

RESOLVED_KEPT_S = 3600.0
MAX_RESOLVED = 500
MAX_SUBJECTS = 200
"""Subjects of one rule with an alert of their own; the rest share one."""
OTHERS = "others"
MAX_TEXT_CHARS = 500


class Key(NamedTuple):
    """Names an alert."""

    code: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A pending or firing alert. `gone_since` is the monotonic time since when its condition has not held."""

    alert: Alert
    gone_since: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A resolved alert, and the monotonic time at which it was."""

    alert: Alert
    at: float


class Board:
    """Judges observations one after the other. Its snapshot may be read from any thread."""

    def __init__(self, rules: Sequence[Rule] = RULES) -> None:
        """Starts empty."""
        self._rules = {rule.code: rule for rule in rules}
        self._standing: dict[Key, Standing] = {}
        self._resolved: dict[Key, Resolved] = {}
        self._alerts: tuple[Alert, ...] = ()

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """Alerts: firing first, critical before warning, then pending, then resolved lately; newest first in each."""
        return self._alerts

    def judge(self, observed: Observation) -> list[AlertChanged]:
        """Takes an observation, later than the one before. Returns which alerts began to fire, and which are resolved.

        What a rule raises is logged and is an alert of its own. What a rule that raises or cannot say had found before
        stands until it can be judged again: not known is not resolved.
        """
        found, unknown, broken = self._found(observed)
        kept = {key: one for key, one in self._standing.items() if key.code in unknown}
        keys = dict.fromkeys((*found, *(key for key in self._standing if key.code != RULE_BROKEN.code)))
        after = {key: self._stepped(key, found.get(key), observed, broken) for key in keys if key not in kept}
        after |= kept
        after |= self._complaints(broken, observed)
        changed = [alert for key, standing in after.items() for alert in _change(self._standing.get(key), standing)]
        self._standing = {key: one for key, one in after.items() if one and one.alert.state is not AlertState.RESOLVED}
        self._keep_resolved(changed, observed.monotonic)
        self._alerts = _ordered(self._standing, self._resolved)
        return [AlertChanged(alert=alert) for alert in changed]

    def _found(self, observed: Observation) -> tuple[dict[Key, Finding], set[str], dict[str, Exception]]:
        found: dict[Key, Finding] = {}
        unknown: set[str] = set()
        broken: dict[str, Exception] = {}
        for rule in self._rules.values():
            subjects = {key.subject for key in self._standing if key.code == rule.code}
            try:
                findings = rule.find(observed)
                if findings is None:
                    unknown.add(rule.code)
                else:
                    found |= {Key(rule.code, one.subject): one for one in bounded(findings, subjects)}
            except Exception as error:
                broken[rule.code] = error
        return found, unknown, broken

    def _stepped(
        self, key: Key, finding: Finding | None, observed: Observation, broken: dict[str, Exception]
    ) -> Standing | None:
        before = self._standing.get(key)
        if finding is None and key.code in broken:
            return before
        try:
            return step(self._rules[key.code], key.subject, before, finding, observed)
        except Exception as error:
            broken[key.code] = error
            return before

    def _complaints(self, broken: Mapping[str, Exception], observed: Observation) -> dict[Key, Standing | None]:
        before = {key: one for key, one in self._standing.items() if key.code == RULE_BROKEN.code}
        found = {Key(RULE_BROKEN.code, code): _complaint(code, error) for code, error in broken.items()}
        for key in found.keys() - before.keys():
            _log.error("The alert rule %s cannot be judged", key.subject, exc_info=broken[key.subject])
        keys = dict.fromkeys((*found, *before))
        return {key: step(RULE_BROKEN, key.subject, before.get(key), found.get(key), observed) for key in keys}

    def _keep_resolved(self, changed: Iterable[Alert], monotonic: float) -> None:
        kept = {key: one for key, one in self._resolved.items() if monotonic - one.at <= RESOLVED_KEPT_S}
        for alert in changed:
            if alert.state is AlertState.RESOLVED:
                key = Key(alert.code, alert.subject)
                # Popped and set again: the dict stays in the order of resolution.
                kept.pop(key, None)
                kept[key] = Resolved(alert=alert, at=monotonic)
        self._resolved = dict(list(kept.items())[-MAX_RESOLVED:])


def step(
    rule: Rule, subject: str, before: Standing | None, finding: Finding | None, observed: Observation
) -> Standing | None:
    """Returns what stands for one subject of a rule after one more look; None: nothing.

    A RESOLVED alert is returned once, when it is resolved.
    """
    holds = finding is not None and (rule.for_s == 0 or finding.held_s > rule.for_s)
    if before is None or before.alert.state is AlertState.PENDING:
        if finding is None:
            return None
        alert = _seen(before.alert, finding) if before else _began(rule, subject, finding, observed)
        return Standing(alert=_fired(alert, observed) if holds else alert)
    if finding is not None and holds:
        return Standing(alert=_seen(before.alert, finding))
    gone_since = observed.monotonic if before.gone_since is None else before.gone_since
    if observed.monotonic - gone_since < rule.resolves_after_s:
        return replace(before, gone_since=gone_since)
    return Standing(alert=replace(before.alert, state=AlertState.RESOLVED, resolved_at=observed.at))


def bounded(findings: Iterable[Finding], standing: set[str]) -> list[Finding]:
    """Returns one finding a subject, as many as are shown one by one, and one that stands for all others.

    Those that stand already come first, so that a crowd does not push them out.
    """
    by_subject = {finding.subject: finding for finding in findings}
    ordered = sorted(by_subject.values(), key=lambda finding: finding.subject not in standing)
    shown, rest = ordered[:MAX_SUBJECTS], ordered[MAX_SUBJECTS:]
    if not rest:
        return shown
    text = f"{len(rest)} more; the first: {rest[0].text}"
    held_s = max(finding.held_s for finding in rest)
    return [*shown, Finding(text=text, held_s=held_s, subject=OTHERS, value=float(len(rest)))]


def _complaint(code: str, error: Exception) -> Finding:
    return Finding(text=f"{code} cannot be judged: {type(error).__name__}", held_s=0.0, subject=code)


def _began(rule: Rule, subject: str, finding: Finding, observed: Observation) -> Alert:
    since = observed.at if finding.since is None else min(finding.since, observed.at)
    return Alert(
        code=rule.code,
        subject=subject,
        severity=rule.severity,
        state=AlertState.PENDING,
        title=rule.title,
        text=tidy(finding.text, MAX_TEXT_CHARS),
        advice=rule.advice,
        anchor=rule.anchor,
        value=finding.value,
        pending_since=since,
    )


def _seen(alert: Alert, finding: Finding) -> Alert:
    return replace(alert, text=tidy(finding.text, MAX_TEXT_CHARS), value=finding.value)


def _fired(alert: Alert, observed: Observation) -> Alert:
    return replace(alert, state=AlertState.FIRING, firing_since=observed.at)


def _change(before: Standing | None, after: Standing | None) -> list[Alert]:
    if after is None or after.alert.state is AlertState.PENDING:
        return []
    if before is not None and before.alert.state is after.alert.state:
        return []
    return [after.alert]


def _ordered(standing: Mapping[Key, Standing], resolved: Mapping[Key, Resolved]) -> tuple[Alert, ...]:
    alerts = [one.alert for one in standing.values()]
    alerts += [one.alert for key, one in resolved.items() if key not in standing]
    return tuple(sorted(alerts, key=_place))


_STATES, _SEVERITIES = (AlertState.FIRING, AlertState.PENDING, AlertState.RESOLVED), tuple(Severity)


def _place(alert: Alert) -> tuple[int, int, float, str, str]:
    firing = alert.state is AlertState.FIRING
    since = alert.resolved_at or alert.firing_since or alert.pending_since
    severity = _SEVERITIES.index(alert.severity) if firing else 0
    return _STATES.index(alert.state), severity, -since.timestamp(), alert.code, alert.subject
