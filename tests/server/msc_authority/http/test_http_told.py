"""What the stream tells of each event, and how it is heard from another thread."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest
from msc_builders import START, a_content, an_entry
from msc_live import a_policy, settle
from msc_observed import StillInsight, a_client, an_alert, an_observation

from msc_authority.app.clients import ClientTier
from msc_authority.app.events import (
    AlertChanged,
    ClientChange,
    ClientChanged,
    EvaluationBroken,
    EvaluationDone,
    Event,
    HeadConfirmed,
    HeadUnconfirmed,
    IntegrityBroken,
    OperatorActed,
    PolicyApplied,
    PolicyPublished,
    RiskModeChanged,
    SignalBlocked,
    TradingStateChanged,
)
from msc_authority.app.signals import BlockedSignal
from msc_authority.core.policy import FieldChange, PolicyRef, RiskMode
from msc_authority.http.events import GATHER_S, KINDS, Listening, told_of
from msc_authority.http.feed import KEEP_ALIVE, Feed
from msc_authority.http.inbox import Inbox
from msc_authority.http.streaming import CONTENTS
from msc_authority.ports.operator import ActEntry

REF = PolicyRef(7, 1)
BLOCK = BlockedSignal(
    at=START,
    strategy_id="TREND_001",
    symbol="BTCUSDT",
    side="BUY",
    reason="CONFIDENCE",
    text="confidence 0.55 is below 0.60",
    executor="executor-1",
    policy_version=1,
)


def told(event: Event, insight: StillInsight | None = None) -> tuple[str, dict[str, object]]:
    found = told_of(event, insight or StillInsight())
    assert found is not None
    kind, answer = found
    assert isinstance(answer, CONTENTS[kind])
    text = answer.model_dump_json()
    assert "\n" not in text
    return kind, json.loads(text)


def test_a_policy_is_told_with_what_it_changed() -> None:
    after = a_policy(2, content=a_content(RiskMode.AGGRESSIVE))

    kind, data = told(PolicyPublished(before=a_policy(1), after=after))

    assert kind == "policy"
    assert data["changes"] == [{"field": "risk_mode", "before": "NORMAL", "after": "AGGRESSIVE"}]
    assert isinstance(data["policy"], dict)
    assert data["policy"]["ref"] == {"epoch": 7, "version": 2, "etag": after.etag}


def test_the_first_policy_changes_everything() -> None:
    _, data = told(PolicyPublished(before=None, after=a_policy(1)))

    assert isinstance(data["changes"], list)
    assert {change["before"] for change in data["changes"]} == {""}


def test_an_evaluation_is_told_with_the_health_it_saw() -> None:
    kind, data = told(EvaluationDone(entry=an_entry()))

    assert kind == "evaluation"
    assert isinstance(data["evaluation"], dict)
    assert data["evaluation"]["evaluation_id"] == "eval-1"
    assert isinstance(data["health"], dict)
    assert data["health"]["system_health"] == "NORMAL"
    assert data["failure"] is None


def test_an_evaluation_that_failed_is_told_as_one() -> None:
    kind, data = told(EvaluationBroken(trigger="schedule", text="the store is gone"))

    assert kind == "evaluation"
    failure = {"trigger": "schedule", "failure": "the store is gone"}
    assert data == {"evaluation": None, "health": None, "failure": failure}


def test_an_alert_and_a_block_are_told_whole() -> None:
    alert = told(AlertChanged(alert=an_alert()))[1]
    assert (alert["text"], alert["link"]) == (an_alert().text, "https://msc.example/troubleshooting#alert-client-safe")
    kind, data = told(SignalBlocked(signal=BLOCK))
    assert kind == "block"
    assert data == {**{name: getattr(BLOCK, name) for name in BLOCK.__dataclass_fields__}, "at": "2025-11-30T10:30:00Z"}


def test_an_act_is_told_with_who_did_it_why_and_what_it_led_to() -> None:
    entry = ActEntry(
        act_id="act-1",
        act="HALT",
        target="trading",
        at=START,
        actor="anna",
        reason="exchange incident",
        request_id="r-1",
        committed=PolicyRef(7, 2),
        changes=(FieldChange(field="trading_state", before="ACTIVE", after="HALTED"),),
    )

    kind, data = told(OperatorActed(entry=entry))

    assert kind == "act"
    assert data == {
        "act_id": "act-1",
        "act": "HALT",
        "target": "trading",
        "at": "2025-11-30T10:30:00Z",
        "actor": "anna",
        "reason": "exchange incident",
        "override_id": "",
        "committed": {"epoch": 7, "version": 2},
        "changes": [{"field": "trading_state", "before": "ACTIVE", "after": "HALTED"}],
    }
    assert told(OperatorActed(entry=replace(entry, committed=None)))[1]["committed"] is None


def test_a_client_is_told_with_what_is_new_and_compared_with_the_head() -> None:
    insight = StillInsight(observation=an_observation(head=replace(an_observation().head, ref=PolicyRef(7, 3))))
    entry = a_client(tier=ClientTier.STALE).entry

    kind, data = told(ClientChanged(entry=entry, change=ClientChange.TIER), insight)

    assert kind == "client"
    assert (data["change"], data["tier"], data["versions_behind"]) == ("tier", "STALE", 2)
    assert (data["behind_for_s"], data["report_age_s"]) == (None, None)


@pytest.mark.parametrize(
    "event",
    [
        RiskModeChanged(before=None, policy=a_policy()),
        TradingStateChanged(before=None, policy=a_policy()),
        HeadUnconfirmed(ref=REF, age_s=16.0),
        HeadConfirmed(ref=REF, outage_s=20.0),
        IntegrityBroken(ref=REF, text="two writers"),
        PolicyApplied(entry=a_client().entry, propagation_s=0.01),
    ],
)
def test_what_others_say_already_is_not_told(event: Event) -> None:
    assert told_of(event, StillInsight()) is None


def test_every_kind_has_a_content_that_is_documented() -> None:
    assert set(CONTENTS) == {*KINDS, "gap", "end"}


async def test_events_are_heard_from_another_thread_in_their_order() -> None:
    insight, feed = StillInsight(), Feed(first_number=1)
    listening = Listening(insight, feed, Inbox(insight))
    listening.begin()
    stream = feed.stream((), None, 1000.0)
    await anext(stream)

    await asyncio.to_thread(insight.events.emit, *(SignalBlocked(signal=BLOCK) for _ in range(100)))

    heard = b""
    while heard.count(b"event: block") < 100:
        heard += await anext(stream)
    numbers = [int(line[4:]) for line in heard.decode().splitlines() if line.startswith("id: ")]
    assert numbers == list(range(1, 101))
    listening.end()
    listening.end()
    await stream.aclose()


async def test_what_was_told_before_anybody_read_is_heard_as_well() -> None:
    insight, feed = StillInsight(), Feed(first_number=1)
    inbox = Inbox(insight)
    insight.events.emit(*(SignalBlocked(signal=BLOCK) for _ in range(3)))
    Listening(insight, feed, inbox).begin()
    insight.events.emit(SignalBlocked(signal=BLOCK))

    stream = feed.stream((), None, 1000.0)
    heard = b""
    while heard.count(b"event: block") < 4:
        heard += await anext(stream)
    await stream.aclose()


async def test_a_flood_is_cut_and_told_as_a_gap() -> None:
    insight, feed = StillInsight(), Feed(first_number=1)
    listening = Listening(insight, feed, Inbox(insight, limit=3))
    listening.begin()
    stream = feed.stream((), None, 1000.0)
    await anext(stream)

    insight.events.emit(*(SignalBlocked(signal=BLOCK) for _ in range(10)))

    heard = await anext(stream)
    assert (heard.count(b"event: block"), heard.count(b"event: gap")) == (3, 1)
    assert b"OVERFLOW" in heard
    insight.events.emit(SignalBlocked(signal=BLOCK))
    assert (await anext(stream)).count(b"event: block") == 1
    await stream.aclose()


async def test_after_the_end_nothing_is_heard() -> None:
    insight, feed = StillInsight(), Feed(first_number=1)
    listening = Listening(insight, feed, Inbox(insight))
    listening.begin()
    listening.end()
    insight.events.emit(SignalBlocked(signal=BLOCK))
    await settle()

    stream = feed.stream((), 0, 5 * GATHER_S)
    assert [await anext(stream) for _ in range(2)] == [b"retry: 2000\n\n", KEEP_ALIVE]
    await stream.aclose()


async def test_an_event_that_cannot_be_told_is_a_gap_and_does_not_silence_those_behind_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken = replace(BLOCK, policy_version="seven")  # type: ignore[arg-type]  # a value that the answer refuses
    insight, feed = StillInsight(), Feed(first_number=1)
    listening = Listening(insight, feed, Inbox(insight))
    listening.begin()
    stream = feed.stream((), None, 1000.0)
    await anext(stream)

    insight.events.emit(SignalBlocked(signal=broken), SignalBlocked(signal=BLOCK))

    heard = await anext(stream)
    assert (heard.count(b"event: block"), heard.count(b"event: gap")) == (1, 1)
    assert "SignalBlocked could not be told" in caplog.text
    await stream.aclose()
