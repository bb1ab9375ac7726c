"""The policy of now decides: for what waits, for what rests, and for what is just being sent."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from executor_world import World, run

from msc_client.policy import RiskMode, TradingState
from msc_client.testing import make_policy
from msc_trading.venue.port import OrderType, VenueUnavailable

DEFENSIVE = make_policy(
    2, risk_mode=RiskMode.DEFENSIVE, max_risk_per_trade=0.003, global_min_confidence=0.7, strategies=("TREND_001",)
)


def test_a_defensive_policy_holds_from_the_next_decision_on(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        await world.opened(confidence=0.65)
        world.policies.set(DEFENSIVE)
        world.send(world.entry(symbol="ETHUSDT", confidence=0.65))
        await world.until(lambda: world.blocks("CONFIDENCE_TOO_LOW") == 1)
        await world.opened(symbol="ETHUSDT", confidence=0.7)
        trip = world.executor.status().positions["ETHUSDT"]
        assert trip.entry is not None
        assert trip.entry.policy_version == 2
        assert Decimal("29.9") < (trip.risk or 0) <= Decimal(30)
        await world.finish()

    run(story)


def test_signals_that_wait_are_judged_by_the_policy_of_their_turn(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        world.venue.fail("open_stops", VenueUnavailable("down"), times=5)
        world.start()
        world.send(world.entry(strategy_id="MOMENTUM_002"))
        world.send(world.entry(confidence=0.65))
        world.send(world.entry(symbol="ETHUSDT", confidence=0.9))
        await world.quiet(2)
        assert world.executor.status().waiting_signals == 3
        world.policies.set(DEFENSIVE)
        await world.until(lambda: world.executor.status().waiting_signals == 0)
        await world.until(lambda: len(world.venue.asked) == 1)
        assert world.venue.asked[0].symbol == "ETHUSDT"
        assert [fact.policy_version for fact in world.journal.blocked()] == [2, 2]
        await world.finish()

    run(story)


def test_entries_at_rest_are_taken_back_when_the_policy_turns_against_them(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        world.config = replace(world.config, entry_order=OrderType.LIMIT)
        await world.ready()
        world.send(world.entry(strategy_id="MOMENTUM_002"))
        world.send(world.entry(symbol="ETHUSDT", confidence=0.9))
        await world.until(lambda: len(world.venue.asked) == 2)
        world.policies.set(DEFENSIVE)
        # Benched, and larger than what is allowed now: no clock has to move for that.
        await world.until(lambda: len([o for o in world.venue.orders if o.status.is_final]) == 2, step_s=0)
        assert world.blocks("STRATEGY_NOT_ALLOWED") == 1
        assert world.blocks("POLICY_CHANGED") == 1
        await world.finish()

    run(story)


def test_a_policy_that_leaves_an_entry_at_rest_as_good_as_before_lets_it_rest(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        world.config = replace(world.config, entry_order=OrderType.LIMIT)
        await world.ready()
        world.send(world.entry())
        await world.until(lambda: len(world.venue.asked) == 1)
        world.policies.set(make_policy(2, max_risk_per_trade=0.0080))
        await world.quiet(5)
        assert not world.venue.orders[0].status.is_final
        await world.finish()

    run(story)


def test_a_policy_that_changes_between_the_grant_and_the_order_stops_the_order(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        prepare = world.executor._parts.orders.prepare

        def preparing(record: object) -> None:
            prepare(record)  # type: ignore[arg-type]  # passed through
            world.policies.set(make_policy(2, trading_state=TradingState.HALTED))

        world.executor._parts.orders.prepare = preparing  # type: ignore[method-assign]  # the seam is the point
        signal = world.send(world.entry())
        await world.until(lambda: world.blocks("POLICY_CHANGED") == 1)
        assert world.venue.asked == []
        assert world.guard.live() == ()
        assert world.executor.status().undecided_orders == ()
        world.send(signal)
        await world.until(lambda: world.blocks("DUPLICATE_SIGNAL") == 1)
        await world.finish()

    run(story)


def test_a_policy_that_reduces_or_halts_stops_entries_at_once(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        for version, state in enumerate((TradingState.REDUCING, TradingState.HALTED), start=2):
            world.policies.set(make_policy(version, trading_state=state))
            world.send(world.entry())
            await world.until(lambda state=state: world.blocks(f"TRADING_{state.name}") == 1)  # type: ignore[misc]  # bound now
        assert world.venue.asked == []
        await world.finish()

    run(story)
