"""The failure table, where the authority or the way to it fails: what a read returns, and what is said."""

from __future__ import annotations

import logging

import pytest
from msc_client_harness import kept_value
from msc_client_story import Story, confirm, ending, farewell, publish, silence

from msc_client import ConnectionState, Ref, SafeDefaults, Tier
from msc_client._events import Paused, ReaderDied
from msc_client._holding import Restored
from msc_client._messages import Heartbeat
from msc_client.testing import make_policy

FALL = [Tier.FRESH, Tier.STALE, Tier.SAFE_EXPIRED]


def tiers_of(story: Story) -> list[Tier]:
    return [tier for _, tier in story.changes()]


def away(story: Story, at_s: float) -> Story:
    """The process is gone: the connection is reset, and nobody listens any more."""
    story.until(at_s)
    story.answer = ending("UNAVAILABLE", "Connection refused")
    story.watch.end("UNAVAILABLE", "Connection reset")
    return story


def test_an_hour_with_a_healthy_authority_is_fresh_and_silent() -> None:
    story = Story().start().until(3600)
    assert tiers_of(story) == [Tier.FRESH]
    assert story.events(logging.INFO) == ["policy_loaded"]
    assert len(story.opened) == 1


def test_a_killed_authority_is_stale_at_30_s_alarming_at_300_and_safe_at_900() -> None:
    story = away(Story().start(), 5).until(1000)
    assert tiers_of(story) == FALL
    for event, at_s in (("stale", 35), ("unavailable", 305), ("safe", 905)):
        [said_s] = story.times(event)
        assert at_s < said_s <= at_s + 0.5
    levels = {line.event: line.level for _, line in story.lines}
    assert (levels["stale"], levels["unavailable"], levels["safe"]) == (
        logging.WARNING,
        logging.ERROR,
        logging.CRITICAL,
    )
    assert "Connection refused" in story.texts("stale")[0]


def test_a_killed_authority_that_returns_is_confirmed_by_one_message_and_told_once() -> None:
    story = away(Story().start(), 5).until(1000)
    story.answer = confirm
    story.until(1010)
    assert tiers_of(story) == [*FALL, Tier.FRESH]
    [back] = story.texts("fresh")
    assert back.startswith("[MSC AI] Policy FRESH again after ")
    assert float(back.split()[-2]) == pytest.approx(story.times("fresh")[0] - 5, abs=0.5)
    assert story.count("connected") == 1
    assert story.opened[-1].known == Ref(1, 5)
    assert story.watch.session.counters.applied == 1


def test_attempts_while_nobody_listens_are_spread_and_said_at_the_first_and_every_tenth() -> None:
    story = away(Story().start(), 5).until(605)
    attempts = len(story.opened) - 1
    # Half of the longest wait on average; the first few come sooner.
    assert 600 / 2.6 <= attempts <= 600 / 2.5 + 5
    assert story.count("reconnect") == 1 + attempts // 10
    assert story.watch.session.counters.reconnects == attempts
    assert [text.split(":")[0] for text in story.texts("reconnect")[:3]] == [
        "reconnect 1",
        "reconnect 10",
        "reconnect 20",
    ]


def test_a_silent_network_is_noticed_by_the_watchdog_and_stale_30_s_after_the_last_word() -> None:
    story = Story().start().until(20)
    story.answer, story.beats = silence, False
    story.until(52)
    assert story.texts("watchdog") == ["watchdog: silent 16.5s"]
    assert story.times("watchdog") == [36.5]
    assert story.changes() == [(0.0, Tier.FRESH), (50.5, Tier.STALE)]
    assert story.watch.session.counters.watchdog_timeouts == 1


def test_a_network_that_stays_silent_is_one_watchdog_line_and_an_attempt_each_ten_seconds() -> None:
    story = Story().start()
    story.answer, story.beats = silence, False
    story.until(300)
    assert story.count("watchdog") == 1
    assert story.events(logging.WARNING) == ["watchdog", "stale"]
    assert len(story.opened) == pytest.approx((300 - 16) / 10, abs=2)


def test_a_frozen_authority_that_wakes_talks_to_a_stream_that_was_left() -> None:
    story = Story().start()
    left = story.watch.stream
    story.answer, story.beats = silence, False
    story.until(40)
    story.watch.say(Heartbeat(), head=story.policy.ref, stream=left)
    story.until(41)
    assert story.watch.tier() is Tier.STALE
    story.answer, story.beats = confirm, True
    story.until(60)
    assert story.watch.tier() is Tier.FRESH
    assert story.count("fresh") == 1


def test_a_replica_cut_off_from_its_store_is_stale_although_connected() -> None:
    story = Story().start().until(60)
    story.head_confirmed_at_s = 60.0
    story.until(120)
    assert story.watch.state() is ConnectionState.LIVE
    assert story.changes() == [(0.0, Tier.FRESH), (90.5, Tier.STALE)]
    assert (story.count("stale"), story.count("replica_age")) == (1, 1)
    assert 75 < story.times("replica_age")[0] <= 80
    assert "authority cannot confirm head" in story.texts("replica_age")[0]


def test_another_replica_is_tried_at_most_once_a_minute_and_kept_when_it_knows_better() -> None:
    story = Story().start()
    story.head_confirmed_at_s = 0.0
    story.answer = silence
    story.until(300)
    tries = len(story.opened) - 1
    assert 4 <= tries <= 5

    def healthy(told: Story) -> None:
        told.head_confirmed_at_s = None
        confirm(told)

    story.answer = healthy
    story.until(365)
    assert story.watch.tier() is Tier.FRESH
    assert story.watch.session.open_streams == (story.watch.stream,)


def test_an_evaluator_that_died_is_an_error_ten_minutes_before_and_safe_when_the_validity_ends() -> None:
    story = Story()
    story.valid_until_s = 3600.0
    story.start().until(3700)
    assert story.watch.state() is ConnectionState.LIVE
    assert story.changes() == [(0.0, Tier.FRESH), (3600.0, Tier.SAFE_EXPIRED)]
    assert story.events(logging.ERROR) == ["ttl", "safe"]
    assert story.times("ttl") == [pytest.approx(3000, abs=0.5)]


def test_a_new_evaluation_ends_the_alarm_about_the_validity() -> None:
    story = Story().start()
    story.valid_until_s = 100.0
    story.until(10)
    story.valid_until_s = None
    publish(story, make_policy(6))
    story.until(120)
    assert (story.count("ttl"), tiers_of(story)) == (1, [Tier.FRESH])


def test_with_the_database_down_every_replica_ages_and_the_value_falls_to_safe_while_connected() -> None:
    story = Story().start()
    story.head_confirmed_at_s = 0.0
    story.until(1000)
    assert tiers_of(story) == FALL
    assert story.watch.state() is ConnectionState.LIVE
    assert story.events(logging.WARNING) == ["replica_age", "stale", "unavailable", "safe"]


@pytest.mark.parametrize(("age_s", "tier"), [(29.0, Tier.FRESH), (31.0, Tier.STALE), (901.0, Tier.SAFE_EXPIRED)])
def test_a_cold_client_gets_the_aged_snapshot_with_the_tier_of_its_age(age_s: float, tier: Tier) -> None:
    story = Story()
    story.head_confirmed_at_s = -age_s
    story.start()
    assert (story.watch.tier(), story.watch.session.applied) == (tier, Ref(1, 5))


def test_a_rolling_restart_of_three_replicas_is_fresh_throughout_and_not_worth_a_line() -> None:
    story = Story().start()
    for at_s in (10, 30, 50):
        story.until(at_s)
        farewell(story)
    story.until(90)
    assert tiers_of(story) == [Tier.FRESH]
    assert story.events(logging.INFO) == ["policy_loaded"]
    assert story.count("goodbye") == 3
    assert story.watch.session.counters.reconnects == 3


def test_too_many_pings_are_one_error_that_names_both_settings_however_often_it_happens() -> None:
    story = Story().start()
    story.answer = ending("UNAVAILABLE", "GOAWAY: too_many_pings")
    story.watch.end("UNAVAILABLE", "GOAWAY: too_many_pings")
    story.until(200)
    assert story.events(logging.ERROR) == ["too_many_pings"]
    assert story.count("reconnect") == 0


@pytest.mark.parametrize("code", ["UNAUTHENTICATED", "PERMISSION_DENIED"])
def test_an_expired_certificate_is_an_error_every_five_minutes_and_safe_at_fifteen(code: str) -> None:
    story = Story().start()
    story.answer = ending(code, "certificate has expired")
    story.watch.end(code, "certificate has expired")
    story.until(1000)
    assert story.watch.state() is ConnectionState.DENIED
    assert story.changes() == [(0.0, Tier.FRESH), (30.5, Tier.STALE), (900.5, Tier.SAFE_EXPIRED)]
    said = story.times("denied")
    assert [round(at_s / 300) for at_s in said] == [0, 1, 2, 3]
    assert all("certificate has expired" in text for text in story.texts("denied"))
    assert story.renewals == len(story.opened) - 1
    story.answer = confirm
    story.until(1061)
    assert story.watch.tier() is Tier.FRESH


def test_too_many_watchers_are_one_warning_and_waits_as_long_as_asked() -> None:
    story = Story().start()
    story.answer = ending("RESOURCE_EXHAUSTED", reason="RATE_LIMITED", retry_after_s=20.0)
    story.watch.end("RESOURCE_EXHAUSTED", reason="RATE_LIMITED", retry_after_s=20.0)
    story.until(120)
    assert story.count("too_many_watchers") == 1
    assert len(story.opened) - 1 <= 120 / 20
    assert [event for event in story.events(logging.WARNING) if event != "stale"] == ["too_many_watchers"]


def test_a_hint_to_wait_for_a_day_is_not_followed() -> None:
    story = Story().start()
    story.watch.end("RESOURCE_EXHAUSTED", retry_after_s=86_400.0)
    assert story.watch.due_s <= 65.0
    story.until(70)
    assert story.watch.tier() is Tier.FRESH


# The client's own process


def test_a_process_that_stood_still_reads_by_the_clock_at_once_and_trusts_nothing_that_waited() -> None:
    story = Story().start()
    left = story.watch.stream
    story.watch.clock.advance(47)
    assert story.watch.tier() is Tier.STALE
    story.feed(Paused(seconds=47.0))
    story.watch.say(Heartbeat(), head=story.policy.ref, stream=left)
    assert story.watch.tier() is Tier.STALE
    assert story.texts("local_pause") == ["local pause 47 s"]
    story.until(48)
    assert story.watch.tier() is Tier.FRESH


def test_a_reader_that_dies_each_time_is_restarted_once_a_minute_and_the_value_ages() -> None:
    story = Story().start()
    story.beats = False
    story.answer = lambda told: told.watch.feed(ReaderDied(stream=told.watch.stream))
    story.watch.feed(ReaderDied(stream=story.watch.stream))
    story.until(600)
    assert len(story.opened) == pytest.approx(600 / 60 + 2, abs=1)
    assert tiers_of(story) == [Tier.FRESH, Tier.STALE]
    story.answer, story.beats = confirm, True
    story.until(661)
    assert story.watch.tier() is Tier.FRESH


def restored(story: Story, age_s: float) -> Restored:
    value = kept_value(make_policy(5), story.watch.clock)
    story.watch.clock.advance(age_s)
    return value


@pytest.mark.parametrize(
    ("age_s", "tier", "said"),
    [
        (0.0, Tier.STALE, ["restored"]),
        (900.0, Tier.STALE, ["restored"]),
        (900.5, Tier.SAFE_NONE, ["restored_too_old"]),
        (86_400.0, Tier.SAFE_NONE, ["restored_too_old"]),
    ],
)
def test_a_cold_start_without_an_authority_stands_on_the_file_while_it_is_young(
    age_s: float, tier: Tier, said: list[str]
) -> None:
    story = Story()
    story.answer = silence
    value = restored(story, age_s)
    story.start(value)
    assert story.watch.tier() is tier
    assert story.events(logging.WARNING)[:1] == said
    assert story.opened[0].known == Ref(1, 5)


def test_a_cold_start_with_nothing_at_all_is_critical_and_holds_the_safe_defaults() -> None:
    story = Story()
    story.answer = silence
    story.start().until(10)
    assert tiers_of(story) == [Tier.SAFE_NONE]
    assert story.events(logging.WARNING) == ["safe"]
    assert story.times("safe") == [2.0]
    assert story.watch.policy == SafeDefaults().as_policy()
