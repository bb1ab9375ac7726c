"""How policies, changes and metrics read."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from msc_authority.cli import insight
from msc_authority.cli.app import build_app
from msc_authority.cli.policy import changes_text, metrics_text, policy_facts, strategies_text


def change(field: str, before: str, after: str) -> dict[str, object]:
    return {"field": field, "before": before, "after": after}


def grant(name: str, state: str = "ACTIVE", multiplier: float = 1.0) -> dict[str, object]:
    return {"strategy_id": name, "state": state, "risk_multiplier": multiplier}


def a_policy(**overrides: object) -> dict[str, object]:
    return {
        "risk_mode": "NORMAL",
        "trading_state": "ACTIVE",
        "max_risk_per_trade": 0.0075,
        "global_min_confidence": 0.6,
        "max_positions": 10,
        "max_daily_trades": 30,
        "allowed_strategies": ["TREND_001"],
        "strategy_grants": [grant("TREND_001")],
        "evaluation_metrics": None,
        **overrides,
    }


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        ("", "A, B", "allowed_strategies: none → A, B"),
        ("A, B", "B, C", "strategies: +C -A"),
        ("A, B", "B, A", "strategies: order B, A"),
        ("A", "", "strategies: -A (NOBODY left)"),
    ],
)
def test_a_changed_list_is_told_by_who_came_and_who_went(before: str, after: str, shown: str) -> None:
    assert changes_text([change("allowed_strategies", before, after)]) == shown


def test_grants_are_told_only_where_the_list_stayed() -> None:
    both = [change("allowed_strategies", "A", "A, B"), change("strategy_grants", "A=x1", "A=x1, B=x1")]

    assert changes_text(both) == "strategies: +B"
    assert changes_text([change("strategy_grants", "A=x0.25", "A=x1")]) == "strategy_grants: A=x0.25 → A=x1"


def test_numbers_are_told_with_before_and_after() -> None:
    changes = [change("risk_mode", "NORMAL", "DEFENSIVE"), change("max_positions", "10", "8")]

    assert changes_text(changes) == "risk_mode: NORMAL → DEFENSIVE; max_positions: 10 → 8"


def test_an_empty_list_says_that_nobody_may_open_positions() -> None:
    assert strategies_text(a_policy(allowed_strategies=[], strategy_grants=[])) == "NOBODY may open positions"


def test_probation_and_smaller_risk_are_named() -> None:
    policy = a_policy(allowed_strategies=["A", "B"], strategy_grants=[grant("A"), grant("B", "PROBATION", 0.25)])

    assert strategies_text(policy) == "A, B (probation, risk ×0.25)"


def test_limits_are_told_with_their_direction_and_unit() -> None:
    facts = dict(policy_facts(a_policy()))

    assert facts["risk per trade"] == "at most 0.75% of equity"
    assert facts["confidence"] == "at least 0.60"
    assert facts["risk mode"] == "NORMAL, trading ACTIVE"


def test_metrics_have_units_and_unknown_is_said() -> None:
    known = {
        "system_health": "GOOD",
        "system_drawdown": 2.0,
        "global_winrate": 0.6,
        "trades_n": 100,
        "equity_slope": 0.8,
    }

    assert metrics_text(known) == "GOOD: drawdown 2.00 %, win rate 60.0% of 100, slope 0.80 %/d"
    assert metrics_text({}) == "UNKNOWN: drawdown unknown, win rate unknown, slope unknown"


class Fleet:
    """Stands for an authority that knows one client."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self._entry = entry

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def clients(self) -> dict[str, object]:
        return {"clients": [self._entry], "head": None}


def an_entry(tier: str = "FRESH", behind: int = 0, error: str = "") -> dict[str, Any]:
    return {
        "client": {"name": "executor [1]", "instance_id": "i", "role": "EXECUTOR"},
        "status": {"tier": tier, "applied": {"version": 3}, "last_error": error},
        "reported_at": "2026-01-02T03:04:05Z",
        "watching": True,
        "versions_behind": behind,
    }


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        (an_entry(), 0),
        (an_entry(tier="STALE"), 1),
        (an_entry(tier="SAFE_NONE"), 1),
        (an_entry(behind=2), 1),
        ({**an_entry(), "status": None}, 0),
    ],
)
def test_clients_ends_with_1_when_one_is_behind_or_does_not_trust_what_it_has(
    entry: dict[str, Any], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(insight, "asking", lambda target: Fleet(entry))

    result = CliRunner().invoke(build_app(), ["clients"])

    assert result.exit_code == code
    assert "executor [1]" in result.stdout


def test_what_troubles_a_client_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(insight, "asking", lambda target: Fleet(an_entry(error="watchdog: silent 16.0s")))

    assert "executor [1]: watchdog: silent 16.0s" in CliRunner().invoke(build_app(), ["clients"]).stdout


def test_a_metric_without_value_or_line_is_told_as_such() -> None:
    metric = {
        "name": "drawdown_pct",
        "value": None,
        "threshold": None,
        "margin": None,
        "sample_size": 0,
        "warning_points": 0,
        "window": "30 d",
    }
    console = Console(width=80)
    with console.capture() as capture:
        console.print(insight.metric_table([metric]))

    assert capture.get().splitlines()[1].split() == ["drawdown_pct", "unknown", "0", "30", "d"]
