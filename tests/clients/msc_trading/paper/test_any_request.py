"""Whatever is asked: it is answered or refused in the venue's way, and never breaks the exchange."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from paper_builders import KEY, candles, desk

from msc_client import Side
from msc_trading.paper.desk import Desk
from msc_trading.paper.engine import Rejected
from msc_trading.paper.engine.positions import signed
from msc_trading.paper.http.params import Params
from msc_trading.paper.http.rest import ROUTES
from msc_trading.paper.http.route import Call
from msc_trading.paper.http.text import dumps

NUMBERS = st.sampled_from(["0", "1", "0.5", "3", "49000", "50000.10", "51000", "1e-05", "-1", "NaN", "9" * 20, "x", ""])
VOCABULARY: dict[str, st.SearchStrategy[str]] = {
    "symbol": st.sampled_from(["BTCUSDT", "BTCUSDT", "BTCUSDT", "ETHUSDT", "DOGEUSDT"]),
    "side": st.sampled_from(["BUY", "SELL", "LONG"]),
    "type": st.sampled_from(
        ["MARKET", "LIMIT", "STOP_MARKET", "TAKE_PROFIT_MARKET", "STOP", "TRAILING_STOP_MARKET", "LIQUIDATION"]
    ),
    "quantity": NUMBERS,
    "price": NUMBERS,
    "triggerPrice": NUMBERS,
    "activatePrice": NUMBERS,
    "callbackRate": NUMBERS,
    "timeInForce": st.sampled_from(["GTC", "IOC", "FOK", "GTX", "GTD", "DAY"]),
    "goodTillDate": st.sampled_from(["0", "1772370000000", "9" * 20]),
    "reduceOnly": st.sampled_from(["true", "false", "True", "maybe"]),
    "closePosition": st.sampled_from(["true", "false"]),
    "workingType": st.sampled_from(["MARK_PRICE", "CONTRACT_PRICE", "?"]),
    "selfTradePreventionMode": st.sampled_from(["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"]),
    "newClientOrderId": st.sampled_from(["a", "b", "c", "a b"]),
    "clientAlgoId": st.sampled_from(["a", "b", "c"]),
    "origClientOrderId": st.sampled_from(["a", "b", "c"]),
    "algoType": st.just("CONDITIONAL"),
    "newOrderRespType": st.sampled_from(["ACK", "RESULT"]),
    "orderId": NUMBERS,
    "algoId": NUMBERS,
    "fromId": NUMBERS,
    "startTime": NUMBERS,
    "endTime": NUMBERS,
    "limit": NUMBERS,
    "page": NUMBERS,
    "interval": st.sampled_from(["1m", "5m", "1d", "7m"]),
    "incomeType": st.sampled_from(["COMMISSION", "REALIZED_PNL", "?"]),
    "leverage": NUMBERS,
    "marginType": st.sampled_from(["CROSSED", "ISOLATED", "?"]),
    "dualSidePosition": st.sampled_from(["true", "false", "?"]),
    "countdownTime": NUMBERS,
    "batchOrders": st.sampled_from(
        ["", "{", "[]", "[1]", json.dumps([{"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": 1}])]
    ),
    "orderIdList": st.sampled_from(["[1,2]", "[]", "1"]),
    "origClientOrderIdList": st.sampled_from(['["a","b"]', "x"]),
}
PARAMS = st.fixed_dictionaries({}, optional=VOCABULARY).map(Params)
LIKELY_ORDERS = st.fixed_dictionaries(
    {
        "symbol": st.just("BTCUSDT"),
        "side": st.sampled_from(["BUY", "SELL"]),
        "type": st.sampled_from(["MARKET", "LIMIT"]),
        "quantity": st.sampled_from(["0.5", "1", "15", "60"]),
    },
    optional={name: VOCABULARY[name] for name in ("price", "timeInForce", "reduceOnly", "selfTradePreventionMode")},
).map(Params)
ROUTE_KEYS = st.sampled_from(sorted(ROUTES))
ORDER = ("POST", "/fapi/v1/order")
REQUESTS = st.tuples(ROUTE_KEYS, PARAMS) | st.tuples(st.just(ORDER), LIKELY_ORDERS)


def ask(exchange: Desk, key: tuple[str, str], params: Params) -> int:
    """Asks as a request would; returns the code of the refusal, or 0."""
    route = ROUTES[key]
    try:
        assert route.cost(params) >= 0
        dumps(route.handler(Call(exchange, params, KEY)))
    except Rejected as refused:
        assert refused.code < 0
        assert refused.message
        return refused.code
    finally:
        exchange.publish()
    return 0


@given(st.lists(REQUESTS, max_size=60))
def test_every_request_is_answered_or_refused(requests: list[tuple[tuple[str, str], Params]]) -> None:
    async def live() -> None:
        exchange = desk(feed=candles(300), warm_up_bars=0)
        for key, params in requests:
            ask(exchange, key, params)
            exchange.step(timedelta(seconds=37))
        state = exchange.engine.state
        for symbol, position in state.positions.items():
            assert position.quantity == sum(signed(each.side, each.quantity) for each in state.trades[symbol])
        assert state.wallet == sum(income.amount for income in state.incomes)

    asyncio.run(live())


@given(st.sampled_from(sorted(key for key in ROUTES if key[0] == "GET")), PARAMS)
def test_asking_changes_nothing(key: tuple[str, str], params: Params) -> None:
    async def live() -> None:
        exchange = desk()
        state = exchange.engine.state
        before = (state.wallet, dict(state.orders), dict(state.positions), state.now)

        ask(exchange, key, params)

        assert (state.wallet, state.orders, state.positions, state.now) == before

    asyncio.run(live())


@given(st.lists(st.tuples(st.just(ORDER), LIKELY_ORDERS), max_size=40))
def test_a_refused_order_leaves_nothing_behind(requests: list[tuple[tuple[str, str], Params]]) -> None:
    async def live() -> None:
        exchange = desk()
        state = exchange.engine.state
        for key, params in requests:
            before = (state.wallet, len(state.orders), state.positions["BTCUSDT"])
            if ask(exchange, key, params):
                assert (state.wallet, len(state.orders), state.positions["BTCUSDT"]) == before

    asyncio.run(live())


def test_a_reducing_order_never_makes_a_position_larger() -> None:
    async def live() -> None:
        for side, opposite in ((Side.BUY, Side.SELL), (Side.SELL, Side.BUY)):
            exchange = desk()
            order = {"symbol": "BTCUSDT", "type": "MARKET", "quantity": "2"}
            assert ask(exchange, ORDER, Params(order | {"side": side.value})) == 0
            reducing = {"reduceOnly": "true", "quantity": "50", "side": opposite.value}
            assert ask(exchange, ORDER, Params(order | reducing)) == 0
            assert exchange.engine.state.positions["BTCUSDT"].quantity == Decimal(0)

    asyncio.run(live())
