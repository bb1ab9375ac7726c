"""A real Valkey that goes away, freezes, refuses, copies another, or is full; and what is left when it is back."""

from __future__ import annotations

import re
import select
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msc_live import EPOCH, a_head
from msc_valkey import ValkeyServer, valkey_or_skip
from redis import Redis
from redis.exceptions import NoPermissionError

from msc_authority.adapters.clock import SystemClock
from msc_authority.adapters.redis import connecting
from msc_authority.adapters.redis.cache import ATTEMPTS, RedisPolicyCache
from msc_authority.adapters.redis.connecting import Waits
from msc_authority.adapters.redis.opening import open_cache
from msc_authority.core.policy import PolicyRef
from msc_authority.ports.cache import Before, CachedHead, CacheError, CacheFault, CacheUnusable, Put
from msc_authority.ports.policies import Head

CLOCK = SystemClock()
QUICK = Waits(connect_s=0.5, answer_s=0.5, listen_s=0.1)


@pytest.fixture
def server() -> Iterator[ValkeyServer]:
    """A Valkey of a test's own."""
    with valkey_or_skip(ValkeyServer) as server:
        yield server


@contextmanager
def a_cache(url: str) -> Iterator[RedisPolicyCache]:
    cache = RedisPolicyCache(url, CLOCK, waits=QUICK)
    yield cache
    cache.close()


def put(cache: RedisPolicyCache, head: Head) -> Put:
    return cache.put(head, confirmed_at=CLOCK.monotonic(), ttl_s=100.0)


def fault_of(call: Callable[[], object]) -> CacheFault:
    with pytest.raises(CacheError) as raised:
        call()
    return raised.value.fault


def faults(cache: RedisPolicyCache, version: int = 1) -> tuple[CacheFault, CacheFault]:
    """What putting and getting fail with."""
    return fault_of(lambda: put(cache, a_head(version))), fault_of(cache.get)


def found(cache: RedisPolicyCache) -> CachedHead:
    cached = cache.get()
    assert cached is not None
    return cached


def test_one_that_is_gone_is_lost_and_used_again_when_it_is_back(server: ValkeyServer) -> None:
    with a_cache(server.url) as cache:
        put(cache, a_head(1))
        server.stop()
        assert faults(cache) == (CacheFault.LOST, CacheFault.LOST)
        server.start()
        assert cache.get() is None
        assert put(cache, a_head(1)).before is Before.NOTHING


def test_a_restart_between_two_calls_is_not_even_noticed(server: ValkeyServer) -> None:
    with a_cache(server.url) as cache:
        put(cache, a_head(1))
        server.stop()
        server.start()
        assert put(cache, a_head(1)).before is Before.NOTHING


@contextmanager
def hanging_up_once(server: ValkeyServer) -> Iterator[str]:
    """The address of what closes the first connection, and hands the second one on."""

    def answer() -> None:
        listening.accept()[0].close()
        with listening.accept()[0] as ours, socket.create_connection(("127.0.0.1", server.port)) as theirs:
            pipes = {ours: theirs, theirs: ours}
            while True:
                for ready in select.select(list(pipes), [], [])[0]:
                    data = ready.recv(65_536)
                    if not data:
                        return
                    pipes[ready].sendall(data)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=answer)
        thread.start()
        yield f"redis://127.0.0.1:{listening.getsockname()[1]}"
        thread.join()


def test_a_connection_that_breaks_is_made_again_at_once(server: ValkeyServer) -> None:
    with hanging_up_once(server) as url, a_cache(url) as cache:
        assert put(cache, a_head(1)).kept
        assert cache.repeated == 1


def test_how_often_is_bounded(server: ValkeyServer) -> None:
    server.stop()
    with a_cache(server.url) as cache:
        assert fault_of(lambda: put(cache, a_head(1))) is CacheFault.LOST
        assert cache.repeated == ATTEMPTS - 1


def test_one_that_is_frozen_is_given_up_in_time(server: ValkeyServer) -> None:
    with a_cache(server.url) as cache:
        put(cache, a_head(1))
        server.freeze()
        began = CLOCK.monotonic()
        assert faults(cache) == (CacheFault.SLOW, CacheFault.SLOW)
        assert CLOCK.monotonic() - began < 15
        server.thaw()
        assert put(cache, a_head(1)).before is Before.SAME


def test_what_was_put_while_it_was_frozen_vouches_from_when_it_was_read(server: ValkeyServer) -> None:
    with a_cache(server.url) as cache, a_cache(server.url) as other:
        put(cache, a_head(1))
        read_at = CLOCK.monotonic()
        server.freeze()
        assert fault_of(lambda: cache.put(a_head(2), confirmed_at=read_at, ttl_s=100.0)) is CacheFault.SLOW
        frozen_until = CLOCK.monotonic()
        server.thaw()
        server.wait(lambda: found(other).head == a_head(2))
        # Redis did what it had been told before, but does not take the reading for one of now.
        assert found(other).confirmed_at <= read_at < frozen_until


def test_a_wrong_password_is_denied_and_in_no_message() -> None:
    with valkey_or_skip(lambda: ValkeyServer(requirepass="hunter2")) as server:
        for url in (server.url, server.url.replace("//", "//:letmein@")):
            with a_cache(url) as cache, pytest.raises(CacheError, match="check user and password") as raised:
                put(cache, a_head(1))
            assert raised.value.fault is CacheFault.DENIED
            assert "letmein" not in str(raised.value)
        with a_cache(server.url.replace("//", "//:hunter2@")) as cache:
            assert put(cache, a_head(1)).kept


def test_a_password_that_is_changed_denies_and_lets_in_again(server: ValkeyServer) -> None:
    with a_cache(server.url) as cache, server.client() as other:
        put(cache, a_head(1))
        other.config_set("requirepass", "hunter2")
        other.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert faults(cache) == (CacheFault.DENIED, CacheFault.DENIED)
        other.config_set("requirepass", "")
        assert put(cache, a_head(1)).kept


README = Path(connecting.__file__).with_name("README.md")


def rights_of(user: str) -> str:
    """What the README says to let a user do."""
    told = re.search(rf"ACL SETUSER {user} (.*?)(?=ACL SETUSER|```)", README.read_text(encoding="utf-8"), re.DOTALL)
    assert told is not None
    return told[1].replace("PASSWORD", "hunter2")


RIGHTS = rights_of("msc")


def allow(server: ValkeyServer, rights: str) -> str:
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "msc", "reset", *rights.split())
    return server.url.replace("//", "//msc:hunter2@")


def test_the_rights_that_the_readme_lists_are_enough(server: ValkeyServer) -> None:
    with a_cache(allow(server, RIGHTS)) as cache:
        heard: list[PolicyRef | None] = []
        cache.listen(heard.append)
        assert put(cache, a_head(1)).kept
        server.wait(lambda: heard != [])
        assert put(cache, a_head(2)).kept
        server.wait(lambda: PolicyRef(EPOCH, 2) in heard)
        assert found(cache).head == a_head(2)
        assert "Valkey" in cache.about()


def test_whoever_may_only_read_reads_all_of_it_and_writes_nothing(server: ValkeyServer) -> None:
    with a_cache(server.url) as cache, server.client() as client:
        put(cache, a_head(1))
        client.execute_command("ACL", "SETUSER", "reader", *rights_of("reader").split())
    with Redis.from_url(server.url.replace("//", "//reader:hunter2@"), protocol=2) as reader:
        assert reader.get("msc:policy:current")
        assert reader.hmget("msc:policy:current:hash", ["risk_mode"]) == [b"NORMAL"]
        assert reader.exists("msc:policy:confirmed") == 1
        assert reader.xread({"msc:policy:changes": "0"})
        with pytest.raises(NoPermissionError):
            reader.set("msc:policy:current", "mine")


@pytest.mark.parametrize(
    "rights", [RIGHTS + " -evalsha", RIGHTS + " -set", RIGHTS.replace("msc:policy:*", "other:*"), RIGHTS + " -xadd"]
)
def test_a_right_that_is_missing_denies_and_nobody_vouches(server: ValkeyServer, rights: str) -> None:
    with a_cache(allow(server, rights)) as cache, pytest.raises(CacheError, match="README") as raised:
        put(cache, a_head(1))
    assert raised.value.fault is CacheFault.DENIED
    with server.client() as client:
        assert not client.exists("msc:policy:confirmed")
        assert not client.hexists("msc:policy:current:hash", "confirmed_at_ms")


def test_a_copy_of_another_is_read_and_takes_nothing(server: ValkeyServer) -> None:
    with valkey_or_skip(lambda: ValkeyServer(replicaof=f"127.0.0.1 {server.port}")) as copy:
        copy.wait(copy.copies)
        with a_cache(server.url) as primary, a_cache(copy.url) as replica:
            put(primary, a_head(1))
            copy.wait(lambda: replica.get() is not None)
            assert fault_of(lambda: put(replica, a_head(2))) is CacheFault.READ_ONLY
            assert found(replica).head == a_head(1)
            assert fault_of(replica.about) is CacheFault.READ_ONLY


def test_a_failover_keeps_the_policy_and_its_age(server: ValkeyServer) -> None:
    with valkey_or_skip(lambda: ValkeyServer(replicaof=f"127.0.0.1 {server.port}")) as copy:
        copy.wait(copy.copies)
        with a_cache(server.url) as before, a_cache(copy.url) as after:
            read_at = CLOCK.monotonic()
            before.put(a_head(1), confirmed_at=read_at, ttl_s=100.0)
            copy.wait(lambda: after.get() is not None)
            server.stop()
            assert fault_of(lambda: put(before, a_head(2))) is CacheFault.LOST
            with copy.client() as client:
                client.execute_command("REPLICAOF", "NO", "ONE")
            assert found(after).confirmed_at <= read_at
            assert put(after, a_head(2)).before is Before.OLDER


def test_one_that_was_behind_when_it_took_over_is_brought_up_and_lets_nobody_go_back(server: ValkeyServer) -> None:
    with valkey_or_skip(ValkeyServer) as behind, a_cache(behind.url) as cache:
        put(cache, a_head(1))
        outcome = put(cache, a_head(5))
        assert (outcome.before, outcome.ref) == (Before.OLDER, PolicyRef(EPOCH, 1))
        assert put(cache, a_head(1)).before is Before.NEWER


def test_a_copy_without_its_primary_says_that_it_waits() -> None:
    copying_nobody = valkey_or_skip(lambda: ValkeyServer(replicaof="127.0.0.1 1", replica_serve_stale_data="no"))
    with copying_nobody as copy, a_cache(copy.url) as cache:
        assert faults(cache) == (CacheFault.LOADING, CacheFault.LOADING)


def test_one_that_is_loading_says_so_and_is_used_when_it_has(server: ValkeyServer) -> None:
    with server.client() as client:
        client.mset({f"other:{number}": "x" * 2000 for number in range(2000)})
        client.save()
    server.stop()
    server.configure(key_load_delay="1000", loading_process_events_interval_bytes="2048", rdbcompression="no")
    with a_cache(server.url) as cache:
        server.start()
        assert faults(cache) == (CacheFault.LOADING, CacheFault.LOADING)
        with server.client() as client:
            client.config_set("key-load-delay", "0")
        server.wait(lambda: keeps(cache))


def keeps(cache: RedisPolicyCache) -> bool:
    try:
        return put(cache, a_head(1)).kept
    except CacheError:
        return False


def test_one_whose_memory_is_used_up_takes_nothing_and_keeps_the_older_policy_with_its_age(
    server: ValkeyServer,
) -> None:
    with a_cache(server.url) as cache, server.client() as client:
        read_at = CLOCK.monotonic()
        cache.put(a_head(1), confirmed_at=read_at, ttl_s=100.0)
        client.config_set("maxmemory", "1mb")
        assert fault_of(lambda: put(cache, a_head(2))) is CacheFault.FULL
        assert fault_of(lambda: put(cache, a_head(1))) is CacheFault.FULL
        assert found(cache).head == a_head(1)
        assert found(cache).confirmed_at <= read_at
        client.config_set("maxmemory", "0")
        assert put(cache, a_head(2)).before is Before.OLDER


def test_a_key_that_cannot_be_read_for_what_it_is_is_unreadable(server: ValkeyServer) -> None:
    with a_cache(server.url) as cache, server.client() as client:
        client.lpush("msc:policy:current", "x")
        assert fault_of(cache.get) is CacheFault.UNREADABLE


def test_what_is_no_redis_is_said_to_be_none(server: ValkeyServer) -> None:
    # A Valkey that speaks TLS only is no Redis to whoever does not.
    with a_cache(server.url.replace("redis://", "rediss://")) as cache:
        assert fault_of(lambda: put(cache, a_head(1))) in (CacheFault.LOST, CacheFault.SLOW)


def test_closing_waits_for_nobody_who_does_not_answer(server: ValkeyServer) -> None:
    cache = RedisPolicyCache(server.url, CLOCK, waits=QUICK)
    cache.listen(lambda _: None)
    put(cache, a_head(1))
    server.freeze()
    began = CLOCK.monotonic()
    cache.close()
    assert CLOCK.monotonic() - began < 10


def test_without_the_driver_the_message_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("msc_authority.adapters.redis.c")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(CacheUnusable, match=r"pip install 'meta-strategy-controller\[authority,redis\]'"):
        open_cache("redis://localhost", CLOCK, prefix="msc:")


def test_an_address_that_cannot_be_read_is_not_repeated() -> None:
    with pytest.raises(CacheUnusable) as raised:
        open_cache("redis://:hunter2@localhost?socket_timeout=hunter2", CLOCK, prefix="msc:")
    assert "hunter2" not in str(raised.value)
