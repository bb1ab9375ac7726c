"""An order whose answer was lost is never sent again: it is asked for, until that decides."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from executor_world import World, run
from hypothesis import given
from hypothesis import strategies as st

from msc_trading.executor import Purpose, order_id
from msc_trading.executor.config import ExecutorConfig
from msc_trading.executor.settlement import Absence, missed
from msc_trading.venue.port import OrderUpdate, OutcomeUnknown, UserEvent, VenueError, VenueUnavailable

LOST = OutcomeUnknown("HTTP 503 Unknown error", code=-1007)


def silent_orders(event: UserEvent) -> bool:
    return not isinstance(event, OrderUpdate)


def queries(world: World) -> int:
    return sum(1 for name, _ in world.venue.calls if name == "order")


@pytest.mark.parametrize("error", [LOST, VenueUnavailable("reset"), VenueError("odd")])
def test_an_order_that_arrived_is_found_by_asking_and_protected(tmp_path: Path, error: VenueError) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        world.venue.tells = silent_orders
        world.venue.fail("place", error, after=True)
        world.send(world.entry())
        await world.until(lambda: len(world.venue.stops) == 1)
        assert len(world.venue.asked) == 1
        await world.until(lambda: world.guard.live() == ())
        world.check_equal_to_venue()
        await world.finish()

    run(story)


def test_an_order_that_arrived_is_found_by_the_stream_before_anybody_asks(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        world.venue.fail("place", LOST, after=True)
        world.send(world.entry())
        await world.until(lambda: len(world.venue.stops) == 1, step_s=0.001)
        assert queries(world) == 0
        await world.finish()

    run(story)


def test_an_order_that_never_arrived_is_released_only_after_the_receive_window_and_two_answers(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        world.venue.fail("place", LOST)
        signal = world.send(world.entry())
        await world.until(lambda: bool(world.executor.status().undecided_orders))
        sent_at = world.time.monotonic()
        id_ = order_id("ex-1", signal.signal_id, Purpose.ENTRY)
        await world.quiet(6.5)
        assert queries(world) > 5
        assert world.executor.status().undecided_orders == (id_,)
        assert len(world.guard.live()) == 1
        await world.until(lambda: not world.executor.status().undecided_orders)
        assert 8.0 <= world.time.monotonic() - sent_at <= 9.5
        assert world.guard.live() == ()
        (refused,) = [fact for fact in world.journal.executions if fact.status == "REJECTED"]
        assert (refused.client_order_id, refused.reason) == (id_, "NEVER_ARRIVED")
        assert world.venue.asked == []
        world.send(signal)
        await world.until(lambda: world.blocks("DUPLICATE_SIGNAL") == 1)
        await world.opened()
        await world.finish()

    run(story)


def test_while_an_entry_is_undecided_its_symbol_and_its_place_are_taken(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        world.venue.fail("place", LOST)
        world.send(world.entry())
        await world.until(lambda: bool(world.executor.status().undecided_orders))
        world.send(world.entry(strategy_id="MOMENTUM_002"))
        await world.until(lambda: world.blocks("ENTRY_PENDING") == 1)
        await world.finish()

    run(story)


def test_an_exit_without_an_answer_is_settled_before_another_is_sent(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        signal = await world.opened()
        world.venue.fail("place", LOST)
        world.send(world.exit(signal))
        await world.until(lambda: bool(world.executor.status().undecided_orders))
        await world.quiet(6)
        assert world.venue.entries_of(reduce_only=True) == []
        await world.until(lambda: not world.venue.held)
        (left,) = world.venue.entries_of(reduce_only=True)
        assert left.client_order_id not in world.executor.status().undecided_orders
        world.check_equal_to_venue()
        await world.finish()

    run(story)


def test_an_exit_whose_answer_was_lost_after_it_was_done_is_not_sent_again(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        signal = await world.opened()
        world.venue.tells = silent_orders
        world.venue.fail("place", LOST, after=True)
        world.send(world.exit(signal))
        await world.until(lambda: len(world.journal.trades) == 1)
        assert len(world.venue.entries_of(reduce_only=True)) == 1
        await world.finish()

    run(story)


def test_a_stop_without_an_answer_is_found_among_the_armed_ones(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        world.venue.fail("place_stop", LOST, after=True)
        world.send(world.entry())
        await world.until(lambda: len(world.venue.stops) == 1)
        await world.until(lambda: not world.executor.status().undecided_orders)
        await world.quiet(10)
        assert len(world.venue.stops) == 1
        assert sum(1 for name, _ in world.venue.calls if name == "place_stop") == 1
        await world.finish()

    run(story)


def test_a_stop_that_never_arrived_is_placed_once_more_and_then_the_position_is_closed(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        world.venue.fail("place_stop", LOST, times=1)
        world.send(world.entry())
        await world.until(lambda: len(world.venue.stops) == 1)
        assert "BTCUSDT" in world.venue.held
        world.venue.fail("place_stop", LOST, times=2)
        world.send(world.entry(symbol="ETHUSDT"))
        await world.until(lambda: "ETHUSDT" in world.venue.held)
        await world.until(lambda: "ETHUSDT" not in world.venue.held)
        assert len(world.venue.entries_of(reduce_only=True)) == 1
        await world.finish()

    run(story)


def test_a_query_that_fails_proves_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        world.venue.fail("place", LOST)
        world.send(world.entry())
        await world.until(lambda: bool(world.executor.status().undecided_orders))
        world.venue.fail("order", VenueUnavailable("down"), times=40)
        await world.quiet(15)
        assert world.executor.status().undecided_orders
        await world.until(lambda: not world.executor.status().undecided_orders)
        await world.finish()

    run(story)


CONFIG: Callable[[Path], ExecutorConfig] = lambda folder: ExecutorConfig(  # noqa: E731 -- a table of one
    account_id="a", executor_id="e", symbols=("BTCUSDT",), state_file=folder / "s"
)


@given(answers=st.lists(st.floats(min_value=0, max_value=30), max_size=20))
def test_no_answer_before_the_window_and_no_single_answer_is_conclusive(answers: list[float]) -> None:
    config = CONFIG(Path("unused"))
    absence = Absence(sent_at=0.0)
    for at in sorted(answers):
        absence = missed(absence, now=at, config=config)
    late = sorted(at for at in answers if at > 7.0)
    assert absence.conclusive is (len(late) > 1 and late[-1] - late[0] >= 1.0)
