"""The table of everything a person should be told about, and what to do then."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msc_authority.app.alerts import conditions, conditions_of_production
from msc_authority.app.alerts.rule import Rule
from msc_authority.app.alerts.values import Finding, Severity
from msc_authority.app.observation import Observation

CLIENT_SETTLES_S = 3.0
"""A client says that it is SAFE when it starts, and that it is not a second after its first policy."""


def anchor_of(code: str) -> str:
    """The heading of the runbook that explains an alert."""
    return "alert-" + code.lower().replace("_", "-")


def _rule(
    code: str,
    severity: Severity,
    title: str,
    *,
    advice: str,
    promql: str,
    find: Callable[[Observation], Sequence[Finding] | None],
    for_s: float = 0.0,
    promql_for_s: float = 0.0,
    resolves_after_s: float = 10.0,
) -> Rule:
    return Rule(
        code=code,
        severity=severity,
        title=title,
        for_s=for_s,
        advice=advice,
        anchor=anchor_of(code),
        promql=promql,
        find=find,
        promql_for_s=promql_for_s,
        resolves_after_s=resolves_after_s,
    )


RULE_BROKEN = _rule(
    "RULE_BROKEN",
    Severity.CRITICAL,
    "An alert rule cannot be judged",
    advice="This is a defect of the authority: find the error in its log and report it. Until it is mended, what that "
    "rule had found before stands; watch its condition with `msc status`, `msc health` and `msc clients`.",
    promql='msc_alerts_firing{code="RULE_BROKEN"} > 0',
    find=lambda _: (),
)
"""Found by the board itself, where another rule raises."""

RULES: tuple[Rule, ...] = (
    _rule(
        "POLICY_UNAVAILABLE",
        Severity.CRITICAL,
        "No policy that can be vouched for, longer than 5 minutes",
        for_s=300.0,
        advice="Run `msc doctor` on the authority's machine to see whether its database answers; where there is no "
        "policy yet, `msc evaluate` makes one. If only a client is named, it "
        "does not hear the authority: look at it with `msc clients`.",
        promql="msc_policy_unavailable_seconds > 300 or msc_client_policy_age_seconds > 300"
        " or absent_over_time(msc_policy_unavailable_seconds[5m]) == 1",
        find=conditions.policy_unavailable,
    ),
    _rule(
        "DEFENSIVE_TOO_LONG",
        Severity.CRITICAL,
        "Risk mode DEFENSIVE for more than 1 hour",
        for_s=3600.0,
        advice="Run `msc health` to see which metric is beyond its threshold and by how much; the mode is raised by "
        "itself once they are back for long enough. `msc evaluate --dry-run` says what would be decided now.",
        promql='msc_risk_mode{mode="DEFENSIVE"} == 1 and on (instance, job) msc_risk_mode_since_seconds > 3600',
        find=conditions.defensive,
        resolves_after_s=0.0,
    ),
    _rule(
        "NO_STRATEGY_ALLOWED",
        Severity.CRITICAL,
        "All strategies are filtered out",
        advice="Run `msc strategies` to see the score of each and what it lacks; a strategy earns its place with "
        "closed trades in the journal, live or in shadow.",
        promql="msc_allowed_strategies == 0",
        find=conditions.no_strategy_allowed,
        resolves_after_s=0.0,
    ),
    _rule(
        "POLICY_READ_FAILURES",
        Severity.WARNING,
        "More than 10 % of the policy reads fail",
        advice="Run `msc clients` to see who does not act on a fresh policy and its last error, then see that it "
        "reaches the authority's gRPC port.",
        promql="msc_policy_read_failures_ratio > 0.1"
        " and on (instance, job) sum by (instance, job) (increase(msc_client_reads_total[5m])) >= 20",
        find=conditions.policy_reads_fail,
    ),
    _rule(
        "MODE_CHANGES_FREQUENT",
        Severity.WARNING,
        "More than 5 changes of the risk mode in an hour",
        advice="Run `msc history` to see which reasons alternate; a metric that hovers at its threshold needs a wider "
        "margin in the [decision] table, which `msc config show` prints.",
        promql="msc_risk_mode_changes_last_hour > 5",
        find=conditions.mode_changes_often,
    ),
    _rule(
        "BLOCK_RATE_HIGH",
        Severity.WARNING,
        "The policy blocks more than half of the entry signals",
        advice="Run `msc health` to see what made the policy tight, and `msc strategies` to see who is not allowed. "
        "`msc status` shows the limits and the least confidence in force. Signals that were blocked for other reasons, "
        "such as SYMBOL_HELD, are not among these; `msc top` shows all by reason.",
        promql="msc_policy_blocked_signals_last_hour_ratio > 0.5"
        " and on (instance, job) msc_policy_judged_signals_last_hour >= 10",
        find=conditions.signals_blocked,
    ),
    _rule(
        "CLIENT_BEHIND",
        Severity.WARNING,
        "A client is more than 1 version behind for more than 1 minute",
        for_s=60.0,
        advice="Run `msc clients` to see its version and its last error; a client that refuses versions or hangs has "
        "to be restarted.",
        promql="msc_client_versions_behind > 1",
        promql_for_s=60.0,
        find=conditions.client_behind,
    ),
    _rule(
        "CLIENT_SAFE",
        Severity.CRITICAL,
        "A client acts on safe defaults",
        for_s=CLIENT_SETTLES_S,
        advice="Run `msc clients` to see its last error, and see that it reaches the authority's gRPC port; where "
        "there is no policy yet, `msc evaluate` makes one.",
        promql='msc_client_tier{tier=~"SAFE_.*"} == 1',
        promql_for_s=CLIENT_SETTLES_S,
        find=conditions.client_safe,
    ),
    _rule(
        "EVALUATION_OVERDUE",
        Severity.CRITICAL,
        "An evaluation is more than 5 minutes late",
        for_s=300.0,
        advice="Run `msc history --evaluations` for failures, and try one with `msc evaluate`; "
        "where that hangs, the database does: run `msc doctor`.",
        promql="msc_evaluation_overdue_seconds > 300",
        find=conditions.evaluation_overdue,
        resolves_after_s=0.0,
    ),
    _rule(
        "EVALUATION_FAILED",
        Severity.WARNING,
        "The last evaluation failed",
        advice="Run `msc health` for the failure in full, and `msc doctor` to check configuration and database; then "
        "try again with `msc evaluate`.",
        promql='sum by (instance, job) (increase(msc_evaluations_total{outcome="failed"}[15m])) > 0',
        find=conditions.evaluation_failed,
        resolves_after_s=0.0,
    ),
    _rule(
        "JOURNAL_REFUSALS",
        Severity.WARNING,
        "Rows are refused by the journal",
        advice="The text names the field; correct the sender. `msc journal import --dry-run FILE` checks a file "
        "without sending it.",
        promql='sum by (instance, job) (increase(msc_journal_rows_total{outcome="refused"}[5m])) > 0',
        find=conditions.journal_refusals,
    ),
    _rule(
        "TRADING_NOT_ACTIVE",
        Severity.CRITICAL,
        "The trading state is not ACTIVE",
        advice="Run `msc health` to see the drawdown and the reasons. REDUCING ends by itself when the drawdown falls; "
        "HALTED stays until `msc resume`, a person's REDUCING until that or its end (`msc overrides`).",
        promql='msc_trading_state{state="ACTIVE"} == 0',
        find=conditions.trading_not_active,
        resolves_after_s=0.0,
    ),
    _rule(
        "INTEGRITY",
        Severity.CRITICAL,
        "Two writers are at work on the policies",
        advice="Stop every authority on this database but one, then compare `msc history` with what clients hold "
        "(`msc clients`). `msc config show` names the database.",
        promql="increase(msc_integrity_errors_total[5m]) > 0",
        find=conditions.integrity,
    ),
    _rule(
        "NO_LEADER",
        Severity.WARNING,
        "No authority has led for more than 1 minute",
        for_s=60.0,
        advice="Run `msc doctor` on an authority's machine: the lease is in the database, and cannot be had while that "
        "does not answer or takes no writes. Policies in force stay so until they are no longer valid.",
        promql="msc_leaderless_seconds > 60",
        find=conditions_of_production.nobody_leads,
    ),
    _rule(
        "CACHE_UNAVAILABLE",
        Severity.WARNING,
        "The cache has not been usable for more than 5 minutes",
        for_s=300.0,
        advice="Run `msc doctor` to see what Redis says. Nothing stops meanwhile, but other programs do not see new "
        "policies there, and an authority that loses the database has nothing to fall back on.",
        promql="msc_cache_failing_seconds > 300",
        find=conditions_of_production.cache_unavailable,
    ),
    _rule(
        "ACCESS_REFUSED",
        Severity.WARNING,
        "More than 20 requests were refused within 5 minutes",
        advice='The authority\'s log names address and reason behind "Refused"; `msc token list` shows which tokens '
        "are over or revoked.",
        promql="sum by (instance, job) (increase(msc_refusals_total[5m])) > 20",
        find=conditions_of_production.access_refused,
    ),
    _rule(
        "AUDIT_BROKEN",
        Severity.CRITICAL,
        "The audit log was tampered with",
        advice="Run `msc audit verify` with the newest anchor that you kept, and leave the database as it is until "
        "it is backed up.",
        promql="msc_audit_intact == 0",
        find=conditions_of_production.audit_broken,
    ),
    RULE_BROKEN,
)
