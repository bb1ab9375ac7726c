"""Pages of a list, after https://google.aip.dev/158: sizes, and tokens that are opaque to callers."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import TypeVar

from google.protobuf.message import Message

from msc_authority.rpc.errors import FieldProblem, InvalidRequest

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 1000
MAX_PAGE_BYTES = 768 * 1024
"""A page ends before this, so that it fits into what a client receives (1 MiB)."""

_T = TypeVar("_T", bound=Message)


def page_size(asked: int) -> int:
    """Returns the size of the page to make.

    Raises:
        InvalidRequest: it is negative.
    """
    if asked < 0:
        raise InvalidRequest(FieldProblem(field="page_size", problem=f"must not be negative, not {asked}"))
    return min(asked or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)


def make_token(kind: str, *numbers: int) -> str:
    """Returns a token that says where the next page of `kind` begins."""
    text = ":".join([kind, *map(str, numbers)])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_token(token: str, kind: str, count: int) -> tuple[int, ...]:
    """Returns the `count` numbers in a token of `kind`.

    Raises:
        InvalidRequest: it is none of ours.
    """
    try:
        text = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True).decode("ascii")
        found, *numbers = text.split(":")
        values = tuple(int(number) for number in numbers)
    except (binascii.Error, ValueError):
        found, values = "", ()
    # A version is a 64-bit number in any store; anything else was made up.
    if found != kind or len(values) != count or not all(0 <= value < 2**63 for value in values):
        raise InvalidRequest(FieldProblem(field="page_token", problem="is not a token of this list; start without one"))
    return values


def fitting(messages: Sequence[_T], limit: int) -> list[_T]:
    """Returns the first messages, at most `limit` and as many as fit into a page, at least one of them."""
    kept: list[_T] = []
    room = MAX_PAGE_BYTES
    for message in messages[:limit]:
        room -= message.ByteSize()
        if kept and room < 0:
            break
        kept.append(message)
    return kept
