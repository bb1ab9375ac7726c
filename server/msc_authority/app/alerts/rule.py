"""What a rule is: one condition over an observation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from msc_authority.app.alerts.values import Finding, Severity
from msc_authority.app.observation import Observation


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One condition. It fires where it has held for longer than `for_s` seconds; 0: at once.

    `advice` says what to do, `anchor` is the heading of the runbook that says more, and `promql` is
    the same condition over the exported metrics, which has to hold for `promql_for_s` seconds where no metric says how
    long it has. `resolves_after_s` is how many real seconds it has to be gone before a firing alert is resolved, so
    that it does not flap. `find` returns None where nobody can say: what it found before stands.
    """

    code: str
    severity: Severity
    title: str
    for_s: float
    advice: str
    anchor: str
    promql: str
    find: Callable[[Observation], Sequence[Finding] | None]
    promql_for_s: float = 0.0
    resolves_after_s: float = 10.0
