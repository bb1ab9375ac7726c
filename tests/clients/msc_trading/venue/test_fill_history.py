"""The account's fills, complete."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_exchange import DROPPED, START_MS, Asked, Reply, ScriptedExchange, in_loop, order_answer, refuses, says

from msc_trading.venue import fills as fill_module
from msc_trading.venue.port import Fill, VenueError, VenueUnavailable

TRADES = "GET /fapi/v1/userTrades"
QUERY = "GET /fapi/v1/order"
DAY_MS = 86_400_000


def row(trade_id: int, at_ms: int, *, order_id: int = 77, **changes: object) -> dict[str, object]:
    return {
        "id": trade_id, "orderId": order_id, "symbol": "BTCUSDT", "side": "BUY", "qty": "0.001", "price": "50000",
        "commission": "0.02", "commissionAsset": "USDT", "realizedPnl": "0", "time": at_ms,
    } | changes  # fmt: skip


class TradeList:
    """The venue's list: windows of at most seven days, a limit to a page, or pages by id."""

    def __init__(self, trades: list[dict[str, object]]) -> None:
        self._trades = trades

    def answer(self, asked: Asked) -> Reply:
        told = asked.parameters
        if "fromId" in told:
            if "startTime" in told or "endTime" in told:
                return refuses(-1128, "Combination of optional parameters invalid.")
            found = [trade for trade in self._trades if int(str(trade["id"])) >= int(told["fromId"])]
        else:
            start, end = int(told["startTime"]), int(told["endTime"])
            if not 0 <= end - start <= 7 * DAY_MS:
                return refuses(-1127, "Lookup interval is too big.")
            found = [trade for trade in self._trades if start <= int(str(trade["time"])) <= end]
        return says(found[: int(told["limit"])])


async def fills_since(since_ms: int, trades: list[dict[str, object]]) -> list[Fill]:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        exchange.answers[TRADES] = TradeList(trades).answer
        exchange.answers[QUERY] = lambda asked: says(
            order_answer(orderId=int(asked.parameters["orderId"]), clientOrderId=f"id-{asked.parameters['orderId']}")
        )
        return await venue.fills("BTCUSDT", datetime.fromtimestamp(since_ms / 1000, UTC))


@in_loop
async def test_fills_carry_our_order_id_and_flag_which_the_list_leaves_out() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        exchange.answers[TRADES] = TradeList([row(1, START_MS - 2), row(2, START_MS - 1)]).answer
        exchange.script(QUERY, says(order_answer(reduceOnly=True)))

        fills = await venue.fills("BTCUSDT", datetime.fromtimestamp(START_MS / 1000, UTC) - timedelta(hours=1))

        assert [(fill.trade_id, fill.client_order_id, fill.reduce_only) for fill in fills] == [
            ("1", "id-1", True),
            ("2", "id-1", True),
        ]
        assert len(exchange.asked_for(QUERY)) == 1


@in_loop
async def test_an_order_that_was_placed_here_is_not_asked_for() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        exchange.script(QUERY, says(order_answer()))
        await venue.order("BTCUSDT", "id-1")
        exchange.answers[TRADES] = TradeList([row(1, START_MS - 1)]).answer

        (fill,) = await venue.fills("BTCUSDT", datetime.fromtimestamp(START_MS / 1000 - 60, UTC))

        assert fill.client_order_id == "id-1"
        assert len(exchange.asked_for(QUERY)) == 1


@pytest.mark.parametrize(("realized", "reduces"), [("0", False), ("1.5", True), ("-1.5", True)])
@in_loop
async def test_a_fill_of_a_forgotten_order_reduced_when_it_realised_something(realized: str, reduces: bool) -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        exchange.answers[TRADES] = TradeList([row(1, START_MS - 1, realizedPnl=realized)]).answer
        exchange.script(QUERY, refuses(-2013, "Order does not exist."))

        (fill,) = await venue.fills("BTCUSDT", datetime.fromtimestamp(START_MS / 1000 - 60, UTC))

        assert (fill.client_order_id, fill.reduce_only) == ("", reduces)


@in_loop
async def test_more_than_a_page_more_than_a_window_and_many_in_one_millisecond_are_all_there() -> None:
    long_ago = START_MS - 20 * DAY_MS
    trades = [row(count, long_ago + count * 1000) for count in range(1, 1500)]
    trades += [row(count, START_MS - 5 * DAY_MS) for count in range(1500, 4200)]
    trades += [row(count, START_MS - 1000 + count - 4200) for count in range(4200, 4300)]

    fills = await fills_since(long_ago, trades)

    assert [int(fill.trade_id) for fill in fills] == list(range(1, 4300))


@settings(max_examples=15)
@given(
    gaps=st.lists(st.sampled_from([0, 0, 0, 1, 5_000, DAY_MS, 9 * DAY_MS]), min_size=1, max_size=40),
    page=st.integers(1, 7),
    start=st.integers(0, 40),
)
def test_whatever_the_pages_each_fill_since_then_is_there_once(gaps: list[int], page: int, start: int) -> None:
    times = [START_MS - sum(gaps[index:]) for index in range(len(gaps))]
    trades = [row(index + 1, at) for index, at in enumerate(times)]
    since = times[min(start, len(times) - 1)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fill_module, "PAGE", page)
        found: list[Fill] = []

        @in_loop
        async def ask() -> None:
            found.extend(await fills_since(since, trades))

        ask()

    assert [int(fill.trade_id) for fill in found] == [index + 1 for index, at in enumerate(times) if at >= since]


@in_loop
async def test_a_list_that_breaks_off_is_an_error_not_a_short_list() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        exchange.answers[TRADES] = lambda _: DROPPED

        with pytest.raises(VenueUnavailable):
            await venue.fills("BTCUSDT", datetime.fromtimestamp(START_MS / 1000 - 60, UTC))


@in_loop
async def test_an_order_that_cannot_be_asked_for_fails_the_list_rather_than_losing_its_owner() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        exchange.answers[TRADES] = TradeList([row(1, START_MS - 1)]).answer
        exchange.script(QUERY, refuses(-1003, "Too many requests", 429))

        with pytest.raises(VenueError):
            await venue.fills("BTCUSDT", datetime.fromtimestamp(START_MS / 1000 - 60, UTC))


@pytest.mark.parametrize("wrong", [{"qty": "NaN"}, {"time": "soon"}, {"id": None}, {"commission": None}])
@in_loop
async def test_a_fill_that_cannot_be_read_fails_the_list(wrong: dict[str, object]) -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        exchange.script(TRADES, says([row(1, START_MS - 1) | wrong]))
        exchange.answers[QUERY] = lambda _: says(order_answer())

        with pytest.raises(VenueUnavailable):
            await venue.fills("BTCUSDT", datetime.fromtimestamp(START_MS / 1000 - 60, UTC))
