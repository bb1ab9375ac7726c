"""What is shipped for Prometheus and Grafana is what the tables say, speaks of metrics that exist, and fires."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import pytest
import yaml  # type: ignore[import-untyped]  # ships no type information
from msc_builders import an_entry
from msc_observed import StillInsight, a_client, an_observation
from prometheus_client.parser import text_string_to_metric_families as parse_text

from msc_authority.app.alerts.delivery import SinkTally
from msc_authority.app.alerts.rules import RULES
from msc_authority.app.clients import ClientCounters
from msc_authority.app.insight import Evaluations
from msc_authority.app.observation import JournalTally, ReadTally, Standing
from msc_authority.app.production import CacheSigns, Production, StoreSigns, UpkeepSigns
from msc_authority.app.signals import SignalActivity, SignalTally
from msc_authority.http.metric_table import METRICS
from msc_authority.http.metrics import Metrics
from msc_authority.http.monitoring.alert_rules import name_of, rule_file, rule_yaml
from msc_authority.http.monitoring.dashboard import dashboard

SHIPPED = Path(__file__).parents[4] / "server" / "monitoring"
Json = dict[str, object]


def panels() -> list[Json]:
    found = dashboard()["panels"]
    assert isinstance(found, list)
    return found


def expressions() -> list[str]:
    """Every expression of the dashboard, its variables filled in as Grafana does."""
    found = []
    for panel in panels():
        targets = panel.get("targets", [])
        assert isinstance(targets, list)
        found += [str(target["expr"]) for target in targets]
    return [
        text.replace("$__rate_interval", "1m").replace("$instance", ".*").replace("$metric", ".*") for text in found
    ]


def metrics_in(text: str) -> set[str]:
    """The names of metrics in an expression; a histogram's series go by its name."""
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"\bmsc_[a-z_]+", text)}


async def exported() -> set[str]:
    """What a scrape of an authority holds that has seen everything."""
    tally = SignalTally(seen={"TREND_001": 2}, blocked={("TREND_001", "NO_STOP"): 1})
    counters = ClientCounters(reconnect_causes=MappingProxyType({"watchdog": 1}))
    observation = an_observation(
        signals=SignalActivity(since_start=tally, last_hour=tally),
        journal=JournalTally(refused={"ID_CONFLICT": 1}),
        reads=ReadTally(reads=1, failed=1),
        clients=(a_client(counters=counters),),
        standing=Standing(lease_age_s=1.0),
        production=Production(
            cache=CacheSigns(),
            store=StoreSigns(listening=True),
            upkeep=UpkeepSigns(done_ago_s=1.0, audit_rows=1, backup_ago_s=1.0),
        ),
    )
    insight = StillInsight(observation=observation, latest=Evaluations(latest=an_entry(), failure=None))
    metrics = Metrics(insight, deliveries=lambda: [SinkTally(name="webhook-1")])
    await metrics.start()
    body, _ = metrics.render()
    samples = (sample for family in parse_text(body.decode()) for sample in family.samples)
    return {re.sub(r"_(bucket|sum|count|created)$", "", sample.name) for sample in samples}


def test_the_committed_files_are_what_is_rendered() -> None:
    advice = "write them anew: see server/monitoring/README.md"
    assert (SHIPPED / "alerts.yml").read_text(encoding="utf-8") == rule_yaml(RULES), advice
    assert json.loads((SHIPPED / "grafana.json").read_text(encoding="utf-8")) == dashboard(), advice


async def test_every_metric_of_the_table_is_exported() -> None:
    assert {metric.name for metric in METRICS} <= await exported()


async def test_every_metric_in_the_rules_and_on_the_dashboard_is_exported() -> None:
    found = await exported()
    variables = json.dumps(dashboard()["templating"])

    for text in (*(rule.promql for rule in RULES), *expressions(), variables):
        assert metrics_in(text)
        assert metrics_in(text) <= found


def test_the_yaml_says_what_the_document_says() -> None:
    assert yaml.safe_load(rule_yaml(RULES, runbook="https://docs.example/README.md")) == rule_file(
        RULES, runbook="https://docs.example/README.md"
    )


def test_every_rule_is_shipped_with_severity_summary_and_a_link() -> None:
    groups = yaml.safe_load(rule_yaml(RULES))["groups"]
    shipped = {rule["labels"]["code"]: rule for group in groups for rule in group["rules"]}

    assert list(shipped) == [rule.code for rule in RULES]
    for rule in RULES:
        document = shipped[rule.code]
        assert document["expr"] == rule.promql
        assert document["labels"]["severity"] == rule.severity
        assert document["annotations"]["summary"] == rule.title
        assert document["annotations"]["runbook_url"] == f"server/RUNBOOK.md#{rule.anchor}"
        # Prometheus would take it for a template.
        assert "{{" not in json.dumps(document)


def test_panels_have_numbers_of_their_own_and_do_not_overlap() -> None:
    numbers = [panel["id"] for panel in panels()]
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        grid = panel["gridPos"]
        assert isinstance(grid, dict)
        assert grid["x"] + grid["w"] <= 24
        cells = {
            (x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells

    assert numbers == list(range(1, len(numbers) + 1))


def test_every_panel_says_what_it_shows_and_asks_the_chosen_prometheus() -> None:
    for panel in panels():
        if panel["type"] == "row":
            continue
        assert panel["description"]
        assert panel["targets"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_a_metric_that_is_exported_is_shown_somewhere() -> None:
    shown = set().union(*(metrics_in(text) for text in expressions()))

    # What runs is chosen by, not drawn.
    assert {metric.name for metric in METRICS} - shown == {"msc_build_info"}


# With promtool


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed (Debian: apt-get install --no-install-recommends prometheus)")
    return found


def ran(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_finds_nothing_wrong_with_the_rules(promtool: str) -> None:
    assert f"SUCCESS: {len(RULES)} rules found" in ran(promtool, "check", "rules", str(SHIPPED / "alerts.yml"))


def test_promtool_understands_every_expression_of_the_dashboard(promtool: str, tmp_path: Path) -> None:
    rules = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(expressions())]
    file = tmp_path / "panels.yml"
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}), encoding="utf-8")

    assert f"SUCCESS: {len(rules)} rules found" in ran(promtool, "check", "rules", str(file))


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Series that make a rule fire at `at`, with which labels, and series that come close and do not."""

    code: str
    fires: Mapping[str, str]
    silent: Mapping[str, str]
    labels: Mapping[str, str] = field(default_factory=dict)
    at: str = "10m"


HERE = 'instance="a", job="msc"'
OTHER = 'instance="b", job="msc"'
WHERE = {"instance": "a", "job": "msc"}
CLIENT = f'client="executor-1", role="EXECUTOR", {HERE}'
OF_CLIENT = {**WHERE, "client": "executor-1", "role": "EXECUTOR"}
# A value every 15 s: "1x400" stays, "0+1x400" grows.
CASES = [
    Case(
        code="POLICY_UNAVAILABLE",
        fires={f"msc_policy_unavailable_seconds{{{HERE}}}": "0+15x400"},
        silent={f"msc_policy_unavailable_seconds{{{HERE}}}": "300x400"},
        labels=WHERE,
    ),
    Case(
        code="POLICY_UNAVAILABLE",
        fires={
            f"msc_policy_unavailable_seconds{{{HERE}}}": "0x400",
            f"msc_client_policy_age_seconds{{{CLIENT}}}": "301x400",
        },
        silent={
            f"msc_policy_unavailable_seconds{{{HERE}}}": "0x400",
            f"msc_client_policy_age_seconds{{{CLIENT}}}": "300x400",
        },
        labels=OF_CLIENT,
    ),
    Case(
        code="POLICY_UNAVAILABLE",
        fires={f"msc_watchers{{{HERE}}}": "1x400"},
        silent={f"msc_policy_unavailable_seconds{{{HERE}}}": "0x400"},
    ),
    Case(
        code="DEFENSIVE_TOO_LONG",
        fires={
            f'msc_risk_mode{{mode="DEFENSIVE", {HERE}}}': "1x400",
            f"msc_risk_mode_since_seconds{{{HERE}}}": "3601x400",
        },
        silent={
            f'msc_risk_mode{{mode="DEFENSIVE", {HERE}}}': "1x400",
            f"msc_risk_mode_since_seconds{{{HERE}}}": "3600x400",
            # Another authority's long time in another mode is none of ours.
            f'msc_risk_mode{{mode="DEFENSIVE", {OTHER}}}': "0x400",
            f"msc_risk_mode_since_seconds{{{OTHER}}}": "9000x400",
        },
        labels={**WHERE, "mode": "DEFENSIVE"},
    ),
    Case(
        code="NO_STRATEGY_ALLOWED",
        fires={f"msc_allowed_strategies{{{HERE}}}": "0x400"},
        silent={f"msc_allowed_strategies{{{HERE}}}": "1x400"},
        labels=WHERE,
    ),
    Case(
        code="POLICY_READ_FAILURES",
        fires={
            f"msc_policy_read_failures_ratio{{{HERE}}}": "0.11x400",
            f"msc_client_reads_total{{{CLIENT}}}": "0+2x400",
        },
        silent={
            f"msc_policy_read_failures_ratio{{{HERE}}}": "0.5x400",
            f"msc_client_reads_total{{{CLIENT}}}": "0+0.5x400",
        },
        labels=WHERE,
    ),
    Case(
        code="MODE_CHANGES_FREQUENT",
        fires={f"msc_risk_mode_changes_last_hour{{{HERE}}}": "6x400"},
        silent={f"msc_risk_mode_changes_last_hour{{{HERE}}}": "5x400"},
        labels=WHERE,
    ),
    Case(
        code="BLOCK_RATE_HIGH",
        fires={
            f"msc_policy_blocked_signals_last_hour_ratio{{{HERE}}}": "0.51x400",
            f"msc_policy_judged_signals_last_hour{{{HERE}}}": "10x400",
        },
        silent={
            f"msc_policy_blocked_signals_last_hour_ratio{{{HERE}}}": "0.9x400",
            f"msc_policy_judged_signals_last_hour{{{HERE}}}": "9x400",
        },
        labels=WHERE,
    ),
    Case(
        code="CLIENT_BEHIND",
        fires={f"msc_client_versions_behind{{{CLIENT}}}": "2x400"},
        silent={f"msc_client_versions_behind{{{CLIENT}}}": "0x37 2x400"},
        labels=OF_CLIENT,
    ),
    Case(
        code="CLIENT_SAFE",
        fires={f'msc_client_tier{{tier="SAFE_NONE", {CLIENT}}}': "1x400"},
        silent={f'msc_client_tier{{tier="STALE", {CLIENT}}}': "1x400"},
        labels={**OF_CLIENT, "tier": "SAFE_NONE"},
    ),
    Case(
        code="EVALUATION_OVERDUE",
        fires={f"msc_evaluation_overdue_seconds{{{HERE}}}": "301x400"},
        silent={f"msc_evaluation_overdue_seconds{{{HERE}}}": "300x400"},
        labels=WHERE,
    ),
    Case(
        code="EVALUATION_FAILED",
        fires={f'msc_evaluations_total{{trigger="schedule", outcome="failed", {HERE}}}': "0x20 1x400"},
        silent={f'msc_evaluations_total{{trigger="schedule", outcome="succeeded", {HERE}}}': "0x20 1x400"},
        labels=WHERE,
    ),
    Case(
        code="JOURNAL_REFUSALS",
        fires={f'msc_journal_rows_total{{outcome="refused", {HERE}}}': "0x30 1x400"},
        silent={f'msc_journal_rows_total{{outcome="accepted", {HERE}}}': "0x30 1x400"},
        labels=WHERE,
    ),
    Case(
        code="TRADING_NOT_ACTIVE",
        fires={f'msc_trading_state{{state="ACTIVE", {HERE}}}': "0x400"},
        silent={
            f'msc_trading_state{{state="ACTIVE", {HERE}}}': "1x400",
            f'msc_trading_state{{state="HALTED", {HERE}}}': "0x400",
        },
        labels={**WHERE, "state": "ACTIVE"},
    ),
    Case(
        code="INTEGRITY",
        fires={f"msc_integrity_errors_total{{{HERE}}}": "0x30 1x400"},
        silent={f"msc_integrity_errors_total{{{HERE}}}": "3x400"},
        labels=WHERE,
    ),
    Case(
        code="NO_LEADER",
        fires={f"msc_leaderless_seconds{{{HERE}}}": "61x400"},
        silent={f"msc_leaderless_seconds{{{HERE}}}": "60x400"},
        labels=WHERE,
    ),
    Case(
        code="CACHE_UNAVAILABLE",
        fires={f"msc_cache_failing_seconds{{{HERE}}}": "301x400"},
        silent={f"msc_cache_failing_seconds{{{HERE}}}": "300x400"},
        labels=WHERE,
    ),
    Case(
        code="ACCESS_REFUSED",
        fires={
            f'msc_refusals_total{{reason="TOKEN_EXPIRED", {HERE}}}': "0+1x400",
            f'msc_refusals_total{{reason="ROLE_MISSING", {HERE}}}': "0+1x400",
        },
        silent={f'msc_refusals_total{{reason="TOKEN_EXPIRED", {HERE}}}': "0+0.9x400"},
        labels=WHERE,
    ),
    Case(
        code="AUDIT_BROKEN",
        fires={f"msc_audit_intact{{{HERE}}}": "0x400"},
        silent={f"msc_audit_intact{{{HERE}}}": "1x400"},
        labels=WHERE,
    ),
    Case(
        code="RULE_BROKEN",
        fires={f'msc_alerts_firing{{code="RULE_BROKEN", severity="critical", {HERE}}}': "1x400"},
        silent={f'msc_alerts_firing{{code="CLIENT_SAFE", severity="critical", {HERE}}}': "1x400"},
        labels=WHERE,
    ),
]


def test_every_rule_has_a_case() -> None:
    assert {case.code for case in CASES} == {rule.code for rule in RULES}


def scenario(case: Case, series: Mapping[str, str], *, fires: bool) -> Json:
    rule = next(rule for rule in RULES if rule.code == case.code)
    document = rule_file([rule])["groups"]
    assert isinstance(document, list)
    shipped = document[0]["rules"][0]
    told = {
        "exp_labels": {**case.labels, **shipped["labels"]},
        "exp_annotations": shipped["annotations"],
    }
    return {
        "interval": "15s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [{"eval_time": case.at, "alertname": name_of(rule), "exp_alerts": [told] if fires else []}],
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.code)
def test_an_alert_fires_on_its_condition_and_is_silent_just_short_of_it(
    promtool: str, case: Case, tmp_path: Path
) -> None:
    tests = [scenario(case, case.fires, fires=True), scenario(case, case.silent, fires=False)]
    document = {"rule_files": [str(SHIPPED / "alerts.yml")], "evaluation_interval": "15s", "tests": tests}
    file = tmp_path / "case.yml"
    file.write_text(json.dumps(document), encoding="utf-8")

    assert "SUCCESS" in ran(promtool, "test", "rules", str(file))
