"""What is done by the clock: readings of the account, equity points, and the limits of a configuration."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from executor_world import World, run
from scripted_venue import Killed

from msc_trading.executor import ExecutorConfig, ExecutorError, is_ours, order_id
from msc_trading.executor.ids import Purpose
from msc_trading.filters import is_client_order_id
from msc_trading.orchestrator import MarketState, Orchestrator, SymbolState
from msc_trading.venue.port import VenueUnavailable


def test_the_journal_gets_an_equity_point_every_minute(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        await world.until(lambda: len(world.journal.equity) == 4, step_s=0.25)
        instants = [point.at for point in world.journal.equity]
        gaps = [later - earlier for earlier, later in itertools.pairwise(instants)]
        assert all(timedelta(seconds=60) <= gap <= timedelta(seconds=61) for gap in gaps)
        assert {point.wallet_balance for point in world.journal.equity} == {Decimal(10_000)}
        await world.finish()

    run(story)


def test_of_several_executors_on_an_account_one_writes_its_equity(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        world.config = replace(world.config, records_equity=False)
        await world.ready()
        await world.quiet(70)
        assert world.journal.equity == []
        await world.opened()
        await world.finish()

    run(story)


def test_the_account_stays_fresh_enough_to_trade_for_hours(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        await world.until(lambda: world.time.monotonic() > 1000 + 7200, step_s=2)
        await world.opened()
        await world.finish()

    run(story)


def test_an_account_that_cannot_be_read_for_a_while_is_read_again(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        world.venue.fail("balance", VenueUnavailable("down"), times=400)
        await world.until(lambda: (world.executor._parts.account.equity_age_s or 0) > 60)
        world.send(world.entry())
        await world.until(lambda: world.blocks("EQUITY_UNKNOWN") == 1)
        await world.until(lambda: (world.executor._parts.account.equity_age_s or 0) < 1)
        await world.opened()
        await world.finish()

    run(story)


def test_a_new_day_begins_with_the_equity_of_its_first_reading(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        await world.opened()
        world.venue.set_price("BTCUSDT", 49_500)
        await world.quiet(20)
        parts = world.executor._parts
        assert (parts.account.day_pnl(parts.state.day) or 0) < -30
        world.time.advance(13 * 3600)
        await world.quiet(20)
        assert parts.account.day_pnl(parts.state.day) == 0
        await world.stop()
        world.venue.set_price("BTCUSDT", (49_000.1).__str__())
        await world.ready()
        # The new life knows what the day began with.
        assert (world.executor._parts.account.day_pnl(world.executor._parts.state.day) or 0) < -30
        await world.finish()

    run(story)


def test_a_bug_ends_the_executor_loudly_and_lets_the_file_go(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        world.venue.fail("place", Killed())
        world.send(world.entry())
        await world.died()
        await world.ready()
        await world.finish()

    run(story)


def test_an_orchestrator_of_another_policy_is_refused(tmp_path: Path) -> None:
    async def story() -> None:
        world, other = World(tmp_path), World(tmp_path / "other")
        await world.ready()
        other.policies.set(None)
        stranger = Orchestrator(other.policies)
        stranger.observe(market=MarketState(symbols={"BTCUSDT": SymbolState(cost_fraction=0.001)}))
        world.executor._parts.planner = stranger
        with pytest.raises(ExecutorError, match="orchestrator:"):
            world.executor._parts.snapshot()
        await world.finish()

    run(story)


@pytest.mark.parametrize("purpose", list(Purpose))
def test_names_of_orders_are_what_the_venue_takes_and_tell_whose_they_are(purpose: Purpose) -> None:
    names = {order_id(f"ex-{n}", signal, purpose, n) for n in range(5) for signal in ("", "ü/:", "x" * 500)}
    assert len(names) == 15
    assert all(is_client_order_id(name) for name in names)
    name = order_id("ex-1", "s", purpose)
    assert name == order_id("ex-1", "s", purpose)
    assert is_ours("ex-1", name)
    assert not is_ours("ex-2", name)
    assert not is_ours("ex-1", "web_" + "a" * 24)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("account_id", ""),
        ("executor_id", " x"),
        ("executor_id", "x" * 41),
        ("symbols", ()),
        ("symbols", ("BTCUSDT", "BTCUSDT")),
        ("symbols", "BTCUSDT"),
        ("max_signal_age_s", 0.0),
        ("recv_window_s", float("nan")),
        ("fee_rate", Decimal("-0.1")),
        ("max_leverage", Decimal("Infinity")),
        ("dead_man_every_s", 500.0),
        ("symbol_risk_multiplier", {"BTCUSDT": Decimal(2)}),
    ],
)
def test_a_configuration_out_of_sense_is_refused_by_name(tmp_path: Path, field: str, value: object) -> None:
    sound = ExecutorConfig(account_id="a", executor_id="e", symbols=("BTCUSDT",), state_file=tmp_path / "s")
    with pytest.raises(ValueError, match=f"^{field}"):
        replace(sound, **{field: value})  # type: ignore[arg-type]  # wrong on purpose
