"""Alerts about clients and what they send: each fires once and within 5 s through the real components, and resolves."""

from __future__ import annotations

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from msc_watched import (
    CALM_S,
    FIRING,
    RAISED_WITHIN_S,
    RESOLVED,
    Watched,
    a_client,
    allowing,
    good_days,
    is_raised,
    is_resolved,
    watched,
)

from msc_authority.app.alerts.conditions import REPORTING_WITHIN_S
from msc_authority.app.alerts.values import AlertState, Severity
from msc_authority.app.clients import ClientCounters, ClientStatus, ClientTier
from msc_authority.core.policy import PolicyRef
from msc_policy import v1 as pb

# Clients


async def read(scene: Watched, reads: int, failed: int) -> None:
    """Has a client that was there before report so many reads."""
    scene.report("one", counters=ClientCounters(reads=1000, fallback_reads=500))
    await scene.time.advance(30.0)
    scene.report("one", counters=ClientCounters(reads=1000 + reads, fallback_reads=500 + failed))


async def test_more_than_ten_percent_of_failed_reads_within_five_minutes_are_too_many() -> None:
    async with watched(journal=good_days) as scene:
        await read(scene, 100, 11)

        alert = await is_raised(scene, "POLICY_READ_FAILURES")
        assert alert.severity is Severity.WARNING
        assert alert.text == "11 of 100 policy reads of the last 5 min failed or fell back (11%)"

        await is_resolved(scene, "POLICY_READ_FAILURES", after_s=300.0 + CALM_S)


@pytest.mark.parametrize(("reads", "failed"), [(100, 10), (19, 19)])
async def test_few_failed_reads_and_few_reads_are_no_alert(reads: int, failed: int) -> None:
    async with watched(journal=good_days) as scene:
        await read(scene, reads, failed)
        await scene.time.advance(60.0)

        assert scene.states("POLICY_READ_FAILURES") == []


async def test_a_client_two_versions_behind_for_a_minute_is_told_by_name_until_it_has_caught_up() -> None:
    async with watched(journal=good_days) as scene:
        for name in ("slow", "swift", "watcher"):
            scene.fleet.watch_opened(a_client(name), None)
        for name in ("slow", "swift"):
            scene.report(name)
        for strategies in (("A",), ("B",)):
            await scene.commit_elsewhere(allowing(*strategies))
        await scene.time.advance(1.0)
        scene.report("swift")
        await scene.time.advance(59.0)

        alert = await is_raised(scene, "CLIENT_BEHIND", subject="slow")
        assert (alert.severity, alert.value) == (Severity.WARNING, 2.0)

        scene.report("slow")
        await is_resolved(scene, "CLIENT_BEHIND")


async def test_a_client_of_an_older_epoch_is_behind_and_one_of_a_newer_is_not() -> None:
    async with watched(journal=good_days) as scene:
        head = scene.broker.current.head.ref
        assert head.version == 1
        await scene.time.advance(1.0)
        scene.fleet.watch_opened(a_client("left"), None)
        scene.report("left", applied=PolicyRef(head.epoch - 1, 40))
        scene.fleet.watch_opened(a_client("ahead"), None)
        scene.report("ahead", applied=PolicyRef(head.epoch + 1, 1))
        await scene.time.advance(59.0)

        alert = await is_raised(scene, "CLIENT_BEHIND", subject="left")
        assert alert.value == 2.0
        assert scene.states("CLIENT_BEHIND") == [AlertState.FIRING]


async def test_one_version_behind_is_no_alert_however_long() -> None:
    async with watched(journal=good_days) as scene:
        scene.fleet.watch_opened(a_client(), None)
        scene.report()
        await scene.commit_elsewhere(allowing("A"))
        await scene.time.advance(600.0)

        assert scene.states("CLIENT_BEHIND") == []


async def test_a_client_in_safe_is_told_by_name_until_it_has_a_policy_again() -> None:
    async with watched(journal=good_days) as scene:
        scene.report("two")
        scene.report("one", tier=ClientTier.SAFE_EXPIRED, last_error="UNAVAILABLE: no route")

        alert = await is_raised(scene, "CLIENT_SAFE", subject="one")
        assert alert.severity is Severity.CRITICAL
        assert alert.text == "one acts on safe defaults (SAFE_EXPIRED): UNAVAILABLE: no route"

        scene.report("one")
        await is_resolved(scene, "CLIENT_SAFE")


async def test_each_client_in_safe_has_an_alert_of_its_own() -> None:
    async with watched(journal=good_days) as scene:
        scene.report("one", tier=ClientTier.SAFE_NONE, applied=None, age_s=None)
        scene.report("two", tier=ClientTier.SAFE_EXPIRED)
        await scene.time.advance(RAISED_WITHIN_S)
        scene.report("two")
        await scene.time.advance(CALM_S)

        assert scene.states("CLIENT_SAFE", "one") == [FIRING]
        assert scene.states("CLIENT_SAFE", "two") == [FIRING, RESOLVED]


async def test_a_client_that_just_started_is_given_the_time_to_apply_its_first_policy() -> None:
    async with watched(journal=good_days) as scene:
        safe = ClientStatus(tier=ClientTier.SAFE_NONE)
        scene.fleet.watch_opened(a_client(), safe)
        await scene.time.advance(2.0)
        scene.report()
        await scene.time.advance(60.0)

        assert scene.states("CLIENT_SAFE") == []


async def test_the_alert_of_a_client_that_ended_is_resolved_when_its_next_start_watches() -> None:
    async with watched(journal=good_days) as scene:
        scene.fleet.watch_opened(a_client(instance="1"), None)
        scene.report(instance="1", tier=ClientTier.SAFE_EXPIRED)
        await is_raised(scene, "CLIENT_SAFE", subject="one")

        scene.fleet.watch_closed("one-1")
        scene.fleet.watch_opened(a_client(instance="2"), None)
        scene.report(instance="2")
        await is_resolved(scene, "CLIENT_SAFE")


async def test_the_alert_of_a_client_that_is_gone_is_resolved_when_it_has_missed_its_reports() -> None:
    async with watched(journal=good_days) as scene:
        scene.report(tier=ClientTier.SAFE_EXPIRED)
        await is_raised(scene, "CLIENT_SAFE", subject="one")

        await is_resolved(scene, "CLIENT_SAFE", after_s=REPORTING_WITHIN_S)


# What executors send


def a_signal(scene: Watched, event_id: str, **fields: object) -> pb.JournalEntry:
    at = Timestamp()
    at.FromDatetime(scene.time.now())
    execution = pb.Execution(
        event_id=event_id,
        account="main",
        executor="executor-1",
        strategy_id="TREND",
        symbol="BTCUSDT",
        side=pb.SIDE_BUY,
        quantity="0.5",
        at=at,
    )
    execution.MergeFrom(pb.Execution(**fields))  # type: ignore[arg-type]  # fields are given by name
    return pb.JournalEntry(seq=1, execution=execution)


async def signal(scene: Watched, prefix: str, count: int, **fields: object) -> None:
    answer = await scene.send(*(a_signal(scene, f"{prefix}-{number}", **fields) for number in range(count)))
    assert answer.accepted == count


async def test_more_than_half_of_the_signals_blocked_is_told_with_the_reasons_until_most_come_through() -> None:
    async with watched(journal=good_days) as scene:
        await signal(scene, "new", 5, status="NEW")
        await signal(scene, "blocked", 5, status="BLOCKED", reason="CONFIDENCE_TOO_LOW")
        await scene.time.advance(60.0)
        assert scene.states("BLOCK_RATE_HIGH") == []
        await signal(scene, "one-more", 1, status="BLOCKED", reason="STRATEGY_NOT_ALLOWED")

        alert = await is_raised(scene, "BLOCK_RATE_HIGH")
        assert alert.severity is Severity.WARNING
        assert alert.text == (
            "The policy and its limits blocked 6 of 11 entry signals of the last hour (55%): "
            "CONFIDENCE_TOO_LOW 5, STRATEGY_NOT_ALLOWED 1"
        )

        await signal(scene, "later", 2, status="NEW")
        await is_resolved(scene, "BLOCK_RATE_HIGH")


async def test_blocks_that_are_not_the_policy_s_doing_neither_raise_it_nor_hide_it() -> None:
    async with watched(journal=good_days) as scene:
        await signal(scene, "new", 4, status="NEW")
        await signal(scene, "held", 30, status="BLOCKED", reason="SYMBOL_HELD")
        await signal(scene, "exit", 5, status="BLOCKED", reason="SUPERSEDED_BY_EXIT")
        await scene.time.advance(60.0)
        assert scene.states("BLOCK_RATE_HIGH") == []
        await signal(scene, "blocked", 6, status="BLOCKED", reason="NEVER_HEARD_OF")

        alert = await is_raised(scene, "BLOCK_RATE_HIGH")
        assert alert.text.endswith("blocked 6 of 10 entry signals of the last hour (60%): NEVER_HEARD_OF 6")


async def test_nine_blocked_signals_are_too_few_to_judge() -> None:
    async with watched(journal=good_days) as scene:
        await signal(scene, "blocked", 9, status="BLOCKED", reason="CONFIDENCE_TOO_LOW")
        await scene.time.advance(60.0)

        assert scene.states("BLOCK_RATE_HIGH") == []


async def test_a_refused_row_is_told_with_its_field_for_five_minutes() -> None:
    async with watched(journal=good_days) as scene:
        answer = await scene.send(a_signal(scene, "bad", status="NEW", quantity="NaN"))
        assert answer.refused_total == 1

        alert = await is_raised(scene, "JOURNAL_REFUSALS")
        assert alert.severity is Severity.WARNING
        assert alert.text.startswith("1 rows were refused within 5 min; the last: ")
        assert "quantity" in alert.text

        await is_resolved(scene, "JOURNAL_REFUSALS", after_s=300.0 + CALM_S)


async def test_a_calm_day_has_no_alert_but_that_it_began_defensive() -> None:
    async with watched(journal=good_days) as scene:
        scene.fleet.watch_opened(a_client(), None)
        for number in range(60):
            scene.report(counters=ClientCounters(reads=1000 * number))
            await signal(scene, f"new-{number}", 1, status="NEW")
            await scene.time.advance(30.0)

        assert {alert.code for alert in scene.board.alerts} == {"DEFENSIVE_TOO_LONG"}
        assert [alert.state for alert in scene.board.alerts] == [AlertState.PENDING]
        assert scene.broker.current.head.ref == PolicyRef(scene.broker.current.head.ref.epoch, 1)
