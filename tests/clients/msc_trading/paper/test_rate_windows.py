"""Rate limits, and tickets to the private stream."""

from __future__ import annotations

from datetime import timedelta

import pytest
from paper_builders import NOON

from msc_trading.paper import RateLimits
from msc_trading.paper.engine import Rejected
from msc_trading.paper.http.limits import Limiter
from msc_trading.paper.http.listen_keys import ListenKeys

LIMITS = RateLimits(
    weight_per_minute=10, orders_per_minute=5, orders_per_10s=3, tolerated_while_limited=2, longest_ban_s=300
)
HERE = "127.0.0.1"


def later(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def test_weight_adds_up_within_a_minute_of_each_address() -> None:
    limiter = Limiter(LIMITS)

    assert limiter.charge(HERE, 4, NOON) == (4, None)
    assert limiter.charge(HERE, 6, NOON + later(59)) == (10, None)
    assert limiter.charge("127.0.0.2", 1, NOON + later(59)) == (1, None)
    assert limiter.charge(HERE, 3, NOON + later(60)) == (3, None)


def test_too_much_is_answered_429_until_the_minute_is_over() -> None:
    limiter = Limiter(LIMITS)
    limiter.charge(HERE, 10, NOON)

    _, refusal = limiter.charge(HERE, 1, NOON + later(20))

    assert refusal is not None
    assert (refusal.status, refusal.wait_s) == (429, 40)
    assert limiter.charge(HERE, 1, NOON + later(60))[1] is None


def test_going_on_is_answered_418_and_each_ban_is_twice_as_long() -> None:
    limiter = Limiter(LIMITS)
    waits = []
    now = NOON
    for _ in range(3):
        for _ in range(3):
            limiter.charge(HERE, 11, now)
        _, refusal = limiter.charge(HERE, 11, now)
        assert refusal is not None
        assert refusal.status == 418
        waits.append(refusal.wait_s)
        now = refusal.until

    assert waits == [120, 240, 300]
    assert limiter.refused[418] == 6


def test_a_banned_address_stays_out_in_the_next_minutes() -> None:
    limiter = Limiter(LIMITS)
    for _ in range(3):
        limiter.charge(HERE, 11, NOON)

    _, refusal = limiter.charge(HERE, 1, NOON + later(119))
    assert refusal is not None
    assert limiter.charge(HERE, 1, NOON + later(120))[1] is None


def test_orders_are_counted_in_ten_seconds_and_in_a_minute() -> None:
    limiter = Limiter(LIMITS)
    for _ in range(3):
        limiter.order(NOON)
        limiter.count_order(NOON)
    assert limiter.order_counts() == (3, 3)

    with pytest.raises(Rejected) as refused:
        limiter.order(NOON)
    assert (refused.value.code, refused.value.status) == (-1015, 429)

    for _ in range(2):
        limiter.order(NOON + later(10))
        limiter.count_order(NOON + later(10))
    with pytest.raises(Rejected) as refused:
        limiter.order(NOON + later(20))
    assert "1 MINUTE" in refused.value.message
    limiter.order(NOON + later(60))


class TestListenKeys:
    def test_a_live_one_is_given_again_with_a_new_life(self) -> None:
        keys = ListenKeys(seed=1, life_s=3600.0)

        first = keys.issue("k", 0.0)
        again = keys.issue("k", 3000.0)

        assert first == again
        assert keys.expired(3600.0) == []
        assert keys.expired(6600.0) == [first]

    def test_after_its_end_another_one_is_given(self) -> None:
        keys = ListenKeys(seed=1, life_s=3600.0)
        first = keys.issue("k", 0.0)

        assert keys.expire_all() == [first]

        assert not keys.is_live(first)
        assert keys.issue("k", 0.0) != first

    def test_each_api_key_has_its_own(self) -> None:
        keys = ListenKeys(seed=1, life_s=3600.0)

        assert keys.issue("k", 0.0) != keys.issue("other", 0.0)
        keys.close("k")
        assert len(keys) == 1

    def test_renewing_what_is_not_there_is_refused(self) -> None:
        keys = ListenKeys(seed=1, life_s=3600.0)

        with pytest.raises(Rejected) as refused:
            keys.renew("k", 0.0)

        assert refused.value.code == -1125
        keys.issue("k", 0.0)
        keys.renew("k", 3000.0)
        assert keys.expired(3600.0) == []

    def test_they_are_the_same_for_the_same_seed(self) -> None:
        assert ListenKeys(1, 1.0).issue("k", 0.0) == ListenKeys(1, 1.0).issue("k", 0.0)
        assert ListenKeys(1, 1.0).issue("k", 0.0) != ListenKeys(2, 1.0).issue("k", 0.0)
