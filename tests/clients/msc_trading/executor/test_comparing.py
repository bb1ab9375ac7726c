"""What is found at the venue and not in our memory, and the other way round."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from executor_time import ManualTime
from executor_world import ListJournal, World, run

from msc_client.facts import EquityPoint, Side
from msc_trading.executor import Purpose, order_id
from msc_trading.executor.account import AccountView
from msc_trading.executor.recorder import Recorder
from msc_trading.venue.port import (
    OrderRequest,
    OrderStatus,
    OrderType,
    Position,
    PositionUpdate,
    StopRequest,
    VenueUnavailable,
)


def a_stop(world: World, executor: str, *, symbol: str = "BTCUSDT") -> StopRequest:
    return StopRequest(
        client_algo_id=order_id(executor, "lost", Purpose.STOP),
        symbol=symbol,
        side=Side.SELL,
        trigger_price=world.venue.mark[symbol] / 2,
    )


def test_a_stop_of_ours_that_protects_nothing_is_taken_away_and_those_of_others_are_not(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.venue.place_stop(a_stop(world, "ex-1"))
        await world.venue.place_stop(a_stop(world, "ex-2", symbol="ETHUSDT"))
        await world.ready()
        assert [stop.symbol for stop in world.venue.stops.values()] == ["ETHUSDT"]
        await world.finish()

    run(story)


def test_a_stop_of_ours_that_protects_a_forgotten_position_is_left_alone(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        await world.opened()
        await world.stop()
        world.config.state_file.unlink()
        world.time.advance(1)
        await world.ready()
        await world.quiet(40)
        assert len(world.venue.stops) == 1
        world.send(world.entry())
        await world.until(lambda: world.blocks("POSITION_MISMATCH") == 1)
        await world.finish()

    run(story)


def test_an_entry_of_ours_at_rest_that_nobody_remembers_is_cancelled(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        names = [order_id("ex-1", "lost", Purpose.ENTRY), "web_1"]
        for name in names:
            await world.venue.place(
                OrderRequest(
                    client_order_id=name,
                    symbol="BTCUSDT",
                    side=Side.BUY,
                    order_type=OrderType.LIMIT,
                    quantity=Decimal("0.1"),
                    price=Decimal(40_000),
                )
            )
        await world.ready()
        statuses = {order.client_order_id: order.status for order in world.venue.orders}
        assert statuses == {names[0]: OrderStatus.CANCELED, names[1]: OrderStatus.NEW}
        await world.finish()

    run(story)


def test_an_order_that_the_venue_has_forgotten_ends_and_frees_its_symbol(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        world.config = replace(world.config, entry_order=OrderType.LIMIT)
        await world.ready()
        world.send(world.entry())
        await world.until(lambda: len(world.venue.asked) == 1)
        await world.stop()
        world.venue.orders.clear()
        await world.ready()
        await world.until(lambda: any(fact.status == "EXPIRED" for fact in world.journal.executions))
        world.send(world.entry())
        await world.until(lambda: len(world.venue.asked) == 2)
        await world.finish()

    run(story)


def test_a_stop_that_is_placed_while_everything_is_compared_is_not_taken_for_lost(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        open_stops = world.venue.open_stops
        asked = world.venue.open_orders

        async def entering() -> list[object]:
            # The answer about stops is given; now a position is opened and protected before the rest is read.
            world.venue.open_orders = asked  # type: ignore[method-assign]  # once
            world.executor._comparer._doubts -= 1
            world.send(world.entry())
            await world.until(lambda: len(world.venue.stops) == 1)
            world.executor._comparer._doubts += 1
            return await asked()  # type: ignore[return-value]  # passed through

        world.venue.open_orders = entering  # type: ignore[method-assign, assignment]  # the seam is the point
        world.venue.lose_stream()
        await world.until(lambda: len(world.venue.stops) == 1)
        await world.until(lambda: world.executor.status().ready)
        await world.quiet(2)
        assert len(await open_stops()) == 1
        assert sum(1 for name, _ in world.venue.calls if name == "place_stop") == 1
        assert "BTCUSDT" in world.venue.held
        await world.finish()

    run(story)


def test_a_difference_that_comparing_does_not_explain_is_not_asked_for_all_the_time(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        world.venue.trade_by_hand("BTCUSDT", Side.BUY, Decimal("0.5"))
        world.time.advance(1)
        await world.ready()
        before = sum(1 for name, _ in world.venue.calls if name == "open_stops")
        await world.quiet(100)
        compared = sum(1 for name, _ in world.venue.calls if name == "open_stops") - before
        assert 2 <= compared <= 5
        await world.finish()

    run(story)


def position(quantity: int, symbol: str = "BTCUSDT") -> Position:
    price = Decimal(100)
    return Position(
        symbol=symbol, quantity=Decimal(quantity), entry_price=price, mark_price=price, unrealized_pnl=Decimal(0)
    )


def told(time: ManualTime, quantity: int, symbol: str = "BTCUSDT") -> PositionUpdate:
    return PositionUpdate(
        symbol=symbol, quantity=Decimal(quantity), entry_price=Decimal(100), wallet_balance=None, at=time.now()
    )


def test_a_reading_does_not_undo_what_the_stream_told_while_it_was_read() -> None:
    time = ManualTime()
    account = AccountView(time)
    account.take_positions([], asked=account.news)
    asked = account.news
    account.take_update(told(time, 3))
    account.take_positions([position(9, "ETHUSDT")], asked=asked)
    assert account.quantity("BTCUSDT") == 3
    assert account.quantity("ETHUSDT") == 9
    account.take_positions([], asked=account.news)
    assert account.quantity("BTCUSDT") == 0


def test_a_position_that_cannot_be_valued_makes_the_positions_unknown_until_they_are_read_in_full() -> None:
    time = ManualTime()
    account = AccountView(time)
    account.take_positions([], asked=account.news)
    account.take_update(replace(told(time, 3), entry_price=None))
    ages = [account.positions_age_s]
    account.take_positions([position(3, "BTCUSDT")], asked=account.news)
    ages.append(account.positions_age_s)
    assert ages == [None, 0]
    assert account.quantity("BTCUSDT") == 3


def test_what_was_never_read_is_unknown_and_the_stream_makes_nothing_younger() -> None:
    time = ManualTime()
    account = AccountView(time)
    account.take_update(told(time, 3))
    assert account.quantity("BTCUSDT") is None
    never, account = account.positions_age_s, AccountView(time)
    assert never is None
    account.take_positions([], asked=account.news)
    time.advance(61)
    account.take_update(told(time, 3))
    assert account.positions_age_s == 61
    assert account.quantity("BTCUSDT") == 3
    assert account.price_age_s("BTCUSDT") is None
    assert account.day_pnl(None) is None


def test_the_recorder_says_once_why_it_waits_and_that_it_goes_on(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        journal = ListJournal()
        recorder = Recorder(journal, flush_timeout_s=1)
        journal.full = True
        for cents in range(3):
            recorder.record(
                EquityPoint(account="a", at=world.time.now(), wallet_balance=Decimal(cents), unrealized_pnl=Decimal(0))
            )
        assert recorder.waiting == 3
        assert not await recorder.is_durable()
        journal.full = False
        assert await recorder.is_durable()
        assert [point.wallet_balance for point in journal.equity] == [0, 1, 2]
        journal.durable = False
        assert not await recorder.is_durable()

    run(story)


def test_an_account_that_is_down_at_the_start_is_compared_when_it_is_up(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        world.venue.fail("now", VenueUnavailable("down"), times=3)
        world.start()
        world.send(world.entry())
        await world.until(lambda: len(world.venue.stops) == 1)
        await world.finish()

    run(story)
