"""Who hears what."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from decimal import Decimal

from paper_builders import NOON, Json, engine, go, market

from msc_client import Side
from msc_trading.paper.engine import Engine
from msc_trading.paper.engine.events import PriceMoved
from msc_trading.paper.engine.values import ZERO
from msc_trading.paper.http.faults import Faults
from msc_trading.paper.http.hub import Hub, Listener
from msc_trading.paper.http.market_messages import Channel, channel_of

SYMBOLS = frozenset({"BTCUSDT", "ETHUSDT"})


class Ear:
    """A connection that only remembers."""

    def __init__(self, category: str = "market", *, combined: bool = False, room: int = 100, ticket: str = "") -> None:
        self.aborted = 0
        self.listener = Listener(
            category=category,
            opened_s=0.0,
            combined=combined,
            abort=self._abort,
            queue=asyncio.Queue(maxsize=room),
            listen_key=ticket,
        )

    def _abort(self) -> None:
        self.aborted += 1

    def heard(self) -> list[Json]:
        found = []
        while not self.listener.queue.empty():
            text = self.listener.queue.get_nowait()
            found.append(None if text is None else json.loads(text))
        return found


def channels(*names: str) -> list[Channel]:
    return [channel for name in names if (channel := channel_of(name, SYMBOLS)) is not None]


def hub(exchange: Engine) -> Hub:
    return Hub(exchange, Faults().mangle)


def listen(to: Hub, ear: Ear, names: Iterable[str] = ()) -> Ear:
    to.add(ear.listener, channels(*names))
    return ear


def test_each_hears_its_own_channels_only() -> None:
    exchange = engine()
    made = hub(exchange)
    bitcoin = listen(made, Ear(), ["btcusdt@markPrice"])
    ether = listen(made, Ear(), ["ethusdt@markPrice"])
    both = listen(made, Ear(), ["btcusdt@markPrice", "ethusdt@markPrice"])

    go(exchange, "50100")
    made.publish(exchange.drain())

    assert [len(ear.heard()) for ear in (bitcoin, ether, both)] == [1, 0, 1]


def test_the_account_is_heard_with_a_ticket_only() -> None:
    exchange = engine()
    made = hub(exchange)
    private, expired, public = (
        listen(made, Ear("private", ticket="t")),
        listen(made, Ear("private")),
        listen(made, Ear(), ["btcusdt@aggTrade"]),
    )

    exchange.place(market(), NOON)
    made.publish(exchange.drain())

    assert [len(ear.heard()) for ear in (private, expired, public)] == [4, 0, 0]


def test_a_combined_listener_is_told_the_channel() -> None:
    exchange = engine()
    made = hub(exchange)
    ear = listen(made, Ear(combined=True), ["btcusdt@markPrice"])

    go(exchange, "50100")
    made.publish(exchange.drain())

    (message,) = ear.heard()
    assert (message["stream"], message["data"]["e"]) == ("btcusdt@markPrice", "markPriceUpdate")


def test_after_unsubscribing_and_leaving_nothing_is_heard() -> None:
    exchange = engine()
    made = hub(exchange)
    ear = listen(made, Ear(), ["btcusdt@markPrice", "btcusdt@aggTrade"])

    made.unsubscribe(ear.listener, ["btcusdt@markPrice"])
    go(exchange, "50100", quantity=Decimal(1))
    made.publish(exchange.drain())
    assert [message["e"] for message in ear.heard()] == ["aggTrade"]

    made.remove(ear.listener)
    made.remove(ear.listener)
    go(exchange, "50200", quantity=Decimal(1))
    made.publish(exchange.drain())
    assert ear.heard() == []


def test_a_beat_repeats_prices_and_nothing_else() -> None:
    exchange = engine()
    made = hub(exchange)
    ear = listen(made, Ear(), ["btcusdt@markPrice", "btcusdt@aggTrade", "btcusdt@kline_1m", "btcusdt@bookTicker"])

    made.beat(PriceMoved(at=NOON, symbol="BTCUSDT", quantity=ZERO, closes_bar=False))

    assert {message["e"] for message in ear.heard()} == {"markPriceUpdate", "bookTicker"}


def test_a_full_queue_cuts_its_listener_off_and_no_other() -> None:
    exchange = engine()
    made = hub(exchange)
    slow = listen(made, Ear(room=1), ["btcusdt@markPrice"])
    quick = listen(made, Ear(), ["btcusdt@markPrice"])

    for price in ("50100", "50200"):
        go(exchange, price)
        made.publish(exchange.drain())

    assert (slow.aborted, quick.aborted) == (1, 0)
    assert len(quick.heard()) == 2


def test_killing_cuts_and_forgets_a_category() -> None:
    made = hub(engine())
    ears = [listen(made, Ear(category)) for category in ("private", "public", "market")]

    assert made.kill("public") == 1
    assert [ear.aborted for ear in ears] == [0, 1, 0]
    assert made.kill() == 2
    assert made.kill() == 0


def test_old_connections_are_ended_politely() -> None:
    made = hub(engine())
    old, young = listen(made, Ear()), listen(made, Ear())
    young.listener.opened_s = 100.0

    made.close_older_than(50.0)

    assert (old.heard(), young.heard()) == ([None], [])
    assert made.count("market") == 1


def test_an_expired_ticket_is_told_to_its_own_listeners() -> None:
    made = hub(engine())
    expired, live = (listen(made, Ear("private", ticket=ticket)) for ticket in ("old", "new"))

    made.expire(["old"])

    assert [message["listenKey"] for message in expired.heard()] == ["old"]
    assert live.heard() == []


def test_a_liquidation_is_heard_by_its_symbol_and_by_all() -> None:
    exchange = engine()
    made = hub(exchange)
    own = listen(made, Ear(), ["btcusdt@forceOrder"])
    other = listen(made, Ear(), ["ethusdt@forceOrder"])
    everybody = listen(made, Ear(), ["!forceOrder@arr"])
    exchange.place(market(Side.SELL), NOON)

    exchange.liquidate("BTCUSDT", NOON)
    made.publish(exchange.drain())

    assert [len(ear.heard()) for ear in (own, other, everybody)] == [1, 0, 1]


def test_what_is_sent_is_counted() -> None:
    exchange = engine()
    made = hub(exchange)
    for _ in range(3):
        listen(made, Ear(), ["btcusdt@markPrice"])

    go(exchange, "50100")
    made.publish(exchange.drain())

    assert made.sent == 3
