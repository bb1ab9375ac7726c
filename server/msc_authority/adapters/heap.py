"""Memory that was freed, and that the C library still keeps."""

from __future__ import annotations

import ctypes
from collections.abc import Callable


def giver() -> Callable[[], bool] | None:
    """Returns what gives freed memory back to the system, and says whether there was some; None: it cannot be told to.

    glibc keeps what is freed between pieces in use. What pages and streams that come and go leave behind stays that
    way, more of it each hour. Others than glibc give back by themselves, or not at all.
    """
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):
        return None
    trim.argtypes, trim.restype = (ctypes.c_size_t,), ctypes.c_int
    return lambda: bool(trim(0))
