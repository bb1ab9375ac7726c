"""What `msc top` shows, from what it knows and the size of the terminal alone."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_web import (
    Document,
    a_client,
    a_critical_alert,
    a_health,
    a_laggard,
    a_metric,
    a_policy,
    a_status,
    a_strategy,
    an_alert,
)
from rich.console import Console

from msc_authority.cli.top_layout import lines
from msc_authority.cli.top_parts import bar
from msc_authority.cli.top_screen import screen
from msc_authority.cli.top_state import Seen, TopState

URL = "http://127.0.0.1:8000"
GONE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

FULL = Seen(
    status=a_status(
        health=a_health(
            a_metric(),
            a_metric("winrate_fraction", value=0.55, threshold=0.45, margin=0.1, sample_size=100),
            a_metric("slope_pct_per_day", value=-0.5, threshold=-0.2, margin=-0.3, sample_size=14, warning_points=1),
            a_metric("days_without_profit", value=None, margin=None, sample_size=0),
            a_metric("nav", value=1.0, threshold=None, margin=None),
        )
    ),
    strategies={"strategies": [a_strategy(), a_strategy("RANGE_003", 2, state="SHADOW", allowed=False)]},
    clients={"clients": [a_client(), a_laggard()]},
    alerts={"alerts": [a_critical_alert(), an_alert()]},
)


def known(seen: Seen = FULL) -> TopState:
    return TopState(url=URL).answered(seen, monotonic=100.0)


def of_status(**changes: object) -> TopState:
    return known(replace(FULL, status=a_status(**changes)))


def frame(state: TopState, *, width: int = 80, height: int | None = 24, monotonic: float = 100.0) -> list[str]:
    console = Console(file=io.StringIO(), width=width, record=True, color_system=None)
    console.print(screen(state, monotonic, width, height))
    return [line.rstrip() for line in console.export_text().splitlines()]


def shown(state: TopState, height: int | None = 24) -> str:
    return "\n".join(frame(state, height=height))


def test_a_small_terminal_shows_everything_that_fits() -> None:
    assert frame(known()) == [
        "http://127.0.0.1:8000  2026-01-02 03:04:05Z  v12, epoch 1  valid 58 min",
        "NORMAL for 3.1 h  trading ACTIVE  health GOOD  next evaluation in 12:34",
        "risk 0.75% a trade  confidence 0.60  10 positions  30 trades/day  2 allowed",
        "time in DEFENSIVE 12% (<20%)  NORMAL 66% (60–70%)  AGGRESSIVE 22% (10–20%)!",
        "ALERTS       SINCE      2 firing, 1 critical",
        "!! CRITICAL  03:03:00Z  DEFENSIVE_TOO_LONG: in DEFENSIVE for 3700 s",
        "! warning    03:03:00Z  CLIENT_BEHIND guard-1: guard-1 is 2 versions behind for",
        "HEALTH                 VALUE   LINE      beyond │ good            N",
        "slope_pct_per_day     -0.500  -0.20  !!  ██████████│             14",
        "drawdown_pct           1.200   3.00  ok            │██████      900",
        "winrate_fraction       0.550   0.45  ok            │██          100",
        "days_without_profit  unknown   3.00  ?   ··········│··········    0",
        "STRATEGIES  STATE   OPENS  SCORE R  P>0   N  WIN  NET PNL",
        "TREND_001   ACTIVE  yes       0.12  97%  88  55%  1234.56",
        "RANGE_003   SHADOW  no        0.12  97%  88  55%  1234.56",
        "FLEET             ROLE        TIER   APPLIED       BEHIND    AGE  REPORT",
        "! guard-1         RISK_GUARD  STALE      v10  2 for 2 min  2 min   4.0 s",
        "executor-BTCUSDT  EXECUTOR    FRESH      v12            -  0.8 s   4.0 s",
        "BLOCKED, LAST HOUR    12 of 30 signals (40%)",
        "STRATEGY_NOT_ALLOWED     8 ██████████████",
        "CONFIDENCE_TOO_LOW       4 ███████",
        "q ends it",
    ]


def test_what_is_in_force_goes_on_in_the_next_line_where_one_is_too_short() -> None:
    policy = a_policy(risk_mode="DEFENSIVE", trading_state="REDUCING")
    status = {
        "policy": policy,
        "risk_mode_for_s": 360_000.0,
        "next_evaluation_in_s": 6034.0,
        "health": a_health(system_health="CRITICAL"),
    }

    narrow, wide = frame(of_status(**status), height=30), frame(of_status(**status), width=100, height=30)

    assert narrow[1:3] == ["DEFENSIVE for 4.2 d  trading REDUCING  health CRITICAL", "next evaluation in 100:34"]
    assert wide[1] == "DEFENSIVE for 4.2 d  trading REDUCING  health CRITICAL  next evaluation in 100:34"
    assert len(frame(of_status(**status), height=24)) <= 24


@given(st.lists(st.text("ab漢 ", min_size=1, max_size=30), min_size=1), st.integers(min_value=1, max_value=60))
def test_no_part_is_lost_and_no_line_of_several_is_wider_than_the_screen(parts: list[str], width: int) -> None:
    found = lines(width, *parts)

    assert "  ".join(row.plain for row in found) == "  ".join(parts)
    assert all(row.cell_len <= width or row.plain in parts for row in found)


def test_a_wide_terminal_has_strategies_beside_health_and_alerts_over_both() -> None:
    lines = frame(known(), width=160)

    assert any("HEALTH" in line and "STRATEGIES" in line for line in lines)
    assert any("guard-1 is 2 versions behind for 95 s" in line for line in lines)
    assert len(lines) < 24


def test_many_alerts_do_not_push_the_rest_off_a_wide_terminal() -> None:
    many = replace(FULL, alerts={"alerts": [an_alert(subject=f"guard-{number}") for number in range(30)]})

    lines = frame(known(many), width=160)

    assert len(lines) <= 24
    assert sum("CLIENT_BEHIND" in line for line in lines) == 2
    assert "… 28 more" in lines
    assert any("FLEET" in line for line in lines)


def test_printed_once_nothing_is_left_out_and_no_key_is_spoken_of() -> None:
    many = replace(FULL, strategies={"strategies": [a_strategy(f"TREND_{number:03}") for number in range(40)]})

    text = shown(known(many), height=None)

    assert "TREND_039" in text
    assert "more" not in text
    assert "q ends it" not in text


def test_what_does_not_fit_is_counted() -> None:
    many = replace(FULL, strategies={"strategies": [a_strategy(f"TREND_{number:03}") for number in range(40)]})

    lines = frame(known(many))

    assert len(lines) == 24
    left_out = next(line for line in lines if line.startswith("… "))
    strategies = [line for line in lines if line.startswith("TREND_")]
    assert left_out == f"… {40 - len(strategies)} more"


@given(
    width=st.integers(20, 220),
    height=st.integers(12, 70),
    strategies=st.integers(0, 30),
    clients=st.integers(0, 60),
    alerts=st.integers(0, 20),
    name=st.text(min_size=1, max_size=40),
)
def test_no_frame_is_wider_or_taller_than_the_terminal(
    width: int, height: int, strategies: int, clients: int, alerts: int, name: str
) -> None:
    seen = Seen(
        status=a_status(),
        strategies={"strategies": [a_strategy(f"{name}{number}") for number in range(strategies)]},
        clients={"clients": [a_client(f"{name}{number}") for number in range(clients)]},
        alerts={"alerts": [an_alert(subject=name) for _ in range(alerts)]},
    )

    lines = frame(known(seen), width=width, height=height)

    assert len(lines) <= height
    assert all(len(line) <= width for line in lines)


def test_an_authority_that_is_away_is_said_with_the_instant_and_the_old_answers_stay() -> None:
    away = known().missed("Connection refused", GONE, 100.0)

    lines = frame(away, monotonic=134.0)

    assert lines[0] == "AWAY since 2026-01-02 03:04:05Z, 34 s  Connection refused"
    assert lines[1] == "What follows is of before. Trying again every second."
    assert "NORMAL for 3.1 h" in lines[3]
    assert len(lines) <= 24


def test_one_that_comes_back_is_away_no_more() -> None:
    back = known().missed("gone", GONE, 100.0).answered(FULL, 140.0)

    assert frame(back, monotonic=140.0) == frame(known())


def test_one_that_never_answered_is_named() -> None:
    away = TopState(url=URL).missed("Connection refused", GONE, 100.0)

    assert frame(away, monotonic=134.0) == [
        "AWAY since 2026-01-02 03:04:05Z, 34 s  Connection refused",
        f"Nobody has answered at {URL} yet. Trying again every second.",
        "q ends it",
    ]


def test_before_the_first_answer_it_says_that_it_asks() -> None:
    assert frame(TopState(url=URL)) == [f"Asking {URL} …", "q ends it"]


def test_an_answer_that_does_not_come_is_said_before_it_is_given_up() -> None:
    assert frame(known(), monotonic=103.0) == frame(known())
    assert frame(known(), monotonic=104.5)[0] == "No answer for 4.5 s; still waiting."


def test_what_was_not_answered_is_unknown_and_not_empty() -> None:
    part = Seen(status=a_status(), problems=("strategies: the database does not answer",))

    text = shown(known(part), height=40)

    assert "Not answered  strategies: the database does not answer" in text
    assert text.count("unknown") == 3


def test_an_authority_without_policy_and_evaluation_says_so() -> None:
    text = shown(
        of_status(
            policy=None,
            head={"epoch": 1, "version": 0},
            health=None,
            risk_mode_for_s=None,
            freshness={"replica_age_s": 0.1, "ttl_s": None},
            mode_shares={},
            signals={"seen_last_hour": 0, "blocked_last_hour": 0, "blocked_fraction": None},
        )
    )

    for words in (
        "no policy yet",
        "unknown for unknown  trading unknown  health unknown",
        "limits unknown",
        "no evaluation yet",
        "time in DEFENSIVE unknown",
        "0 of 0 signals\n",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"freshness": {"ttl_s": -3.0}}, "no longer valid"),
        ({"policy": a_policy(trading_state="HALTED")}, "trading HALTED"),
        ({"policy": a_policy(allowed_strategies=[])}, "0 allowed"),
        ({"next_evaluation_in_s": -2.0}, "next evaluation in 0:00"),
        ({"next_evaluation_in_s": 3599.6}, "next evaluation in 60:00"),
        ({"last_failure": {"failure": "the disk is full"}}, "The newest evaluation FAILED  the disk is full"),
        ({"store_unavailable": True}, "The database does not answer"),
        ({"alerts": {}}, "2 firing, 1 critical"),
    ],
)
def test_what_matters_is_in_words(changes: Document, words: str) -> None:
    assert words in shown(of_status(**changes), height=40)


def test_a_client_without_trust_in_what_it_has_comes_first_and_is_marked() -> None:
    fleet = [a_client("a"), a_client("z", tier="SAFE_EXPIRED"), a_client("b", tier="UNSPECIFIED", applied=None)]

    lines = frame(known(replace(FULL, clients={"clients": fleet})), height=40)

    first = next(number for number, line in enumerate(lines) if line.startswith("FLEET"))
    assert [line.split()[:2] for line in lines[first + 1 : first + 4]] == [
        ["!", "z"],
        ["a", "EXECUTOR"],
        ["b", "EXECUTOR"],
    ]
    assert "none" in lines[first + 3]


def test_alerts_that_pend_are_shown_and_resolved_ones_are_not() -> None:
    alerts = [an_alert(state="pending", firing_since=None), an_alert("OLD", state="resolved")]

    lines = frame(known(replace(FULL, alerts={"alerts": alerts})))

    assert "ALERTS     SINCE      0 firing, 0 critical" in lines
    assert any(line.startswith("  pending  03:02:00Z  CLIENT_BEHIND guard-1") for line in lines)
    assert not any("OLD" in line for line in lines)


def test_a_hostile_name_cannot_command_the_terminal() -> None:
    hostile = replace(FULL, clients={"clients": [a_client("\x1b[2J[red]x")]})

    text = shown(known(hostile))

    assert "�[2J[red]x" in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("value", "threshold", "margin", "expected"),
    [
        (1.2, 3.0, 1.8, "     │███  "),
        (3.0, 3.0, 0.0, "     │     "),
        (2.99, 3.0, 0.01, "     │█    "),
        (9.0, 3.0, -6.0, "█████│     "),
        (0.3, 0.0, 0.3, "     │██   "),
        (-0.3, 0.0, -0.3, "   ██│     "),
        (None, 3.0, None, "·····│·····"),
        (1.0, None, None, "·····│·····"),
    ],
)
def test_a_bar_goes_right_on_the_good_side_and_left_beyond_the_line(
    value: float | None, threshold: float | None, margin: float | None, expected: str
) -> None:
    assert bar(a_metric(value=value, threshold=threshold, margin=margin), width=11) == expected


@pytest.mark.parametrize(
    ("changes", "sign"),
    [
        ({}, "ok"),
        ({"warning_points": 2, "margin": -1.0}, "!!"),
        ({"margin": -0.1}, "! "),
        ({"value": None, "margin": None}, "? "),
    ],
)
def test_a_metric_is_marked_by_a_sign_and_not_by_colour_alone(changes: Document, sign: str) -> None:
    lines = frame(of_status(health=a_health(a_metric("x", **changes))), height=40)

    row = next(line for line in lines if line.startswith("x "))
    assert f"3.00  {sign}" in row


def test_who_leads_and_what_confirms_the_policy_are_on_a_line_of_their_own() -> None:
    replicas = [{"alive": True}, {"alive": False}]
    cache = {"usable": False, "fault": "wrong password", "source": "database"}
    follows = {"here": False, "address": "b:7443", "term": 4}
    lines = frame(of_status(leader=follows, replicas=replicas, cache=cache), width=120)
    assert (
        "follows b:7443, term 4  1 of 2 authorities alive  policy confirmed by database  cache AWAY: wrong password"
        in lines
    )

    assert "leads here, term 4" in frame(of_status(leader={**follows, "here": True}, replicas=[], cache=None))
    assert "NOBODY LEADS" in frame(of_status(leader={"here": False, "address": None, "term": 4}))
