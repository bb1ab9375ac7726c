"""Keeps the libraries that send alerts from logging the addresses they send to: there are secrets in them."""

from __future__ import annotations

import logging

_TALKATIVE = ("apprise", "httpcore", "httpx", "urllib3")
_ABOVE_ALL = logging.CRITICAL + 1


def hush() -> None:
    """Silences their loggers for the rest of the process, whatever level is configured. What fails we say ourselves."""
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(_ABOVE_ALL)
