"""The table of metrics follows the conventions, and knows the reasons that executors give."""

from __future__ import annotations

from msc_authority.app.signals import NOT_BY_POLICY
from msc_authority.http import metric_samples as samples
from msc_authority.http.metric_table import METRICS, Kind, Unit
from msc_trading.executor.blocks import NOT_BY_POLICY as NOT_DONE
from msc_trading.executor.blocks import BlockReason
from msc_trading.guard.reasons import ReasonCode

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
Scrape = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def test_every_reason_that_counts_as_a_limit_is_one_that_executors_give() -> None:
    assert set(samples.LIMIT_OF_REASON) <= {*map(str, ReasonCode), *map(str, BlockReason)}


def test_every_reason_of_executors_is_either_the_doing_of_the_policy_and_its_limits_or_listed_as_not() -> None:
    by_policy = {
        *("STRATEGY_NOT_ALLOWED", "CONFIDENCE_TOO_LOW", "STRATEGY_CAP", "RISK_PER_TRADE", "ORCHESTRATOR"),
        *("TRADING_HALTED", "TRADING_REDUCING", "TRADING_STATE_UNKNOWN"),
        *("POLICY_EXPIRED", "POLICY_MISSING", "POLICY_CHANGED", "POLICY_REGRESSED"),
        *("MAX_POSITIONS", "MAX_DAILY_TRADES", "MAX_EXPOSURE", "MAX_OPEN_RISK", "MAX_NOTIONAL", "MAX_QTY"),
        *("DAILY_LOSS", "LOSS_STREAK"),
    }

    given = {*map(str, ReasonCode), *map(str, BlockReason)} - {"ALLOWED"}
    assert given - by_policy == NOT_BY_POLICY
    assert not by_policy & NOT_BY_POLICY


def test_an_executor_logs_as_blocked_what_the_authority_counts_as_blocked_by_the_policy() -> None:
    assert NOT_DONE == NOT_BY_POLICY


def test_names_follow_the_conventions() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert metric.name.startswith("msc_")
        assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
        assert metric.name.endswith("_seconds") == (metric.unit is Unit.SECONDS)
        assert metric.name.endswith("_ratio") == (metric.unit is Unit.FRACTION)
        assert metric.help.endswith(".")
        assert bool(metric.buckets) == (metric.kind is Kind.HISTOGRAM)
