"""The failure table, where the document or the authority's history is wrong: what holds, and what is said."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import pytest
from msc_client_harness import Host, invalid, snapshot
from msc_client_story import Story, confirm, ending, publish, silence

from msc_client import ConnectionState, Ref, RiskMode, Role, Tier, TradingState
from msc_client._events import Received
from msc_client._messages import Garbled, Heartbeat, SnapshotReason, Unchanged
from msc_client.testing import make_policy

NEXT = Ref(1, 6, '"1-6"')
FALL = [Tier.FRESH, Tier.STALE, Tier.SAFE_EXPIRED]


def tiers_of(story: Story) -> list[Tier]:
    return [tier for _, tier in story.changes()]


def publish_invalid(story: Story, *, upgrade: bool = False) -> None:
    """The head is a document that this client cannot read, and heartbeats name it."""
    story.policy = make_policy(6)
    story.watch.say(invalid(NEXT, upgrade=upgrade), head=NEXT)
    story.answer = lambda told: told.watch.say(invalid(NEXT, upgrade=upgrade), head=NEXT)


@pytest.mark.parametrize(("upgrade", "hint"), [(False, "risk_mode: unknown value 9"), (True, "upgrade client")])
def test_an_invalid_document_keeps_the_previous_one_which_then_ages(upgrade: bool, hint: str) -> None:
    story = Story().start().until(10)
    publish_invalid(story, upgrade=upgrade)
    story.until(950)
    assert story.watch.session.applied == Ref(1, 5)
    assert tiers_of(story) == FALL
    assert story.watch.state() is ConnectionState.LIVE
    assert story.events(logging.WARNING) == ["rejected", "stale", "unavailable", "safe"]
    assert hint in story.texts("rejected")[0]
    assert "(1, 6)" in story.texts("rejected")[0]
    assert story.watch.session.counters.rejected == 1


def test_an_invalid_document_that_comes_with_every_new_watch_is_one_line_and_counted_each_time() -> None:
    story = Story().start().until(10)
    publish_invalid(story)
    for at_s in (20, 30, 40):
        story.until(at_s)
        story.watch.end("UNAVAILABLE")
    story.until(50)
    assert story.count("rejected") == 1
    assert story.watch.session.counters.rejected == 4


def test_a_corrected_document_is_applied_and_another_fault_is_said_again() -> None:
    story = Story().start().until(10)
    publish_invalid(story)
    story.until(60)
    publish(story, make_policy(7))
    story.until(65)
    assert (story.watch.tier(), story.watch.session.applied) == (Tier.FRESH, Ref(1, 7))
    assert story.watch.session.last_error == ""
    story.watch.say(invalid(Ref(1, 8, '"1-8"')), head=Ref(1, 8, '"1-8"'))
    story.until(66)
    assert story.count("rejected") == 2


def test_two_writers_under_one_reference_are_a_critical_line_and_confirm_nothing() -> None:
    story = Story().start()
    story.policy = make_policy(5, etag='"other"', max_risk_per_trade=1.0)
    story.until(950)
    assert story.watch.session.counters.applied == 1
    assert tiers_of(story) == FALL
    [line] = story.texts("integrity")
    assert '"other"' in line
    assert '"1-5"' in line
    assert [event for event in story.events(logging.CRITICAL) if event != "safe"] == ["integrity"]


def test_a_lagging_replica_is_not_followed_back_and_worth_a_warning_only_after_five() -> None:
    story = Story().start().until(5)
    story.answer = ending("UNAVAILABLE", reason="REPLICA_BEHIND", retry_after_s=1.0)
    story.watch.end("UNAVAILABLE", reason="REPLICA_BEHIND", retry_after_s=1.0)
    story.until(60)
    said = [line.level for _, line in story.lines if line.event == "replica_behind"]
    assert said == [logging.DEBUG] * 5 + [logging.WARNING]
    assert story.watch.session.applied == Ref(1, 5)
    assert story.count("reconnect") == 0


def test_a_backup_restored_in_the_same_epoch_is_an_error_after_a_minute_and_safe_at_fifteen() -> None:
    story = Story().start().until(5)
    story.answer = ending("UNAVAILABLE", "head is (1, 3)", reason="REPLICA_BEHIND", retry_after_s=1.0)
    story.watch.end("UNAVAILABLE", "head is (1, 3)", reason="REPLICA_BEHIND", retry_after_s=1.0)
    story.until(1000)
    assert tiers_of(story) == FALL
    [said_s] = story.times("replica_behind_for_long")
    assert 65 < said_s < 71
    [text] = story.texts("replica_behind_for_long")
    assert "(1, 5)" in text
    assert "(1, 3)" in text
    assert "greater epoch" in text


def test_after_that_a_greater_epoch_brings_it_back_as_a_reset() -> None:
    story = Story().start().until(5)
    story.answer = ending("UNAVAILABLE", reason="REPLICA_BEHIND", retry_after_s=1.0)
    story.watch.end("UNAVAILABLE", reason="REPLICA_BEHIND", retry_after_s=1.0)
    story.until(100)
    story.policy = make_policy(3, epoch=2)
    story.answer = confirm
    story.until(120)
    assert (story.watch.tier(), story.watch.session.applied) == (Tier.FRESH, Ref(2, 3))
    assert story.texts("reset") == ["reset (1, 5) -> (2, 3): the authority's store was restored"]


def test_an_old_fork_of_the_server_is_one_error_and_its_policy_is_never_taken() -> None:
    story = Story(policy=make_policy(2, epoch=3)).start().until(5)
    story.answer = ending("FAILED_PRECONDITION", "epoch 2", reason="EPOCH_SUPERSEDED")
    story.watch.end("FAILED_PRECONDITION", "epoch 2", reason="EPOCH_SUPERSEDED")
    story.until(300)
    assert story.events(logging.ERROR) == ["epoch_superseded"]
    assert story.watch.state() in (ConnectionState.BACKOFF, ConnectionState.CONNECTING)
    story.answer = lambda told: told.watch.publish(make_policy(99, epoch=2))
    story.until(310)
    assert story.watch.session.applied == Ref(3, 2)


def test_trouble_of_each_kind_is_said_again_after_a_stream_that_worked() -> None:
    story = Story().start()
    for _ in range(2):
        story.answer = ending("RESOURCE_EXHAUSTED")
        story.watch.end("RESOURCE_EXHAUSTED")
        story.until(story.now_s + 20)
        story.answer = confirm
        story.until(story.now_s + 20)
    assert story.count("too_many_watchers") == 2


@pytest.mark.parametrize("jump", [datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)])
def test_a_wall_clock_that_jumps_changes_nothing_while_the_process_runs(jump: datetime) -> None:
    host = Host().follow()
    host.clock.advance(29)
    host.clock.set_wall(jump)
    assert (host.tier(), host.status().age_s) == (Tier.FRESH, 29.0)
    host.clock.advance(2)
    assert host.tier() is Tier.STALE
    host.source.close()


# Messages that say less than they should


@pytest.mark.parametrize(
    "event", [Heartbeat(), Unchanged(), snapshot(make_policy(5))], ids=lambda event: type(event).__name__
)
def test_without_a_freshness_no_message_confirms(event: Heartbeat | Unchanged) -> None:
    story = Story().start()
    story.beats = False
    for _ in range(4):
        story.until(story.now_s + 10)
        story.watch.say(event, head=story.policy.ref, freshness=False)
    assert story.watch.state() is ConnectionState.LIVE
    assert story.watch.tier() is Tier.STALE


def test_bytes_that_are_no_message_are_said_once_while_they_stay_the_same() -> None:
    story = Story().start()
    for problem in ("a", "a", "b"):
        story.watch.feed(Received(stream=story.watch.stream, message=Garbled(problem=problem)))
    story.until(1)
    assert story.texts("rejected") == [f"policy without reference rejected: {problem}" for problem in "ab"]
    assert story.watch.session.counters.rejected == 3


def test_a_snapshot_of_the_applied_revision_that_is_no_longer_the_head_confirms_nothing_and_asks_for_the_head() -> None:
    story = Story().start()
    story.answer, story.beats = silence, False
    story.watch.clock.advance(20)
    story.watch.say(snapshot(make_policy(5)), head=Ref(1, 8, '"1-8"'))
    assert len(story.opened) == 2
    assert story.watch.session.counters.gaps == 1
    story.until(31)
    assert story.watch.tier() is Tier.STALE


def test_many_versions_may_be_skipped_and_the_last_one_arrives() -> None:
    story = Story().start()
    for version in (9, 17, 40):
        story.policy = make_policy(version)
        story.until(story.now_s + 10)
    assert story.watch.session.applied == Ref(1, 40)
    assert story.watch.session.counters.gaps == 3
    assert tiers_of(story) == [Tier.FRESH]
    assert story.count("gap") == 3


def test_a_missed_version_that_a_second_stream_does_not_bring_is_asked_for_once() -> None:
    story = Story().start()
    story.policy = make_policy(6)
    story.answer = silence
    story.until(60)
    assert (len(story.opened), story.count("gap")) == (2, 1)
    assert tiers_of(story) == [Tier.FRESH, Tier.STALE]


def test_garbage_on_the_second_stream_drops_it_and_leaves_the_first_alone() -> None:
    story = Story().start()
    story.answer = lambda told: told.watch.feed(Received(stream=told.watch.stream, message=Garbled(problem="x")))
    story.policy = make_policy(6)
    story.until(20)
    assert story.watch.session.open_streams == (1,)
    assert story.watch.session.counters.rejected == 0


# Roles


def test_a_guard_holds_the_tightest_of_all_that_came_while_none_of_it_was_fresh() -> None:
    story = Story(role=Role.RISK_GUARD, policy=make_policy(5, max_positions=9, max_daily_trades=9)).start()
    story.head_confirmed_at_s = -100.0
    publish(story, make_policy(6, max_positions=3, max_daily_trades=20))
    publish(story, make_policy(7, max_positions=8, max_daily_trades=30, risk_mode=RiskMode.AGGRESSIVE))
    held = story.watch.policy
    assert (held.max_positions, held.max_daily_trades, held.risk_mode) == (3, 9, RiskMode.NORMAL)
    assert story.watch.tier() is Tier.STALE
    story.head_confirmed_at_s = None
    story.until(6)
    assert story.watch.tier() is Tier.FRESH
    assert (story.watch.policy.max_positions, story.watch.policy.max_daily_trades) == (8, 30)


def test_a_guard_tightens_at_once_whatever_the_freshness() -> None:
    story = Story(role=Role.RISK_GUARD).start()
    story.head_confirmed_at_s = -100.0
    publish(story, make_policy(6, trading_state=TradingState.HALTED, max_risk_per_trade=0.001))
    assert (story.watch.policy.trading_state, story.watch.policy.max_risk_per_trade) == (TradingState.HALTED, 0.001)


def test_a_guard_is_not_let_loose_by_an_expiry_either() -> None:
    story = Story(role=Role.RISK_GUARD, policy=make_policy(5, max_positions=2, max_risk_per_trade=0.001)).start()
    story.head_confirmed_at_s = -100.0
    publish(story, make_policy(6, max_positions=10, max_risk_per_trade=0.01))
    story.answer = silence
    story.until(950)
    assert story.watch.tier() is Tier.SAFE_EXPIRED
    assert (story.watch.policy.max_positions, story.watch.policy.max_risk_per_trade) == (2, 0.001)


@pytest.mark.parametrize("role", [Role.EXECUTOR, Role.ORCHESTRATOR, Role.OTHER])
def test_every_other_role_follows_the_newest_document(role: Role) -> None:
    story = Story(role=role).start()
    story.head_confirmed_at_s = -100.0
    publish(story, make_policy(6, max_positions=99))
    assert story.watch.policy.max_positions == 99


def test_a_rollback_restores_limits_under_a_higher_version_and_says_whose() -> None:
    story = Story().start()
    publish(story, make_policy(6, risk_mode=RiskMode.AGGRESSIVE))
    publish(story, make_policy(7, rollback_of=5), SnapshotReason.ROLLBACK)
    story.until(1)
    assert story.watch.session.applied == Ref(1, 7)
    assert story.texts("rollback") == ["rollback to the content of version 5 as (1, 7)"]
    modes = [text.removeprefix("[MSC AI] Risk mode: ") for text in story.texts("risk_mode")]
    assert modes == ["NORMAL -> AGGRESSIVE", "AGGRESSIVE -> NORMAL"]
