"""Whatever is not a number, or not a signal, stops before anything is asked or sent."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from executor_world import World, run

from msc_trading.executor.judgement import malformed
from msc_trading.signals import Signal

NAN, INFINITE = Decimal("NaN"), Decimal("Infinity")


def broken(world: World, field: str, value: object) -> Signal:
    return replace(world.entry(), **{field: value})  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("confidence", float("nan")),
        ("confidence", float("inf")),
        ("confidence", 1.01),
        ("confidence", -0.1),
        ("confidence", True),
        ("confidence", "0.9"),
        ("reference_price", NAN),
        ("reference_price", INFINITE),
        ("reference_price", Decimal(0)),
        ("reference_price", 50_000.0),
        ("stop_price", NAN),
        ("stop_price", Decimal(-1)),
        ("symbol", ""),
        ("symbol", "BTC\nUSDT"),
        ("strategy_id", "x" * 129),
        ("strategy_id", " padded "),
        ("signal_id", None),
        ("direction", "SIDEWAYS"),
        ("kind", "MAYBE"),
        ("at", datetime(2026, 1, 5)),
        ("at", "today"),
    ],
)
def test_a_field_out_of_sense_is_named_and_the_signal_refused(tmp_path: Path, field: str, value: object) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        asked = len(world.venue.calls)
        signal = broken(world, field, value)
        block = malformed(signal)
        assert block is not None
        assert block.text.startswith(f"{field}:")
        world.send(signal)
        await world.until(lambda: world.blocks("INVALID_SIGNAL") == 1)
        assert not {"place", "rules", "price"} & {name for name, _ in world.venue.calls[asked:]}
        (fact,) = world.journal.blocked()
        assert json.loads(fact.detail_json)["reason_code"] == "INVALID_SIGNAL"
        await world.finish()

    run(story)


def test_a_number_in_the_stead_of_the_stop_that_protects_nothing_is_refused(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        world.send(world.entry(stop=50_000))
        world.send(world.entry(stop=60_000))
        await world.until(lambda: world.blocks("STOP_NOT_PROTECTING") == 2)
        assert world.venue.asked == []
        await world.finish()

    run(story)


def test_a_symbol_of_somebody_else_is_refused(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path, symbols=("BTCUSDT",))
        await world.ready()
        world.send(world.entry(symbol="ETHUSDT"))
        await world.until(lambda: world.blocks("SYMBOL_NOT_SERVED") == 1)
        await world.finish()

    run(story)


def test_an_exit_needs_neither_price_nor_confidence(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        signal = await world.opened()
        world.send(replace(world.exit(signal), reference_price=NAN, stop_price=NAN, confidence=float("nan")))
        await world.until(lambda: not world.venue.held)
        await world.finish()

    run(story)


def test_a_signal_that_is_too_old_does_not_enter(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        signal = world.entry()
        world.time.advance(world.config.max_signal_age_s + 1)
        world.venue.set_price("BTCUSDT", 50_000)
        world.send(signal)
        await world.until(lambda: world.blocks("SIGNAL_EXPIRED") == 1)
        await world.finish()

    run(story)


def test_the_event_loop_is_never_left_with_a_task_that_nobody_awaits(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        await world.opened()
        await world.finish()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert others == []

    run(story)
