from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from msc_builders import START, a_content, a_reason, an_entry
from msc_live import Told, a_policy

from msc_authority.app.alerts.values import Alert, AlertState, Severity
from msc_authority.app.events import (
    AlertChanged,
    EvaluationBroken,
    EvaluationDone,
    Event,
    EventBus,
    HeadConfirmed,
    HeadUnconfirmed,
    IntegrityBroken,
    RiskModeChanged,
    TradingStateChanged,
    events_of,
    log_event,
)
from msc_authority.core.policy import Limits, PolicyContent, PolicyRef, RiskMode, TradingState


def a_defensive_content(**overrides: object) -> PolicyContent:
    limits = Limits(max_risk_per_trade=0.003, global_min_confidence=0.7, max_positions=8, max_daily_trades=10)
    return a_content(RiskMode.DEFENSIVE, limits=limits, **overrides)


EVENT = EvaluationBroken(trigger="schedule", text="no NAV")


def an_alert(severity: Severity, *, subject: str = "", state: AlertState = AlertState.FIRING) -> AlertChanged:
    alert = Alert(
        code="CLIENT_SAFE",
        subject=subject,
        severity=severity,
        state=state,
        title="A client acts on safe defaults",
        text="one acts on safe defaults",
        advice="Run `msc clients`.",
        anchor="alert-client-safe",
        value=None,
        pending_since=START,
    )
    return AlertChanged(alert=alert)


def test_a_listener_that_fails_hurts_neither_the_teller_nor_the_others(caplog: pytest.LogCaptureFixture) -> None:
    def fail(event: Event) -> None:
        raise ValueError("boom")

    told = Told()
    told.bus.subscribe(fail)
    after: list[Event] = []
    told.bus.subscribe(after.append)
    told.bus.emit(EVENT)
    assert told.names() == ["EvaluationBroken"]
    assert len(after) == 1
    assert "boom" in caplog.text


def test_a_listener_that_left_is_told_nothing() -> None:
    told = Told()
    heard: list[Event] = []
    told.bus.subscribe(heard.append)()
    told.bus.emit(EVENT)
    assert heard == []


def test_patient_listeners_hear_the_same_in_the_same_order_when_what_was_due_is_done() -> None:
    due: list[Callable[[], None]] = []
    bus, heard, waited = EventBus(later=due.append), list[Event](), list[Event]()
    leave = bus.subscribe(waited.append, patient=True)
    bus.subscribe(heard.append)
    other = EvaluationBroken(trigger="request", text="no NAV")
    bus.emit(EVENT, other)
    bus.emit(EVENT)
    assert (heard, waited) == ([EVENT, other, EVENT], [])
    for call in due:
        call()
    assert waited == heard
    leave()
    bus.emit(EVENT)
    assert (len(heard), len(waited)) == (4, 3)


def test_patient_listeners_hear_at_once_where_nothing_is_due() -> None:
    bus, heard = EventBus(), list[Event]()
    bus.subscribe(heard.append, patient=True)
    bus.emit(EVENT)
    assert heard == [EVENT]


def names(events: list[Event]) -> list[str]:
    return [type(event).__name__ for event in events]


def test_the_first_policy_is_a_change_of_everything() -> None:
    assert names(events_of(None, a_policy())) == ["PolicyPublished", "RiskModeChanged", "TradingStateChanged"]


def test_a_revision_with_the_same_mode_and_state_is_only_published() -> None:
    assert names(events_of(a_policy(1), a_policy(2))) == ["PolicyPublished"]


def test_a_mode_change_is_logged_byte_for_byte_and_with_its_reasons(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    content = a_defensive_content(reasons=(a_reason(text="drawdown 4.00 % is at least 4.00 %"),))
    log_event(RiskModeChanged(before=RiskMode.NORMAL, policy=a_policy(9, content=content)))
    assert caplog.messages == [
        "[POLICY UPDATE] MSC AI: DEFENSIVE mode (risk=0.30%)",
        "Risk mode NORMAL -> DEFENSIVE (risk_mode=DEFENSIVE, policy 7:9): drawdown 4.00 % is at least 4.00 %",
    ]


@pytest.mark.parametrize(
    ("event", "level", "text"),
    [
        (
            TradingStateChanged(
                before=TradingState.ACTIVE, policy=a_policy(content=a_content(trading_state=TradingState.HALTED))
            ),
            "CRITICAL",
            "Trading state ACTIVE -> HALTED (policy 7:1)",
        ),
        (TradingStateChanged(before=None, policy=a_policy()), "INFO", "Trading state none -> ACTIVE (policy 7:1)"),
        (EvaluationDone(entry=an_entry()), "INFO", "Evaluation eval-1 (SCHEDULE) done in 0.004 s: the policy stays"),
        (
            EvaluationDone(entry=an_entry(committed=PolicyRef(7, 3))),
            "INFO",
            "Evaluation eval-1 (SCHEDULE) done in 0.004 s: committed 7:3",
        ),
        (EVENT, "ERROR", "Evaluation (schedule) failed, the policy is kept: no NAV"),
        (IntegrityBroken(ref=PolicyRef(7, 3), text="two writers"), "CRITICAL", "[INTEGRITY] two writers"),
        (
            HeadUnconfirmed(ref=PolicyRef(7, 3), age_s=15.5),
            "ERROR",
            "Head 7:3 unconfirmed for 15.5 s: the store does not confirm it; serving it with its age",
        ),
        (HeadConfirmed(ref=PolicyRef(7, 3), outage_s=42.0), "INFO", "Head 7:3 confirmed again after 42.0 s"),
        (
            an_alert(Severity.CRITICAL, subject="one"),
            "CRITICAL",
            "[CLIENT_SAFE] one one acts on safe defaults. Run `msc clients`.",
        ),
        (an_alert(Severity.WARNING), "WARNING", "[CLIENT_SAFE] one acts on safe defaults. Run `msc clients`."),
        (
            an_alert(Severity.CRITICAL, subject="one", state=AlertState.RESOLVED),
            "INFO",
            "[CLIENT_SAFE] one resolved: A client acts on safe defaults",
        ),
    ],
)
def test_each_event_has_its_line(event: Event, level: str, text: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log_event(event)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [(level, text)]


def test_a_published_policy_is_logged_with_its_author(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log_event(events_of(a_policy(1), a_policy(2, content=a_content(author="ada")))[0])
    assert caplog.messages == ["Policy 7:2 published by ada"]
