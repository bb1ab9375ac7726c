"""The requests that are made: python-binance's method, and what each costs."""

from __future__ import annotations

from dataclasses import dataclass, replace

from msc_trading.venue.errors import Asked
from msc_trading.venue.rate_limits import Lane


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One kind of request. `weight` counts by address; `orders` by account."""

    method: str
    asked: Asked = Asked.QUERY
    lane: Lane = Lane.QUERY
    weight: int = 1
    orders: int = 0

    def settling(self) -> Call:
        """Returns the same request on the lane that stays free."""
        return replace(self, lane=Lane.SETTLE)


SERVER_TIME = Call(method="futures_time", lane=Lane.SETTLE)
EXCHANGE_INFO = Call(method="futures_exchange_info")
POSITION_MODE = Call(method="futures_get_position_mode", weight=30)
MULTI_ASSETS_MODE = Call(method="futures_get_multi_assets_mode", weight=30)
FEE_BURN = Call(method="futures_v1_get_fee_burn", weight=30)

PLACE = Call(method="futures_create_order", asked=Asked.ORDER, lane=Lane.ENTRY, weight=0, orders=1)
PLACE_STOP = Call(method="futures_create_algo_order", asked=Asked.ORDER, lane=Lane.SETTLE, weight=0, orders=1)
CANCEL = Call(method="futures_cancel_order", asked=Asked.CHANGE, lane=Lane.SETTLE)
CANCEL_STOP = Call(method="futures_cancel_algo_order", asked=Asked.CHANGE, lane=Lane.SETTLE)
COUNTDOWN = Call(method="futures_countdown_cancel_all", asked=Asked.CHANGE, lane=Lane.SETTLE, weight=10)

GET_ORDER = Call(method="futures_get_order", lane=Lane.SETTLE)
OPEN_ORDERS = Call(method="futures_get_open_orders", weight=40)
OPEN_STOPS = Call(method="futures_get_open_algo_orders", weight=40)
POSITIONS = Call(method="futures_position_information", weight=5)
BALANCE = Call(method="futures_account_balance", weight=5)
TRADES = Call(method="futures_account_trades", weight=5)
PRICE = Call(method="futures_symbol_ticker")
CANDLES = Call(method="futures_klines", weight=2)

START_STREAM = Call(method="futures_stream_get_listen_key", asked=Asked.CHANGE, lane=Lane.SETTLE)
KEEP_STREAM = Call(method="futures_stream_keepalive", asked=Asked.CHANGE, lane=Lane.SETTLE)
