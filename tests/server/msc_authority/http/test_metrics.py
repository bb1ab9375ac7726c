"""What is observed is what is exported; what is unknown is not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_builders import a_content, a_verdict, an_entry
from msc_live import a_head
from msc_observed import StillInsight, a_client, an_alert, an_observation
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from msc_authority.app.alerts.delivery import SinkTally
from msc_authority.app.alerts.rules import RULES
from msc_authority.app.alerts.values import AlertState
from msc_authority.app.broker import Freshness
from msc_authority.app.clients import ClientCounters, ClientTier
from msc_authority.app.events import EvaluationDone, PolicyApplied
from msc_authority.app.insight import Evaluations
from msc_authority.app.observation import ClientView, EvaluationTally, JournalTally, ModeShares, Observation, ReadTally
from msc_authority.app.signals import SignalActivity, SignalTally
from msc_authority.core.evaluation import HealthMetric
from msc_authority.core.policy import RiskMode, TradingState
from msc_authority.http import metric_samples as samples
from msc_authority.http.metrics import Metrics
from msc_authority.ports.store import StoreUnavailable

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
Scrape = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def scrape(metrics: Metrics) -> Scrape:
    """Every sample by name and labels; a series that is given twice fails."""
    found: Scrape = {}
    body, _ = metrics.render()
    for family in parse_text(body.decode()):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, f"{key} twice"
            found[key] = sample.value
    return found


def exported(observation: Observation | None = None, **answers: object) -> Scrape:
    """What is exported of an observation."""
    insight = StillInsight(observation=observation or an_observation())
    for name, value in answers.items():
        setattr(insight, name, value)
    return scrape(Metrics(insight))


def listening(insight: StillInsight) -> Metrics:
    metrics = Metrics(insight)
    asyncio.run(metrics.start())
    return metrics


def value(found: Scrape, metric: str, /, **labels: str) -> float | None:
    return found.get((metric, tuple(sorted(labels.items()))))


def names(found: Scrape) -> set[str]:
    return {name for name, _ in found}


def test_the_policy_is_exported_with_its_age_its_limits_and_its_mode() -> None:
    head = a_head(3, content=a_content(RiskMode.DEFENSIVE, trading_state=TradingState.REDUCING))
    found = exported(an_observation(head=head, freshness=Freshness(replica_age_s=2.5, ttl_s=-4.0)))

    assert value(found, "msc_policy_version", epoch="7") == 3
    assert value(found, "msc_policy_age_seconds") == 600
    assert value(found, "msc_replica_age_seconds") == 2.5
    assert value(found, "msc_policy_valid_seconds") == -4
    assert value(found, "msc_allowed_strategies") == 1
    assert value(found, "msc_limit", name="max_risk_per_trade") == 0.0075
    assert value(found, "msc_limit", name="max_positions") == 10
    modes = {mode.name: value(found, "msc_risk_mode", mode=mode.name) for mode in RiskMode}
    assert modes == {"DEFENSIVE": 1, "NORMAL": 0, "AGGRESSIVE": 0}
    states = {state.name: value(found, "msc_trading_state", state=state.name) for state in TradingState}
    assert states == {"ACTIVE": 0, "REDUCING": 1, "HALTED": 0}


def test_without_a_policy_nothing_is_said_of_its_mode_or_its_limits() -> None:
    found = exported(
        an_observation(
            head=a_head(0),
            freshness=Freshness(replica_age_s=0.1, ttl_s=None),
            policy_unavailable_s=42.0,
            risk_mode_since=None,
            mode_shares=ModeShares(since=an_observation().started_at, seconds={}),
        )
    )

    assert value(found, "msc_policy_version", epoch="7") == 0
    assert value(found, "msc_policy_unavailable_seconds") == 42
    about_a_policy = {
        "msc_policy_age_seconds",
        "msc_policy_valid_seconds",
        "msc_risk_mode",
        "msc_risk_mode_since_seconds",
        "msc_risk_mode_share_ratio",
        "msc_trading_state",
        "msc_allowed_strategies",
        "msc_limit",
    }
    assert not about_a_policy & names(found)


@pytest.mark.parametrize("unknown", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_no_number_is_left_out(unknown: float) -> None:
    found = exported(an_observation(loop_lag_s=unknown, evaluation_overdue_s=-1200.0))

    assert "msc_event_loop_lag_seconds" not in names(found)
    assert value(found, "msc_evaluation_overdue_seconds") == -1200


def test_time_in_modes_and_changes_of_mode_are_exported() -> None:
    shares = ModeShares(since=an_observation().started_at, seconds={RiskMode.DEFENSIVE: 100.0, RiskMode.NORMAL: 300.0})
    found = exported(an_observation(mode_shares=shares, mode_changes=9, mode_changes_last_hour=6))

    assert value(found, "msc_risk_mode_share_ratio", mode="DEFENSIVE") == 0.25
    assert value(found, "msc_risk_mode_share_ratio", mode="AGGRESSIVE") == 0
    assert value(found, "msc_risk_mode_since_seconds") == 600
    assert value(found, "msc_risk_mode_changes_total") == 9
    assert value(found, "msc_risk_mode_changes_last_hour") == 6


def test_evaluations_are_counted_by_trigger_and_outcome_and_start_from_zero() -> None:
    tally = EvaluationTally(done={"schedule": 4, "cli": 1}, failed={"request": 2})
    found = exported(an_observation(evaluations=tally))

    assert value(found, "msc_evaluations_total", trigger="schedule", outcome="succeeded") == 4
    assert value(found, "msc_evaluations_total", trigger="cli", outcome="succeeded") == 1
    assert value(found, "msc_evaluations_total", trigger="request", outcome="failed") == 2
    assert value(found, "msc_evaluations_total", trigger="schedule", outcome="failed") == 0


def test_journal_rows_are_counted_by_outcome_and_refusals_by_code() -> None:
    journal = JournalTally(accepted=10, duplicates=2, refused={"ID_CONFLICT": 1, "NOT_FINITE": 3})
    found = exported(an_observation(journal=journal))

    assert value(found, "msc_journal_rows_total", outcome="accepted") == 10
    assert value(found, "msc_journal_rows_total", outcome="duplicate") == 2
    assert value(found, "msc_journal_rows_total", outcome="refused") == 4
    assert value(found, "msc_journal_refused_total", code="NOT_FINITE") == 3


def test_signals_are_counted_and_blocks_by_a_limit_are_enforcements_of_it() -> None:
    blocked = {("TREND_001", "MAX_POSITIONS"): 2, ("MEAN_002", "MAX_POSITIONS"): 1, ("MEAN_002", "SIGNAL_EXPIRED"): 5}
    since_start = SignalTally(seen={"TREND_001": 9, "MEAN_002": 8}, blocked=blocked)
    last_hour = SignalTally(
        seen={"TREND_001": 8}, blocked={("TREND_001", "MAX_POSITIONS"): 1, ("TREND_001", "SYMBOL_HELD"): 3}
    )
    found = exported(an_observation(signals=SignalActivity(since_start=since_start, last_hour=last_hour)))

    assert value(found, "msc_signals_seen_total", strategy="TREND_001") == 9
    assert value(found, "msc_signals_blocked_total", strategy="MEAN_002", reason="SIGNAL_EXPIRED") == 5
    assert value(found, "msc_limit_enforcements_total", limit="position") == 3
    assert value(found, "msc_limit_enforcements_total", limit="daily_trades") == 0
    assert value(found, "msc_blocked_signals_last_hour_ratio") == 0.5
    assert value(found, "msc_policy_blocked_signals_last_hour_ratio") == 0.2
    assert value(found, "msc_policy_judged_signals_last_hour") == 5


def test_without_signals_and_reads_there_is_no_share_of_them() -> None:
    found = exported()

    assert "msc_blocked_signals_last_hour_ratio" not in names(found)
    assert "msc_policy_read_failures_ratio" not in names(found)


def test_names_beyond_a_bound_are_summed_up_and_no_count_is_lost() -> None:
    many = {f"S{number:04}": 2 for number in range(samples.MAX_STRATEGIES + 3)}
    blocked = {(f"S{number:04}", "NO_STOP"): 1 for number in range(samples.MAX_BLOCK_SERIES + 2)}
    tally = SignalTally(seen=many, blocked=blocked)
    found = exported(an_observation(signals=SignalActivity(since_start=tally)))

    seen = {key: count for key, count in found.items() if key[0] == "msc_signals_seen_total"}
    assert len(seen) == samples.MAX_STRATEGIES + 1
    assert sum(seen.values()) == tally.seen_total
    assert value(found, "msc_signals_seen_total", strategy="other") == 6
    assert value(found, "msc_signals_blocked_total", strategy="other", reason="other") == 2


def a_fleet(*views: ClientView) -> Observation:
    return an_observation(clients=views, watchers=len(views), reads=ReadTally(reads=40, failed=10))


def test_a_client_is_exported_with_what_it_reports() -> None:
    counters = ClientCounters(
        applied=5, reads=1000, fallback_reads=7, reconnect_causes=MappingProxyType({"watchdog": 2, "UNAVAILABLE": 1})
    )
    view = replace(a_client("executor-1", counters=counters, tier=ClientTier.STALE), versions_behind=2, age_s=31.5)
    found = exported(a_fleet(view))

    who = {"client": "executor-1", "role": "EXECUTOR"}
    assert value(found, "msc_client_policy_age_seconds", **who) == 31.5
    assert value(found, "msc_client_tier", **who, tier="STALE") == 1
    assert value(found, "msc_client_versions_behind", **who) == 2
    assert value(found, "msc_client_reads_total", **who) == 1000
    assert value(found, "msc_client_fallback_reads_total", **who) == 7
    assert value(found, "msc_client_applied_total", **who) == 5
    assert value(found, "msc_client_reconnects_total", **who, cause="watchdog") == 2
    assert value(found, "msc_clients", role="EXECUTOR", tier="STALE") == 1
    assert value(found, "msc_policy_read_failures_ratio") == 0.25
    assert value(found, "msc_watchers") == 1


def test_a_client_that_never_had_a_policy_has_no_age() -> None:
    found = exported(a_fleet(replace(a_client(tier=ClientTier.SAFE_NONE, applied=None, age_s=None), age_s=None)))

    assert "msc_client_policy_age_seconds" not in names(found)
    assert value(found, "msc_client_tier", client="executor-1", role="EXECUTOR", tier="SAFE_NONE") == 1


def test_clients_of_one_name_go_by_their_instances() -> None:
    found = exported(a_fleet(a_client("twin", "a"), a_client("twin", "b"), a_client("", "c")))

    labelled = {dict(labels)["client"] for name, labels in found if name == "msc_client_tier"}
    assert labelled == {"a", "b", "c"}


def test_a_name_that_is_anothers_instance_is_given_once() -> None:
    found = exported(a_fleet(a_client("same", "x"), a_client("", "same")))

    assert [dict(labels)["client"] for name, labels in found if name == "msc_client_tier"] == ["same"]
    assert value(found, "msc_clients_unlabelled") == 1


def test_only_so_many_clients_have_series_of_their_own_and_those_that_watch_come_first() -> None:
    views = [a_client(f"c{number:03}") for number in range(samples.MAX_CLIENTS + 5)]
    views[0] = replace(views[0], entry=replace(views[0].entry, watches=0))
    found = exported(a_fleet(*views))

    labelled = {dict(labels)["client"] for name, labels in found if name == "msc_client_tier"}
    assert len(labelled) == samples.MAX_CLIENTS
    assert "c000" not in labelled
    assert value(found, "msc_clients_unlabelled") == 5
    assert value(found, "msc_clients", role="EXECUTOR", tier="FRESH") == samples.MAX_CLIENTS + 5


def test_causes_that_a_client_makes_up_are_bounded() -> None:
    causes = {f"cause-{number:02}": 1 for number in range(samples.MAX_CAUSES + 10)}
    found = exported(a_fleet(a_client(counters=ClientCounters(reconnect_causes=causes))))

    assert sum(name == "msc_client_reconnects_total" for name, _ in found) == samples.MAX_CAUSES + 1
    assert value(found, "msc_client_reconnects_total", client="executor-1", role="EXECUTOR", cause="other") == 10


@given(st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable() or "\n" in text))
def test_no_name_that_a_client_gives_itself_breaks_the_page(name: str) -> None:
    found = exported(a_fleet(a_client(name)))

    assert ("msc_client_tier", (("client", name), ("role", "EXECUTOR"), ("tier", "FRESH"))) in found


def test_alerts_that_fire_are_counted_and_those_of_other_rules_are_zero() -> None:
    alerts = (
        an_alert(subject="a"),
        an_alert(subject="b"),
        an_alert(subject="c", state=AlertState.PENDING),
        an_alert("INTEGRITY", state=AlertState.RESOLVED),
    )
    found = exported(alerts=alerts)

    firing = {dict(labels)["code"]: count for (name, labels), count in found.items() if name == "msc_alerts_firing"}
    assert firing == {rule.code: 2 if rule.code == "CLIENT_SAFE" else 0 for rule in RULES}


def test_what_became_of_alerts_that_were_sent_is_exported() -> None:
    def tallies() -> Sequence[SinkTally]:
        return [SinkTally(name="webhook-1", delivered=3, failed=1, dropped=2)]

    found = scrape(Metrics(StillInsight(), deliveries=tallies))

    outcomes = {
        outcome: value(found, "msc_alert_deliveries_total", sink="webhook-1", outcome=outcome)
        for outcome in ("delivered", "failed", "dropped")
    }
    assert outcomes == {"delivered": 3, "failed": 1, "dropped": 2}


async def test_the_health_metrics_are_those_of_the_newest_evaluation() -> None:
    insight = StillInsight(latest=Evaluations(latest=an_entry(), failure=None))
    metrics = Metrics(insight)
    await metrics.start()
    before = scrape(metrics)

    drawdown = HealthMetric(name="drawdown_pct", value=2.5, threshold=2.0, margin=-0.5)
    unknown = HealthMetric(name="winrate_fraction", value=None, threshold=0.45)
    verdict = a_verdict(metrics=(drawdown, unknown))
    insight.events.emit(EvaluationDone(entry=an_entry(verdict=verdict, duration_s=0.02)))
    after = scrape(metrics)

    assert value(before, "msc_health_metric", name="drawdown_pct") == 0.5
    assert value(after, "msc_health_metric", name="drawdown_pct") == 2.5
    assert value(after, "msc_health_margin", name="drawdown_pct") == -0.5
    assert value(after, "msc_health_threshold", name="winrate_fraction") == 0.45
    assert value(after, "msc_health_metric", name="winrate_fraction") is None


async def test_where_the_store_does_not_answer_everything_else_is_exported(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics(StillInsight(error=StoreUnavailable("locked")))

    with caplog.at_level(logging.WARNING):
        await metrics.start()

    assert "the next evaluation: locked" in caplog.text
    assert not {"msc_health_metric"} & names(scrape(metrics))
    assert value(scrape(metrics), "msc_allowed_strategies") == 1


async def test_durations_and_propagation_are_gathered_from_events_until_it_is_closed() -> None:
    insight = StillInsight()
    metrics = Metrics(insight)
    await metrics.start()
    applied = [PolicyApplied(entry=a_client().entry, propagation_s=taken) for taken in (0.002, -0.0001, 40.0)]
    insight.events.emit(*applied, PolicyApplied(entry=a_client().entry, propagation_s=float("nan")))
    insight.events.emit(EvaluationDone(entry=an_entry(duration_s=0.3)))
    metrics.close()
    insight.events.emit(*applied)
    found = scrape(metrics)

    assert value(found, "msc_policy_propagation_seconds_count") == 3
    assert value(found, "msc_policy_propagation_seconds_bucket", le="0.0025") == 2
    assert value(found, "msc_evaluation_duration_seconds_sum") == 0.3


@given(st.lists(st.floats(min_value=0, max_value=1e6), max_size=30))
def test_histograms_only_grow(durations: list[float]) -> None:
    insight = StillInsight()
    metrics = listening(insight)
    last = scrape(metrics)

    for duration in durations:
        insight.events.emit(EvaluationDone(entry=an_entry(duration_s=duration)))
        found = scrape(metrics)
        grown = {key for key in found if key[0].startswith("msc_evaluation_duration_seconds_")}
        assert all(found[key] >= last[key] for key in grown if not key[0].endswith("_created"))
        last = found

    assert value(last, "msc_evaluation_duration_seconds_count") == len(durations)


def test_text_is_given_to_whoever_asks_for_nothing_and_openmetrics_on_request() -> None:
    metrics = Metrics(StillInsight(observation=a_fleet(a_client())))

    _, plain = metrics.render()
    body, wanted = metrics.render(OPENMETRICS)

    assert plain.startswith("text/plain; version=0.0.4")
    assert wanted.startswith("application/openmetrics-text; version=1.0.0")
    assert body.endswith(b"# EOF\n")
    told = parse_openmetrics(body.decode())  # type: ignore[no-untyped-call]  # untyped there
    families = {family.name: family.type for family in told}
    assert families["msc_client_reads"] == "counter"
    assert families["msc_policy_propagation_seconds"] == "histogram"


def test_two_authorities_in_one_process_share_nothing() -> None:
    first, second = StillInsight(), StillInsight()
    one, other = listening(first), listening(second)
    first.events.emit(EvaluationDone(entry=an_entry()))

    assert value(scrape(one), "msc_evaluation_duration_seconds_count") == 1
    assert value(scrape(other), "msc_evaluation_duration_seconds_count") == 0


def test_what_an_observation_says_is_read_anew_at_every_scrape() -> None:
    insight = StillInsight()
    metrics = Metrics(insight)
    before = value(scrape(metrics), "msc_policy_age_seconds")
    insight.observation = replace(insight.observation, at=insight.observation.at + timedelta(seconds=5))

    assert before is not None
    assert value(scrape(metrics), "msc_policy_age_seconds") == before + 5
