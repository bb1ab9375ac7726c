"""What is measured, as samples of the metrics. Pure: an observation in, samples out. What is unknown has no sample."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from itertools import chain
from typing import TypeVar

from msc_authority.app.alerts.conditions import reporting_clients
from msc_authority.app.alerts.delivery import SinkTally
from msc_authority.app.alerts.rules import RULES
from msc_authority.app.alerts.values import Alert, AlertState
from msc_authority.app.clients import WatchEnd
from msc_authority.app.observation import ClientView, Observation
from msc_authority.app.signals import SignalTally
from msc_authority.core.evaluation import HealthMetric
from msc_authority.core.policy import Policy, RiskMode, TradingState
from msc_authority.http import metric_table as table
from msc_authority.http.metric_table import Metric

_Labels = TypeVar("_Labels", bound=tuple[str, ...])
Sample = tuple[Metric, tuple[str, ...], float | None]
"""A metric, the values of its labels, and its value; None: unknown."""

MAX_CLIENTS = 200
"""Clients with metrics of their own; each has about ten series."""
MAX_STRATEGIES = 200
MAX_BLOCK_SERIES = 2_000
MAX_CAUSES = 20
OTHER = "other"
"""The label of what is beyond these numbers."""
TRIGGERS = ("start", "schedule", "request")

LIMIT_OF_REASON: Mapping[str, str] = {
    "MAX_POSITIONS": "position",
    "MAX_DAILY_TRADES": "daily_trades",
    "RISK_PER_TRADE": "risk",
    "STRATEGY_CAP": "strategy_cap",
    "MAX_EXPOSURE": "exposure",
    "MAX_OPEN_RISK": "open_risk",
    "CONFIDENCE_TOO_LOW": "confidence",
}
"""The limit that an executor enforced when it blocked a signal for this reason."""


def samples_of(observed: Observation) -> Iterator[Sample]:
    """Yields everything that an observation says."""
    return chain(
        _policy(observed),
        _modes(observed),
        _evaluations(observed),
        _journal(observed),
        _signals(observed.signals.since_start),
        _clients(observed),
        _authority(observed),
    )


def health_samples(metrics: Sequence[HealthMetric]) -> Iterator[Sample]:
    """Yields what an evaluation measured, with the lines it judged by."""
    for metric in metrics:
        yield table.HEALTH_METRIC, (metric.name,), metric.value
        yield table.HEALTH_THRESHOLD, (metric.name,), metric.threshold
        yield table.HEALTH_MARGIN, (metric.name,), metric.margin


def alert_samples(alerts: Sequence[Alert]) -> Iterator[Sample]:
    """Yields how many alerts of each rule fire, none included."""
    firing = Counter(alert.code for alert in alerts if alert.state is AlertState.FIRING)
    for rule in RULES:
        yield table.ALERTS_FIRING, (rule.code, str(rule.severity)), firing[rule.code]


def delivery_samples(tallies: Sequence[SinkTally]) -> Iterator[Sample]:
    """Yields what became of the alerts that were sent out."""
    for tally in tallies:
        yield table.ALERT_DELIVERIES, (tally.name, "delivered"), tally.delivered
        yield table.ALERT_DELIVERIES, (tally.name, "failed"), tally.failed
        yield table.ALERT_DELIVERIES, (tally.name, "dropped"), tally.dropped


def build_samples() -> Iterator[Sample]:
    """Yields what runs here."""
    yield table.BUILD_INFO, (version("meta-strategy-controller"), platform.python_version()), 1


def _policy(observed: Observation) -> Iterator[Sample]:
    head = observed.head
    yield table.POLICY_VERSION, (str(head.ref.epoch),), head.ref.version
    yield table.POLICY_UNAVAILABLE, (), observed.policy_unavailable_s
    yield table.POLICY_VALID, (), observed.freshness.ttl_s
    yield table.REPLICA_AGE, (), observed.freshness.replica_age_s
    if head.policy:
        yield table.POLICY_AGE, (), (observed.at - head.policy.created_at).total_seconds()
        yield from _content(head.policy)


def _content(policy: Policy) -> Iterator[Sample]:
    content = policy.content
    for mode in RiskMode:
        yield table.RISK_MODE, (mode.name,), mode is content.risk_mode
    for state in TradingState:
        yield table.TRADING_STATE, (state.name,), state is content.trading_state
    yield table.ALLOWED_STRATEGIES, (), len(content.grants)
    for name, value in asdict(content.limits).items():
        yield table.LIMIT, (name,), value


def _modes(observed: Observation) -> Iterator[Sample]:
    if observed.risk_mode_since:
        yield table.RISK_MODE_SINCE, (), (observed.at - observed.risk_mode_since).total_seconds()
    for mode in RiskMode:
        yield table.RISK_MODE_SHARE, (mode.name,), observed.mode_shares.fraction(mode)
    yield table.RISK_MODE_CHANGES, (), observed.mode_changes
    yield table.RISK_MODE_CHANGES_LAST_HOUR, (), observed.mode_changes_last_hour


def _evaluations(observed: Observation) -> Iterator[Sample]:
    outcomes = {"succeeded": observed.evaluations.done, "failed": observed.evaluations.failed}
    for outcome, tally in outcomes.items():
        # What has not happened yet is 0 from the start: a counter that appears with 1 has not increased.
        for trigger in dict.fromkeys((*TRIGGERS, *tally)):
            yield table.EVALUATIONS, (trigger, outcome), tally.get(trigger, 0)
    yield table.EVALUATION_OVERDUE, (), observed.evaluation_overdue_s
    yield table.NEXT_EVALUATION, (), observed.next_evaluation_in_s


def _journal(observed: Observation) -> Iterator[Sample]:
    journal = observed.journal
    yield table.JOURNAL_ROWS, ("accepted",), journal.accepted
    yield table.JOURNAL_ROWS, ("duplicate",), journal.duplicates
    yield table.JOURNAL_ROWS, ("refused",), sum(journal.refused.values())
    for code, count in journal.refused.items():
        yield table.JOURNAL_REFUSED, (code,), count


def _signals(tally: SignalTally) -> Iterator[Sample]:
    # Their names come from executors. Tallies keep the order of first sight, so that who has a series keeps it.
    seen = _bounded({(strategy,): count for strategy, count in tally.seen.items()}, MAX_STRATEGIES)
    for labels, count in seen.items():
        yield table.SIGNALS_SEEN, labels, count
    for labels, count in _bounded(tally.blocked, MAX_BLOCK_SERIES).items():
        yield table.SIGNALS_BLOCKED, labels, count
    enforced = dict.fromkeys(LIMIT_OF_REASON.values(), 0)
    for (_, reason), count in tally.blocked.items():
        if reason in LIMIT_OF_REASON:
            enforced[LIMIT_OF_REASON[reason]] += count
    for limit, count in enforced.items():
        yield table.LIMIT_ENFORCEMENTS, (limit,), count


def _bounded(counts: Mapping[_Labels, int], most: int) -> dict[tuple[str, ...], int]:
    kept: Counter[tuple[str, ...]] = Counter()
    for number, (labels, count) in enumerate(counts.items()):
        kept[labels if number < most else (OTHER,) * len(labels)] += count
    return kept


def _clients(observed: Observation) -> Iterator[Sample]:
    reporting = reporting_clients(observed)
    tiers = Counter((str(view.entry.client.role), str(view.entry.status.tier)) for _, view in reporting)
    for labels, count in tiers.items():
        yield table.CLIENTS, labels, count
    # Those that watch come first. One's name may be another's instance: a label is given once.
    ordered = sorted(reporting, key=lambda named: (not named[1].entry.watches, named[0]))
    labelled: dict[str, ClientView] = {}
    for name, view in ordered[:MAX_CLIENTS]:
        labelled.setdefault(name, view)
    yield table.CLIENTS_UNLABELLED, (), len(reporting) - len(labelled)
    for name, view in labelled.items():
        yield from _client(name, view)


def _client(name: str, view: ClientView) -> Iterator[Sample]:
    status, labels = view.entry.status, (name, str(view.entry.client.role))
    counters = status.counters
    yield table.CLIENT_AGE, labels, view.age_s
    yield table.CLIENT_TIER, (*labels, str(status.tier)), 1
    yield table.CLIENT_BEHIND, labels, view.versions_behind
    yield table.CLIENT_READS, labels, counters.reads
    yield table.CLIENT_FALLBACK_READS, labels, counters.fallback_reads
    yield table.CLIENT_APPLIED, labels, counters.applied
    causes = {(cause,): counters.reconnect_causes[cause] for cause in sorted(counters.reconnect_causes)}
    for cause, count in _bounded(causes, MAX_CAUSES).items():
        yield table.CLIENT_RECONNECTS, (*labels, *cause), count


def _authority(observed: Observation) -> Iterator[Sample]:
    signals = observed.signals.last_hour
    yield table.BLOCKED_LAST_HOUR, (), signals.blocked_fraction
    yield table.POLICY_BLOCKED_LAST_HOUR, (), signals.by_policy_fraction
    yield table.POLICY_JUDGED_LAST_HOUR, (), signals.judged_total
    yield table.READ_FAILURES, (), observed.reads.failed_fraction
    yield table.WATCHERS, (), observed.watchers
    for cause in dict.fromkeys((*(str(end) for end in WatchEnd), *observed.watch_ends)):
        yield table.WATCH_ENDS, (cause,), observed.watch_ends.get(cause, 0)
    yield table.LOOP_LAG, (), observed.loop_lag_s
    yield table.LOOP_TASKS, ("grpc",), observed.loop_tasks
    yield table.INTEGRITY_ERRORS, (), observed.integrity_errors
