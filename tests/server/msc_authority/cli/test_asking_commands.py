"""Commands that ask a running authority: what they print, in which units, and how they end."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from msc_authority.cli.app import build_app

COMMISSION_FIELDS = {
    "risk_mode",
    "allowed_strategies",
    "max_risk_per_trade",
    "global_min_confidence",
    "max_positions",
    "max_daily_trades",
    "created_at",
    "evaluation_metrics",
}
NOBODY = "127.0.0.1:1"


def msc(*arguments: str) -> Result:
    return CliRunner().invoke(build_app(), list(arguments))


def documents(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_status_has_the_commissions_fields_in_its_units(target: str) -> None:
    result = msc("status", "--target", target, "--json")

    (policy,) = documents(result)
    assert result.exit_code == 0
    assert set(policy) >= COMMISSION_FIELDS
    assert policy["risk_mode"] in {"DEFENSIVE", "NORMAL", "AGGRESSIVE"}
    assert 0 < policy["max_risk_per_trade"] < 0.1
    assert set(policy["evaluation_metrics"]) >= {"system_drawdown", "global_winrate", "equity_slope", "system_health"}
    assert policy["version"] == policy["head"]["version"] >= 1
    assert policy["freshness"]["ttl_s"] > 0


def test_status_for_people_says_what_may_be_done_and_why(target: str) -> None:
    result = msc("status", "--target", target)

    assert result.exit_code == 0
    assert all(word in result.stdout for word in ("risk mode", "of equity", "because", "confirmed"))


def test_the_target_comes_from_the_environment(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSC_TARGET", target)

    assert msc("status").exit_code == 0


def test_a_version_that_does_not_exist_is_refused_with_4(target: str) -> None:
    result = msc("status", "--version", "99", "--target", target)

    assert result.exit_code == 4
    assert "POLICY_NOT_FOUND" in result.stderr


def test_history_is_newest_first_and_says_what_changed(target: str) -> None:
    rows = documents(msc("history", "--target", target, "--json"))

    assert [row["version"] for row in rows] == list(range(len(rows), 0, -1))
    assert {change["field"] for change in rows[-1]["changes"]} >= {"risk_mode", "max_positions"}


def test_history_of_evaluations_says_who_asked(target: str) -> None:
    rows = documents(msc("history", "--evaluations", "--target", target, "--json"))

    assert rows[-1]["trigger"] == "start"
    assert rows[-1]["committed_version"] == 1
    assert msc("history", "--evaluations", "--target", target).exit_code == 0


def test_strategies_are_ranked_with_every_part_of_the_score(target: str) -> None:
    rows = documents(msc("strategies", "--target", target, "--json"))

    assert [row["rank"] for row in rows] == [1, 2, 3, 4, 5]
    for row in rows:
        parts = row["posterior_lower_r"] - row["drawdown_penalty_r"] - row["selection_penalty_r"]
        assert row["score"] == pytest.approx(parts)


def test_strategies_ends_with_1_when_nobody_may_trade(empty_target: str) -> None:
    result = msc("strategies", "--target", empty_target)

    assert result.exit_code == 1
    assert "msc journal import" in result.stdout


def test_health_shows_values_beside_lines_and_ends_with_1_on_a_bad_grade(target: str, empty_target: str) -> None:
    good = msc("health", "--target", target, "--json")
    bad = msc("health", "--target", empty_target)

    (document,) = documents(good)
    metrics = {metric["name"]: metric for metric in document["evaluation"]["metrics"]}
    assert metrics["drawdown_pct"]["threshold"] is not None
    assert good.exit_code == (1 if document["evaluation"]["system_health"] in {"POOR", "CRITICAL", "UNKNOWN"} else 0)
    assert bad.exit_code == 1
    assert "UNKNOWN" in bad.stdout


def test_clients_lists_who_watches(target: str) -> None:
    assert msc("watch", "--count", "1", "--target", target).exit_code == 0

    rows = documents(msc("clients", "--target", target, "--json"))

    assert "msc watch" in {row["client"]["name"] for row in rows}
    assert "msc watch" in msc("clients", "--target", target).stdout


def test_watch_prints_one_line_an_event(target: str) -> None:
    result = msc("watch", "--count", "1", "--target", target, "--json")

    (event,) = documents(result)
    assert (result.exit_code, event["event"], event["reason"]) == (0, "snapshot", "INITIAL")
    assert set(event["policy"]) >= COMMISSION_FIELDS


@pytest.mark.parametrize(
    ("metrics", "mode", "limits"),
    [
        (("--drawdown-pct", "2", "--winrate", "0.60"), "NORMAL", (0.0075, 0.60, 10, 30)),
        (("--drawdown-pct", "4", "--winrate", "0.45"), "DEFENSIVE", (0.0030, 0.70, 8, 10)),
        (("--drawdown-pct", "0.5", "--winrate", "0.65", "--trades", "100"), "AGGRESSIVE", (0.0150, 0.50, 15, 50)),
        (
            ("--drawdown-pct", "2.5", "--winrate", "0.58", "--slope-pct-per-day", "0.8"),
            "NORMAL",
            (0.0075, 0.60, 10, 30),
        ),
    ],
)
def test_a_what_if_gives_the_commissions_scenarios_and_writes_nothing(
    metrics: tuple[str, ...], mode: str, limits: tuple[float, ...], target: str
) -> None:
    result = msc("evaluate", *metrics, "--target", target, "--json")

    (answer,) = documents(result)
    candidate = answer["candidate"]
    names = ("max_risk_per_trade", "global_min_confidence", "max_positions", "max_daily_trades")
    assert result.exit_code == 0
    assert candidate["risk_mode"] == mode
    assert tuple(candidate[name] for name in names) == limits
    assert (answer["committed"], candidate["version"]) == (False, None)


def test_evaluate_says_what_it_did(target: str) -> None:
    dry, real = (msc("evaluate", *flags, "--target", target) for flags in (["--dry-run"], []))

    assert dry.exit_code == real.exit_code == 0
    assert "nothing was written" in dry.stdout
    assert "nothing was written" not in real.stdout
    assert "confirmed" in real.stdout or "committed version" in real.stdout


def test_the_same_request_id_returns_the_same_evaluation(target: str) -> None:
    first, second = (
        documents(msc("evaluate", "--request-id", "once", "--target", target, "--json"))[0] for _ in range(2)
    )

    assert first["evaluation"]["evaluation_id"] == second["evaluation"]["evaluation_id"]


@pytest.mark.parametrize(
    "arguments", [("--drawdown-pct", "nan"), ("--winrate", "inf"), ("--trades", "-1"), ("--loss-streak", "99999999999")]
)
def test_a_metric_outside_sense_is_a_usage_error_that_names_it(arguments: tuple[str, str], target: str) -> None:
    result = msc("evaluate", *arguments, "--target", target)

    assert result.exit_code == 2
    assert arguments[0] in result.stderr


def test_a_metric_the_authority_refuses_ends_with_4_and_names_the_field(target: str) -> None:
    result = msc("evaluate", "--winrate", "1.5", "--target", target)

    assert result.exit_code == 4
    assert "winrate_fraction" in result.stderr


@pytest.mark.parametrize("name", ["status", "watch", "history", "strategies", "health", "clients", "evaluate"])
def test_without_an_authority_a_command_ends_with_3_and_one_line_of_advice(name: str) -> None:
    result = msc(name, "--target", NOBODY)

    assert result.exit_code == 3
    assert result.stderr.count("\n") == 1
    assert "msc serve" in result.stderr
    assert "Traceback" not in result.output


def test_errors_are_json_too_when_json_is_asked_for() -> None:
    result = msc("status", "--target", NOBODY, "--json")

    error = json.loads(result.stderr)
    assert result.stdout == ""
    assert (error["exit_code"], error["reason"]) == (3, "UNAVAILABLE")


@pytest.mark.parametrize("target", ["localhost", "localhost:", ":7443", "localhost:0", "localhost:70000", "a:b"])
def test_a_target_that_is_not_host_and_port_is_a_usage_error(target: str) -> None:
    result = msc("status", "--target", target)

    assert result.exit_code == 2
    assert "HOST:PORT" in result.stderr
