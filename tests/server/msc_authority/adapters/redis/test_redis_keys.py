"""What is in Redis: for other programs, and what becomes of it when they write there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import cast

import pytest
from msc_builders import a_content
from msc_live import EPOCH, a_head
from msc_valkey import ValkeyServer
from redis import Redis

from msc_authority.adapters.clock import SystemClock
from msc_authority.adapters.redis.cache import RedisPolicyCache
from msc_authority.adapters.redis.layout import SCHEMA, json_of
from msc_authority.core.policy import PolicyRef, RiskMode
from msc_authority.ports.cache import Before, CacheError, CacheFault, Put
from msc_authority.ports.policies import Head

CLOCK = SystemClock()
CURRENT, FIELDS, CONFIRMED, CHANGES = (
    "msc:policy:current",
    "msc:policy:current:hash",
    "msc:policy:confirmed",
    "msc:policy:changes",
)
OURS = (CURRENT, FIELDS, CONFIRMED, CHANGES)


@pytest.fixture
def redis(valkey: ValkeyServer, valkey_url: str) -> Iterator[Redis]:
    """What another program does there."""
    assert valkey_url == valkey.url
    with valkey.client(decode_responses=True) as client:
        yield client


@pytest.fixture
def cache(valkey_url: str) -> Iterator[RedisPolicyCache]:
    cache = RedisPolicyCache(valkey_url, CLOCK)
    yield cache
    cache.close()


def put(cache: RedisPolicyCache, head: Head) -> Put:
    return cache.put(head, confirmed_at=CLOCK.monotonic(), ttl_s=100.0)


def text_of(head: Head, **overrides: object) -> str:
    assert head.policy is not None
    return json.dumps(json.loads(json_of(head.policy, head)) | overrides, separators=(",", ":"))


def is_whole(redis: Redis, head: Head) -> bool:
    """Whether all keys say that this is the policy."""
    assert head.policy is not None
    fields = redis.hgetall(FIELDS)
    return (
        redis.get(CURRENT) == json_of(head.policy, head)
        and (fields["version"], fields["etag"]) == (str(head.ref.version), head.policy.etag)
        and redis.get(CONFIRMED) == f"{head.ref.epoch}:{head.ref.version}"
        and newest_changes(redis, 1)[0]["version"] == str(head.ref.version)
    )


def newest_changes(redis: Redis, count: int) -> list[dict[str, str]]:
    entries = cast("list[tuple[str, dict[str, str]]]", redis.xrevrange(CHANGES, count=count))
    return [fields for _, fields in entries]


def test_the_policy_is_there_as_json_and_flat_until_it_is_no_longer_valid(
    redis: Redis, cache: RedisPolicyCache
) -> None:
    put(cache, a_head(3))
    assert is_whole(redis, a_head(3))
    assert {key: redis.type(key) for key in redis.scan_iter()} == dict(
        zip(OURS, ("string", "hash", "string", "stream"), strict=True)
    )
    for key in (CURRENT, FIELDS):
        assert 90 < redis.ttl(key) <= 100
    assert redis.ttl(CHANGES) == -1


def test_that_somebody_vouches_for_it_is_there_for_15_s_after_each_reading_of_the_database(
    redis: Redis, cache: RedisPolicyCache
) -> None:
    cache.put(a_head(3), confirmed_at=CLOCK.monotonic() - 5, ttl_s=100.0)
    assert 0 < redis.pttl(CONFIRMED) <= 10_000
    seconds, microseconds = redis.time()
    age_ms = seconds * 1000 + microseconds // 1000 - int(redis.hgetall(FIELDS)["confirmed_at_ms"])
    assert age_ms >= 5_000


def test_the_stream_has_one_entry_for_each_change_and_forgets_the_oldest(redis: Redis, cache: RedisPolicyCache) -> None:
    for version in range(1, 1201):
        put(cache, a_head(version))
        if version == 1:
            put(cache, a_head(version))
    assert 1000 <= redis.xlen(CHANGES) < 1200
    newest, before = newest_changes(redis, 2)
    assert (newest["version"], before["version"]) == ("1200", "1199")
    assert newest["epoch"] == str(EPOCH)
    assert (newest["risk_mode"], newest["trading_state"]) == ("NORMAL", "ACTIVE")
    assert newest["at"] == "2025-11-30T10:30:00.000000Z"
    policy = a_head(1200).policy
    assert policy is not None
    assert newest["etag"] == policy.etag


def test_another_prefix_is_another_policy(valkey_url: str, redis: Redis, cache: RedisPolicyCache) -> None:
    put(cache, a_head(3))
    other = RedisPolicyCache(valkey_url, CLOCK, prefix="{desk}:")
    assert other.get() is None
    put(other, a_head(1))
    other.close()
    assert is_whole(redis, a_head(3))
    assert redis.exists("{desk}:policy:current")


@pytest.mark.parametrize("key", OURS)
def test_a_key_of_ours_with_another_kind_of_value_is_reported_and_written_anew(
    redis: Redis, cache: RedisPolicyCache, key: str
) -> None:
    put(cache, a_head(3))
    redis.delete(key)
    redis.sadd(key, "not ours")
    assert put(cache, a_head(3)).mended == (f"{key} (set)",)
    assert is_whole(redis, a_head(3))
    assert put(cache, a_head(3)) == Put(before=Before.SAME, ref=PolicyRef(EPOCH, 3))


def test_keys_of_others_are_never_touched(redis: Redis, cache: RedisPolicyCache) -> None:
    others = {"msc:policy": "a", "msc:policy:current:": "b", "policy:current": "c", "MSC:policy:current": "d"}
    redis.mset(others)
    redis.sadd(CURRENT, "not ours")
    put(cache, a_head(3))
    put(cache, a_head(4))
    assert redis.mget(list(others)) == list(others.values())
    assert redis.dbsize() == len(others) + len(OURS)


GARBAGE = {
    "words": "not json",
    "nothing": "null",
    "a number": "17",
    "cut off": text_of(a_head(3))[:-20],
    "no reference": text_of(a_head(3), ref=None),
    "words for numbers": text_of(a_head(3), ref={"epoch": "7", "version": "3", "etag": "x"}),
    "no schema": text_of(a_head(3), schema=None),
    "other limits": text_of(a_head(3), max_risk_per_trade=0.5),
    "an etag of its own": text_of(a_head(3), ref={"epoch": EPOCH, "version": 3, "etag": '"made up"'}),
    "a version made up": text_of(a_head(3), ref={"epoch": EPOCH, "version": 99, "etag": '"made up"'}),
    "an endless version": text_of(a_head(3)).replace('"version":3', '"version":1e999'),
    "very deep": "[" * 10_000,
    "very long": "x" * (1 << 21),
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_what_is_no_policy_is_not_read_and_is_reported_and_overwritten(
    redis: Redis, cache: RedisPolicyCache, garbage: str
) -> None:
    put(cache, a_head(3))
    redis.set(CURRENT, garbage)
    with pytest.raises(CacheError) as raised:
        cache.get()
    assert raised.value.fault is CacheFault.UNREADABLE
    assert put(cache, a_head(3)).before is Before.UNREADABLE
    assert is_whole(redis, a_head(3))
    assert put(cache, a_head(3)).before is Before.SAME


@pytest.mark.parametrize(
    ("field", "value"),
    [("version", "4"), ("version", ""), ("epoch", "x"), ("etag", '"other"')],
)
def test_flat_fields_that_were_changed_vouch_for_nothing_and_are_written_anew(
    redis: Redis, cache: RedisPolicyCache, field: str, value: str
) -> None:
    put(cache, a_head(3))
    redis.hset(FIELDS, field, value)
    with pytest.raises(CacheError, match="nobody vouches"):
        cache.get()
    assert put(cache, a_head(3)).before is Before.UNREADABLE
    assert is_whole(redis, a_head(3))


@pytest.mark.parametrize("mark", ["", "yesterday", "-1", "99999999999999"])
def test_a_mark_that_is_no_instant_or_one_of_the_future_vouches_for_nothing(
    redis: Redis, cache: RedisPolicyCache, mark: str
) -> None:
    put(cache, a_head(3))
    redis.hset(FIELDS, "confirmed_at_ms", mark)
    with pytest.raises(CacheError, match="nobody vouches"):
        cache.get()
    put(cache, a_head(3))
    found = cache.get()
    assert found is not None
    assert CLOCK.monotonic() - found.confirmed_at < 5


def test_an_older_policy_put_back_by_hand_is_found_and_overwritten(redis: Redis, cache: RedisPolicyCache) -> None:
    put(cache, a_head(3))
    redis.set(CURRENT, text_of(a_head(2)))
    assert put(cache, a_head(3)) == Put(before=Before.OLDER, ref=PolicyRef(EPOCH, 2))
    assert is_whole(redis, a_head(3))


def test_a_newer_policy_that_is_whole_is_left(redis: Redis, cache: RedisPolicyCache) -> None:
    put(cache, a_head(3))
    redis.set(CURRENT, text_of(a_head(9)))
    assert put(cache, a_head(3)) == Put(before=Before.NEWER, ref=PolicyRef(EPOCH, 9))
    assert redis.get(CURRENT) == text_of(a_head(9))


def test_other_content_that_is_whole_is_left_and_said_to_be_of_another_writer(
    redis: Redis, cache: RedisPolicyCache
) -> None:
    put(cache, a_head(3))
    other = text_of(a_head(3, content=a_content(RiskMode.AGGRESSIVE)))
    redis.set(CURRENT, other)
    assert put(cache, a_head(3)).before is Before.OTHER
    assert redis.get(CURRENT) == other


def test_the_policy_as_an_older_version_of_the_program_writes_it_is_recognised_and_replaced(
    redis: Redis, cache: RedisPolicyCache
) -> None:
    put(cache, a_head(3))
    redis.set(CURRENT, text_of(a_head(3), schema=SCHEMA - 1, max_leverage=20))
    with pytest.raises(CacheError, match="an older version of this program"):
        cache.get()
    assert put(cache, a_head(3)).before is Before.OUTDATED
    assert is_whole(redis, a_head(3))


def test_the_policy_as_a_newer_version_of_the_program_writes_it_is_left_and_vouched_for(
    redis: Redis, cache: RedisPolicyCache
) -> None:
    put(cache, a_head(3))
    newer = text_of(a_head(3), schema=SCHEMA + 1, max_leverage=20)
    redis.set(CURRENT, newer)
    redis.delete(CONFIRMED)
    assert put(cache, a_head(3)).before is Before.SAME
    assert (redis.get(CURRENT), redis.get(CONFIRMED)) == (newer, "7:3")
    with pytest.raises(CacheError, match="a newer version of this program"):
        cache.get()


@pytest.mark.parametrize(("version", "before"), [(2, Before.NEWER), (3, Before.OTHER), (4, Before.OLDER)])
def test_versions_of_the_program_tell_by_the_reference_whose_policy_is_newer(
    redis: Redis, cache: RedisPolicyCache, version: int, before: Before
) -> None:
    redis.set(CURRENT, text_of(a_head(3, content=a_content(RiskMode.AGGRESSIVE)), schema=SCHEMA + 1))
    assert put(cache, a_head(version)).before is before


def test_without_a_ttl_of_its_own_the_policy_gets_one_again(redis: Redis, cache: RedisPolicyCache) -> None:
    put(cache, a_head(3))
    for key in (CURRENT, FIELDS):
        redis.persist(key)
    put(cache, a_head(3))
    assert all(0 < redis.ttl(key) <= 100 for key in (CURRENT, FIELDS))


def test_what_was_flushed_is_put_back_and_told_again(redis: Redis, cache: RedisPolicyCache) -> None:
    put(cache, a_head(3))
    redis.flushall()
    assert cache.get() is None
    assert put(cache, a_head(3)).before is Before.NOTHING
    assert is_whole(redis, a_head(3))
    assert redis.xlen(CHANGES) == 1
