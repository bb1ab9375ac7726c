"""Messages of the private stream."""

from __future__ import annotations

from decimal import Decimal

from msc_trading.paper.engine.bars import milliseconds
from msc_trading.paper.engine.events import (
    AccountEvent,
    AlgoEvent,
    Event,
    LeverageEvent,
    MarginCall,
    OrderEvent,
    TradeLite,
)
from msc_trading.paper.engine.state import State
from msc_trading.paper.engine.values import ZERO, OrderType, Position
from msc_trading.paper.http.account_shapes import ASSET, amount, break_even
from msc_trading.paper.http.text import fixed, instant, plain

Shape = dict[str, object]
_ACTUAL_TYPE = {OrderType.STOP: "LIMIT", OrderType.TAKE_PROFIT: "LIMIT"}


def private_message(state: State, event: Event) -> Shape | None:
    """Returns the message for an event, None for one that is not the account's."""
    match event:
        case OrderEvent():
            message: Shape | None = _stamped("ORDER_TRADE_UPDATE", event) | {"o": _order(event)}
        case TradeLite():
            message = _trade_lite(event)
        case AccountEvent():
            message = _stamped("ACCOUNT_UPDATE", event) | {"a": _account(state, event)}
        case AlgoEvent():
            message = _stamped("ALGO_UPDATE", event) | {"o": _algo(event)}
        case LeverageEvent():
            message = _stamped("ACCOUNT_CONFIG_UPDATE", event) | {"ac": {"s": event.symbol, "l": event.leverage}}
        case MarginCall():
            message = _margin_call(event)
        case _:
            message = None
    return message


def listen_key_expired(listen_key: str, now_ms: int) -> Shape:
    """Returns the last message of a private stream whose ticket has expired."""
    return {"e": "listenKeyExpired", "E": now_ms, "listenKey": listen_key}


def _stamped(kind: str, event: OrderEvent | TradeLite | AccountEvent | AlgoEvent | LeverageEvent) -> Shape:
    at = milliseconds(event.at)
    return {"e": kind, "T": at, "E": at}


def _order(event: OrderEvent) -> Shape:
    order, trade = event.order, event.trade
    return {
        "s": order.symbol,
        "c": order.client_order_id,
        "S": order.side.value,
        "o": order.order_type.value,
        "f": order.time_in_force.value,
        "q": plain(order.quantity),
        "p": plain(order.price),
        "ap": plain(round(order.average_price, 8)),
        "sp": plain(order.stop_price),
        "x": event.execution.value,
        "X": order.status.value,
        "i": order.order_id,
        "l": plain(trade.quantity) if trade else "0",
        "z": plain(order.executed),
        "L": plain(trade.price) if trade else "0",
        "N": ASSET,
        "n": amount(trade.fee) if trade else "0",
        "T": milliseconds(event.at),
        "t": trade.trade_id if trade else 0,
        "b": "0",
        "a": "0",
        "m": trade.maker if trade else False,
        "R": order.reduce_only,
        "wt": order.working_type.value,
        "ot": order.original_type.value,
        "ps": "BOTH",
        "cp": order.close_position,
        "AP": "0",
        "cr": "0",
        "pP": order.price_protect,
        "si": 0,
        "ss": 0,
        "rp": plain(trade.realized) if trade else "0",
        "V": order.self_trade.value,
    }


def _trade_lite(event: TradeLite) -> Shape:
    order, trade = event.order, event.trade
    return {
        "e": "TRADE_LITE",
        "E": milliseconds(event.at),
        "T": milliseconds(event.at),
        "s": order.symbol,
        "c": order.client_order_id,
        "S": order.side.value,
        "q": plain(order.quantity),
        "p": plain(order.price),
        "i": order.order_id,
        "l": plain(trade.quantity),
        "L": plain(trade.price),
        "t": trade.trade_id,
        "m": trade.maker,
    }


def _account(state: State, event: AccountEvent) -> Shape:
    balance = {"a": ASSET, "wb": amount(event.wallet), "cw": amount(event.wallet), "bc": amount(event.change)}
    positions = [] if event.position is None else [_position(state, event.position, event.mark)]
    return {"m": event.reason, "B": [balance], "P": positions}


def _position(state: State, position: Position, mark: Decimal) -> Shape:
    return {
        "s": position.symbol,
        "pa": plain(position.quantity),
        "ep": plain(round(position.entry_price, 8)),
        "bep": plain(round(break_even(state, position), 8)),
        "cr": plain(position.realized),
        "up": plain(round(position.unrealized(mark), 8)),
        "mt": "cross",
        "iw": "0",
        "ps": "BOTH",
    }


def _algo(event: AlgoEvent) -> Shape:
    algo, asked = event.algo, event.algo.asked
    return {
        "caid": algo.client_algo_id,
        "aid": algo.algo_id,
        "at": "CONDITIONAL",
        "o": asked.order_type.value,
        "s": asked.symbol,
        "S": asked.side.value,
        "ps": "BOTH",
        "f": asked.time_in_force.value,
        "q": plain(asked.quantity or ZERO),
        "X": algo.status.value,
        "ai": "" if algo.order_id is None else str(algo.order_id),
        "ap": fixed(algo.average_price, 5),
        "aq": fixed(algo.executed, 5),
        "act": "0" if algo.order_id is None else _ACTUAL_TYPE.get(asked.order_type, "MARKET"),
        "tp": plain(algo.trigger_price),
        "p": plain(asked.price or ZERO),
        "V": asked.self_trade.value,
        "wt": asked.working_type.value,
        "pm": "NONE",
        "cp": asked.close_position,
        "pP": asked.price_protect,
        "R": asked.reduce_only,
        "tt": instant(algo.triggered),
        "gtd": 0,
        "rm": algo.reason,
    }


def _margin_call(event: MarginCall) -> Shape:
    return {
        "e": "MARGIN_CALL",
        "E": milliseconds(event.at),
        "cw": amount(event.wallet),
        "p": [
            {
                "s": position.symbol,
                "ps": "BOTH",
                "pa": plain(position.quantity),
                "mt": "CROSSED",
                "iw": "0",
                "mp": plain(mark),
                "up": plain(round(position.unrealized(mark), 8)),
                "mm": plain(needed),
            }
            for position, mark, needed in event.positions
        ],
    }
