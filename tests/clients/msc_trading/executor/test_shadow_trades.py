"""What a benched strategy would have made stays known, and never touches the venue."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from executor_world import World, run

from msc_client.facts import ClosedTrade, Direction, TradeSource
from msc_client.testing import make_policy


async def benched(folder: Path) -> World:
    world = World(folder)
    world.policies.set(make_policy(strategies=("TREND_001",)))
    await world.ready()
    return world


def only_trade(world: World) -> ClosedTrade:
    (trade,) = world.journal.trades.values()
    return trade


@pytest.mark.parametrize(("direction", "price"), [(Direction.LONG, 51_000), (Direction.SHORT, 49_500)])
def test_an_exit_closes_a_trade_on_paper_at_the_price_then(tmp_path: Path, direction: Direction, price: int) -> None:
    async def story() -> None:
        world = await benched(tmp_path)
        signal = world.send(world.entry(strategy_id="MOMENTUM_002", direction=direction))
        await world.until(lambda: world.blocks("STRATEGY_NOT_ALLOWED") == 1)
        world.time.advance(60)
        world.venue.set_price("BTCUSDT", price)
        await world.quiet()
        world.send(world.exit(signal))
        await world.until(lambda: bool(world.journal.trades))
        trade = only_trade(world)
        assert (trade.source, trade.strategy_id) == (TradeSource.SHADOW, "MOMENTUM_002")
        assert (trade.entry_price, trade.exit_price, trade.direction) == (Decimal(50_000), Decimal(price), direction)
        assert trade.gross_pnl == abs(price - 50_000) * trade.quantity
        assert trade.fees == (price + 50_000) * trade.quantity * Decimal("0.0004")
        assert world.venue.asked == []
        assert world.blocks("NOTHING_TO_EXIT") == 0
        await world.finish()

    run(story)


def test_a_stop_closes_a_trade_on_paper_at_the_price_that_came(tmp_path: Path) -> None:
    async def story() -> None:
        world = await benched(tmp_path)
        world.send(world.entry(strategy_id="MOMENTUM_002"))
        await world.until(lambda: world.blocks("STRATEGY_NOT_ALLOWED") == 1)
        world.venue.set_price("BTCUSDT", "49000.1")
        await world.quiet()
        assert world.journal.trades == {}
        world.venue.set_price("BTCUSDT", 48_500)
        await world.until(lambda: bool(world.journal.trades))
        trade = only_trade(world)
        assert trade.exit_price == 48_500
        assert trade.risk_at_entry is not None
        assert trade.net_pnl < -trade.risk_at_entry
        await world.finish()

    run(story)


def test_a_strategy_has_one_trade_on_paper_in_a_symbol_and_it_outlives_a_restart(tmp_path: Path) -> None:
    async def story() -> None:
        world = await benched(tmp_path)
        for _ in range(2):
            world.send(world.entry(strategy_id="MOMENTUM_002"))
        await world.until(lambda: world.blocks("STRATEGY_NOT_ALLOWED") == 2)
        await world.stop()
        await world.ready()
        world.venue.set_price("BTCUSDT", 40_000)
        await world.until(lambda: bool(world.journal.trades))
        assert len(world.journal.trades) == 1
        await world.stop()
        await world.ready()
        world.venue.set_price("BTCUSDT", 39_000)
        await world.quiet()
        assert len(world.journal.trades) == 1
        await world.finish()

    run(story)


def test_a_strategy_that_comes_back_trades_and_its_paper_runs_to_its_end(tmp_path: Path) -> None:
    async def story() -> None:
        world = await benched(tmp_path)
        world.send(world.entry(strategy_id="MOMENTUM_002"))
        await world.until(lambda: world.blocks("STRATEGY_NOT_ALLOWED") == 1)
        world.policies.set(make_policy(2))
        signal = await world.opened(strategy_id="MOMENTUM_002")
        world.send(world.exit(signal))
        await world.until(lambda: len(world.journal.trades) == 2)
        assert {trade.source for trade in world.journal.trades.values()} == {TradeSource.LIVE, TradeSource.SHADOW}
        await world.finish()

    run(story)


def test_only_who_is_named_and_only_what_has_a_size_trades_on_paper(tmp_path: Path) -> None:
    async def story() -> None:
        world = await benched(tmp_path)
        world.send(world.entry(strategy_id=""))
        world.send(world.entry(strategy_id="MOMENTUM_002", stop=None))
        await world.until(lambda: world.blocks("STRATEGY_NOT_ALLOWED") == 2)
        world.venue.set_price("BTCUSDT", 10_000)
        await world.quiet()
        assert world.journal.trades == {}
        await world.finish()

    run(story)
