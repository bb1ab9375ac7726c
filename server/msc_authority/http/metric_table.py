"""Every metric that is exported: name, kind, labels, unit and what it says. Dashboard and alert rules use these."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How a metric behaves."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class Unit(StrEnum):
    """What a value counts, in the words of Grafana."""

    COUNT = "short"
    SECONDS = "s"
    FRACTION = "percentunit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One family. The name of a counter ends in `_total`. `buckets` are the upper bounds of a histogram."""

    name: str
    help: str
    kind: Kind = Kind.GAUGE
    labels: tuple[str, ...] = ()
    unit: Unit = Unit.COUNT
    buckets: tuple[float, ...] = ()


def _gauge(name: str, text: str, *labels: str, unit: Unit = Unit.COUNT) -> Metric:
    return Metric(name=f"msc_{name}", help=text, labels=labels, unit=unit)


def _counter(name: str, text: str, *labels: str) -> Metric:
    return Metric(name=f"msc_{name}_total", help=text, labels=labels, kind=Kind.COUNTER)


def _histogram(name: str, text: str, *buckets: float) -> Metric:
    return Metric(name=f"msc_{name}", help=text, kind=Kind.HISTOGRAM, unit=Unit.SECONDS, buckets=buckets)


# The policy

POLICY_VERSION = _gauge("policy_version", "Version of the policy in force; 0: there is none yet.", "epoch")
POLICY_AGE = _gauge("policy_age_seconds", "Time since the policy in force was created.", unit=Unit.SECONDS)
POLICY_UNAVAILABLE = _gauge(
    "policy_unavailable_seconds", "How long there has been no policy that can be vouched for.", unit=Unit.SECONDS
)
POLICY_VALID = _gauge(
    "policy_valid_seconds", "How long the policy in force is still valid; negative: no more.", unit=Unit.SECONDS
)
REPLICA_AGE = _gauge("replica_age_seconds", "Time since the store last confirmed the policy.", unit=Unit.SECONDS)
RISK_MODE = _gauge("risk_mode", "1 for the risk mode in force, 0 for the others.", "mode")
TRADING_STATE = _gauge("trading_state", "1 for the trading state in force, 0 for the others.", "state")
RISK_MODE_SINCE = _gauge("risk_mode_since_seconds", "Time in the present risk mode.", unit=Unit.SECONDS)
RISK_MODE_SHARE = _gauge(
    "risk_mode_share_ratio",
    "Share of each risk mode in the last 30 days, or since the first policy.",
    "mode",
    unit=Unit.FRACTION,
)
RISK_MODE_CHANGES = _counter("risk_mode_changes", "Changes of the risk mode since the start.")
RISK_MODE_CHANGES_LAST_HOUR = _gauge("risk_mode_changes_last_hour", "Changes of the risk mode within the last hour.")
ALLOWED_STRATEGIES = _gauge("allowed_strategies", "Strategies that may open positions.")
LIMIT = _gauge("limit", "Limits in force: fractions of equity and of confidence, and counts.", "name")

# Evaluations

EVALUATIONS = _counter("evaluations", "Evaluations since the start.", "trigger", "outcome")
EVALUATION_DURATION = _histogram(
    "evaluation_duration_seconds",
    "How long evaluations took that succeeded.",
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
EVALUATION_OVERDUE = _gauge(
    "evaluation_overdue_seconds", "How long an evaluation has been overdue; not above 0: none is.", unit=Unit.SECONDS
)
NEXT_EVALUATION = _gauge("next_evaluation_seconds", "Time until the next scheduled evaluation.", unit=Unit.SECONDS)
HEALTH_METRIC = _gauge("health_metric", "Metrics of the newest evaluation, in the unit that the name ends in.", "name")
HEALTH_THRESHOLD = _gauge("health_threshold", "The line from which a metric costs warning points.", "name")
HEALTH_MARGIN = _gauge("health_margin", "Distance of a metric from its line; negative: beyond it.", "name")

# Facts and signals

JOURNAL_ROWS = _counter("journal_rows", "Rows sent to the journal since the start.", "outcome")
JOURNAL_REFUSED = _counter("journal_refused", "Rows that the journal refused since the start.", "code")
SIGNALS_SEEN = _counter("signals_seen", "Entry signals since the start.", "strategy")
SIGNALS_BLOCKED = _counter("signals_blocked", "Entry signals blocked since the start.", "strategy", "reason")
LIMIT_ENFORCEMENTS = _counter("limit_enforcements", "Entry signals blocked by a limit of the policy.", "limit")
BLOCKED_LAST_HOUR = _gauge(
    "blocked_signals_last_hour_ratio", "Share of the entry signals of the last hour blocked.", unit=Unit.FRACTION
)
POLICY_BLOCKED_LAST_HOUR = _gauge(
    "policy_blocked_signals_last_hour_ratio",
    "Share blocked by the policy and its limits of the entry signals of the last hour that they decided on.",
    unit=Unit.FRACTION,
)
POLICY_JUDGED_LAST_HOUR = _gauge(
    "policy_judged_signals_last_hour", "Entry signals of the last hour that came through or that the policy blocked."
)

# The fleet

CLIENTS = _gauge("clients", "Clients that report.", "role", "tier")
CLIENTS_UNLABELLED = _gauge("clients_unlabelled", "Clients that report and have no metrics of their own: too many.")
CLIENT_AGE = _gauge(
    "client_policy_age_seconds", "Age of the policy that a client acts on.", "client", "role", unit=Unit.SECONDS
)
CLIENT_TIER = _gauge("client_tier", "1 for the tier that a client reports.", "client", "role", "tier")
CLIENT_BEHIND = _gauge("client_versions_behind", "Versions that a client is behind.", "client", "role")
CLIENT_READS = _counter("client_reads", "Policy reads of a client since its start.", "client", "role")
CLIENT_FALLBACK_READS = _counter(
    "client_fallback_reads", "Policy reads of a client that were not answered fresh.", "client", "role"
)
CLIENT_APPLIED = _counter("client_applied", "Policies that a client has applied since its start.", "client", "role")
CLIENT_RECONNECTS = _counter(
    "client_reconnects", "Connections that a client made anew since its start.", "client", "role", "cause"
)
READ_FAILURES = _gauge(
    "policy_read_failures_ratio", "Share of the policy reads of the last 5 min that failed.", unit=Unit.FRACTION
)
PROPAGATION = _histogram(
    "policy_propagation_seconds",
    "From publishing a policy to a client applying it.",
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0),
)
WATCHERS = _gauge("watchers", "Watches that are open.")
WATCH_ENDS = _counter("watch_ends", "Watches that ended since the start.", "cause")

# The authority itself

LOOP_LAG = _gauge("event_loop_lag_seconds", "How late the event loop was at its last pulse.", unit=Unit.SECONDS)
LOOP_TASKS = _gauge("event_loop_tasks", "Tasks that live on the event loop of gRPC, and on that of HTTP.", "loop")
EVENT_STREAMS = _gauge("event_streams", "Streams of server-sent events that are open.")
DASHBOARD_PAGES = _gauge("dashboard_pages", "Dashboards that are open.")
INTEGRITY_ERRORS = _counter("integrity_errors", "Contradictions between the store and what is served.")
ALERTS_FIRING = _gauge("alerts_firing", "Alerts that fire.", "code", "severity")
ALERT_DELIVERIES = _counter("alert_deliveries", "Alerts sent out since the start.", "sink", "outcome")
BUILD_INFO = _gauge("build_info", "Always 1; the labels say what runs.", "version", "python")

# Several authorities

LEADER = _gauge("leader", "1 where this authority leads, that is evaluates; 0 where another does, or nobody.")
LEADERSHIP_TERM = _gauge("leadership_term", "Newest term that is known of; it grows by one whenever another leads.")
LEADERLESS = _gauge(
    "leaderless_seconds", "How long nobody has led, as far as is known; 0: somebody does.", unit=Unit.SECONDS
)
LEASE_AGE = _gauge("lease_age_seconds", "Time since the store last said who leads.", unit=Unit.SECONDS)
LEADERSHIP_CHANGES = _counter("leadership_changes", "Changes of who leads, seen from here, since the start.", "cause")
COMMITS_FENCED = _counter("commits_fenced", "Commits that the store refused because another had begun to lead.")
REPLICAS = _gauge("replicas", "Authorities on the store that were heard of, this one included.", "state")
SENT_AWAY = _counter("watches_sent_away", "Watches that were asked to go to other replicas since the start.")

# The door

REFUSALS = _counter("refusals", "Requests and streams that were turned away since the start.", "reason")
STREAMS = _gauge("streams", "Streams that are open, by the greatest role of whoever opened them.", "role")

# The cache beside the store. Without one, none of them has a series.

POLICY_SOURCE = _gauge("policy_source", "1 for what confirms the policy now, 0 for the others.", "source")
SOURCE_READS = _counter("policy_source_reads", "Looks, about one a second, by what confirmed the policy.", "source")
SOURCE_CHANGES = _counter("policy_source_changes", "How often it began to be confirmed by that.", "source")
CACHE_UP = _gauge("cache_up", "1 while the cache can be used, 0 while it cannot.")
CACHE_FAILING = _gauge("cache_failing_seconds", "How long the cache has not been usable; 0: it is.", unit=Unit.SECONDS)
CACHE_FAULTS = _counter("cache_faults", "Calls of the cache that failed since the start.", "fault")
CACHE_RECOVERIES = _counter("cache_recoveries", "How often the cache could be used again since the start.")
CACHE_PUTS = _counter(
    "cache_puts", "Policies put there since the start, by what was there; newer and other: refused.", "found"
)
CACHE_OVERWRITTEN = _counter(
    "cache_overwritten", "Puts that mended what should not have been there, or was lost.", "found"
)
CACHE_NOT_TAKEN = _counter("cache_not_taken", "Policies in the cache that were not believed, since the start.")

# The store, and what looks after it

STORE_LOST = _counter("store_connections_lost", "Connections to the database that broke since the start.")
STORE_UNAVAILABLE = _counter(
    "store_unavailable", "Transactions that could not be made because the database was away or refused for now."
)
STORE_REPEATED = _counter("store_transactions_repeated", "Transactions taken back by PostgreSQL, and done again.")
STORE_LISTENING = _gauge("store_listening", "1 while new heads of others are heard of at once (LISTEN), 0 while not.")
UPKEEP = _counter("upkeep", "Rounds of the daily upkeep here since the start.", "outcome")
UPKEEP_AGE = _gauge("upkeep_age_seconds", "Time since the daily upkeep was done here.", unit=Unit.SECONDS)
BACKUP_AGE = _gauge(
    "last_backup_age_seconds", "Time since the last msc backup; no series: none is known of.", unit=Unit.SECONDS
)
PRUNED_ROWS = _counter("pruned_rows", "Rows pruned here since the start.")
AUDIT_ROWS = _gauge("audit_rows", "Rows of the audit log when its chain was last followed here.")
AUDIT_INTACT = _gauge("audit_intact", "1 where the chain held when it was last followed here, 0 where it did not.")
OVERRIDES = _gauge("overrides", "What persons have put in force.", "kind")

METRICS = tuple(value for value in tuple(globals().values()) if isinstance(value, Metric))
"""All of them, in this order."""
