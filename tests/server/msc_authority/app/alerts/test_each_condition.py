"""Each alert: its condition comes true through the real components, it fires once and within 5 s, and is resolved."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from msc_builders import a_content
from msc_watched import CAPITAL, PERIOD_S, Watched, a_client, a_reading, allowing, good_days, watched

from msc_authority.app.alerts.conditions import REPORTING_WITHIN_S
from msc_authority.app.alerts.lookout import BREATH_S
from msc_authority.app.alerts.values import Alert, AlertState, Severity
from msc_authority.app.clients import ClientCounters, ClientStatus, ClientTier
from msc_authority.core.policy import PolicyRef, RiskMode, TradingState
from msc_policy import v1 as pb

FIRING, RESOLVED = AlertState.FIRING, AlertState.RESOLVED
RAISED_WITHIN_S = 5.0
CALM_S = 12.0
"""Longer than a condition has to be gone before its alert is resolved."""


async def is_raised(scene: Watched, code: str, subject: str = "", *, at_once: bool = False) -> Alert:
    """Sees an alert fire within 5 s from now, and once only. It did not fire before; `at_once`: it may just have."""
    assert scene.states(code) == [] or at_once
    await scene.time.advance(RAISED_WITHIN_S)
    assert scene.states(code) == [FIRING]
    await scene.time.advance(20.0)
    [alert] = scene.changes(code)
    assert (alert.state, alert.subject) == (FIRING, subject)
    return alert


async def is_resolved(scene: Watched, code: str, *, after_s: float = CALM_S) -> None:
    """Sees the one alert resolved, once."""
    await scene.time.advance(after_s)
    assert scene.states(code) == [FIRING, RESOLVED]
    [alert] = scene.standing(code)
    assert alert.state is RESOLVED


# No policy


async def test_a_store_that_has_not_confirmed_the_head_for_five_minutes_makes_the_policy_unavailable() -> None:
    async with watched(journal=good_days) as scene:
        await scene.time.advance(10.0)
        scene.store.policies.away = True
        await scene.time.advance(300.0)

        alert = await is_raised(scene, "POLICY_UNAVAILABLE")
        assert alert.severity is Severity.CRITICAL
        assert alert.text.startswith("The store has not confirmed policy ")

        scene.store.policies.away = False
        await is_resolved(scene, "POLICY_UNAVAILABLE")


async def test_five_minutes_without_any_policy_make_it_unavailable_until_there_is_one() -> None:
    async with watched(journal=good_days, away=True) as scene:
        await scene.time.advance(300.0)

        alert = await is_raised(scene, "POLICY_UNAVAILABLE")
        assert alert.text == "There has been no policy for 5 min"

        scene.store.evaluations.away = False
        await scene.evaluate()
        await is_resolved(scene, "POLICY_UNAVAILABLE")


async def test_a_policy_five_minutes_past_its_validity_is_unavailable_although_the_store_confirms_it() -> None:
    async with watched(journal=good_days) as scene:
        scene.store.evaluations.away = True
        await scene.time.advance(2 * PERIOD_S + 300.0)

        alert = await is_raised(scene, "POLICY_UNAVAILABLE")
        assert "past its validity" in alert.text

        scene.store.evaluations.away = False
        await scene.evaluate()
        await is_resolved(scene, "POLICY_UNAVAILABLE")


async def test_a_client_whose_policy_is_five_minutes_old_has_none_by_its_last_report() -> None:
    async with watched(journal=good_days) as scene:
        scene.report("two")
        scene.report("one", tier=ClientTier.STALE, age_s=250.0)
        await scene.time.advance(50.0)

        alert = await is_raised(scene, "POLICY_UNAVAILABLE", subject="one")
        assert alert.text.startswith("one has had no confirmed policy for 5 min")

        scene.report("one")
        await is_resolved(scene, "POLICY_UNAVAILABLE")


async def test_a_client_that_never_had_a_policy_goes_without_from_its_first_report_on() -> None:
    async with watched(journal=good_days) as scene:
        for _ in range(10):
            scene.report("one", tier=ClientTier.SAFE_NONE, applied=None, age_s=None)
            await scene.time.advance(30.0)

        await is_raised(scene, "POLICY_UNAVAILABLE", subject="one")


async def test_the_policy_of_a_client_that_has_ended_may_grow_old() -> None:
    async with watched(journal=good_days) as scene:
        scene.report("one")
        await scene.time.advance(1000.0)

        assert scene.states("POLICY_UNAVAILABLE") == []


# What was decided


async def test_an_hour_in_defensive_is_too_long_and_over_with_the_first_policy_in_another_mode() -> None:
    async with watched() as scene:
        await scene.time.advance(3600.0)

        alert = await is_raised(scene, "DEFENSIVE_TOO_LONG")
        assert alert.severity is Severity.CRITICAL
        assert "no closed LIVE trade" in alert.text

        await scene.record(good_days(scene.time))
        await scene.evaluate()
        assert scene.broker.current.head.policy is not None
        assert scene.broker.current.head.policy.content.risk_mode is RiskMode.NORMAL
        await is_resolved(scene, "DEFENSIVE_TOO_LONG", after_s=1.0)


async def test_an_authority_that_finds_itself_defensive_for_an_hour_says_so_at_once() -> None:
    async with watched() as before:
        await before.time.advance(3601.0)
        scene = before.restarted()
        scene.lookout.look()
        await scene.modes.load()
        scene.lookout.look()

        [alert] = scene.changes("DEFENSIVE_TOO_LONG")
        assert alert.pending_since == before.time.now() - timedelta(seconds=3601)


async def test_a_policy_that_allows_nobody_is_told_at_once_and_over_when_somebody_is_allowed() -> None:
    async with watched() as scene:
        [alert] = scene.changes("NO_STRATEGY_ALLOWED")
        assert (alert.state, alert.severity) == (FIRING, Severity.CRITICAL)
        assert alert.text.endswith("allows no strategy: nobody may open a position")

        await scene.time.advance(60.0)
        await scene.record(good_days(scene.time))
        await is_resolved(scene, "NO_STRATEGY_ALLOWED", after_s=1.0)


async def test_a_list_that_becomes_empty_is_told_without_waiting_for_the_next_second() -> None:
    async with watched(journal=good_days) as scene:
        await scene.time.advance(10.5)
        await scene.commit_elsewhere(allowing())
        await scene.time.advance(BREATH_S)

        assert scene.states("NO_STRATEGY_ALLOWED") == [FIRING]


async def test_the_sixth_change_of_mode_within_an_hour_is_one_too_many() -> None:
    async with watched(journal=good_days) as scene:
        for mode in (RiskMode.NORMAL, RiskMode.DEFENSIVE, RiskMode.NORMAL, RiskMode.DEFENSIVE, RiskMode.NORMAL):
            await scene.time.advance(60.0)
            await scene.commit_elsewhere(a_content(mode))
        await scene.time.advance(60.0)
        assert scene.states("MODE_CHANGES_FREQUENT") == []
        await scene.commit_elsewhere(a_content(RiskMode.AGGRESSIVE))

        alert = await is_raised(scene, "MODE_CHANGES_FREQUENT", at_once=True)
        assert (alert.severity, alert.value) == (Severity.WARNING, 6.0)

        await is_resolved(scene, "MODE_CHANGES_FREQUENT", after_s=3600.0)


async def test_trading_that_is_not_active_is_told_with_the_policy_and_over_when_entries_resume() -> None:
    async with watched(journal=good_days) as scene:
        await scene.time.advance(60.0)
        await scene.record([a_reading(scene.time, CAPITAL * Decimal("0.97"))])
        assert scene.broker.current.head.policy is not None
        assert scene.broker.current.head.policy.content.trading_state is TradingState.REDUCING

        alert = await is_raised(scene, "TRADING_NOT_ACTIVE", at_once=True)
        assert alert.severity is Severity.CRITICAL
        assert alert.text.startswith("Trading is REDUCING, policy ")

        await scene.record([a_reading(scene.time, CAPITAL * Decimal("1.1"))])
        await is_resolved(scene, "TRADING_NOT_ACTIVE", after_s=1.0)


# Evaluations


async def test_an_evaluation_that_failed_is_told_at_once_and_over_with_the_next_that_succeeds() -> None:
    async with watched(journal=good_days) as scene:
        scene.store.evaluations.away = True
        await scene.time.advance(PERIOD_S - 1.0)

        alert = await is_raised(scene, "EVALUATION_FAILED")
        assert (alert.severity, alert.text) == (
            Severity.WARNING,
            "The last evaluation failed, the policy is kept: locked",
        )

        scene.store.evaluations.away = False
        await scene.evaluate()
        await is_resolved(scene, "EVALUATION_FAILED", after_s=1.0)


async def test_an_evaluation_is_overdue_five_minutes_after_it_was_due_until_one_succeeds() -> None:
    async with watched(journal=good_days) as scene:
        scene.store.evaluations.away = True
        await scene.time.advance(PERIOD_S + 300.0)

        alert = await is_raised(scene, "EVALUATION_OVERDUE")
        assert alert.severity is Severity.CRITICAL
        assert alert.text.startswith("An evaluation has been overdue for 5 min")

        scene.store.evaluations.away = False
        await scene.evaluate()
        await is_resolved(scene, "EVALUATION_OVERDUE", after_s=1.0)


async def test_evaluations_that_have_never_succeeded_are_overdue_from_the_start_on() -> None:
    async with watched(away=True) as scene:
        await scene.time.advance(PERIOD_S + 300.0)

        await is_raised(scene, "EVALUATION_OVERDUE")


async def test_evaluations_on_time_are_never_overdue() -> None:
    async with watched(journal=good_days) as scene:
        await scene.time.advance(2.5 * PERIOD_S)

        assert scene.states("EVALUATION_OVERDUE") == []
        assert scene.states("EVALUATION_FAILED") == []


async def test_two_writers_are_told_while_they_contradict_each_other() -> None:
    async with watched(journal=good_days) as scene:
        await scene.time.advance(10.0)
        head = scene.broker.current.head
        assert head.policy is not None
        other = replace(head, policy=replace(head.policy, content=a_content(author="another")))
        scene.store.policies.instead = other

        alert = await is_raised(scene, "INTEGRITY")
        assert alert.severity is Severity.CRITICAL
        assert "two writers are at work" in alert.text

        scene.store.policies.instead = None
        await is_resolved(scene, "INTEGRITY", after_s=300.0 + CALM_S)


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
            "6 of 11 entry signals of the last hour were blocked (55%): CONFIDENCE_TOO_LOW 5, STRATEGY_NOT_ALLOWED 1"
        )

        await signal(scene, "later", 2, status="NEW")
        await is_resolved(scene, "BLOCK_RATE_HIGH")


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
