"""Names of orders: the same signal always has the same, so that a restart cannot send a second order for it."""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum

_TAG_CHARS = 8
_DIGEST_CHARS = 24


class Purpose(StrEnum):
    """What an order is for. The value is its letter in the order's name."""

    ENTRY = "e"
    EXIT = "x"
    CLOSE = "c"
    """Closes what could not be protected."""
    STOP = "s"
    """The protective stop of an entry."""

    @property
    def reduces(self) -> bool:
        """Whether such an order can only reduce a position."""
        return self is not Purpose.ENTRY


def order_id(executor_id: str, signal_id: str, purpose: Purpose, attempt: int = 0) -> str:
    """Returns the order's name: 35 characters of a-z 0-9 and -, the same for the same arguments.

    `attempt` counts the orders of one purpose. An attempt follows another only when that one is certainly over.
    """
    named = json.dumps([executor_id, signal_id, purpose.value, attempt], ensure_ascii=True)
    return f"{_prefix(executor_id, purpose)}-{_digest(named)[:_DIGEST_CHARS]}"


def is_ours(executor_id: str, client_order_id: str) -> bool:
    """Tells whether this executor may have given an order this name."""
    head, _, digest = client_order_id.partition("-")
    return len(digest) == _DIGEST_CHARS and any(head == _prefix(executor_id, purpose) for purpose in Purpose)


def _prefix(executor_id: str, purpose: Purpose) -> str:
    return f"m{purpose.value}{_digest(executor_id)[:_TAG_CHARS]}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
