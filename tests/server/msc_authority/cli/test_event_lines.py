"""Each kind of event in words."""

from __future__ import annotations

import pytest
from msc_web import Document, a_client, a_critical_alert, a_health, a_policy, an_alert

from msc_authority.cli.event_lines import line_of

EVALUATION: Document = {
    "trigger": "schedule",
    "started_at": "2026-01-02T03:00:00Z",
    "duration_s": 0.05,
    "committed_version": 12,
}
BLOCK: Document = {
    "at": "2026-01-02T03:04:05Z",
    "strategy_id": "RANGE_003",
    "symbol": "ETHUSDT",
    "side": "BUY",
    "reason": "STRATEGY_NOT_ALLOWED",
    "text": "Strategy RANGE_003 not in MSC AI allowed list",
}
ACT: Document = {
    "act": "HALT",
    "target": "trading",
    "at": "2026-01-02T03:05:00Z",
    "actor": "anna",
    "reason": "exchange incident",
    "committed": {"epoch": 1, "version": 13},
}
CHANGES = [{"field": "risk_mode", "before": "DEFENSIVE", "after": "NORMAL"}]


def line(kind: str, data: object) -> str:
    return line_of({"id": "1", "event": kind, "data": data})


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        (
            "policy",
            {"policy": a_policy(), "changes": CHANGES},
            "2026-01-02 00:00:00Z  policy      version 12: NORMAL ACTIVE, risk 0.75%, confidence 0.6; "
            "changed: risk_mode",
        ),
        (
            "evaluation",
            {"evaluation": EVALUATION, "health": a_health(), "failure": None},
            "2026-01-02 03:00:00Z  evaluation  schedule: health GOOD, committed version 12, took 0.1 s",
        ),
        (
            "evaluation",
            {"evaluation": {**EVALUATION, "committed_version": None}, "health": None, "failure": None},
            "2026-01-02 03:00:00Z  evaluation  schedule: health unknown, the policy stays, took 0.1 s",
        ),
        (
            "evaluation",
            {"evaluation": None, "health": None, "failure": {"trigger": "request", "failure": "the disk is full"}},
            "                      evaluation  request: FAILED: the disk is full",
        ),
        (
            "alert",
            an_alert(),
            "2026-01-02 03:03:00Z  alert       WARNING CLIENT_BEHIND guard-1: guard-1 is 2 versions behind for 95 s. "
            "look at its log",
        ),
        (
            "alert",
            a_critical_alert(state="resolved", resolved_at="2026-01-02T04:00:00Z", title="Long in DEFENSIVE"),
            "2026-01-02 04:00:00Z  alert       CRITICAL DEFENSIVE_TOO_LONG: resolved: Long in DEFENSIVE",
        ),
        (
            "client",
            a_client(change="applied"),
            "2026-01-02 03:04:00Z  client      executor-BTCUSDT (EXECUTOR) applied: FRESH, applies version 12",
        ),
        (
            "client",
            a_client("", change="joined", applied=None, tier="UNSPECIFIED"),
            "2026-01-02 03:04:00Z  client      -1 (EXECUTOR) joined: UNSPECIFIED, applies version none",
        ),
        (
            "block",
            BLOCK,
            "2026-01-02 03:04:05Z  block       ETHUSDT BUY of RANGE_003 [STRATEGY_NOT_ALLOWED]: "
            "Strategy RANGE_003 not in MSC AI allowed list",
        ),
        (
            "act",
            ACT,
            "2026-01-02 03:05:00Z  act         HALT of trading by anna: exchange incident; committed version 13",
        ),
        (
            "act",
            {**ACT, "act": "REINSTATE", "target": "strategy TREND", "reason": "fixed", "committed": None},
            "2026-01-02 03:05:00Z  act         REINSTATE of strategy TREND by anna: fixed; the policy stays",
        ),
        (
            "gap",
            {"reason": "TOO_OLD", "detail": "read the status anew"},
            "                      gap         events are missing here (TOO_OLD): read the status anew",
        ),
        (
            "end",
            {"reason": "STOPPING", "detail": "the authority is stopping"},
            "                      end         the authority ends the stream (STOPPING): the authority is stopping",
        ),
    ],
)
def test_an_event_is_one_line(kind: str, data: Document, expected: str) -> None:
    assert line(kind, data) == expected


def test_the_end_of_a_stream_says_why_and_when_it_goes_on() -> None:
    end = {"event": "disconnected", "reason": "UNREACHABLE", "message": "gone", "retry_in_s": 1.5}

    assert line_of(end) == "disconnected (UNREACHABLE): gone; trying again in 1.5 s"


def test_a_kind_of_a_newer_authority_is_shown_as_it_is() -> None:
    assert line("weather", {"rain": True}) == "weather {'rain': True}"
    assert line("policy", "not an object") == "policy not an object"


def test_a_part_that_is_missing_is_unknown_and_breaks_nothing() -> None:
    for kind in ("policy", "evaluation", "alert", "client", "block", "act", "gap", "end"):
        assert kind in line(kind, {})


def test_what_an_executor_writes_cannot_command_the_terminal() -> None:
    shown = line("block", {**BLOCK, "text": "\x1b[2Jgone\nINFO all is well"})

    assert shown.isprintable()
    assert "�[2Jgone INFO all is well" in shown
