"""Each alert: its condition comes true through the real components, it fires once and within 5 s, and is resolved."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from msc_builders import a_content
from msc_watched import (
    CALM_S,
    CAPITAL,
    FIRING,
    PERIOD_S,
    a_reading,
    allowing,
    good_days,
    is_raised,
    is_resolved,
    watched,
)

from msc_authority.app.alerts.lookout import BREATH_S
from msc_authority.app.alerts.values import Severity
from msc_authority.app.clients import ClientTier
from msc_authority.core.policy import RiskMode, TradingState

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
