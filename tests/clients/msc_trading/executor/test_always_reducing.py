"""Whatever is wrong, an exit goes through; and whatever is unknown, nothing is entered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from executor_world import World, run

from msc_client.facts import Execution
from msc_client.policy import TradingState
from msc_client.testing import make_policy
from msc_client.tier import Tier
from msc_trading.executor.errors import StateUnwritable
from msc_trading.guard import GuardConfig, KillState
from msc_trading.venue.port import OrderRefused, OrderRequest, OrderState, RateLimited, VenueUnavailable


def halted(world: World) -> None:
    world.policies.set(make_policy(2, trading_state=TradingState.HALTED))


def reducing(world: World) -> None:
    world.policies.set(make_policy(2, trading_state=TradingState.REDUCING))


def stale(world: World) -> None:
    world.policies.set(make_policy(), Tier.STALE)


def expired(world: World) -> None:
    world.policies.set(make_policy(), Tier.SAFE_EXPIRED, entries_until_ns=0)


def missing(world: World) -> None:
    world.policies.set(None, Tier.SAFE_NONE)


def benched(world: World) -> None:
    world.policies.set(make_policy(2, strategies=("MOMENTUM_002",)))


def killed(world: World) -> None:
    world.executor.kill = KillState(account=TradingState.HALTED)


def no_journal(world: World) -> None:
    world.journal.full = True
    world.journal.durable = False


def no_clock(world: World) -> None:
    world.venue.offset_s = None


def far_clock(world: World) -> None:
    world.venue.offset_s = -1.5


def no_account(world: World) -> None:
    world.venue.fail("positions", VenueUnavailable("down"), times=1000)
    world.venue.fail("balance", VenueUnavailable("down"), times=1000)
    world.time.advance(61)


def at_the_limits(world: World) -> None:
    world.policies.set(make_policy(2, max_positions=1, max_daily_trades=1))


def locked(world: World) -> None:
    world.executor.locks = {"BTCUSDT": None, "ETHUSDT": world.time.now() + timedelta(hours=1)}


REASONS: dict[Callable[[World], None], set[str]] = {
    halted: {"TRADING_HALTED"},
    reducing: {"TRADING_REDUCING"},
    expired: {"POLICY_EXPIRED"},
    missing: {"STRATEGY_NOT_ALLOWED"},
    benched: {"STRATEGY_NOT_ALLOWED"},
    killed: {"TRADING_HALTED"},
    no_journal: {"JOURNAL_UNAVAILABLE"},
    no_clock: {"CLOCK_OFFSET"},
    far_clock: {"CLOCK_OFFSET"},
    no_account: {"POSITIONS_UNKNOWN", "EQUITY_UNKNOWN", "VENUE_UNAVAILABLE"},
    at_the_limits: {"ORCHESTRATOR"},
    locked: {"SYMBOL_LOCKED"},
}


@pytest.mark.parametrize("trouble", [*REASONS, stale], ids=lambda trouble: trouble.__name__)
def test_an_exit_goes_through(tmp_path: Path, trouble: Callable[[World], None]) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        signal = await world.opened()
        trouble(world)
        world.send(world.exit(signal))
        await world.until(lambda: not world.venue.held)
        assert all(order.reduce_only for order in world.venue.asked[1:])
        world.journal.full, world.journal.durable = False, True
        await world.until(lambda: len(world.journal.trades) == 1)
        world.check_equal_to_venue()
        await world.stop()

    run(story)


@pytest.mark.parametrize("trouble", REASONS, ids=lambda trouble: trouble.__name__)
def test_nothing_is_entered(tmp_path: Path, trouble: Callable[[World], None]) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        await world.opened()
        trouble(world)
        world.send(world.entry(symbol="ETHUSDT"))
        await world.until(lambda: bool(world.executor.status().blocks))
        ((_, reason),) = world.executor.status().blocks
        assert reason in REASONS[trouble]
        assert len(world.venue.asked) == 1
        await world.stop()

    run(story)


def test_with_a_stale_policy_trading_goes_on_by_the_last_known_one(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        stale(world)
        await world.opened()
        await world.finish()

    run(story)


def test_a_stop_is_placed_and_taken_away_whatever_the_policy_says(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        world.venue.instant = False
        await world.ready()
        world.send(world.entry())
        await world.until(lambda: len(world.venue.asked) == 1)
        halted(world)
        world.venue.match(world.venue.asked[0].client_order_id)
        await world.until(lambda: len(world.venue.stops) == 1)
        await world.stop()

    run(story)


def test_an_exit_smaller_than_the_venues_smallest_entry_goes_through(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        world.venue.wallet = Decimal(6)
        world.policies.set(make_policy(max_risk_per_trade=0.5))
        await world.ready()
        signal = await world.opened(symbol="ETHUSDT", stop=2000)
        world.venue.set_price("ETHUSDT", 2400)
        assert world.venue.held["ETHUSDT"][0] * 2400 < 5
        world.send(world.exit(signal))
        await world.until(lambda: not world.venue.held)
        await world.finish()

    run(story)


@pytest.mark.parametrize(
    "error",
    [
        OrderRefused("busy", code=-1015),
        OrderRefused("service unavailable", code=0),
        RateLimited("too many", code=-1003, retry_after_s=3),
    ],
)
def test_an_exit_that_is_refused_is_tried_again_until_it_is_flat(tmp_path: Path, error: Exception) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        signal = await world.opened()
        world.venue.fail("place", error, times=3)
        world.send(world.exit(signal))
        await world.until(lambda: not world.venue.held)
        names = [order.client_order_id for order in world.venue.entries_of(reduce_only=True)]
        assert len(names) == len(set(names)) == 1
        assert sum(1 for fact in world.journal.executions if fact.status == "REJECTED") == 3
        await world.finish()

    run(story)


def test_an_exit_that_the_guard_holds_up_is_asked_for_again(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        world.guard_config = GuardConfig(max_order_notional=Decimal(1_000_000), reduce_orders_per_10s=1)
        await world.ready()
        first, second = await world.opened(), await world.opened(symbol="ETHUSDT")
        world.send(world.exit(first))
        world.send(world.exit(second))
        await world.until(lambda: not world.venue.held)
        await world.finish()

    run(story)


def test_an_exit_of_a_position_that_a_stop_has_just_closed_ends_without_an_order(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        signal = await world.opened()
        world.venue.tells = lambda event: False
        world.venue.set_price("BTCUSDT", 48_900)
        world.send(world.exit(signal))
        await world.until(lambda: len(world.journal.trades) == 1)
        assert world.venue.entries_of(reduce_only=True) == []
        world.check_equal_to_venue()
        await world.finish()

    run(story)


def test_an_order_that_cannot_be_written_down_is_not_sent_unless_it_reduces(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        signal = await world.opened()
        state = world.executor._parts.state

        def refuse(*_: object, **__: object) -> None:
            raise StateUnwritable("disk full")

        append, state._append = state._append, refuse  # type: ignore[method-assign]  # the disk is the seam
        world.send(world.entry(symbol="ETHUSDT"))
        await world.until(lambda: world.blocks("STATE_UNWRITABLE") == 1)
        assert world.guard.live() == ()
        world.send(world.exit(signal))
        await world.until(lambda: not world.venue.held and not world.venue.stops)
        state._append = append  # type: ignore[method-assign]  # the disk is back
        world.check_equal_to_venue()
        await world.finish()

    run(story)


def test_facts_that_the_journal_did_not_take_are_written_in_order_once_it_does(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        signal = await world.opened()
        before = len(world.journal.facts)
        world.journal.full = True
        world.send(world.exit(signal))
        await world.until(lambda: not world.venue.held and not world.venue.stops)
        assert world.executor.status().waiting_facts > 0
        world.journal.full = False
        await world.until(lambda: world.executor.status().waiting_facts == 0)
        later = [fact.status for fact in world.journal.facts[before:] if isinstance(fact, Execution)]
        assert later == ["NEW", "FILLED", "CANCELED"]
        world.check_equal_to_venue()
        await world.finish()

    run(story)


def test_only_what_the_venue_holds_to_reducing_is_ever_sent_to_reduce(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        place = world.venue.place
        reduces: list[bool] = []

        async def watching(order: OrderRequest) -> OrderState:
            held = world.venue.held.get(order.symbol, (Decimal(0), Decimal(0)))[0]
            if held:
                reduces.append(order.reduce_only)
            return await place(order)

        world.venue.place = watching  # type: ignore[method-assign]  # the seam is the point
        signal = await world.opened()
        world.send(world.exit(signal))
        await world.until(lambda: not world.venue.held and not world.venue.stops)
        assert reduces == [True]
        await world.finish()

    run(story)
