"""Keeps secrets out of what the libraries below us log: they know addresses with signatures and listen keys."""

from __future__ import annotations

import logging

from msc_trading.venue.credentials import Credentials

# A filter works on the logger it is attached to, not on those below it.
_LOGGERS = (
    "binance.base_client",
    "binance.ws.reconnecting_websocket",
    "binance.ws.keepalive_websocket",
    "binance.ws.streams",
    "websockets.client",
    "aiohttp.client",
    "aiohttp.internal",
    "asyncio",
)


class Redaction(logging.Filter):
    """A filter that rewrites what is about to be logged."""

    def __init__(self, credentials: Credentials) -> None:
        """Takes what must not be seen."""
        super().__init__()
        self._scrub = credentials.scrub

    def start(self) -> None:
        """Watches the loggers of the libraries."""
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(self)

    def stop(self) -> None:
        """Leaves them alone. Twice is fine."""
        for name in _LOGGERS:
            logging.getLogger(name).removeFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Returns True: everything is logged, without secrets. What a socket says of its end is detail: we tell it."""
        if record.name.startswith("binance.ws"):
            record.levelno, record.levelname = logging.DEBUG, logging.getLevelName(logging.DEBUG)
        words = record.getMessage()
        clean = self._scrub(words)
        if clean != words:
            record.msg, record.args = clean, None
        if record.exc_info:
            record.exc_text = self._scrub(logging.Formatter().formatException(record.exc_info))
            record.exc_info = None
        return True
