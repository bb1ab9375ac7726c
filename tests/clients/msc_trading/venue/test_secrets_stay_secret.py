"""Neither key nor secret, signature or listen key is seen in an error or a log."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest
from scripted_exchange import (
    CREDENTIALS,
    DROPPED,
    KEY,
    SECRET,
    Asked,
    Reply,
    ScriptedExchange,
    in_loop,
    says,
)
from venue_builders import MARKET_BUY, STOP

from msc_trading.venue.binance import BinanceVenue
from msc_trading.venue.port import VenueError
from msc_trading.venue.redaction import Redaction

LISTEN_KEY = "l1sten-key"
LONG_AGO = datetime(2023, 11, 1, tzinfo=UTC)

CALLS: list[Callable[[BinanceVenue], Awaitable[object]]] = [
    lambda venue: venue.place(MARKET_BUY),
    lambda venue: venue.place_stop(STOP),
    lambda venue: venue.cancel("BTCUSDT", "id-1"),
    lambda venue: venue.cancel_stop("BTCUSDT", "stop-1"),
    lambda venue: venue.order("BTCUSDT", "id-1"),
    lambda venue: venue.open_orders(),
    lambda venue: venue.open_stops(),
    lambda venue: venue.positions(),
    lambda venue: venue.balance(),
    lambda venue: venue.fills("BTCUSDT", LONG_AGO),
    lambda venue: venue.price("BTCUSDT"),
    lambda venue: venue.arm_dead_man("BTCUSDT", 60),
]


def echoes(status: int, kind: str = "text/html") -> Callable[[Asked], Reply]:
    """An answer that repeats the whole request, as proxies' error pages do."""
    return lambda asked: Reply(
        f"<p>{asked.path}?{asked.words} {asked.key} {SECRET}</p>", status, {"Content-Type": kind}
    )


def repeats(asked: Asked) -> Reply:
    return says(
        {"code": -1102, "msg": f"bad request {asked.words} of {asked.key} {SECRET} listenKey={LISTEN_KEY}"}, 400
    )


ANSWERS: list[Callable[[Asked], Reply]] = [
    echoes(502),
    echoes(200),
    echoes(403),
    echoes(200, "application/json"),
    repeats,
    lambda _: DROPPED,
    lambda asked: says({}, 307, Location=f"/elsewhere?{asked.words}"),
]


def everything_told(error: BaseException) -> str:
    """The error with all that hangs on it, as a log or an error tracker would show it."""
    words, seen = [], [error]
    while seen:
        one = seen.pop()
        words += [str(one), repr(one), *map(repr, one.args), *traceback.format_exception(one)]
        seen += [linked for linked in (one.__cause__, one.__context__) if linked is not None]
    return "\n".join(words)


def assert_no_secrets(words: str, asked: list[Asked]) -> None:
    signatures = [request.parameters["signature"] for request in asked if "signature" in request.parameters]
    assert not [secret for secret in (KEY, SECRET, LISTEN_KEY, *signatures) if secret in words]


@pytest.mark.parametrize("answer", ANSWERS)
@in_loop
async def test_no_error_of_any_call_holds_a_secret(
    answer: Callable[[Asked], Reply], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        for method in ("GET", "POST", "DELETE"):
            for path in (
                "v1/order", "v1/algoOrder", "v1/openOrders", "v1/openAlgoOrders", "v3/positionRisk", "v3/balance",
                "v1/userTrades", "v2/ticker/price", "v1/countdownCancelAll",
            ):  # fmt: skip
                exchange.answers[f"{method} /fapi/{path}"] = answer
        failed = 0
        for call in CALLS:
            try:
                await call(venue)
            except VenueError as error:
                failed += 1
                assert_no_secrets(everything_told(error), exchange.asked)

        # With an answer of "bad request" arming is the one that has nothing to read.
        assert failed >= len(CALLS) - 1
        assert_no_secrets(caplog.text, exchange.asked)


@in_loop
async def test_streams_log_no_listen_key_even_when_everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        events = venue.user_events()
        await anext(events)
        await (await exchange.connection()).kill()
        await anext(events)

    assert "streams" in caplog.text or "binance" in caplog.text
    assert_no_secrets(caplog.text, exchange.asked)


@in_loop
async def test_a_stream_that_cannot_be_opened_says_so_without_its_address() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        exchange.refuses_streams = True
        events = venue.user_events()

        lost = await anext(events)

        assert_no_secrets(repr(lost), exchange.asked)


def test_what_a_library_logs_is_rewritten_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    redaction, logger = Redaction(CREDENTIALS), logging.getLogger("aiohttp.client")
    redaction.start()
    try:
        try:
            raise ValueError(f"https://venue/order?signature=abc123ef&key={KEY}")
        except ValueError:
            logger.exception("failed: %s", f"listenKey={LISTEN_KEY} {SECRET}")
    finally:
        redaction.stop()

    assert "failed" in caplog.text
    assert "ValueError" in caplog.text
    assert not [secret for secret in (KEY, SECRET, LISTEN_KEY, "abc123ef") if secret in caplog.text]


def test_a_venue_shows_no_keys() -> None:
    venue = BinanceVenue.__new__(BinanceVenue)
    venue._credentials = CREDENTIALS

    assert not [secret for secret in (KEY, SECRET) if secret in f"{venue!r} {vars(venue)!r}"]
