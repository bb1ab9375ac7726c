"""Listening to the stream of changes, whatever becomes of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from msc_live import EPOCH, a_head
from msc_valkey import ValkeyServer, valkey_or_skip
from redis import Redis

from msc_authority.adapters.clock import SystemClock
from msc_authority.adapters.redis.cache import RedisPolicyCache
from msc_authority.adapters.redis.connecting import Waits
from msc_authority.core.policy import PolicyRef

CLOCK = SystemClock()
QUICK = Waits(connect_s=0.5, answer_s=0.5, listen_s=0.05)
CHANGES = "msc:policy:changes"


@pytest.fixture
def server() -> Iterator[ValkeyServer]:
    """A Valkey of a test's own."""
    with valkey_or_skip(ValkeyServer) as server:
        yield server


class Ear:
    """A cache that listens, and what it heard."""

    def __init__(self, server: ValkeyServer, url: str) -> None:
        self.server, self.cache, self.heard = (
            server,
            RedisPolicyCache(url, CLOCK, waits=QUICK),
            list[PolicyRef | None](),
        )
        self.cache.listen(self.heard.append)

    def hears(self, ref: PolicyRef | None) -> None:
        """Returns when that is what was heard last."""
        self.server.wait(lambda: bool(self.heard) and self.heard[-1] == ref)

    def put(self, version: int) -> PolicyRef:
        self.cache.put(a_head(version), confirmed_at=CLOCK.monotonic(), ttl_s=100.0)
        return PolicyRef(EPOCH, version)


@contextmanager
def listening(server: ValkeyServer, url: str = "") -> Iterator[Ear]:
    ear = Ear(server, url or server.url)
    yield ear
    ear.cache.close()


def test_once_it_is_connected_it_says_that_something_may_have_been_missed(server: ValkeyServer) -> None:
    with listening(server) as ear:
        ear.hears(None)
        ear.hears(ear.put(1))
        assert ear.heard == [None, PolicyRef(EPOCH, 1)]


def test_behind_a_restart_it_listens_again_and_says_that_something_may_have_been_missed(server: ValkeyServer) -> None:
    with listening(server) as ear:
        ear.hears(None)
        ear.hears(ear.put(1))
        server.stop()
        server.start()
        ear.hears(None)
        ear.hears(ear.put(2))


def test_behind_a_freeze_it_listens_again(server: ValkeyServer) -> None:
    with listening(server) as ear:
        ear.hears(None)
        ear.hears(ear.put(1))
        server.freeze()
        # Longer than it waits: the connection is given up while nothing answers.
        server.wait(lambda: connections(ear) == 0)
        server.thaw()
        ear.hears(None)
        ear.hears(ear.put(2))


def connections(ear: Ear) -> int:
    """Connections that the listener holds."""
    return len(ear.cache._changes._client.connection_pool._in_use_connections)


def test_a_stream_that_was_removed_and_begins_anew_is_followed(server: ValkeyServer) -> None:
    with listening(server) as ear, server.client() as client:
        ear.hears(None)
        ear.hears(ear.put(1))
        client.flushall()
        ear.hears(None)
        # Ids that are smaller than those before: the clock of Redis was set back meanwhile.
        client.xadd(CHANGES, {"epoch": "7", "version": "2"}, id="1-1")
        ear.hears(PolicyRef(7, 2))


@pytest.mark.parametrize("fields", [{"epoch": "7"}, {"epoch": "x", "version": "1"}, {"else": "1"}])
def test_an_entry_that_is_none_of_ours_is_taken_for_any_change(server: ValkeyServer, fields: dict[str, str]) -> None:
    with listening(server) as ear, server.client() as client:
        ear.hears(None)
        ear.hears(ear.put(1))
        client.xadd(CHANGES, fields)
        ear.hears(None)


def test_a_stream_that_is_none_is_followed_when_it_is_one_again(
    server: ValkeyServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with listening(server) as ear, server.client() as client:
        ear.hears(None)
        client.set(CHANGES, "not ours")
        server.wait(lambda: "cannot be followed" in caplog.text)
        ear.put(1)
        server.wait(lambda: "are followed again" in caplog.text)
        ear.hears(ear.put(2))


def test_a_right_that_is_missing_is_said_once_and_so_is_that_it_was_given(
    server: ValkeyServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "deaf", "on", ">x", "~*", "+@all", "-xread")
        with listening(server, server.url.replace("//", "//deaf:x@")) as ear:
            server.wait(lambda: "cannot be followed" in caplog.text)
            server.wait(lambda: connections_made(client) > 3)
            assert ear.heard == []
            client.execute_command("ACL", "SETUSER", "deaf", "+xread")
            server.wait(lambda: "Changes in Redis are followed again" in caplog.text)
            ear.hears(ear.put(1))
    said = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(said) == 1
    assert "Changes in Redis cannot be followed" in said[0]


def connections_made(client: Redis) -> int:
    return int(client.info("stats")["total_connections_received"])


def test_a_lost_connection_is_no_line_of_its_own_for_whoever_puts_says_so(
    server: ValkeyServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with listening(server) as ear:
        ear.hears(None)
        ear.hears(ear.put(1))
        server.stop()
        server.start()
        ear.hears(None)
    assert caplog.messages == []


def test_a_listener_that_fails_is_told_of_the_next_change_all_the_same(
    server: ValkeyServer, caplog: pytest.LogCaptureFixture
) -> None:
    cache, heard = RedisPolicyCache(server.url, CLOCK, waits=QUICK), list[PolicyRef | None]()

    def fail(ref: PolicyRef | None) -> None:
        heard.append(ref)
        raise ZeroDivisionError

    cache.listen(fail)
    server.wait(lambda: heard == [None])
    for version in (1, 2):
        cache.put(a_head(version), confirmed_at=CLOCK.monotonic(), ttl_s=100.0)
    server.wait(lambda: len(heard) == 3)
    cache.close()
    assert caplog.text.count("A listener failed") == 3
