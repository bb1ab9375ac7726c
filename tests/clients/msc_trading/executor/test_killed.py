"""An executor that dies anywhere leaves nothing that the next one does not find: the venue is the truth."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from executor_world import World, run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scripted_venue import Killed

from msc_client.facts import ClosedTrade, Execution, Fact
from msc_trading.executor import Purpose, order_id
from msc_trading.guard import Decision
from msc_trading.signals import Signal
from msc_trading.venue.port import OrderType, VenueUnavailable


def die_after_reserve(world: World) -> None:
    authorize = world.guard.authorize

    def dying(*args: object, **named: object) -> Decision:
        authorize(*args, **named)  # type: ignore[arg-type]  # passed through
        raise Killed

    world.guard.authorize = dying  # type: ignore[method-assign]  # the seam is the point


def die_before_send(world: World) -> None:
    world.venue.fail("place", Killed())


def die_after_send(world: World) -> None:
    """The order has reached the venue; its answer never reached us, nor did the stream."""
    world.venue.tells = lambda event: False
    world.venue.fail("place", Killed(), after=True)


def die_on_fact(matches: Callable[[Fact], bool]) -> Callable[[World], None]:
    def arrange(world: World) -> None:
        def dying(fact: Fact) -> None:
            if matches(fact):
                raise Killed

        world.journal.on_write = dying

    return arrange


def is_fill(fact: Fact) -> bool:
    return isinstance(fact, Execution) and fact.status in ("FILLED", "PARTIALLY_FILLED")


die_after_ack = die_on_fact(lambda fact: isinstance(fact, Execution) and fact.status == "NEW")
die_before_journal = die_on_fact(is_fill)


def die_before_stop(world: World) -> None:
    world.venue.fail("place_stop", Killed())


def die_after_stop(world: World) -> None:
    world.venue.fail("place_stop", Killed(), after=True)


DEATHS = {
    "after reserve": die_after_reserve,
    "before send": die_before_send,
    "after send": die_after_send,
    "after ack": die_after_ack,
    "before journal": die_before_journal,
    "before stop": die_before_stop,
    "after stop": die_after_stop,
}


def heal(world: World) -> None:
    world.venue.tells = lambda event: True
    world.journal.on_write = lambda fact: None


def sent_for(world: World, signal: Signal) -> int:
    id_ = order_id("ex-1", signal.signal_id, Purpose.ENTRY)
    return sum(1 for order in world.venue.asked if order.client_order_id == id_)


def day_count(world: World) -> int:
    return world.guard.rebuild_day(world.time.now(), fills=(), executions=())


@pytest.mark.parametrize("death", DEATHS)
def test_killed_while_entering_the_next_life_equals_the_venue_and_sends_no_second_order(
    tmp_path: Path, death: str
) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        signal = world.entry()
        DEATHS[death](world)
        world.send(signal)
        await world.died()
        reached = bool(world.venue.asked)
        heal(world)
        world.time.advance(30)
        await world.ready()
        if reached:
            await world.until(lambda: len(world.venue.stops) == 1)
        world.check_equal_to_venue()
        assert day_count(world) == (1 if reached else 0)
        # The host plays its signals again, as at-least-once hosts do.
        world.send(signal)
        known = reached or death == "before send"
        if known:
            await world.until(lambda: world.blocks("DUPLICATE_SIGNAL") == 1)
        else:
            await world.until(lambda: len(world.venue.stops) == 1)
        assert sent_for(world, signal) == (0 if death == "before send" else 1)
        await world.until(lambda: world.guard.live() == ())
        world.check_equal_to_venue()
        await world.finish()

    run(story)


@pytest.mark.parametrize("death", ["before send", "after send", "after ack", "before journal"])
def test_killed_while_leaving_the_next_life_goes_on_to_flat(tmp_path: Path, death: str) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        signal = await world.opened()
        world.time.advance(5)
        DEATHS[death](world)
        world.send(world.exit(signal))
        await world.died()
        heal(world)
        world.time.advance(30)
        world.start()
        await world.until(lambda: not world.venue.held and not world.venue.stops)
        await world.until(lambda: len(world.journal.trades) == 1)
        assert len(world.venue.entries_of(reduce_only=True)) == 1
        world.check_equal_to_venue()
        await world.finish()

    run(story)


def test_killed_before_a_closed_trade_is_told_it_is_told_by_the_next_life_and_stays_the_same(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        signal = await world.opened()
        die_on_fact(lambda fact: isinstance(fact, ClosedTrade))(world)
        world.send(world.exit(signal))
        await world.died()
        heal(world)
        await world.ready()
        await world.until(lambda: len(world.journal.trades) == 1)
        world.check_equal_to_venue()
        await world.finish()
        # What is over is marked, and a third life tells nothing again.
        told = len(world.journal.facts)
        await world.ready()
        await world.quiet(2)
        assert [fact for fact in world.journal.facts[told:] if not isinstance(fact, Execution | ClosedTrade)]
        assert not [fact for fact in world.journal.facts[told:] if isinstance(fact, Execution | ClosedTrade)]
        await world.finish()

    run(story)


def test_while_down_a_stop_that_triggered_is_booked_to_its_strategy(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        await world.opened()
        await world.stop()
        world.time.advance(600)
        world.venue.set_price("BTCUSDT", 48_000)
        await world.ready()
        await world.until(lambda: len(world.journal.trades) == 1)
        (trade,) = world.journal.trades.values()
        assert (trade.strategy_id, trade.exit_price) == ("TREND_001", Decimal(48_000))
        world.check_equal_to_venue()
        await world.finish()

    run(story)


def test_while_down_a_stop_that_somebody_took_away_is_placed_again(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        await world.opened()
        await world.stop()
        (before,) = world.venue.stops
        world.venue.stops.clear()
        await world.ready()
        await world.until(lambda: len(world.venue.stops) == 1)
        (after,) = world.venue.stops
        assert after != before
        await world.finish()

    run(story)


def test_a_position_that_cannot_be_protected_any_more_is_closed_by_the_next_life(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        await world.opened()
        await world.stop()
        world.venue.stops.clear()
        world.venue.set_price("BTCUSDT", 48_000)
        await world.ready()
        await world.until(lambda: not world.venue.held)
        world.check_equal_to_venue()
        await world.finish()

    run(story)


def test_an_entry_that_rests_is_counted_by_the_next_life(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        world.config = replace(world.config, entry_order=OrderType.LIMIT)
        await world.ready()
        world.send(world.entry())
        await world.until(lambda: len(world.venue.asked) == 1)
        await world.stop()
        await world.ready()
        (counted,) = world.guard.live()
        assert counted.client_order_id == world.venue.asked[0].client_order_id
        assert counted.notional > 0
        assert counted.risk > 0
        assert day_count(world) == 1
        world.venue.match(counted.client_order_id)
        await world.until(lambda: len(world.venue.stops) == 1)
        await world.until(lambda: world.guard.live() == ())
        world.check_equal_to_venue()
        await world.finish()

    run(story)


def test_entries_wait_until_what_an_earlier_life_left_undecided_is_decided(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        die_before_send(world)
        world.send(world.entry())
        await world.died()
        world.start()
        world.send(world.entry(symbol="ETHUSDT"))
        started = world.time.monotonic()
        await world.until(lambda: len(world.venue.asked) == 1)
        assert world.time.monotonic() - started > 7
        await world.finish()

    run(story)


def test_a_start_while_the_venue_is_down_waits_and_then_compares(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        signal = await world.opened()
        await world.stop()
        world.venue.fail("positions", VenueUnavailable("down"), times=5)
        world.start()
        world.send(world.exit(signal))
        await world.until(lambda: not world.venue.held)
        world.check_equal_to_venue()
        await world.finish()

    run(story)


def test_what_the_day_lost_and_how_often_is_not_forgotten(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        for _ in range(2):
            await world.opened()
            world.time.advance(1)
            world.venue.set_price("BTCUSDT", world.venue.mark["BTCUSDT"] * Decimal("0.97"))
            await world.until(lambda: not world.venue.stops and not world.executor.status().positions)
        await world.stop()
        await world.ready()
        assert day_count(world) == 2
        signal = await world.opened()
        (fact,) = [
            fact
            for fact in world.journal.executions
            if fact.status == "NEW" and fact.client_order_id == order_id("ex-1", signal.signal_id, Purpose.ENTRY)
        ]
        lost = world.venue.wallet - 10_000
        assert '"name":"losing_streak","value":2' in fact.detail_json
        assert lost < -200
        day_pnl = fact.detail_json.split('"name":"day_pnl","value":"')[1].split('"')[0]
        # The entry's own fee came after the decision.
        assert abs(Decimal(day_pnl) - lost) < 2
        await world.finish()

    run(story)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deaths=st.lists(st.sampled_from(sorted(DEATHS)), min_size=1, max_size=4), data=st.data())
def test_however_often_it_dies_every_signal_has_at_most_one_order_and_the_journal_equals_the_venue(
    tmp_path_factory: pytest.TempPathFactory, deaths: list[str], data: st.DataObject
) -> None:
    async def story() -> None:
        world = World(tmp_path_factory.mktemp("life"))
        signals: list[Signal] = []
        for death in deaths:
            await world.ready()
            symbol = data.draw(st.sampled_from(["BTCUSDT", "ETHUSDT"]))
            if data.draw(st.booleans()) or not signals:
                signals.append(world.entry(symbol=symbol))
            leaves = data.draw(st.booleans())
            DEATHS[death](world)
            world.send(world.exit(signals[-1]) if leaves else signals[-1])
            for _ in range(400):
                await asyncio.sleep(0)
                if world.task.done():
                    break
                world.time.advance(0.05)
            await world.stop()
            heal(world)
            world.venue.faults.clear()
            world.time.advance(data.draw(st.sampled_from([0.0, 3.0, 60.0])))
        await world.ready()
        await world.until(lambda: len(world.venue.stops) == len(world.venue.held))
        await world.quiet(10)
        world.check_equal_to_venue()
        assert {stop.symbol for stop in world.venue.stops.values()} == set(world.venue.held)
        assert all(sent_for(world, signal) <= 1 for signal in signals)
        assert len(world.venue.asked) == len({order.client_order_id for order in world.venue.asked})
        assert world.guard.live() == ()
        await world.finish()

    run(story)
