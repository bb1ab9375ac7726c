"""Ages that are measured across two clocks, one of which may jump."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msc_live import EPOCH

from msc_authority.adapters.redis.times import Mark, Times, Witness
from msc_authority.core.policy import PolicyRef

HOUR_MS = 3_600_000
NOW_MS = 1_800_000_000_000
seconds = st.floats(0, 100, allow_nan=False)


def a_mark(at_ms: int = NOW_MS, version: int = 1) -> Mark:
    return Mark(ref=PolicyRef(EPOCH, version), etag=f'"{version}"', at_ms=at_ms)


@given(read_at=seconds, answered_after=seconds, way_back=seconds, read_before=seconds)
def test_an_instant_told_to_redis_is_never_later_than_it_was(
    read_at: float, answered_after: float, way_back: float, read_before: float
) -> None:
    # Our clock began when Redis' said NOW_MS; its answer was on the way for a while.
    answered = read_at + answered_after
    times = Times(redis_ms=NOW_MS + int(answered * 1000), arrived=answered + way_back)
    assert times.on_redis(read_at - read_before) <= NOW_MS + (read_at - read_before) * 1000


@given(way_there=seconds, age=seconds)
def test_an_age_told_by_redis_is_never_shorter_than_it_is(way_there: float, age: float) -> None:
    # Redis answers `way_there` after it was asked, which is when the age is what it says.
    made_at = Witness().made_at(a_mark(NOW_MS - int(age * 1000)), now_ms=NOW_MS, asked=500.0)
    assert made_at is not None
    assert made_at <= 500.0 + way_there - age + 0.001


def test_a_mark_does_not_grow_younger_when_the_clock_of_redis_is_set_back() -> None:
    witness = Witness()
    assert witness.made_at(a_mark(), now_ms=NOW_MS + 10_000, asked=100.0) == 90.0
    assert witness.made_at(a_mark(), now_ms=NOW_MS + 2_000, asked=101.0) == 90.0
    assert witness.made_at(a_mark(), now_ms=NOW_MS - HOUR_MS, asked=102.0) == 90.0


def test_it_grows_older_when_the_clock_is_set_forward_for_nobody_can_tell() -> None:
    witness = Witness()
    witness.made_at(a_mark(), now_ms=NOW_MS + 1_000, asked=100.0)
    assert witness.made_at(a_mark(), now_ms=NOW_MS + HOUR_MS, asked=101.0) == 101.0 - 3600.0


def test_of_a_mark_from_the_future_nobody_can_tell_how_old_it_is() -> None:
    witness = Witness()
    witness.made_at(a_mark(version=1), now_ms=NOW_MS, asked=100.0)
    assert witness.made_at(a_mark(version=2), now_ms=NOW_MS - 1, asked=100.0) is None


def test_another_mark_begins_anew() -> None:
    witness = Witness()
    witness.made_at(a_mark(NOW_MS), now_ms=NOW_MS + 9_000, asked=100.0)
    assert witness.made_at(a_mark(NOW_MS + 9_500), now_ms=NOW_MS + 10_000, asked=101.0) == 100.5
