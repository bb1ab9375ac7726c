"""python-binance, imported in one place: it ships no types, and its import warns about its own dependencies."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    # python-binance asks websockets for a name that websockets has deprecated; nothing here uses it.
    warnings.simplefilter("ignore", DeprecationWarning)
    from binance import (  # type: ignore[import-untyped]  # it ships no types
        AsyncClient,
        BinanceSocketManager,
        ReconnectingWebsocket,
    )
    from binance.enums import FuturesType  # type: ignore[import-untyped]  # it ships no types
    from binance.exceptions import (  # type: ignore[import-untyped]  # it ships no types
        BinanceWebsocketUnableToConnect,
        ReadLoopClosed,
    )
    from binance.ws.constants import WSListenerState  # type: ignore[import-untyped]  # it ships no types

from websockets.exceptions import WebSocketException

__all__ = [
    "AsyncClient",
    "BinanceSocketManager",
    "BinanceWebsocketUnableToConnect",
    "FuturesType",
    "ReadLoopClosed",
    "ReconnectingWebsocket",
    "WSListenerState",
    "WebSocketException",
]
