"""Whoever listens from the beginning knows everything: the stream alone rebuilds orders, positions and wallet."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from paper_builders import NOON, Changes, Json, engine, go, limit, market, stop

from msc_client import Side
from msc_trading.paper.engine import Engine, Rejected
from msc_trading.paper.engine.values import OrderType
from msc_trading.paper.http.account_shapes import balance_shapes
from msc_trading.paper.http.order_shapes import trade_shape
from msc_trading.paper.http.private_messages import private_message

QUANTITIES = st.sampled_from(["0.5", "1", "12", "25"])
SIDES = st.sampled_from(list(Side))
PRICES = st.integers(4700, 5300).map(lambda tens: str(tens * 10))
SYMBOLS = st.sampled_from(["BTCUSDT", "ETHUSDT"])
ACTIONS = st.one_of(
    st.tuples(st.just("market"), SYMBOLS, SIDES, QUANTITIES),
    st.tuples(st.just("reduce"), SYMBOLS, SIDES, QUANTITIES),
    st.tuples(st.just("limit"), SYMBOLS, SIDES, PRICES),
    st.tuples(st.just("stop"), SYMBOLS, SIDES, PRICES),
    st.tuples(st.just("move"), SYMBOLS, SIDES, PRICES),
    st.tuples(st.just("cancel"), SYMBOLS, SIDES, PRICES),
    st.tuples(st.just("liquidate"), SYMBOLS, SIDES, PRICES),
)
DAYS = st.lists(ACTIONS, max_size=40)


class Listener:
    """Knows what the private stream has said, and nothing else."""

    def __init__(self) -> None:
        self.orders: dict[int, Json] = {}
        self.algos: dict[int, Json] = {}
        self.fills: list[Json] = []
        self.positions: dict[str, Decimal] = {}
        self.wallet = ""

    def hear(self, message: Json) -> None:
        match message["e"]:
            case "ORDER_TRADE_UPDATE":
                self._hear_of_order(message["o"])
            case "ALGO_UPDATE":
                self.algos[message["o"]["aid"]] = message["o"]
            case "ACCOUNT_UPDATE":
                self.wallet = message["a"]["B"][0]["wb"]
                self.positions |= {row["s"]: Decimal(row["pa"]) for row in message["a"]["P"]}

    def _hear_of_order(self, order: Json) -> None:
        before = self.orders.get(order["i"], {"z": "0"})
        if order["x"] in {"TRADE", "CALCULATED"}:
            self.fills.append(order)
            assert Decimal(order["z"]) == Decimal(before["z"]) + Decimal(order["l"])
        else:
            assert order["z"] == before["z"]
        self.orders[order["i"]] = order


def act(exchange: Engine, action: tuple[str, str, Side, str]) -> None:
    kind, symbol, side, number = action
    now = exchange.state.now
    one: Changes = {"close_position": False, "quantity": Decimal(1), "order_type": OrderType.STOP_MARKET}
    match kind:
        case "market":
            exchange.place(market(side, number, symbol=symbol), now)
        case "reduce":
            exchange.place(market(side, number, symbol=symbol, reduce_only=True), now)
        case "limit":
            exchange.place(limit(side, "1", number, symbol=symbol), now)
        case "stop":
            exchange.place_algo(stop(side, number, symbol=symbol, **one), now)
        case "move":
            go(exchange, number, symbol=symbol, after_s=600.0)
        case "cancel":
            exchange.cancel_all(symbol, now)
            exchange.cancel_all_algos(symbol, now)
        case _:
            exchange.liquidate(symbol, now)


def heard(day: list[tuple[str, str, Side, str]]) -> tuple[Engine, Listener]:
    exchange, listener = engine(starting_balance=Decimal(300_000)), Listener()
    for action in day:
        try:
            act(exchange, action)
        except Rejected:
            continue
        for event in exchange.drain():
            message = private_message(exchange.state, event)
            if message is not None:
                listener.hear(message)
    return exchange, listener


@given(DAYS)
def test_wallet_and_positions_are_those_that_rest_answers(day: list[tuple[str, str, Side, str]]) -> None:
    exchange, listener = heard(day)

    if listener.wallet:
        assert listener.wallet == balance_shapes(exchange.state)[0]["balance"]
    for symbol, position in exchange.state.positions.items():
        assert listener.positions.get(symbol, Decimal(0)) == position.quantity


@given(DAYS)
def test_every_order_is_told_in_its_last_state(day: list[tuple[str, str, Side, str]]) -> None:
    exchange, listener = heard(day)

    told = {order_id: (order["X"], Decimal(order["z"])) for order_id, order in listener.orders.items()}
    assert told == {order_id: (order.status.value, order.executed) for order_id, order in exchange.state.orders.items()}
    assert {algo_id: algo["X"] for algo_id, algo in listener.algos.items()} == {
        algo_id: algo.status.value for algo_id, algo in exchange.state.algos.items()
    }


@given(DAYS)
def test_the_fills_told_are_the_fills_that_can_be_asked_for(day: list[tuple[str, str, Side, str]]) -> None:
    exchange, listener = heard(day)
    state = exchange.state

    asked = [trade_shape(state.spec(symbol), trade) for symbol, trades in state.trades.items() for trade in trades]
    told = {(fill["s"], fill["t"]): fill for fill in listener.fills}
    assert len(told) == len(listener.fills) == len(asked)
    for row in asked:
        fill = told[str(row["symbol"]), int(str(row["id"]))]
        assert (Decimal(fill["L"]), Decimal(fill["l"])) == (Decimal(str(row["price"])), Decimal(str(row["qty"])))
        assert (fill["n"], Decimal(fill["rp"])) == (row["commission"], Decimal(str(row["realizedPnl"])))
        assert (fill["i"], fill["S"], fill["m"]) == (row["orderId"], row["side"], row["maker"])


@given(DAYS)
def test_every_short_report_is_followed_by_its_full_one(day: list[tuple[str, str, Side, str]]) -> None:
    exchange = engine()
    waiting: list[int] = []
    for action in day:
        try:
            act(exchange, action)
        except Rejected:
            continue
        for event in exchange.drain():
            message: Json = private_message(exchange.state, event) or {"e": ""}
            if message["e"] == "TRADE_LITE":
                waiting.append(message["t"])
            elif message["e"] == "ORDER_TRADE_UPDATE" and message["o"]["t"]:
                assert message["o"]["t"] == waiting.pop(0)
    assert waiting == []


def test_times_never_go_back_on_the_stream() -> None:
    exchange = engine()
    exchange.place(market(), NOON)
    for number in range(20):
        go(exchange, str(50_000 + number * 10), after_s=3600.0)
        exchange.place(market(Side.BUY if number % 2 else Side.SELL), exchange.state.now)

    times = [message["E"] for event in exchange.drain() if (message := _message(exchange, event)) is not None]

    assert times == sorted(times)


def _message(exchange: Engine, event: Changes) -> Json:
    return private_message(exchange.state, event)
