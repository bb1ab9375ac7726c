"""The day's trades of one account, divided among its executors."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from loop_builders import policy

from msc_client import Policy, PolicyView, Tier
from msc_loop.share import ShareOfDay


def view_of(made: Policy) -> PolicyView:
    return PolicyView(policy=made, tier=Tier.FRESH, ref=made.ref, as_of_ns=1, entries_until_ns=None)


class Source:
    """A policy source that is set by hand."""

    def __init__(self, made: Policy) -> None:
        self.view = view_of(made)
        self.callbacks: list[Callable[[PolicyView], None]] = []

    def current(self) -> PolicyView:
        return self.view

    def now_ns(self) -> int:
        return 42

    def subscribe(self, callback: Callable[[PolicyView], None]) -> Callable[[], None]:
        self.callbacks.append(callback)
        return lambda: self.callbacks.remove(callback)


@pytest.mark.parametrize(("limit", "executors", "share"), [(30, 1, 30), (30, 3, 10), (10, 3, 3), (2, 3, 0), (0, 3, 0)])
def test_shares_are_rounded_down_so_that_their_sum_fits(limit: int, executors: int, share: int) -> None:
    source = ShareOfDay(Source(policy(max_daily_trades=limit)), executors=executors)

    assert source.current().policy.max_daily_trades == share
    assert share * executors <= limit


def test_everything_else_is_the_authority_s_word() -> None:
    inner = Source(policy())
    view = ShareOfDay(inner, executors=2).current()

    assert (view.ref, view.tier, view.as_of_ns) == (inner.view.ref, inner.view.tier, inner.view.as_of_ns)
    assert view.policy.max_positions == inner.view.policy.max_positions
    assert view.policy.allowed_strategies == inner.view.policy.allowed_strategies


def test_the_same_view_stays_the_same_and_a_new_one_is_seen_at_once() -> None:
    inner = Source(policy(1))
    source = ShareOfDay(inner, executors=2)
    first = source.current()

    assert source.current() is first

    inner.view = view_of(policy(2, max_daily_trades=8))
    assert (source.current().ref, source.current().policy.max_daily_trades) == (inner.view.ref, 4)


def test_who_subscribes_is_told_of_the_share() -> None:
    inner, heard = Source(policy()), list[PolicyView]()
    source = ShareOfDay(inner, executors=3)
    end = source.subscribe(heard.append)

    inner.callbacks[0](inner.view)
    end()

    assert [view.policy.max_daily_trades for view in heard] == [10]
    assert inner.callbacks == []
    assert source.now_ns() == 42
