"""The budget of requests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msc_trading.venue.port import RateLimited
from msc_trading.venue.rate_limits import (
    ORDERS_1M,
    ORDERS_10S,
    WEIGHT_1M,
    Lane,
    Limit,
    RateBudget,
    limits_from,
)
from msc_trading.venue.wire import Malformed

WEIGHT = Limit(header="X-MBX-USED-WEIGHT-1M", window_ms=60_000, most=100, counts_orders=False)
ORDERS = Limit(header="X-MBX-ORDER-COUNT-10S", window_ms=10_000, most=10, counts_orders=True)


class Meter:
    """A budget with its clock in one hand."""

    def __init__(self, *, scale: float = 1.0) -> None:
        self.budget = RateBudget(time_scale=scale)
        self.budget.follow((WEIGHT, ORDERS))
        self.venue_ms = 1_700_000_040_000
        self.monotonic = 0.0

    def spend(self, lane: Lane, *, weight: int = 0, orders: int = 0) -> None:
        self.budget.spend(lane, weight=weight, orders=orders, venue_ms=self.venue_ms, monotonic=self.monotonic)

    def orders_until_refused(self, lane: Lane) -> int:
        for count in range(1000):
            try:
                self.spend(lane, orders=1)
            except RateLimited:
                return count
        raise AssertionError("never refused")


def test_entries_stop_while_reducing_orders_go_on() -> None:
    meter = Meter()

    entries = meter.orders_until_refused(Lane.ENTRY)
    reduces = meter.orders_until_refused(Lane.SETTLE)

    assert (entries, reduces) == (6, 4)


def test_routine_queries_stop_before_those_that_settle() -> None:
    meter = Meter()
    meter.spend(Lane.QUERY, weight=80)

    with pytest.raises(RateLimited):
        meter.spend(Lane.QUERY, weight=1)
    meter.spend(Lane.SETTLE, weight=20)


@given(st.lists(st.tuples(st.sampled_from(list(Lane)), st.integers(0, 40), st.integers(0, 3)), max_size=60))
def test_no_mixture_of_requests_goes_over_a_limit(requests: list[tuple[Lane, int, int]]) -> None:
    meter, weights, orders = Meter(), 0, 0

    for lane, weight, count in requests:
        try:
            meter.spend(lane, weight=weight, orders=count)
        except RateLimited:
            continue
        weights, orders = weights + weight, orders + count

    assert weights <= WEIGHT.most
    assert orders <= ORDERS.most


def test_a_refusal_counts_nothing() -> None:
    meter = Meter()
    meter.spend(Lane.ENTRY, weight=50)

    with pytest.raises(RateLimited):
        meter.spend(Lane.ENTRY, weight=20, orders=1)

    assert meter.orders_until_refused(Lane.SETTLE) == ORDERS.most


def test_a_refusal_says_when_the_window_ends_in_local_seconds() -> None:
    meter = Meter(scale=10.0)
    meter.venue_ms += 4_000
    meter.orders_until_refused(Lane.ENTRY)

    with pytest.raises(RateLimited) as refused:
        meter.spend(Lane.ENTRY, orders=1)

    assert refused.value.retry_after_s == pytest.approx(0.6)


def test_a_new_window_starts_at_zero() -> None:
    meter = Meter()
    meter.orders_until_refused(Lane.SETTLE)

    meter.venue_ms += ORDERS.window_ms

    assert meter.orders_until_refused(Lane.SETTLE) == ORDERS.most


def test_what_others_on_the_address_used_is_seen_in_the_headers() -> None:
    meter = Meter()

    meter.budget.observe({"X-MBX-USED-WEIGHT-1M": "99"}, venue_ms=meter.venue_ms)

    with pytest.raises(RateLimited):
        meter.spend(Lane.SETTLE, weight=2)
    meter.spend(Lane.SETTLE, weight=1)


def test_a_lower_count_of_the_venue_does_not_forget_what_is_under_way() -> None:
    meter = Meter()
    meter.spend(Lane.SETTLE, weight=100)

    meter.budget.observe({"X-MBX-USED-WEIGHT-1M": "3"}, venue_ms=meter.venue_ms)

    with pytest.raises(RateLimited):
        meter.spend(Lane.SETTLE, weight=1)


@pytest.mark.parametrize("told", ["", "many", "-5", "1.5", "٣"])
def test_a_header_that_is_no_count_changes_nothing(told: str) -> None:
    meter = Meter()

    meter.budget.observe({"X-MBX-USED-WEIGHT-1M": told}, venue_ms=meter.venue_ms)

    meter.spend(Lane.SETTLE, weight=WEIGHT.most - 3)


def test_quiet_that_was_asked_for_is_kept_on_every_lane_until_it_is_over() -> None:
    meter = Meter()
    meter.budget.hold(30.0, monotonic=meter.monotonic)

    for lane in Lane:
        with pytest.raises(RateLimited) as refused:
            meter.spend(lane)
        assert refused.value.retry_after_s == 30.0
    meter.monotonic = 30.0
    meter.spend(Lane.ENTRY)


def test_a_shorter_quiet_does_not_end_a_longer_one() -> None:
    meter = Meter()
    meter.budget.hold(30.0, monotonic=0.0)
    meter.budget.hold(1.0, monotonic=0.0)
    meter.monotonic = 2.0

    with pytest.raises(RateLimited):
        meter.spend(Lane.SETTLE)


def test_after_too_many_orders_none_goes_out_in_the_window_but_cancels_do() -> None:
    meter = Meter()

    wait_s = meter.budget.exhaust_orders(venue_ms=meter.venue_ms)

    assert wait_s == 10.0
    assert meter.orders_until_refused(Lane.SETTLE) == 0
    meter.spend(Lane.SETTLE, weight=1)


def test_the_venues_limits_are_followed() -> None:
    limits = limits_from(
        {
            "rateLimits": [
                {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400},
                {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
                {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
                {"rateLimitType": "SOMETHING_NEW", "interval": "FORTNIGHT"},
            ]
        }
    )

    assert limits == (WEIGHT_1M, ORDERS_10S, ORDERS_1M)


@pytest.mark.parametrize(
    "wrong", [{"interval": "FORTNIGHT"}, {"limit": "many"}, {"intervalNum": None}, {"intervalNum": 0}, {"limit": 0}]
)
def test_a_limit_that_cannot_be_read_is_refused(wrong: dict[str, object]) -> None:
    row = {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300} | wrong

    with pytest.raises(Malformed):
        limits_from({"rateLimits": [row]})


def test_a_venue_without_limits_is_not_without_limits() -> None:
    budget = RateBudget(time_scale=1.0)

    budget.follow(())

    with pytest.raises(RateLimited):
        budget.spend(Lane.SETTLE, weight=WEIGHT_1M.most + 1, orders=0, venue_ms=0, monotonic=0.0)


def test_a_venue_that_announces_no_order_limits_can_still_say_that_there_were_too_many() -> None:
    budget = RateBudget(time_scale=1.0)
    budget.follow((WEIGHT,))

    assert budget.exhaust_orders(venue_ms=0) == 10.0
    with pytest.raises(RateLimited):
        budget.spend(Lane.SETTLE, weight=0, orders=1, venue_ms=0, monotonic=0.0)
    budget.spend(Lane.SETTLE, weight=WEIGHT.most, orders=0, venue_ms=0, monotonic=0.0)
