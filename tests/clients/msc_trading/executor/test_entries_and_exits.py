"""From signal to protected position to flat, and what stands in the way."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from executor_world import World, run

from msc_client.facts import Direction, Side
from msc_client.policy import StrategyGrant, StrategyState
from msc_client.testing import make_policy
from msc_trading.executor import Purpose, order_id
from msc_trading.orchestrator import Volatility
from msc_trading.venue.port import OrderRefused, OrderType, RateLimited, VenueUnavailable


@pytest.mark.parametrize("direction", list(Direction))
def test_a_signal_becomes_a_protected_position_and_an_exit_closes_it(tmp_path: Path, direction: Direction) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        signal = await world.opened(direction=direction)
        (stop,) = world.venue.stops.values()
        assert stop.trigger_price == signal.stop_price
        assert stop.side is (Side.SELL if direction is Direction.LONG else Side.BUY)
        world.time.advance(1)
        world.send(world.exit(signal))
        await world.until(lambda: len(world.journal.trades) == 1 and not world.venue.stops)
        (trade,) = world.journal.trades.values()
        assert (trade.strategy_id, trade.direction, trade.policy_version) == ("TREND_001", direction, 1)
        assert trade.net_pnl == trade.gross_pnl - trade.fees == -sum(fill.fee for fill in world.venue.trades)
        (entered,), (left,) = world.venue.entries_of(), world.venue.entries_of(reduce_only=True)
        assert entered.quantity == left.quantity
        world.check_equal_to_venue()
        await world.finish()

    run(story)


def test_orders_are_named_after_executor_and_signal(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        signal = await world.opened(signal_id="S/1:ü")
        (order,) = world.venue.entries_of()
        assert order.client_order_id == order_id("ex-1", "S/1:ü", Purpose.ENTRY)
        assert list(world.venue.stops) == [order_id("ex-1", signal.signal_id, Purpose.STOP)]
        await world.finish()

    run(story)


def test_a_stop_that_is_reached_closes_the_trade(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        await world.opened()
        world.time.advance(5)
        world.venue.set_price("BTCUSDT", 48_900)
        await world.until(lambda: len(world.journal.trades) == 1)
        (trade,) = world.journal.trades.values()
        assert trade.strategy_id == "TREND_001"
        assert trade.exit_price == 48_900
        assert trade.net_pnl < -75
        await world.quiet()
        assert world.venue.entries_of(reduce_only=True) == []
        world.check_equal_to_venue()
        await world.finish()

    run(story)


def test_a_stop_whose_order_the_venue_names_otherwise_still_belongs_to_its_strategy(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        world.venue.names_stop_orders = False
        await world.ready()
        await world.opened()
        world.time.advance(5)
        world.venue.set_price("BTCUSDT", 48_900)
        await world.until(lambda: len(world.journal.trades) == 1)
        *_, last = world.journal.fills.values()
        assert (last.strategy_id, last.status, last.reduce_only) == ("TREND_001", "FILLED", True)
        await world.opened(symbol="ETHUSDT")
        await world.finish()

    run(story)


@pytest.mark.parametrize("code", [-2021, -4045, -1111])
def test_an_entry_whose_stop_is_refused_is_closed_at_market(tmp_path: Path, code: int) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        world.venue.fail("place_stop", OrderRefused("no", code=code))
        signal = world.send(world.entry())
        await world.until(lambda: len(world.journal.trades) == 1)
        (closing,) = world.venue.entries_of(reduce_only=True)
        assert closing.client_order_id == order_id("ex-1", signal.signal_id, Purpose.CLOSE)
        assert world.venue.held == {}
        statuses = [(fact.status, fact.reduce_only) for fact in world.journal.executions]
        assert statuses == [
            ("NEW", False),
            ("FILLED", False),
            ("REJECTED", True),
            ("NEW", True),
            ("FILLED", True),
        ]
        world.check_equal_to_venue()
        await world.finish()

    run(story)


def test_a_symbol_has_one_owner_at_a_time(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        signal = await world.opened(strategy_id="TREND_001")
        other = world.send(world.entry(strategy_id="MOMENTUM_002"))
        world.send(world.entry(strategy_id="TREND_001"))
        await world.until(lambda: world.blocks("SYMBOL_HELD") == 2)
        world.send(world.exit(other))
        await world.until(lambda: world.blocks("NOTHING_TO_EXIT") == 1)
        assert "BTCUSDT" in world.venue.held
        world.send(world.exit(signal))
        await world.until(lambda: not world.venue.stops)
        await world.opened(strategy_id="MOMENTUM_002")
        await world.finish()

    run(story)


def test_the_same_signal_leads_to_one_order(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        signal = world.entry()
        world.send(signal)
        world.send(signal)
        await world.until(lambda: world.blocks("DUPLICATE_SIGNAL") == 1)
        leave = world.exit(signal)
        world.send(leave)
        await world.until(lambda: not world.venue.held and not world.venue.stops)
        world.send(signal)
        await world.until(lambda: world.blocks("DUPLICATE_SIGNAL") == 2)
        world.send(leave)
        await world.until(lambda: world.blocks("DUPLICATE_SIGNAL") == 3)
        assert len(world.venue.asked) == 2
        await world.finish()

    run(story)


def test_an_exit_overtakes_the_entries_of_its_strategy_that_wait(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        world.venue.fail("open_orders", VenueUnavailable("down"), times=3)
        world.start()
        entry = world.send(world.entry())
        other = world.send(world.entry(strategy_id="MOMENTUM_002"))
        world.send(world.exit(entry))
        await world.until(lambda: world.blocks("SUPERSEDED_BY_EXIT") == 1)
        await world.until(lambda: len(world.venue.entries_of()) == 1)
        (order,) = world.venue.entries_of()
        assert order.client_order_id == order_id("ex-1", other.signal_id, Purpose.ENTRY)
        await world.finish()

    run(story)


def test_probation_and_high_volatility_make_an_entry_smaller(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        grant = StrategyGrant(strategy_id="TREND_001", state=StrategyState.PROBATION, risk_multiplier=0.25)
        world.policies.set(make_policy(strategy_grants=(grant, StrategyGrant(strategy_id="MOMENTUM_002"))))
        await world.ready()
        await world.opened(strategy_id="TREND_001")
        world.observe(Volatility.HIGH)
        await world.opened(strategy_id="MOMENTUM_002", symbol="ETHUSDT")
        risks = {symbol: trip.risk for symbol, trip in world.executor.status().positions.items()}
        # A quarter, and half, of 75; one step less at most.
        assert Decimal("17.7") < (risks["BTCUSDT"] or 0) <= Decimal("18.75")
        assert Decimal("37.4") < (risks["ETHUSDT"] or 0) <= Decimal("37.5")
        world.observe(Volatility.EXTREME)
        world.send(world.entry(symbol="ETHUSDT"))
        await world.until(lambda: world.blocks("ORCHESTRATOR") == 1)
        await world.finish()

    run(story)


def test_a_tight_stop_does_not_make_an_order_of_any_size(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        world.config = replace(world.config, max_order_notional=Decimal(15_000))
        await world.ready()
        await world.opened(stop="49999.9")
        await world.opened(symbol="ETHUSDT", stop="2999.9")
        notionals = [order.quantity * world.venue.mark[order.symbol] for order in world.venue.entries_of()]
        assert all(Decimal(14_000) < notional <= Decimal(15_000) for notional in notionals)
        await world.finish()

    run(story)


def test_an_account_too_small_for_the_venues_smallest_order_does_not_enter(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        world.venue.wallet = Decimal(10)
        await world.ready()
        world.send(world.entry())
        await world.until(lambda: world.blocks("SIZE_TOO_SMALL") == 1)
        assert world.venue.asked == []
        await world.finish()

    run(story)


def test_an_order_the_venue_refuses_frees_what_was_reserved(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        world.venue.fail("place", OrderRefused("Margin is insufficient.", code=-2019))
        world.send(world.entry())
        await world.until(lambda: any(fact.status == "REJECTED" for fact in world.journal.executions))
        (refused,) = [fact for fact in world.journal.executions if fact.status == "REJECTED"]
        assert refused.reason == "-2019: Margin is insufficient."
        assert world.guard.live() == ()
        await world.opened()
        await world.finish()

    run(story)


def test_a_venue_that_asks_for_quiet_gets_it_from_entries_and_not_from_exits(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        signal = await world.opened()
        world.venue.fail("place", RateLimited("too many", code=-1003, retry_after_s=5))
        world.send(world.entry(symbol="ETHUSDT"))
        await world.until(lambda: any(fact.status == "REJECTED" for fact in world.journal.executions))
        world.send(world.entry(symbol="ETHUSDT"))
        await world.until(lambda: world.blocks("RATE_LIMITED") == 1)
        world.send(world.exit(signal))
        await world.until(lambda: "BTCUSDT" not in world.venue.held)
        await world.quiet(6)
        await world.opened(symbol="ETHUSDT")
        await world.finish()

    run(story)


def test_a_market_order_that_is_only_accepted_is_protected_when_it_fills(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        world.venue.instant = False
        await world.ready()
        world.send(world.entry())
        await world.until(lambda: len(world.venue.asked) == 1)
        world.send(world.entry())
        await world.until(lambda: world.blocks("ENTRY_PENDING") == 1)
        (order,) = world.venue.asked
        world.venue.match(order.client_order_id, Decimal("0.010"))
        await world.until(lambda: len(world.venue.stops) == 1)
        world.venue.match(order.client_order_id)
        await world.until(lambda: world.executor.status().positions["BTCUSDT"].open_quantity == order.quantity)
        statuses = [fact.status for fact in world.journal.fills.values()]
        assert statuses == ["PARTIALLY_FILLED", "FILLED"]
        await world.until(lambda: world.guard.live() == ())
        await world.finish()

    run(story)


def test_an_exit_that_comes_while_the_entry_fills_waits_for_it_and_closes_all(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        world.venue.instant = False
        await world.ready()
        signal = world.send(world.entry())
        await world.until(lambda: len(world.venue.asked) == 1)
        world.send(world.exit(signal))
        await world.quiet(3)
        assert len(world.venue.asked) == 1
        world.venue.instant = True
        world.venue.match(world.venue.asked[0].client_order_id)
        await world.until(lambda: len(world.journal.trades) == 1)
        world.check_equal_to_venue()
        await world.finish()

    run(story)


def test_resting_entries_are_guarded_by_the_dead_mans_switch_and_taken_back_when_old(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        world.config = replace(world.config, entry_order=OrderType.LIMIT)
        await world.ready()
        world.send(world.entry())
        await world.until(lambda: world.venue.armed == [("BTCUSDT", 120.0)])
        await world.quiet(31)
        assert world.venue.armed == [("BTCUSDT", 120.0)] * 2
        await world.until(lambda: world.blocks("SIGNAL_EXPIRED") == 1, step_s=1)
        await world.until(lambda: world.venue.armed[-1] == ("BTCUSDT", 0.0))
        assert world.guard.live() == ()
        armed = len(world.venue.armed)
        await world.quiet(60)
        assert len(world.venue.armed) == armed
        await world.finish()

    run(story)


def test_a_resting_entry_is_protected_by_its_first_fill_and_an_exit_takes_back_the_rest(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        world.config = replace(world.config, entry_order=OrderType.LIMIT)
        await world.ready()
        signal = world.send(world.entry())
        await world.until(lambda: len(world.venue.asked) == 1)
        (order,) = world.venue.asked
        assert order.price == Decimal("50000.0")
        world.venue.match(order.client_order_id, Decimal("0.020"))
        await world.until(lambda: len(world.venue.stops) == 1)
        world.send(world.exit(signal))
        await world.until(lambda: len(world.journal.trades) == 1)
        (trade,) = world.journal.trades.values()
        assert trade.quantity == Decimal("0.02")
        ended = [fact.client_order_id for fact in world.journal.executions if fact.status == "CANCELED"]
        assert order.client_order_id in ended
        await world.until(lambda: world.guard.live() == ())
        world.check_equal_to_venue()
        await world.finish()

    run(story)


def test_funding_is_part_of_what_a_trade_made(tmp_path: Path) -> None:
    class Funding:
        async def funding(self, symbol: str, since: datetime, until: datetime) -> Decimal:
            return Decimal("-1.25")

    async def story() -> None:
        world = World(tmp_path)
        world.funding = Funding()
        await world.ready()
        signal = await world.opened()
        world.send(world.exit(signal))
        await world.until(lambda: len(world.journal.trades) == 1)
        (trade,) = world.journal.trades.values()
        assert trade.funding == Decimal("-1.25")
        assert trade.net_pnl == trade.gross_pnl - trade.fees + trade.funding
        await world.finish()

    run(story)


def test_what_is_left_when_the_signals_end_is_worked_off_and_positions_stay_protected(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        world.start()
        world.send(world.entry())
        world.send(world.entry(symbol="ETHUSDT"))
        await world.finish()
        assert set(world.venue.held) == {"BTCUSDT", "ETHUSDT"}
        assert len(world.venue.stops) == 2

    run(story)
