"""What programs read: the fields of every --json line, by name and kind, with the unit in the name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from typer.testing import CliRunner

from msc_authority.cli.app import build_app

REF = {"epoch", "version", "etag"}
FRESHNESS = {"replica_age_s", "ttl_s"}
REASON = {"code", "text", "metric", "value", "threshold"}
POLICY = REF | {
    "risk_mode",
    "allowed_strategies",
    "max_risk_per_trade",
    "global_min_confidence",
    "max_positions",
    "max_daily_trades",
    "created_at",
    "evaluation_metrics",
    "trading_state",
    "strategy_grants",
    "reasons",
    "author",
    "rollback_of",
    "valid_for_s",
}
EVALUATION = {
    "evaluation_id",
    "as_of",
    "system_health",
    "mode_before",
    "mode_after",
    "mode_target",
    "reasons",
    "metrics",
    "warning_points",
    "committed_version",
    "duration_s",
    "trigger",
    "failure",
}
REPLICA = {"server_id", "address", "watchers", "started_at", "seen_ago_s", "leads", "answering"}
# Command: fields of its lines; then, by path, the fields of what is inside.
COMMANDS: dict[str, tuple[set[str], dict[str, set[str]]]] = {
    "status": (
        POLICY | {"head", "freshness", "server_time", "replicas"},
        {
            "head": REF,
            "replicas": REPLICA,
            "freshness": FRESHNESS,
            "reasons": REASON,
            "evaluation_metrics": {
                "system_drawdown",
                "global_winrate",
                "equity_slope",
                "system_health",
                "trades_n",
                "equity_source",
            },
            "strategy_grants": {
                "strategy_id",
                "state",
                "risk_multiplier",
                "max_positions",
                "max_daily_trades_fraction",
            },
        },
    ),
    "history": (POLICY | {"changes"}, {"changes": {"field", "before", "after"}}),
    "history --evaluations": (EVALUATION, {"reasons": REASON}),
    "strategies": (
        {
            "strategy_id",
            "rank",
            "state",
            "state_since",
            "allowed",
            "score",
            "posterior_lower_r",
            "posterior_mean_r",
            "drawdown_penalty_r",
            "selection_penalty_r",
            "probability_positive",
            "prior_mean_r",
            "effective_n",
            "live_trades",
            "shadow_trades",
            "winrate_fraction",
            "net_pnl",
            "drawdown_r",
            "fallback_fraction",
            "last_trade_at",
            "reason",
            "as_of",
        },
        {"reason": REASON},
    ),
    "health": (
        {"evaluation", "next_evaluation_in_s", "head", "freshness", "last_failure", "replicas"},
        {
            "evaluation": EVALUATION,
            "evaluation.metrics": {
                "name",
                "value",
                "threshold",
                "margin",
                "interval_low",
                "interval_high",
                "sample_size",
                "window",
                "source",
                "age_s",
                "warning_points",
            },
        },
    ),
    "evaluate --dry-run": (
        {"evaluation", "candidate", "changes", "committed", "head"},
        {"evaluation": EVALUATION, "candidate": POLICY},
    ),
    "watch --count 1": (
        {
            "event",
            "policy",
            "reason",
            "skipped_versions",
            "changed_fields",
            "head",
            "freshness",
            "server_time",
            "info",
        },
        {"policy": POLICY, "info": {"stream_id", "server_id", "heartbeat_interval_s"}},
    ),
}
FRACTIONS = (
    "max_risk_per_trade",
    "global_min_confidence",
    "global_winrate",
    "winrate_fraction",
    "probability_positive",
)
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def lines(command: str, target: str) -> list[dict[str, Any]]:
    result = CliRunner().invoke(build_app(), [*command.split(), "--target", target, "--json"])
    assert result.stderr == ""
    return [json.loads(line, parse_constant=pytest.fail) for line in result.stdout.splitlines()]


def inside(document: object, path: str) -> list[dict[str, Any]]:
    found: object = document
    for name in path.split("."):
        assert isinstance(found, dict)
        found = found[name]
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else [dict(found)]  # type: ignore[call-overload]  # an object


def leaves(document: object, name: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(document, dict):
        for key, value in document.items():
            yield from leaves(value, key)
    elif isinstance(document, list):
        for item in document:
            yield from leaves(item, name)
    else:
        yield name, document


@pytest.mark.parametrize("command", COMMANDS)
def test_every_line_has_exactly_these_fields(command: str, target: str) -> None:
    fields, inner = COMMANDS[command]
    found = lines(command, target)

    assert found
    for line in found:
        assert set(line) == fields
        for path, names in inner.items():
            for part in inside(line, path):
                assert set(part) == names, path


@pytest.mark.parametrize("command", COMMANDS)
def test_instants_are_utc_durations_are_seconds_and_fractions_are_fractions(command: str, target: str) -> None:
    for line in lines(command, target):
        for name, value in leaves(line):
            if value is None:
                continue
            if name.endswith(("_at", "_since", "as_of", "server_time")):
                assert isinstance(value, str)
                assert INSTANT.fullmatch(value), name
                assert datetime.fromisoformat(value).utcoffset() is not None
            elif name.endswith("_s"):
                assert isinstance(value, int | float), name
            elif name in FRACTIONS:
                assert isinstance(value, float), name
                assert 0.0 <= value <= 1.0, name


@pytest.mark.parametrize("command", COMMANDS)
def test_no_word_of_an_enum_carries_the_prefix_of_the_wire(command: str, target: str) -> None:
    for line in lines(command, target):
        for _, value in leaves(line):
            assert not str(value).startswith(("RISK_MODE_", "TRADING_STATE_", "SYSTEM_HEALTH_", "STRATEGY_STATE_"))


def test_numbers_of_the_policy_are_numbers_and_lists_are_lists(target: str) -> None:
    [policy] = lines("status", target)

    for name in ("version", "epoch", "max_positions", "max_daily_trades", "rollback_of"):
        assert isinstance(policy[name], int), name
    for name in ("max_risk_per_trade", "global_min_confidence", "valid_for_s"):
        assert isinstance(policy[name], float), name
    assert [grant["strategy_id"] for grant in policy["strategy_grants"]] == policy["allowed_strategies"]
    assert policy["etag"] == policy["head"]["etag"]


def test_a_candidate_that_was_not_committed_has_no_reference(target: str) -> None:
    [answer] = lines("evaluate --drawdown-pct 4", target)

    assert [answer["candidate"][name] for name in ("epoch", "version", "etag", "created_at")] == [None] * 4
    assert answer["evaluation"]["committed_version"] == 0
    assert answer["head"]["version"] >= 1


def test_money_is_text_so_that_no_digit_is_lost(target: str) -> None:
    for row in lines("strategies", target):
        assert isinstance(row["net_pnl"], str)
        assert re.fullmatch(r"-?\d+\.\d+", row["net_pnl"])


@pytest.mark.parametrize("limit", [1, 2])
@pytest.mark.parametrize("command", ["history", "history --evaluations"])
def test_a_limit_is_the_most_that_is_listed(command: str, limit: int, target: str) -> None:
    assert len(lines(f"{command} --limit {limit}", target)) <= limit


def test_the_same_policy_is_the_same_wherever_it_is_shown(target: str) -> None:
    [status] = lines("status", target)
    [event] = lines("watch --count 1", target)
    newest = lines("history --limit 1", target)[0]

    shown = {name: status[name] for name in POLICY}
    assert event["policy"] == shown
    assert {name: newest[name] for name in POLICY} == shown


def test_what_is_unknown_is_null_and_never_a_number(empty_target: str) -> None:
    [policy] = lines("status", empty_target)
    metrics = policy["evaluation_metrics"]

    assert [metrics[name] for name in ("system_drawdown", "global_winrate", "equity_slope", "trades_n")] == [None] * 4
    assert (metrics["system_health"], metrics["equity_source"]) == ("UNKNOWN", "none")
    assert lines("strategies", empty_target) == []
