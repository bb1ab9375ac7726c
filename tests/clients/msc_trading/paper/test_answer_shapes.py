"""Answers that no recording covers: keys, types, and that numbers are written as the venue writes them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paper_builders import KEY, Json, candles, desk

from msc_trading.paper.desk import Desk
from msc_trading.paper.http.params import Params
from msc_trading.paper.http.rest import ROUTES
from msc_trading.paper.http.route import Call
from msc_trading.paper.http.text import fixed, plain

PLAIN_NUMBER = re.compile(r"-?\d+(\.\d+)?")
POSITION_KEYS = {
    "symbol", "initialMargin", "maintMargin", "unrealizedProfit", "positionInitialMargin", "openOrderInitialMargin",
    "leverage", "isolated", "entryPrice", "breakEvenPrice", "maxNotional", "bidNotional", "askNotional",
    "positionSide", "positionAmt", "notional", "isolatedWallet", "updateTime",
}  # fmt: skip
ACCOUNT_KEYS = {
    "feeTier", "feeBurn", "canTrade", "canDeposit", "canWithdraw", "updateTime", "multiAssetsMargin", "tradeGroupId",
    "totalInitialMargin", "totalMaintMargin", "totalWalletBalance", "totalUnrealizedProfit", "totalMarginBalance",
    "totalPositionInitialMargin", "totalOpenOrderInitialMargin", "totalCrossWalletBalance", "totalCrossUnPnl",
    "availableBalance", "maxWithdrawAmount", "assets", "positions",
}  # fmt: skip
ASSET_KEYS = {
    "asset", "walletBalance", "unrealizedProfit", "marginBalance", "maintMargin", "initialMargin",
    "positionInitialMargin", "openOrderInitialMargin", "crossWalletBalance", "crossUnPnl", "availableBalance",
    "maxWithdrawAmount", "marginAvailable", "updateTime",
}  # fmt: skip
ROWS: list[tuple[str, dict[str, str], set[str]]] = [
    ("/fapi/v1/userTrades", {"symbol": "BTCUSDT"}, {
        "symbol", "id", "orderId", "side", "price", "qty", "realizedPnl", "quoteQty", "commission",
        "commissionAsset", "time", "positionSide", "buyer", "maker",
    }),
    ("/fapi/v1/income", {}, {
        "symbol", "incomeType", "income", "asset", "info", "time", "tranId", "tradeId",
    }),
    ("/fapi/v1/leverageBracket", {}, {"symbol", "notionalCoef", "brackets"}),
    ("/fapi/v1/symbolConfig", {}, {"symbol", "marginType", "isAutoAddMargin", "leverage", "maxNotionalValue"}),
    ("/fapi/v1/rateLimit/order", {}, {"rateLimitType", "interval", "intervalNum", "limit"}),
    ("/fapi/v1/fundingRate", {}, {"symbol", "fundingRate", "fundingTime", "markPrice"}),
    ("/fapi/v1/ticker/bookTicker", {}, {
        "symbol", "bidPrice", "bidQty", "askPrice", "askQty", "time", "lastUpdateId",
    }),
    ("/fapi/v2/ticker/price", {}, {"symbol", "price", "time"}),
    ("/fapi/v1/premiumIndex", {}, {
        "symbol", "markPrice", "indexPrice", "estimatedSettlePrice", "lastFundingRate", "interestRate",
        "nextFundingTime", "time",
    }),
    ("/fapi/v1/ticker/24hr", {}, {
        "symbol", "priceChange", "priceChangePercent", "weightedAvgPrice", "lastPrice", "lastQty", "openPrice",
        "highPrice", "lowPrice", "volume", "quoteVolume", "openTime", "closeTime", "firstId", "lastId", "count",
    }),
]  # fmt: skip
TEXTS = {"symbol", "side", "status", "asset", "info", "incomeType", "tradeId", "commissionAsset", "positionSide"}


def answers(path: str, **params: str) -> Json:
    """Asks an exchange in which a day has passed, with a trade and an open order."""

    async def live() -> Json:
        exchange = lived()
        return ROUTES["GET", path].handler(Call(exchange, Params(params), KEY))

    return asyncio.run(live())


def lived() -> Desk:
    exchange = desk(feed=candles(600), warm_up_bars=0)
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "1"}
    resting = {"type": "LIMIT", "price": "49000", "timeInForce": "GTC"}
    exchange.clock.step(exchange.engine.next_funding - exchange.now())
    exchange.catch_up()
    for each in (order, order | resting):
        ROUTES["POST", "/fapi/v1/order"].handler(Call(exchange, Params(each), KEY))
    return exchange


def leaves(value: Json, name: str = "") -> Iterator[tuple[str, Json]]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from leaves(each, key)
    elif isinstance(value, list):
        for each in value:
            yield from leaves(each, name)
    else:
        yield name, value


@pytest.mark.parametrize(("path", "params", "keys"), ROWS, ids=[row[0] for row in ROWS])
def test_a_list_has_rows_of_these_keys(path: str, params: dict[str, str], keys: set[str]) -> None:
    rows = answers(path, **params)

    assert rows
    assert all(set(row) == keys for row in rows)


@pytest.mark.parametrize(("path", "params"), [(path, params) for path, params, _ in ROWS] + [("/fapi/v2/account", {})])
def test_amounts_are_texts_without_exponents(path: str, params: dict[str, str]) -> None:
    for name, value in leaves(answers(path, **params)):
        if isinstance(value, str) and re.search(r"\d", value) and name not in TEXTS:
            assert PLAIN_NUMBER.fullmatch(value), (name, value)


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_the_account(version: str) -> None:
    account = answers(f"/fapi/{version}/account")

    assert set(account) == ACCOUNT_KEYS
    assert all(set(asset) == ASSET_KEYS for asset in account["assets"])
    assert all(set(position) == POSITION_KEYS for position in account["positions"])


def test_the_accounts_sums_are_those_of_its_parts() -> None:
    account = answers("/fapi/v2/account")

    wallet, unrealized = Decimal(account["totalWalletBalance"]), Decimal(account["totalUnrealizedProfit"])
    assert Decimal(account["totalMarginBalance"]) == wallet + unrealized
    initial = sum(Decimal(position["initialMargin"]) for position in account["positions"])
    assert Decimal(account["totalInitialMargin"]) == initial
    assert Decimal(account["availableBalance"]) == wallet + unrealized - initial


def test_only_positions_in_use_are_listed_by_the_newer_answer() -> None:
    assert [row["symbol"] for row in answers("/fapi/v3/positionRisk")] == ["BTCUSDT"]
    assert [row["symbol"] for row in answers("/fapi/v2/positionRisk")] == ["BTCUSDT", "ETHUSDT"]


def test_the_exchanges_limits_are_those_it_keeps() -> None:
    limits = answers("/fapi/v1/exchangeInfo")["rateLimits"]

    found = [(row["rateLimitType"], row["interval"], row["intervalNum"], row["limit"]) for row in limits]
    assert found == [
        ("REQUEST_WEIGHT", "MINUTE", 1, 2400),
        ("ORDERS", "MINUTE", 1, 1200),
        ("ORDERS", "SECOND", 10, 300),
    ]


def test_the_book_is_sorted_from_the_best_price_outwards() -> None:
    book = answers("/fapi/v1/depth", symbol="BTCUSDT", limit="10")
    bids, asks = ([Decimal(price) for price, _ in book[side]] for side in ("bids", "asks"))

    assert (len(bids), len(asks)) == (10, 10)
    assert bids == sorted(bids, reverse=True)
    assert asks == sorted(asks)
    assert asks[0] - bids[0] == Decimal("0.1")


def test_a_brackets_floor_is_the_cap_before_it() -> None:
    brackets = answers("/fapi/v1/leverageBracket", symbol="BTCUSDT")[0]["brackets"]

    assert [row["notionalFloor"] for row in brackets] == [0, *(row["notionalCap"] for row in brackets[:-1])]
    assert [row["bracket"] for row in brackets] == list(range(1, len(brackets) + 1))


def test_a_days_statistics_fit_together() -> None:
    day = answers("/fapi/v1/ticker/24hr", symbol="BTCUSDT")

    low, high = Decimal(day["lowPrice"]), Decimal(day["highPrice"])
    for name in ("openPrice", "lastPrice", "weightedAvgPrice"):
        assert low <= Decimal(day[name]) <= high
    assert Decimal(day["priceChange"]) == Decimal(day["lastPrice"]) - Decimal(day["openPrice"])


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [
        ("0", 2, "0.00"),
        ("50000", 2, "50000.00"),
        ("50000.1", 2, "50000.10"),
        ("50000.123456789", 2, "50000.12345679"),
        ("1E+2", 3, "100.000"),
        ("-0.5", 3, "-0.500"),
        ("7", 0, "7"),
    ],
)
def test_places_are_filled_up_but_never_cut(value: str, places: int, text: str) -> None:
    assert fixed(Decimal(value), places) == text


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=8))
def test_the_plain_text_of_a_number_is_that_number(value: Decimal) -> None:
    text = plain(value)

    assert PLAIN_NUMBER.fullmatch(text)
    assert Decimal(text) == value
    assert not (text.endswith("0") and "." in text)
