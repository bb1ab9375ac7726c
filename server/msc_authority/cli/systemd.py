"""Tells systemd that the authority is ready, and that its event loop still turns. Does nothing without systemd."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

_log = logging.getLogger(__name__)

_PINGS_IN_TIME = 3
"""systemd waits for one; a few may be late."""


def tell_systemd(state: str, environ: Mapping[str, str]) -> bool:
    """Sends one message of sd_notify(3), and returns whether somebody wanted it."""
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
        try:
            # A name in the abstract namespace begins with a zero byte, which an environment cannot hold.
            sending.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
        except OSError as error:
            # It will start us again for our silence; until then, callers are answered.
            _log.warning("systemd cannot be told %r at %s: %s", state, address, error)
    return True


def ready(status: str, environ: Mapping[str, str] | None = None) -> None:
    """Says that callers are answered, and keeps saying, from the running event loop, that it turns.

    A process whose loop hangs answers nobody and still looks alive: systemd starts it again then.
    """
    known = os.environ if environ is None else environ
    if not tell_systemd(f"READY=1\nSTATUS={status}", known):
        return
    period_s = watchdog_s(known)
    if period_s is not None:
        import asyncio

        _ping(asyncio.get_running_loop(), period_s / _PINGS_IN_TIME, known)


def watchdog_s(environ: Mapping[str, str]) -> float | None:
    """How long systemd waits for a sign of life, in seconds; None: it does not."""
    wanted = environ.get("WATCHDOG_USEC", "")
    meant = environ.get("WATCHDOG_PID", str(os.getpid()))
    if not wanted.isdecimal() or not int(wanted) or meant != str(os.getpid()):
        return None
    return int(wanted) / 1e6


def _ping(loop: asyncio.AbstractEventLoop, every_s: float, environ: Mapping[str, str]) -> None:
    tell_systemd("WATCHDOG=1", environ)
    loop.call_later(every_s, _ping, loop, every_s, environ)
