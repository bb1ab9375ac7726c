"""What is observed: of the real components, of what was heard between two looks, and of a time that may run fast."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_builders import START, a_content, an_entry
from msc_live import ManualTime, Told, a_broker, a_head, a_policy
from msc_watched import PERIOD_S, Watched, a_client, good_days, watched

from msc_authority.app.broker import Broker, Freshness
from msc_authority.app.clients import ClientTier, WatchEnd
from msc_authority.app.events import EvaluationBroken, EvaluationDone, IntegrityBroken, RiskModeChanged
from msc_authority.app.observation import EvaluationTally, ModeShares
from msc_authority.app.observer import INTEGRITY_SHOWN_FOR_S, Observer, overdue_s, unvouched_s
from msc_authority.core.policy import PolicyRef, RiskMode
from msc_authority.ports.policies import Head

LATER = 10_000_000_000
"""An epoch beyond that of a store that is made at START."""


def built(head: Head | None = None) -> Watched:
    """Components that are looked at by hand: nothing runs."""
    scene = Watched()
    scene.build()
    assert head is None or scene.broker.publish(head, confirmed_at=scene.time.monotonic())
    return scene


async def test_an_observation_is_of_everything_that_lives() -> None:
    async with watched(journal=good_days) as scene:
        scene.fleet.watch_opened(a_client(), None)
        scene.report(tier=ClientTier.STALE)
        scene.fleet.watch_ended(WatchEnd.MAX_AGE)
        await scene.time.advance(600.0)
        seen = scene.observer.observe()

    assert (seen.at, seen.started_at, seen.uptime_s) == (START + timedelta(minutes=10), START, 600.0)
    assert (seen.server_id, seen.head, seen.draining) == ("server-1", scene.broker.current.head, False)
    assert (seen.freshness.replica_age_s, seen.policy_unavailable_s) == (0.0, 0.0)
    assert (seen.risk_mode_since, seen.trading_state_since, seen.mode_changes) == (START, START, 0)
    assert seen.mode_shares == ModeShares(since=START, seconds={RiskMode.DEFENSIVE: 600.0})
    assert (seen.next_evaluation_in_s, seen.evaluation_overdue_s) == (1200.0, -1200.0)
    assert seen.evaluations == EvaluationTally(done={"start": 1})
    assert [view.entry.client.name for view in seen.clients] == ["one"]
    assert (seen.watch_ends, seen.loop_lag_s) == ({"max_age": 1}, 0.0)


def test_the_latest_is_there_from_the_start_on_and_is_that_of_the_last_look() -> None:
    scene = built()
    assert scene.observer.latest.at == START

    scene.time.leap(5.0)
    assert scene.observer.latest.at == START
    assert scene.observer.observe() is scene.observer.latest
    assert scene.observer.latest.at == START + timedelta(seconds=5)


async def test_watchers_and_draining_are_those_of_the_broker() -> None:
    scene = built()

    async def look() -> tuple[int, bool]:
        with scene.broker.watch():
            scene.broker.drain()
            seen = scene.observer.observe()
            return seen.watchers, seen.draining

    assert await asyncio.create_task(look()) == (1, True)


def test_evaluations_are_counted_by_trigger_and_fail_since_the_first_failure_in_a_row() -> None:
    scene = built()
    scene.told.bus.emit(EvaluationDone(entry=an_entry(trigger="start")))
    scene.told.bus.emit(EvaluationBroken(trigger="schedule", text="no NAV"))
    scene.time.leap(60.0)
    scene.told.bus.emit(EvaluationBroken(trigger="request", text="locked"))

    assert scene.observer.observe().evaluations == EvaluationTally(
        done={"start": 1}, failed={"schedule": 1, "request": 1}, last_failure="locked", failing_since=START
    )


def test_an_evaluation_that_succeeds_ends_the_failure() -> None:
    scene = built()
    scene.told.bus.emit(EvaluationBroken(trigger="start", text="no NAV"))
    scene.told.bus.emit(EvaluationDone(entry=an_entry(trigger="schedule")))

    assert scene.observer.observe().evaluations == EvaluationTally(done={"schedule": 1}, failed={"start": 1})


def test_an_observation_that_was_made_does_not_change() -> None:
    scene = built()
    before = scene.observer.observe().evaluations
    scene.told.bus.emit(EvaluationDone(entry=an_entry(trigger="start")))

    assert before == EvaluationTally()


def test_a_contradiction_is_shown_for_five_minutes_and_counted_for_ever() -> None:
    scene = built()
    scene.told.bus.emit(IntegrityBroken(ref=PolicyRef(7, 1), text="two writers"))
    scene.time.leap(INTEGRITY_SHOWN_FOR_S)
    seen = scene.observer.observe()
    assert (seen.integrity_errors, seen.integrity_error) == (1, "two writers")

    scene.time.leap(1.0)
    seen = scene.observer.observe()
    assert (seen.integrity_errors, seen.integrity_error) == (1, "")


def test_the_first_mode_ever_is_no_change() -> None:
    scene = built()
    scene.told.bus.emit(RiskModeChanged(before=None, policy=a_policy()))
    scene.told.bus.emit(RiskModeChanged(before=RiskMode.DEFENSIVE, policy=a_policy()))

    assert scene.observer.observe().mode_changes == 1


def test_a_store_that_was_emptied_leaves_without_policy_from_when_that_was_seen() -> None:
    scene = built(a_head(1, epoch=LATER))
    scene.time.leap(1000.0)
    scene.broker.publish(a_head(1, epoch=LATER), confirmed_at=scene.time.monotonic())
    assert scene.observer.observe().policy_unavailable_s == 0.0
    scene.broker.publish(a_head(0, epoch=LATER + 1), confirmed_at=scene.time.monotonic())
    assert scene.observer.observe().policy_unavailable_s == 0.0

    scene.time.leap(30.0)
    assert scene.observer.observe().policy_unavailable_s == 30.0


class FastTime(ManualTime):
    """Its instants pass as in a simulation; its durations are real."""

    SPEED = 60.0

    def now(self) -> datetime:
        return START + (super().now() - START) * self.SPEED


def an_observer(time: ManualTime, broker: Broker, *, speed: float) -> Observer:
    scene = built()
    return Observer(
        broker=broker,
        fleet=scene.fleet,
        schedule=scene.scheduler,
        pulse=scene.vitals,
        signals=scene.activity,
        rows=scene.rows,
        modes=scene.modes,
        in_force=scene.in_force,
        events=Told().bus,
        clock=time,
        server_id="fast",
        period_s=PERIOD_S / speed,
        speed=speed,
    )


def test_in_fast_time_an_evaluation_is_overdue_by_real_seconds() -> None:
    time = FastTime()
    observer = an_observer(time, a_broker(time), speed=FastTime.SPEED)
    time.leap(330.5)

    assert observer.observe().evaluation_overdue_s == pytest.approx(300.5)


def test_what_a_restart_finds_is_counted_from_the_restart_on() -> None:
    time = ManualTime()
    head = a_head(content=a_content())
    time.leap(86_400.0)
    broker = a_broker(time, head)
    observer = an_observer(time, broker, speed=1.0)
    assert (observer.latest.evaluation_overdue_s, observer.latest.policy_unavailable_s) == (0.0, 0.0)

    time.leap(10.0)
    seen = observer.observe()
    assert (seen.evaluation_overdue_s, seen.policy_unavailable_s) == (10.0, 10.0)


@pytest.mark.parametrize(
    ("replica_age_s", "ttl_s", "unavailable_s"),
    [
        (0.5, 3000.0, 0.0),
        (15.0, 3000.0, 0.0),
        (15.5, 3000.0, 15.5),
        (0.5, 0.0, 0.0),
        (0.5, -20.0, 20.0),
        (40.0, -20.0, 40.0),
        (16.0, -20.0, 20.0),
        (0.5, None, 0.0),
        (9999.0, 3000.0, 1000.0),
    ],
)
def test_a_policy_is_unavailable_while_unconfirmed_or_past_its_validity(
    replica_age_s: float, ttl_s: float | None, unavailable_s: float
) -> None:
    assert unvouched_s(Freshness(replica_age_s=replica_age_s, ttl_s=ttl_s), 1000.0) == unavailable_s


SECONDS = st.floats(0.0, 1e7)


@given(SECONDS, SECONDS, SECONDS)
def test_nothing_is_late_for_longer_than_this_process_is_up(unevaluated_s: float, period_s: float, up_s: float) -> None:
    late_s = overdue_s(unevaluated_s, period_s, up_s)

    assert late_s <= up_s
    assert (late_s > 0) == (unevaluated_s > period_s and up_s > 0)
