"""The user stream may lose, repeat, reorder or end: the books come out the same."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from executor_world import World, run
from scripted_venue import ScriptedVenue

from msc_client.facts import Side
from msc_trading.venue.port import Fill, OrderUpdate, PositionUpdate, Price, UserEvent, VenueError, VenueUnavailable


def fills_of(event: UserEvent) -> Fill | None:
    return event.fill if isinstance(event, OrderUpdate) else None


def nothing(event: UserEvent) -> bool:
    return False


def no_entry_fill(event: UserEvent) -> bool:
    fill = fills_of(event)
    return fill is None or fill.reduce_only


def no_exit_fill(event: UserEvent) -> bool:
    fill = fills_of(event)
    return fill is None or not fill.reduce_only


def no_positions(event: UserEvent) -> bool:
    return not isinstance(event, PositionUpdate)


def no_orders(event: UserEvent) -> bool:
    return not isinstance(event, OrderUpdate)


@pytest.mark.parametrize("tells", [nothing, no_entry_fill, no_exit_fill, no_positions, no_orders])
def test_what_the_stream_omits_is_read_from_the_venue(tmp_path: Path, tells: Callable[[UserEvent], bool]) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        world.venue.tells = tells
        signal = await world.opened()
        world.send(world.exit(signal))
        await world.until(lambda: len(world.journal.trades) == 1)
        world.check_equal_to_venue()
        await world.finish()

    run(story)


@pytest.mark.parametrize("tells", [nothing, no_orders, no_exit_fill])
def test_a_stop_that_triggered_without_a_word_is_noticed_by_the_positions(
    tmp_path: Path, tells: Callable[[UserEvent], bool]
) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        await world.opened()
        world.venue.tells = tells
        world.venue.set_price("BTCUSDT", 48_000)
        await world.until(lambda: len(world.journal.trades) == 1)
        world.check_equal_to_venue()
        await world.finish()

    run(story)


def test_events_that_come_twice_are_told_once(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        tell = world.venue.tell

        def twice(event: UserEvent) -> None:
            tell(event)
            tell(event)

        world.venue.tell = twice  # type: ignore[method-assign]  # the seam is the point
        await world.ready()
        signal = await world.opened()
        world.send(world.exit(signal))
        await world.until(lambda: len(world.journal.trades) == 1)
        ids = [fact.event_id for fact in world.journal.executions]
        assert len(ids) == len(set(ids))
        world.check_equal_to_venue()
        await world.finish()

    run(story)


def test_events_in_the_wrong_order_make_the_same_books(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        held_back: list[UserEvent] = []
        tell = world.venue.tell
        world.venue.tell = held_back.append  # type: ignore[method-assign, assignment]  # the seam is the point
        world.venue.fail("fills", VenueUnavailable("down"), times=10)
        world.venue.instant = False
        signal = world.send(world.entry())
        await world.until(lambda: len(world.venue.asked) == 1)
        (order,) = world.venue.asked
        world.venue.match(order.client_order_id)
        world.time.advance(0.01)
        world.venue.trade_by_hand("BTCUSDT", Side.SELL, Decimal("0.030"))
        for event in reversed(held_back):
            tell(event)
        world.venue.tell = tell  # type: ignore[method-assign]  # as it was
        world.venue.instant = True
        await world.until(lambda: world.executor.status().positions["BTCUSDT"].open_quantity == Decimal("0.042"))
        world.send(world.exit(signal))
        await world.until(lambda: len(world.journal.trades) == 1)
        (trade,) = world.journal.trades.values()
        assert trade.quantity == order.quantity
        world.check_equal_to_venue()
        await world.finish()

    run(story)


def test_while_the_stream_is_lost_entries_wait_and_then_everything_is_compared(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        world.venue.fail("open_stops", VenueUnavailable("down"), times=3)
        world.venue.lose_stream()
        await world.until(lambda: not world.executor.status().ready)
        world.send(world.entry())
        await world.quiet(1)
        assert not world.executor.status().ready
        assert world.venue.asked == []
        await world.until(lambda: len(world.venue.stops) == 1)
        await world.finish()

    run(story)


@pytest.mark.parametrize("error", [None, VenueError("the stream broke")])
def test_a_stream_that_ends_is_opened_again(tmp_path: Path, error: VenueError | None) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        if error is not None:
            world.venue.fail("user_events", error)
        before = sum(1 for name, _ in world.venue.calls if name == "open_stops")
        world.venue.end_stream()
        # Once because it ended, once because it began.
        await world.until(lambda: sum(1 for name, _ in world.venue.calls if name == "open_stops") >= before + 2)
        await world.opened()
        world.check_equal_to_venue()
        await world.finish()

    run(story)


def test_a_burst_of_events_loses_none(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        world.venue.instant = False
        await world.ready()
        world.send(world.entry(stop=49_900))
        await world.until(lambda: len(world.venue.asked) == 1)
        (order,) = world.venue.asked
        steps = int(order.quantity / Decimal("0.001"))
        assert steps > 300
        for _ in range(steps):
            world.venue.match(order.client_order_id, Decimal("0.001"))
        await world.until(lambda: len(world.journal.fills) == steps)
        world.check_equal_to_venue()
        await world.finish()

    run(story)


def test_prices_that_end_are_followed_again(tmp_path: Path) -> None:
    class Broken(ScriptedVenue):
        broken = 1

        async def prices(self, symbols: tuple[str, ...]) -> object:  # type: ignore[override]  # breaks once
            if self.broken:
                self.broken = 0
                raise VenueUnavailable("down")
            async for price in super().prices(symbols):
                yield price

    async def story() -> None:
        world = World(tmp_path)
        world.venue = Broken(world.time)
        await world.ready()
        await world.quiet(2)
        world.venue.set_price("BTCUSDT", 50_500)
        await world.until(lambda: world.executor._parts.account.price_of("BTCUSDT") == 50_500)
        await world.finish()

    run(story)


def test_a_position_that_is_not_ours_keeps_its_symbol_closed_and_others_open(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        world.venue.trade_by_hand("BTCUSDT", Side.BUY, Decimal("0.5"))
        world.time.advance(1)
        await world.ready()
        world.send(world.entry())
        await world.until(lambda: world.blocks("POSITION_MISMATCH") == 1)
        await world.opened(symbol="ETHUSDT")
        # It is left alone: whoever opened it protects it.
        assert world.venue.held["BTCUSDT"][0] == Decimal("0.5")
        assert len(world.venue.stops) == 1
        await world.finish()

    run(story)


def test_what_a_person_trades_in_our_symbols_is_in_the_journal_without_a_strategy(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        world.venue.trade_by_hand("BTCUSDT", Side.BUY, Decimal("0.5"))
        world.send(world.entry())
        await world.until(lambda: world.blocks("SYMBOL_HELD") == 1)
        world.venue.trade_by_hand("BTCUSDT", Side.SELL, Decimal("0.5"), name="web_2")
        await world.until(lambda: not world.executor.status().positions)
        world.check_equal_to_venue()
        assert {fact.strategy_id for fact in world.journal.fills.values()} == {""}
        assert world.journal.trades == {}
        await world.opened()
        await world.finish()

    run(story)


def test_a_person_who_closes_our_position_ends_the_trade_of_its_strategy(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        await world.opened()
        held, _ = world.venue.held["BTCUSDT"]
        world.time.advance(1)
        world.venue.trade_by_hand("BTCUSDT", Side.SELL, held)
        await world.until(lambda: len(world.journal.trades) == 1 and not world.venue.stops)
        (trade,) = world.journal.trades.values()
        assert trade.strategy_id == "TREND_001"
        world.check_equal_to_venue()
        await world.finish()

    run(story)


def test_an_armed_stop_that_somebody_cancels_is_placed_again(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        await world.opened()
        world.venue.stops.clear()
        world.venue.lose_stream("stop EXPIRED")
        await world.until(lambda: len(world.venue.stops) == 1)
        await world.finish()

    run(story)


def test_prices_of_the_venue_are_believed_only_as_they_get_newer(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        account, now = world.executor._parts.account, world.time.now()
        account.take_price(Price(symbol="BTCUSDT", price=Decimal(2), at=now))
        world.time.advance(1)
        account.take_price(Price(symbol="BTCUSDT", price=Decimal(3), at=world.time.now()))
        account.take_price(Price(symbol="BTCUSDT", price=Decimal(1), at=now))
        assert account.price_of("BTCUSDT") == 3
        await world.finish()

    run(story)
