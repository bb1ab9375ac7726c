"""What people see, screen by screen, and the exit code beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from msc_answers import (
    ScriptedRemote,
    clients_answer,
    evaluate_answer,
    evaluation_answer,
    health_answer,
    policy_answer,
    revision_answer,
    strategies_answer,
)
from msc_builders import START, a_content, a_ranking, a_reason, a_verdict, an_entry
from typer.testing import CliRunner, Result

from msc_authority.app.clients import ClientInfo, ClientRole, ClientStatus, ClientTier, FleetEntry
from msc_authority.cli.app import build_app
from msc_authority.core.policy import (
    FieldChange,
    PolicyRef,
    RiskMode,
    StrategyGrant,
    StrategyState,
    SystemHealth,
    TradingState,
)
from msc_authority.rpc.plain import Plain
from msc_authority.rpc.remote_error import RemoteError

Screen = Callable[..., Result]


def words(result: Result) -> str:
    """What was printed, with its line breaks taken out."""
    return " ".join(result.stdout.split())


def test_status_of_a_calm_day(screen: Screen) -> None:
    result = screen("status", {"policy": policy_answer()})

    assert result.exit_code == 0
    assert [line.rstrip() for line in result.stdout.splitlines()] == [
        "policy          version 3, epoch 7, by evaluator",
        "committed       2025-11-30 10:30:00Z",
        "risk mode       NORMAL, trading ACTIVE",
        "risk per trade  at most 0.75% of equity",
        "confidence      at least 0.60",
        "positions       at most 10",
        "daily trades    at most 30",
        "strategies      TREND_001",
        "health          NORMAL: drawdown 0.50 %, win rate 58.0% of 120, slope unknown",
        "freshness       confirmed 0.5 s ago, valid another 50 min",
        "because         drawdown 0.50 % is below 2.00 %",
    ]


def test_status_of_a_bad_day_says_stopped_for_nobody_and_used_up(screen: Screen) -> None:
    content = a_content(RiskMode.DEFENSIVE, trading_state=TradingState.HALTED, grants=(), reasons=())
    result = screen("status", {"policy": policy_answer(content, ttl_s=-60.0)})

    assert result.exit_code == 1
    assert "DEFENSIVE, trading HALTED" in result.stdout
    assert "NOBODY may open positions" in result.stdout
    assert "USED UP: evaluations are missing" in result.stdout
    assert "because" not in result.stdout


def test_an_old_version_that_is_long_used_up_is_no_bad_news(screen: Screen) -> None:
    assert screen("status --version 2", {"policy": policy_answer(ttl_s=-60.0)}).exit_code == 0


def test_status_names_what_is_special_about_a_strategy(screen: Screen) -> None:
    grants = tuple(
        StrategyGrant(
            strategy_id=f"S{number}",
            state=state,
            risk_multiplier=multiplier,
            max_positions=1,
            max_daily_trades_fraction=0.1,
        )
        for number, (state, multiplier) in enumerate(
            [(StrategyState.ACTIVE, 1.0), (StrategyState.PROBATION, 0.25), (StrategyState.ACTIVE, 0.5)]
        )
    )
    result = screen("status", {"policy": policy_answer(a_content(grants=grants))})

    assert "S0, S1 (probation, risk ×0.25), S2 (active, risk ×0.50)" in words(result)


def test_status_before_the_first_policy_says_how_to_make_one(remote: ScriptedRemote) -> None:
    remote.error = RemoteError("there is no policy yet", reason="POLICY_NOT_FOUND", reachable=True)

    result = CliRunner().invoke(build_app(), ["status"])

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "msc: there is no policy yet; msc evaluate makes the first one, and an empty journal makes it DEFENSIVE\n"
    )


def test_history_tells_steps_of_the_list_not_the_lists(screen: Screen) -> None:
    before = a_content()
    trial = replace(before.grants[0], strategy_id="RANGE_002", state=StrategyState.PROBATION, risk_multiplier=0.25)
    after = replace(before, grants=(trial,))
    result = screen(
        "history",
        {"revisions": [revision_answer(after, replace(after, grants=()), version=4), revision_answer(before, after)]},
    )

    assert result.exit_code == 0
    assert "strategies: +RANGE_002 -TREND_001 (drawdown 0.50 % is below 2.00 %)" in words(result)
    assert "strategies: -RANGE_002 (NOBODY left)" in words(result)


def test_history_tells_another_order_as_such(screen: Screen) -> None:
    one = a_content()
    other = replace(one.grants[0], strategy_id="RANGE_002")
    before, after = replace(one, grants=(*one.grants, other)), replace(one, grants=(other, *one.grants))

    result = screen("history", {"revisions": [revision_answer(before, after)]})

    assert "strategies: order RANGE_002, TREND_001" in words(result)


@pytest.mark.parametrize("command", ["history", "history --evaluations"])
def test_an_empty_history_says_how_to_begin_one(command: str, screen: Screen) -> None:
    result = screen(command, {"revisions": [], "evaluations": []})

    assert (result.exit_code, result.stdout) == (0, "There is none yet: msc evaluate makes the first one.\n")


def test_the_history_of_evaluations_shows_changes_confirmations_and_failures(screen: Screen) -> None:
    fallen = a_verdict(mode_before=RiskMode.AGGRESSIVE, mode_after=RiskMode.DEFENSIVE)
    rows = [
        evaluation_answer(an_entry("eval-3", verdict=None, failure="locked: by another")),
        evaluation_answer(an_entry("eval-2", verdict=a_verdict(mode_before=RiskMode.NORMAL))),
        evaluation_answer(an_entry("eval-1", verdict=fallen, committed=PolicyRef(7, 12))),
    ]
    result = screen("history --evaluations", {"evaluations": rows})

    assert result.exit_code == 0
    assert "FAILED: locked: by another" in words(result)
    assert "AGGRESSIVE → DEFENSIVE" in result.stdout
    assert "version 12: drawdown 0.50 %" in words(result)


def test_an_evaluation_that_failed_has_no_grade_and_no_mode_to_show(screen: Screen) -> None:
    failed = evaluation_answer(an_entry(verdict=None, failure="no NAV", trigger="start"))
    result = screen("history --evaluations", {"evaluations": [failed]})

    assert result.stdout.splitlines()[1].split() == [
        "2025-11-30",
        "10:30:00Z",
        "start",
        "-",
        "-",
        "FAILED:",
        "no",
        "NAV",
    ]


def test_strategies_without_any_is_bad_news_with_advice(screen: Screen) -> None:
    result = screen("strategies", {"strategies": strategies_answer()})

    assert result.exit_code == 1
    assert result.stdout == "No strategy is known yet: msc journal import FILE brings in trades.\n"


def test_strategies_tells_who_may_not_trade_and_why(screen: Screen) -> None:
    rankings = (
        a_ranking("TREND_001"),
        a_ranking(
            "RANGE_002",
            rank=2,
            allowed=False,
            state=StrategyState.BENCHED,
            winrate_fraction=None,
            reason=a_reason("LOW", text="P(mean R > 0) 0.437, below 0.50"),
        ),
    )
    result = screen("strategies", {"strategies": strategies_answer(*rankings)})

    assert result.exit_code == 0
    assert "RANGE_002: may NOT open positions; P(mean R > 0) 0.437, below 0.50" in words(result)
    assert "TREND_001: drawdown 0.50 % is below 2.00 %" in words(result)


def test_a_ranking_of_which_nobody_is_allowed_is_bad_news(screen: Screen) -> None:
    rankings = [a_ranking(f"S{number}", allowed=False) for number in range(3)]

    assert screen("strategies", {"strategies": strategies_answer(*rankings)}).exit_code == 1


@pytest.mark.parametrize(
    ("grade", "code"),
    [
        (SystemHealth.UNKNOWN, 1),
        (SystemHealth.CRITICAL, 1),
        (SystemHealth.POOR, 1),
        (SystemHealth.NORMAL, 0),
        (SystemHealth.GOOD, 0),
        (SystemHealth.EXCELLENT, 0),
    ],
)
def test_health_ends_by_its_grade(grade: SystemHealth, code: int, screen: Screen) -> None:
    entry = an_entry(verdict=a_verdict(system_health=grade, warning_points=2))
    result = screen("health", {"health": health_answer(entry)})

    assert result.exit_code == code
    assert f"{grade.value}, warning points: 2" in result.stdout
    assert "next evaluation in 10 min" in result.stdout


def test_a_failure_since_the_last_evaluation_is_bad_news_however_good_that_was(screen: Screen) -> None:
    failed = an_entry("eval-2", verdict=None, failure="ValueError: no NAV")
    result = screen("health", {"health": health_answer(an_entry(), failed)})

    assert result.exit_code == 1
    assert "The newest evaluation FAILED at 2025-11-30 10:30:00Z: ValueError: no NAV" in words(result)


def test_health_before_the_first_evaluation_says_how_to_make_one(screen: Screen) -> None:
    result = screen("health", {"health": health_answer(None)})

    assert result.exit_code == 1
    assert result.stdout == "There is no evaluation yet: msc evaluate makes the first one.\n"


def a_client(name: str = "exec-1", *, watches: int = 1, **status: object) -> FleetEntry:
    told = ClientStatus(tier=ClientTier.FRESH, applied=PolicyRef(7, 3))
    return FleetEntry(
        client=ClientInfo(instance_id="i-1", name=name, role=ClientRole.EXECUTOR),
        status=replace(told, **status),  # type: ignore[arg-type]  # tests name fields of the status
        reported_at=START + timedelta(seconds=5),
        watches=watches,
    )


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        (a_client(), 0),
        (a_client(tier=ClientTier.UNSPECIFIED), 0),
        (a_client(watches=0), 0),
        (a_client(applied=PolicyRef(7, 2)), 1),
        (a_client(applied=None), 1),
        (a_client(tier=ClientTier.STALE), 1),
        (a_client(tier=ClientTier.SAFE_EXPIRED), 1),
        (a_client(tier=ClientTier.SAFE_NONE), 1),
    ],
)
def test_clients_ends_with_1_when_one_is_behind_or_does_not_trust_what_it_has(
    entry: FleetEntry, code: int, screen: Screen
) -> None:
    assert screen("clients", {"clients": clients_answer(a_client("other"), entry)}).exit_code == code


def test_clients_shows_each_one_and_its_last_error(screen: Screen) -> None:
    troubled = a_client("guard-1", applied=None, tier=ClientTier.SAFE_NONE, last_error="refused: unknown enum")
    result = screen("clients", {"clients": clients_answer(a_client(), troubled)})

    assert "exec-1 EXECUTOR FRESH 3 0 yes 2025-11-30 10:30:05Z" in words(result)
    assert "guard-1 EXECUTOR SAFE_NONE none 3 yes" in words(result)
    assert result.stdout.endswith("guard-1: refused: unknown enum\n")


def test_without_any_client_that_is_said_and_no_bad_news(screen: Screen) -> None:
    result = screen("clients", {"clients": clients_answer()})

    assert (result.exit_code, result.stdout) == (
        0,
        "Nobody has reported within the last hour, and nobody watches.\n",
    )


@pytest.mark.parametrize(
    ("command", "answer", "outcome"),
    [
        ("evaluate", evaluate_answer(), "confirmed; nothing changed"),
        (
            "evaluate",
            evaluate_answer(
                committed=True, changes=(FieldChange(field="risk_mode", before="NORMAL", after="DEFENSIVE"),)
            ),
            "committed version 4: risk_mode: NORMAL → DEFENSIVE",
        ),
        ("evaluate --dry-run", evaluate_answer(), "nothing was written, nor would change"),
        (
            "evaluate --drawdown-pct 4",
            evaluate_answer(changes=(FieldChange(field="max_positions", before="10", after="8"),)),
            "nothing was written; it would change max_positions: 10 → 8",
        ),
    ],
)
def test_evaluate_says_what_became_of_it(command: str, answer: Plain, outcome: str, screen: Screen) -> None:
    result = screen(command, {"evaluate": answer})

    assert result.exit_code == 0
    assert outcome in words(result)


def test_evaluate_says_what_holds_the_mode_back(screen: Screen) -> None:
    verdict = a_verdict(mode_before=RiskMode.DEFENSIVE, mode_after=RiskMode.DEFENSIVE, mode_target=RiskMode.AGGRESSIVE)
    result = screen("evaluate", {"evaluate": evaluate_answer(an_entry(verdict=verdict))})

    assert "DEFENSIVE (the grade asks for AGGRESSIVE; hysteresis holds it back)" in words(result)


def test_evaluate_hands_on_what_it_was_given_and_nothing_else(screen: Screen, remote: ScriptedRemote) -> None:
    screen("evaluate --drawdown-pct 0 --trades 0 --reason drill", {"evaluate": evaluate_answer()})
    screen("evaluate --request-id once", {"evaluate": evaluate_answer()})

    assert remote.asked == [
        {"request_id": "", "dry_run": False, "reason": "drill", "what_if": {"drawdown_pct": 0.0, "trades_n": 0}},
        {"request_id": "once", "dry_run": False, "reason": "", "what_if": None},
    ]
