"""Single keys from a terminal, without Enter and without echo."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

WaitForKey = Callable[[float], str]
"""Waits up to so many seconds for keys and returns them, "" when none came."""


@contextmanager
def single_keys() -> Iterator[WaitForKey]:
    """Yields what waits for a key; the terminal is as before behind the block. Without a terminal it only waits."""
    if not sys.stdin.isatty():
        yield _none
        return
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        # Ctrl-C still is a signal in this mode.
        tty.setcbreak(descriptor)
        yield lambda seconds: _pressed(descriptor, seconds)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _none(seconds: float) -> str:
    threading.Event().wait(seconds)
    return ""


def _pressed(descriptor: int, seconds: float) -> str:
    ready, _, _ = select.select([descriptor], [], [], seconds)
    return os.read(descriptor, 64).decode("utf-8", errors="replace") if ready else ""
