"""The exchange as a whole: its configuration, its start and end, its command line."""

from __future__ import annotations

import asyncio
import dataclasses
import gzip
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path

import aiohttp
import pytest
from paper_builders import NOON, ManualClock, candle, candles, config, desk, in_loop, open_exchange, raw, story

from msc_client import Side
from msc_trading.market import Candle, generated_candles
from msc_trading.paper import BTCUSDT, ApiKey, PaperConfig, PaperExchange, PaperSettings, paper_main, serve
from msc_trading.paper.cli import config_of, feeds_of, main
from msc_trading.paper.desk import Desk
from msc_trading.paper.engine.events import PRIVATE_EVENTS, Event
from msc_trading.paper.engine.values import NewOrder, OrderType

ROWS = [f"2026-03-01T12:{minute:02}:00,100,110,90,105,8" for minute in range(5)]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"symbols": ()}, "symbols"),
        ({"symbols": (BTCUSDT, BTCUSDT)}, "symbols"),
        ({"starting_balance": Decimal(-1)}, "starting_balance"),
        ({"starting_balance": Decimal("NaN")}, "starting_balance"),
        ({"speed": 0.0}, "speed"),
        ({"speed": float("nan")}, "speed"),
        ({"origin": datetime(2026, 1, 1)}, "origin"),
        ({"warm_up_bars": -1}, "warm_up_bars"),
        ({"keys": ()}, "keys"),
        ({"pump_interval_s": 0.0}, "pump_interval_s"),
    ],
)
def test_a_configuration_out_of_sense_is_refused_by_name(changes: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=f"^{named}:"):
        replace(PaperConfig(), **changes)  # type: ignore[arg-type]  # wrong on purpose


def test_a_secret_is_not_shown() -> None:
    assert "s3cret" not in repr(PaperConfig(keys=(ApiKey(key="k", secret="s3cret"),)))


def test_a_configuration_does_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        PaperConfig().seed = 1  # type: ignore[misc]  # wrong on purpose


def test_a_feed_for_a_symbol_that_is_not_traded_is_refused() -> None:
    with pytest.raises(ValueError, match="DOGEUSDT"):
        Desk(config(), {"DOGEUSDT": []}, ManualClock())


@in_loop
async def test_it_listens_on_two_free_ports_of_the_loopback_address() -> None:
    async with PaperExchange(config(), {}) as exchange:
        addresses = {exchange.rest_url.partition("//")[2], exchange.admin_url.partition("//")[2]}

        assert len(addresses) == 2
        assert all(address.startswith("127.0.0.1:") for address in addresses)
        assert exchange.stream_url == exchange.rest_url.replace("http", "ws") + "/"
        assert exchange.origin == exchange.now() == NOON


@in_loop
async def test_a_port_that_is_taken_is_told_and_nothing_stays_open() -> None:
    async with PaperExchange(config(), {}) as exchange:
        port = int(exchange.admin_url.rpartition(":")[2])

        with pytest.raises(OSError, match="address already in use"):
            async with PaperExchange(config(admin_port=port), {}):
                pass


def test_outside_of_its_context_it_says_what_to_do() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        PaperExchange(config(), {}).now()


@in_loop
async def test_leaving_ends_the_streams_and_answers_what_is_frozen() -> None:
    async with aiohttp.ClientSession() as session:
        async with PaperExchange(config(), {}) as exchange:
            stream = await session.ws_connect(f"{exchange.stream_url}market/ws/btcusdt@aggTrade")
            exchange.desk.freeze(None)

        assert (await stream.receive()).type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}
        await stream.close()


@in_loop
async def test_a_feed_that_breaks_is_not_passed_over() -> None:
    clock = ManualClock()
    feed = [*candles(2), candle(1)]

    exchange = PaperExchange(config(paused=False), {"BTCUSDT": feed}, clock=clock)
    await exchange.__aenter__()
    clock.advance(300.0)

    with pytest.raises(ValueError, match="open_time"):
        await exchange.failed()
    with pytest.raises(ValueError, match="open_time"):
        await exchange.__aexit__(None, None, None)


@in_loop
async def test_the_same_seed_and_feed_and_calls_tell_the_same_story() -> None:
    def lived(seed: int) -> tuple[list[str], list[Event]]:
        told: list[Event] = []
        made = Desk(config(seed=seed), {"BTCUSDT": candles(300)}, ManualClock())
        publish = made.hub.publish
        made.hub.publish = lambda events: (told.extend(events), publish(events))[1]  # type: ignore[method-assign,func-returns-value]  # listening in
        for number in range(40):
            made.step(timedelta(minutes=5))
            side = Side.BUY if number % 3 else Side.SELL
            made.engine.place(
                NewOrder(symbol="BTCUSDT", side=side, order_type=OrderType.MARKET, quantity=Decimal(1)), made.now()
            )
            made.publish()
        return story(told), [event for event in told if isinstance(event, PRIVATE_EVENTS)]

    first, again, other = lived(1), lived(1), lived(2)

    assert first == again
    assert first[0] == other[0]
    assert first[1] != other[1]


@in_loop
async def test_how_time_is_cut_does_not_change_what_happens() -> None:
    def wallet(step_s: int) -> tuple[Decimal, int]:
        feed: Iterator[Candle] = islice(generated_candles("BTCUSDT", seed=3, start=NOON), 600)
        made = desk(feed=feed)
        made.engine.place(
            NewOrder(symbol="BTCUSDT", side=Side.BUY, order_type=OrderType.MARKET, quantity=Decimal(3)), NOON
        )
        for _ in range(0, 36_000, step_s):
            made.step(timedelta(seconds=step_s))
        state = made.engine.state
        return state.wallet, state.markets["BTCUSDT"].next_trade_id

    assert wallet(7200) == wallet(60) == wallet(12)


@in_loop
async def test_prices_move_while_nobody_asks() -> None:
    clock = ManualClock()
    async with open_exchange({"BTCUSDT": candles(10)}, clock=clock, paused=False, speed=60.0) as exchange:
        clock.advance(5.0)
        exchange.desk.tick()

        assert exchange.desk.engine.state.markets["BTCUSDT"].last == 50050
        clock.advance(500.0)
        exchange.desk.tick()
        assert exchange.desk.feed_ended


class TestCommandLine:
    def test_settings_become_a_configuration(self) -> None:
        made = config_of(PaperSettings(symbols=("ETHUSDT",), speed=60.0, seed=5, balance=Decimal(1000), port=0))

        assert [spec.symbol for spec in made.symbols] == ["ETHUSDT"]
        assert (made.speed, made.seed, made.starting_balance, made.port) == (60.0, 5, Decimal(1000), 0)

    def test_symbols_without_a_file_get_made_up_prices_from_where_the_files_start(self, tmp_path: Path) -> None:
        path = tmp_path / "btc.csv.gz"
        with gzip.open(path, "wt") as file:
            file.write("\n".join(["timestamp,open,high,low,close,volume", *ROWS]))

        feeds = feeds_of(PaperSettings(candles={"BTCUSDT": path}), datetime(2020, 1, 1, tzinfo=UTC))

        bitcoin, ether = next(iter(feeds["BTCUSDT"])), next(iter(feeds["ETHUSDT"]))
        assert bitcoin.open_time == ether.open_time == NOON
        assert bitcoin.close == 105

    def test_without_files_prices_start_today_or_where_it_is_said(self) -> None:
        today = datetime(2026, 3, 1, tzinfo=UTC)

        assert next(iter(feeds_of(PaperSettings(), today)["BTCUSDT"])).open_time == today
        settings = PaperSettings(start=NOON)
        assert next(iter(feeds_of(settings, today)["BTCUSDT"])).open_time == NOON

    @pytest.mark.parametrize(
        ("settings", "named"),
        [
            (PaperSettings(symbols=("DOGEUSDT",)), "symbols"),
            (PaperSettings(candles={"DOGEUSDT": Path("doge.csv")}), "candles"),
            (PaperSettings(candles={"BTCUSDT": Path("there-is-no-such-file.csv")}), "no-such-file"),
            (PaperSettings(speed=-1.0), "speed"),
        ],
    )
    def test_a_setting_out_of_sense_ends_with_a_line_that_names_it(
        self, settings: PaperSettings, named: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert paper_main(settings, clock=ManualClock()) == 2

        assert named in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            (["--candles", "BTCUSDT"], "SYMBOL=FILE"),
            (["--key", "s3cret-without-name"], "KEY:SECRET"),
            (["--start", "tomorrow"], "2026-01-31"),
            (["--balance", "much"], "amount"),
            (["--speed", "fast"], "--speed"),
        ],
    )
    def test_an_argument_out_of_sense_is_told_without_secrets(
        self, arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit):
            main(arguments)

        told = capsys.readouterr().err
        assert named in told
        assert "s3cret" not in told

    @in_loop
    async def test_it_serves_until_it_is_told_to_stop(self) -> None:
        stop = asyncio.Event()
        ready: asyncio.Queue[PaperExchange] = asyncio.Queue()
        serving = asyncio.create_task(serve(config(), {}, stop=stop, ready=ready.put_nowait))

        exchange = await ready.get()
        async with raw(exchange) as client:
            assert (await client.send("GET", "/fapi/v1/ping")).status == 200
        stop.set()

        await serving

    @in_loop
    async def test_serving_ends_with_what_broke_the_feed(self) -> None:
        feed = [candle(0), candle(0)]
        ready: asyncio.Queue[PaperExchange] = asyncio.Queue()

        with pytest.raises(ValueError, match="open_time"):
            await serve(
                config(paused=False, speed=3600.0), {"BTCUSDT": feed}, stop=asyncio.Event(), ready=ready.put_nowait
            )
