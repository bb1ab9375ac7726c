"""The Grafana dashboard: what was decided, on what, who follows it, and what is wrong."""

from __future__ import annotations

from msc_authority.app.alerts import conditions
from msc_authority.http import metric_table as table
from msc_authority.http.metric_table import Metric, Unit
from msc_authority.http.monitoring.panels import SOURCE, Look, Panel, Query, Row, laid_out, of

TITLE = "Meta Strategy Controller"
UID = "meta-strategy-controller"
SCHEMA_VERSION = 39
_QUANTILES = ((0.5, "half"), (0.95, "95 %"), (0.99, "99 %"))
_INTERVAL = "$__rate_interval"


def dashboard() -> dict[str, object]:
    """Returns the document of the dashboard, for Grafana to import."""
    decided = (_policy(), _health(), _signals(), _fleet(), _propagation(), _evaluations(), _journal(), _alerts())
    rows = (*decided, _leadership(), _door(), _cache(), _store())
    return {
        "uid": UID,
        "title": TITLE,
        "description": "Written by `msc monitoring grafana`: change it there, or save your own under another name.",
        "tags": ["msc", "trading"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "timezone": "utc",
        "refresh": "10s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": _variables()},
        "panels": laid_out(rows),
    }


def _variables() -> list[dict[str, object]]:
    return [
        {"type": "datasource", "name": "datasource", "label": "Prometheus", "query": "prometheus"},
        _labels_of("instance", "Authority", table.BUILD_INFO, "instance"),
        _labels_of("metric", "Health metric", table.HEALTH_THRESHOLD, "name"),
    ]


def _labels_of(name: str, label: str, metric: Metric, key: str) -> dict[str, object]:
    return {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": SOURCE,
        "query": {"query": f"label_values({metric.name}, {key})", "refId": name},
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "current": {"text": "All", "value": "$__all"},
    }


def _policy() -> Row:
    return Row(
        title="Policy",
        panels=(
            _stat("Risk mode", table.RISK_MODE, Query(expr=f"{of(table.RISK_MODE)} == 1", legend="{{mode}}")),
            _now("Time in mode", table.RISK_MODE_SINCE),
            _stat(
                "Trading state", table.TRADING_STATE, Query(expr=f"{of(table.TRADING_STATE)} == 1", legend="{{state}}")
            ),
            _now("Version", table.POLICY_VERSION),
            _now("Valid for", table.POLICY_VALID),
            _now("Next evaluation", table.NEXT_EVALUATION),
            _now("Allowed strategies", table.ALLOWED_STRATEGIES, zero_is_bad=True),
            _now("Mode changes, last hour", table.RISK_MODE_CHANGES_LAST_HOUR, conditions.MAX_MODE_CHANGES_AN_HOUR + 1),
            Panel(
                title="Mode over time",
                text=table.RISK_MODE.help,
                queries=(_each(table.RISK_MODE, "mode"),),
                look=Look.STATES,
                width=12,
            ),
            Panel(
                title="Time in each mode, 30 days",
                text="Targets: DEFENSIVE below 20 %, NORMAL 60 to 70 %, AGGRESSIVE 10 to 20 %.",
                queries=(_each(table.RISK_MODE_SHARE, "mode"),),
                look=Look.BARS,
                unit=Unit.FRACTION,
                width=6,
            ),
            Panel(title="Limits", text=table.LIMIT.help, queries=_limits(), look=Look.STAT, width=6),
        ),
    )


def _limits() -> tuple[Query, ...]:
    fractions, counts = "max_risk_per_trade|global_min_confidence", "max_positions|max_daily_trades"
    return (
        Query(expr=of(table.LIMIT, f'name=~"{fractions}"'), legend="{{name}}", unit=Unit.FRACTION),
        Query(expr=of(table.LIMIT, f'name=~"{counts}"'), legend="{{name}}"),
    )


def _health() -> Row:
    chosen = 'name=~"$metric"'
    beyond = Query(expr=f"{of(table.HEALTH_MARGIN)} < 0", legend="{{name}}")
    return Row(
        title="Health",
        panels=(
            Panel(
                title="Beyond their line",
                text=f"{table.HEALTH_MARGIN.help} Each of these costs warning points.",
                queries=(beyond,),
                look=Look.BARS,
                width=24,
                height=5,
            ),
            Panel(
                title="$metric",
                text="The metric of each evaluation, and the line from which it costs warning points.",
                queries=(
                    Query(expr=of(table.HEALTH_METRIC, chosen), legend="{{name}}"),
                    Query(expr=of(table.HEALTH_THRESHOLD, chosen), legend="line"),
                ),
                width=6,
                repeat="metric",
            ),
        ),
    )


def _signals() -> Row:
    return Row(
        title="Signals",
        panels=(
            _grown("Blocked in an hour, by reason", table.SIGNALS_BLOCKED, "reason"),
            _grown("Blocked in an hour, by strategy", table.SIGNALS_BLOCKED, "strategy"),
            _grown("Seen in an hour, by strategy", table.SIGNALS_SEEN, "strategy"),
            _line(
                "Share blocked by the policy, last hour",
                table.POLICY_BLOCKED_LAST_HOUR,
                bad_from=conditions.MAX_BLOCKED_FRACTION,
                width=8,
            ),
            _line("Share blocked for any reason, last hour", table.BLOCKED_LAST_HOUR, width=8),
            _line("Decided on by the policy, last hour", table.POLICY_JUDGED_LAST_HOUR, width=8),
            _grown("Limits enforced in an hour", table.LIMIT_ENFORCEMENTS, "limit", width=24),
        ),
    )


def _fleet() -> Row:
    return Row(
        title="Fleet",
        panels=(
            _summed("Clients by tier", table.CLIENTS, "tier"),
            _each_client("Versions behind", table.CLIENT_BEHIND, bad_from=conditions.MAX_VERSIONS_BEHIND + 1),
            _each_client("Age of the policy acted on", table.CLIENT_AGE, bad_from=conditions.REPORTING_WITHIN_S),
            Panel(
                title="Policy reads a second",
                text=f"{table.CLIENT_READS.help} {table.CLIENT_FALLBACK_READS.help}",
                queries=(
                    Query(expr=f"sum(rate({of(table.CLIENT_READS)}[{_INTERVAL}]))", legend="reads"),
                    Query(expr=f"sum(rate({of(table.CLIENT_FALLBACK_READS)}[{_INTERVAL}]))", legend="not fresh"),
                ),
            ),
            _line("Reads that failed, last 5 min", table.READ_FAILURES, bad_from=conditions.MAX_FAILED_FRACTION),
            _grown("Policies applied in an hour", table.CLIENT_APPLIED, "client"),
            _grown("Reconnects in an hour, by cause", table.CLIENT_RECONNECTS, "cause"),
            _line("Watches", table.WATCHERS),
            _grown("Watches ended in an hour, by cause", table.WATCH_ENDS, "cause"),
            Panel(
                title="Clients",
                text=table.CLIENT_TIER.help,
                queries=(Query(expr=f"sum by (client, role, tier) ({of(table.CLIENT_TIER)})"),),
                look=Look.TABLE,
                width=18,
            ),
            _now("Clients without metrics of their own", table.CLIENTS_UNLABELLED, 1, width=6, height=7),
        ),
    )


def _propagation() -> Row:
    return Row(title="Propagation", panels=(_quantiles("Published to applied", table.PROPAGATION, width=24),))


def _evaluations() -> Row:
    return Row(
        title="Evaluations",
        panels=(
            _grown("Evaluations in an hour", table.EVALUATIONS, "outcome"),
            _quantiles("Duration", table.EVALUATION_DURATION),
            _line("Overdue", table.EVALUATION_OVERDUE, bad_from=1.0),
        ),
    )


def _journal() -> Row:
    return Row(
        title="Journal",
        panels=(
            _grown("Rows in an hour", table.JOURNAL_ROWS, "outcome", width=12),
            _grown("Refused in an hour, by code", table.JOURNAL_REFUSED, "code", width=12),
        ),
    )


def _alerts() -> Row:
    firing = Query(expr=f"sum by (code, severity) ({of(table.ALERTS_FIRING)}) > 0", legend="{{code}} ({{severity}})")
    return Row(
        title="Alerts and the authority itself",
        panels=(
            Panel(title="Firing", text=table.ALERTS_FIRING.help, queries=(firing,), look=Look.BARS, bad_from=1.0),
            _summed("Alerts over time", table.ALERTS_FIRING, "code"),
            _grown("Alerts sent in an hour", table.ALERT_DELIVERIES, "sink, outcome"),
            _line("Policy unavailable", table.POLICY_UNAVAILABLE, bad_from=300.0),
            _line("Not confirmed by the store", table.REPLICA_AGE, bad_from=15.0),
            _line("Age of the policy", table.POLICY_AGE),
            _line("Event loop lag", table.LOOP_LAG, bad_from=1.0),
            _summed("Tasks on the event loops", table.LOOP_TASKS, "loop"),
            _line("Open event streams", table.EVENT_STREAMS),
            _line("Open dashboards", table.DASHBOARD_PAGES),
            _grown("Mode changes in an hour", table.RISK_MODE_CHANGES, "instance"),
            _grown("Integrity errors in an hour", table.INTEGRITY_ERRORS, "instance"),
        ),
    )


def _leadership() -> Row:
    return Row(
        title="Several authorities",
        panels=(
            _line("Leads", table.LEADER, width=6),
            _line("Nobody leads", table.LEADERLESS, bad_from=60.0, width=6),
            _line("Age of the lease", table.LEASE_AGE, bad_from=15.0, width=6),
            _line("Term", table.LEADERSHIP_TERM, width=6),
            _grown("Changes in an hour, by cause", table.LEADERSHIP_CHANGES, "cause", width=6),
            _grown("Fenced commits in an hour", table.COMMITS_FENCED, "instance", width=6),
            _summed("Authorities", table.REPLICAS, "instance, state", width=6),
            _grown("Watches sent away in an hour", table.SENT_AWAY, "instance", width=6),
        ),
    )


def _door() -> Row:
    return Row(
        title="Who may come in, and what persons put in force",
        panels=(
            _grown("Refused in an hour, by reason", table.REFUSALS, "reason"),
            _summed("Streams by role", table.STREAMS, "role"),
            _summed("Overrides", table.OVERRIDES, "kind"),
        ),
    )


def _cache() -> Row:
    source = _each(table.POLICY_SOURCE, "instance", "source")
    return Row(
        title="Cache",
        panels=(
            Panel(
                title="What confirms the policy",
                text=table.POLICY_SOURCE.help,
                queries=(source,),
                look=Look.STATES,
                width=12,
            ),
            _line("Usable", table.CACHE_UP, width=6),
            _line("Not usable", table.CACHE_FAILING, bad_from=300.0, width=6),
            _grown("Looks in an hour, by source", table.SOURCE_READS, "source", width=6),
            _grown("Changes of the source in an hour", table.SOURCE_CHANGES, "source", width=6),
            _grown("Failed calls in an hour, by fault", table.CACHE_FAULTS, "fault", width=6),
            _grown("Recoveries in an hour", table.CACHE_RECOVERIES, "instance", width=6),
            _grown("Puts in an hour, by what was there", table.CACHE_PUTS, "found"),
            _grown("Mended in an hour, by what was there", table.CACHE_OVERWRITTEN, "found"),
            _grown("Not believed in an hour", table.CACHE_NOT_TAKEN, "instance"),
        ),
    )


def _store() -> Row:
    return Row(
        title="Database and upkeep",
        panels=(
            _grown("Connections lost in an hour", table.STORE_LOST, "instance", width=6),
            _grown("Transactions not made in an hour", table.STORE_UNAVAILABLE, "instance", width=6),
            _grown("Transactions done again in an hour", table.STORE_REPEATED, "instance", width=6),
            _line("Hears of new heads at once", table.STORE_LISTENING, width=6),
            _grown("Rounds of upkeep in an hour", table.UPKEEP, "outcome", width=6),
            _grown("Rows pruned in an hour", table.PRUNED_ROWS, "instance", width=6),
            _line("Since the upkeep was done", table.UPKEEP_AGE, width=6),
            _line("Since the last backup", table.BACKUP_AGE, width=6),
            _line("Rows of the audit log", table.AUDIT_ROWS, width=3),
            _now("Audit log intact", table.AUDIT_INTACT, zero_is_bad=True, height=7),
        ),
    )


def _stat(title: str, metric: Metric, query: Query) -> Panel:
    return Panel(title=title, text=metric.help, queries=(query,), look=Look.STAT, width=3, height=4, names_only=True)


def _now(
    title: str,
    metric: Metric,
    bad_from: float | None = None,
    *,
    zero_is_bad: bool = False,
    width: int = 3,
    height: int = 4,
) -> Panel:
    return Panel(
        title=title,
        text=metric.help,
        queries=(Query(expr=of(metric)),),
        look=Look.STAT,
        unit=metric.unit,
        width=width,
        height=height,
        bad_from=bad_from,
        zero_is_bad=zero_is_bad,
    )


def _line(title: str, metric: Metric, *, bad_from: float | None = None, width: int = 8) -> Panel:
    query = Query(expr=of(metric), legend="{{instance}}")
    return Panel(title=title, text=metric.help, queries=(query,), unit=metric.unit, bad_from=bad_from, width=width)


def _each_client(title: str, metric: Metric, *, bad_from: float) -> Panel:
    query = _each(metric, "client")
    return Panel(title=title, text=metric.help, queries=(query,), unit=metric.unit, bad_from=bad_from)


def _each(metric: Metric, *labels: str) -> Query:
    return Query(expr=of(metric), legend=_legend(",".join(labels)))


def _summed(title: str, metric: Metric, labels: str, *, width: int = 8) -> Panel:
    query = Query(expr=f"sum by ({labels}) ({of(metric)})", legend=_legend(labels))
    return Panel(title=title, text=metric.help, queries=(query,), stacked=True, width=width)


def _legend(labels: str) -> str:
    return " ".join(f"{{{{{label.strip()}}}}}" for label in labels.split(","))


def _grown(title: str, metric: Metric, labels: str, *, width: int = 8) -> Panel:
    query = Query(expr=f"sum by ({labels}) (increase({of(metric)}[1h]))", legend=_legend(labels))
    return Panel(title=title, text=metric.help, queries=(query,), stacked=True, width=width)


def _quantiles(title: str, metric: Metric, *, width: int = 8) -> Panel:
    buckets = of(metric).replace(metric.name, f"{metric.name}_bucket", 1)
    queries = tuple(
        Query(expr=f"histogram_quantile({share}, sum by (le) (rate({buckets}[5m])))", legend=name)
        for share, name in _QUANTILES
    )
    return Panel(title=title, text=metric.help, queries=queries, unit=metric.unit, width=width)
