"""What a person sees of a watch."""

from __future__ import annotations

import io

from rich.console import Console

from msc_authority.cli.following import Event
from msc_authority.cli.watch import LiveView, event_line
from msc_authority.rpc.plain import plain
from msc_policy import v1 as pb


def snapshot(version: int) -> Event:
    policy = plain(pb.Policy(risk_mode=pb.RISK_MODE_NORMAL, allowed_strategies=["TREND_001"], max_positions=10))
    common: Event = {"freshness": {"replica_age_s": 0.1, "ttl_s": 3600.0}, "server_time": "2026-01-02T03:04:05Z"}
    return {
        "event": "snapshot",
        "reason": "UPDATE",
        "changed_fields": ["risk_mode"],
        "policy": {**policy, "epoch": 7, "version": version},
        **common,
    }


def shown(view: LiveView) -> str:
    out = io.StringIO()
    Console(file=out, width=80).print(view.render())
    return out.getvalue()


def test_before_the_first_message_it_says_that_it_connects() -> None:
    out = shown(LiveView("127.0.0.1:7443"))

    assert "127.0.0.1:7443: connecting" in out
    assert "none yet" in out


def test_a_policy_is_shown_with_what_may_be_done_and_for_how_long() -> None:
    view = LiveView("127.0.0.1:7443")
    view.take(snapshot(3))

    out = shown(view)
    assert all(words in out for words in ("connected", "version 3", "TREND_001", "at most 10", "another 60 min"))


def test_a_lost_authority_leaves_the_policy_on_the_screen_and_says_so_in_words() -> None:
    view = LiveView("127.0.0.1:7443")
    view.take(snapshot(3))
    view.take({"event": "disconnected", "reason": "UNAVAILABLE", "message": "gone", "retry_in_s": 1.0})
    for _ in range(20):
        view.take(None)

    out = shown(view)
    assert "disconnected, last message 20 s ago" in out
    assert "version 3" in out


def test_the_newest_events_are_kept_and_heartbeats_are_no_news() -> None:
    view = LiveView("127.0.0.1:7443")
    for version in range(1, 30):
        view.take(snapshot(version))
        view.take({"event": "heartbeat", "seq": version, "freshness": {"ttl_s": 60.0}})

    out = shown(view)
    assert "version 29 (UPDATE)" in out
    assert "version 21 (UPDATE)" not in out
    assert "another 60 s" in out


def test_each_kind_of_event_has_its_line() -> None:
    assert event_line(snapshot(3)) == "2026-01-02 03:04:05Z version 3 (UPDATE): NORMAL; changed: risk_mode"
    assert event_line({"event": "goodbye", "reason": "DRAINING"}).endswith("ends the stream: DRAINING")
    assert event_line({"event": "unchanged", "head": {"version": 4}}).endswith("unchanged, head is version 4")
