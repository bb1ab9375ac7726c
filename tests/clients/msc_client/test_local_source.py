"""The same surface in the authority's own process: the bytes of the wire, without a wire."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest
from msc_client_harness import until

from msc_client import ClientConfig, ConnectionState, LocalPolicySource, Ref, Role, Tier
from msc_client._wire.authority import goodbye_bytes, heartbeat_bytes, snapshot_bytes
from msc_client.testing import Freshness, ManualClock, make_policy

FRESH = Freshness(replica_age_s=0.0, ttl_s=3600.0)
CONFIG = ClientConfig(local_pause_s=1e9)


class Feed:
    """Says what the test wants, and the current policy at once to who subscribes."""

    def __init__(self) -> None:
        self.callbacks: list[Callable[[bytes], None]] = []
        self.subscribed = 0
        self.version = 5
        self.broken: Exception | None = None

    def subscribe(self, callback: Callable[[bytes], None]) -> Callable[[], None]:
        if self.broken is not None:
            raise self.broken
        self.subscribed += 1
        self.callbacks.append(callback)
        callback(snapshot_bytes(make_policy(self.version), freshness=FRESH, info=("local", 5.0)))
        return lambda: self.callbacks.remove(callback)

    def send(self, raw: bytes) -> None:
        for callback in list(self.callbacks):
            callback(raw)


class Host:
    def __init__(self) -> None:
        self.feed = Feed()
        self.clock = ManualClock()
        self.source = LocalPolicySource(
            self.feed, role=Role.OTHER, name="local", config=CONFIG, state_dir=None, clock=self.clock
        )


@pytest.fixture
def host() -> Iterator[Host]:
    made = Host()
    yield made
    made.source.close()


def test_it_is_fresh_at_once_and_says_so_as_every_source_does(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "msc_client"):
        assert host.source.start(wait_s=0).tier is Tier.FRESH
    assert "[MSC AI] Policy loaded: risk_mode=NORMAL, strategies=2, max_risk=0.75%" in caplog.messages


def test_it_follows_the_feed(host: Host) -> None:
    host.source.start(wait_s=0)
    host.feed.send(snapshot_bytes(make_policy(6), freshness=FRESH))
    assert host.source.current().ref == Ref(1, 6)


def test_heartbeats_confirm_and_their_absence_ages(host: Host) -> None:
    host.source.start(wait_s=0)
    for _ in range(3):
        host.clock.advance(14)
        host.feed.send(heartbeat_bytes(make_policy(5).ref, freshness=FRESH))
    assert host.source.current().tier is Tier.FRESH
    host.clock.advance(30.1)
    assert host.source.current().tier is Tier.STALE


def test_a_feed_that_fell_silent_is_subscribed_to_again(host: Host) -> None:
    host.source.start(wait_s=0)
    host.clock.advance(16.1)
    until(lambda: host.source.status().counters.watchdog_timeouts == 1)
    host.clock.advance(5)
    until(lambda: host.feed.subscribed == 2)
    assert len(host.feed.callbacks) == 1


def test_a_feed_that_says_goodbye_is_subscribed_to_again(host: Host) -> None:
    host.source.start(wait_s=0)
    host.feed.send(goodbye_bytes(make_policy(5).ref, reason="DRAINING", reconnect_after_s=0.0, freshness=FRESH))
    until(lambda: host.feed.subscribed == 2)
    assert host.source.current().tier is Tier.FRESH


def test_a_feed_that_refuses_is_an_authority_that_is_away(host: Host) -> None:
    host.feed.broken = RuntimeError("draining")
    assert host.source.start(wait_s=0).tier is Tier.SAFE_NONE
    assert "draining" in host.source.status().last_error
    host.feed.broken = None
    host.clock.advance(5)
    until(lambda: host.source.current().tier is Tier.FRESH)


def test_closing_ends_the_subscription(host: Host) -> None:
    host.source.start(wait_s=0)
    host.source.close()
    assert host.feed.callbacks == []
    assert host.source.status().connection is ConnectionState.CLOSED
