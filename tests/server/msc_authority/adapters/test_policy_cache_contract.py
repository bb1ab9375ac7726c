"""What every cache of the policy promises, in memory and on a real Valkey."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msc_builders import START, a_content
from msc_live import EPOCH, a_head, until

from msc_authority.adapters.clock import SystemClock
from msc_authority.adapters.memory_cache import MemoryPolicyCache
from msc_authority.adapters.redis.cache import RedisPolicyCache
from msc_authority.core.policy import PolicyRef, RiskMode
from msc_authority.ports.cache import Before, CacheError, CacheFault, PolicyCache, Put
from msc_authority.ports.policies import Head

TTL_S = 100.0
CLOCK = SystemClock()
MakeCache: TypeAlias = Callable[[], PolicyCache]


@pytest.fixture(params=["memory", "redis"])
def make_cache(request: pytest.FixtureRequest) -> Iterator[MakeCache]:
    """Makes caches that share one thing, which is empty: one for each authority."""
    if request.param == "memory":
        shared = MemoryPolicyCache(CLOCK)
        yield lambda: shared
        return
    url, opened = request.getfixturevalue("valkey_url"), list[RedisPolicyCache]()

    def make() -> PolicyCache:
        opened.append(RedisPolicyCache(url, CLOCK))
        return opened[-1]

    yield make
    for cache in opened:
        cache.close()


@pytest.fixture
def cache(make_cache: MakeCache) -> PolicyCache:
    return make_cache()


def put(cache: PolicyCache, head: Head, *, ago_s: float = 0.0, ttl_s: float = TTL_S) -> Put:
    """Puts a head that was read in the database so long ago."""
    return cache.put(head, confirmed_at=CLOCK.monotonic() - ago_s, ttl_s=ttl_s)


def held(cache: PolicyCache) -> Head:
    found = cache.get()
    assert found is not None
    return found.head


def age_s(cache: PolicyCache) -> float:
    found = cache.get()
    assert found is not None
    return CLOCK.monotonic() - found.confirmed_at


def evaluated(head: Head, minutes: float) -> Head:
    return replace(head, evaluated_at=START + timedelta(minutes=minutes))


def test_a_new_one_has_nothing(cache: PolicyCache) -> None:
    assert cache.get() is None


def test_what_one_authority_put_another_reads_to_the_last_bit(make_cache: MakeCache) -> None:
    content = a_content(RiskMode.AGGRESSIVE, author="ä “quoted” \U0001f680")
    put(make_cache(), a_head(3, content=content))
    assert held(make_cache()) == a_head(3, content=content)


def test_a_policy_that_no_evaluation_confirmed_comes_back_as_that(cache: PolicyCache) -> None:
    head = replace(a_head(1), evaluated_at=None)
    assert put(cache, head).before is Before.NOTHING
    assert put(cache, head).before is Before.SAME
    assert held(cache) == head


def test_a_reading_is_never_told_younger_than_it_is(make_cache: MakeCache) -> None:
    put(make_cache(), a_head(1), ago_s=5.0)
    assert age_s(make_cache()) >= 5.0


def test_each_reading_of_the_database_makes_it_younger_and_none_older(cache: PolicyCache) -> None:
    put(cache, a_head(1), ago_s=9.0)
    put(cache, a_head(1), ago_s=3.0)
    put(cache, a_head(1), ago_s=6.0)
    assert 3.0 <= age_s(cache) < 6.0


@pytest.mark.parametrize("older", [a_head(1), a_head(2, epoch=EPOCH - 1), a_head(9, epoch=EPOCH - 1)])
def test_an_older_writer_never_overwrites_a_newer_policy_nor_vouches_for_it(cache: PolicyCache, older: Head) -> None:
    put(cache, a_head(2), ago_s=5.0)
    outcome = put(cache, older)
    assert (outcome.before, outcome.ref, outcome.kept) == (Before.NEWER, PolicyRef(EPOCH, 2), False)
    assert held(cache) == a_head(2)
    assert age_s(cache) >= 5.0


@pytest.mark.parametrize("newer", [a_head(2), a_head(7), a_head(1, epoch=EPOCH + 1)])
def test_a_newer_policy_takes_the_place_of_an_older_one(cache: PolicyCache, newer: Head) -> None:
    put(cache, a_head(1))
    outcome = put(cache, newer)
    assert (outcome.before, outcome.ref, outcome.kept) == (Before.OLDER, PolicyRef(EPOCH, 1), True)
    assert held(cache) == newer


def test_the_same_reference_with_other_content_is_refused(cache: PolicyCache) -> None:
    put(cache, a_head(1), ago_s=5.0)
    outcome = put(cache, a_head(1, content=a_content(RiskMode.DEFENSIVE)))
    assert (outcome.before, outcome.kept) == (Before.OTHER, False)
    assert held(cache) == a_head(1)
    assert age_s(cache) >= 5.0


def test_an_evaluation_that_confirms_the_policy_renews_it(cache: PolicyCache) -> None:
    put(cache, evaluated(a_head(1), 0))
    assert put(cache, evaluated(a_head(1), 30)).before is Before.SAME
    assert held(cache) == evaluated(a_head(1), 30)


def test_of_two_readings_of_the_evaluation_the_later_is_right(cache: PolicyCache) -> None:
    put(cache, evaluated(a_head(1), 30), ago_s=1.0)
    put(cache, evaluated(a_head(1), 0), ago_s=2.0)
    assert held(cache) == evaluated(a_head(1), 30)
    put(cache, evaluated(a_head(1), 15), ago_s=0.0)
    assert held(cache) == evaluated(a_head(1), 15)


@pytest.mark.parametrize("before", [None, a_head(1)])
def test_what_was_read_too_long_ago_is_not_kept(cache: PolicyCache, before: Head | None) -> None:
    if before is not None:
        put(cache, before)
    with pytest.raises(CacheError) as raised:
        put(cache, a_head(2), ago_s=15.1)
    assert raised.value.fault is CacheFault.SLOW
    found = cache.get()
    assert (found.head if found else None) == before


async def test_it_is_kept_as_long_as_it_is_valid_and_a_renewal_keeps_it_longer(cache: PolicyCache) -> None:
    put(cache, a_head(1), ttl_s=0.02)
    put(cache, a_head(1), ttl_s=0.5)
    put(cache, a_head(1), ttl_s=0.02)
    began = CLOCK.monotonic()
    await until(lambda: cache.get() is None)
    assert CLOCK.monotonic() - began > 0.3


def test_before_the_first_policy_there_is_nothing_to_put(cache: PolicyCache) -> None:
    with pytest.raises(ValueError, match="nothing to keep"):
        put(cache, a_head(0))


async def test_each_new_policy_is_told_once_to_whoever_listens(make_cache: MakeCache) -> None:
    one, other, heard = make_cache(), make_cache(), list[PolicyRef | None]()
    put(one, a_head(1))
    other.listen(heard.append)
    await until(lambda: heard != [] or isinstance(other, MemoryPolicyCache))
    for version in (1, 2, 2, 1, 5):
        put(one, a_head(version))
    await until(lambda: PolicyRef(EPOCH, 5) in heard)
    assert [ref.version for ref in heard if ref] == [2, 5]


async def test_closed_it_tells_nobody_and_closing_twice_is_fine(make_cache: MakeCache) -> None:
    cache, heard = make_cache(), list[PolicyRef | None]()
    cache.listen(heard.append)
    await until(lambda: heard != [] or isinstance(cache, MemoryPolicyCache))
    cache.close()
    cache.close()
    told = list(heard)
    put(make_cache(), a_head(1))
    assert heard == told


LINEAGES = itertools.count(EPOCH, 10)
Step: TypeAlias = tuple[int, int, int, bool]
STEPS = st.tuples(st.integers(0, 2), st.integers(1, 4), st.integers(0, 1), st.booleans())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=12))
def test_whatever_two_writers_put_in_whatever_order_it_only_ever_moves_on(
    make_cache: MakeCache, cache: PolicyCache, steps: list[Step]
) -> None:
    other, floor = make_cache(), PolicyRef(0, 0)
    # What an example left is older than anything in the next one.
    lineage = next(LINEAGES)
    contents = (a_content(), a_content(RiskMode.DEFENSIVE))
    for epoch, version, content, first in steps:
        before = cache.get()
        offered = a_head(version, lineage + epoch, contents[content])
        outcome = put(cache if first else other, offered)
        after = held(cache)
        floor = max(floor, after.ref)
        assert after.ref == floor
        assert after == (offered if outcome.kept else before and before.head)
