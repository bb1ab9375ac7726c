"""How a watcher of each contender begins, and how its messages are told from the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from benching.load import http2


class Reader(Protocol):
    """The bytes of one connection, taken apart."""

    answer: bytes

    def feed(self, chunk: bytes) -> list[bytes]:
        """Takes bytes and returns the messages that are whole now."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """What a watcher sends first, how it reads, and which messages carry a new value (first byte; empty: all)."""

    hello: bytes
    reader: Callable[[], Reader]
    marker: bytes = b""


class Prefixed:
    """Messages with their length in four bytes before them."""

    __slots__ = ("_rest", "answer")

    def __init__(self) -> None:
        self._rest = b""
        self.answer = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Takes bytes and returns the messages that are whole now."""
        rest = self._rest + chunk if self._rest else chunk
        at, found = 0, []
        while at + 4 <= len(rest):
            end = at + 4 + int.from_bytes(rest[at : at + 4], "big")
            if end > len(rest):
                break
            found.append(rest[at + 4 : end])
            at = end
        self._rest = rest[at:]
        return found


def grpc_watch(path: str, request: bytes, marker: bytes = b"") -> Subscription:
    """Returns the subscription to a server stream of gRPC."""
    return Subscription(hello=http2.opening() + http2.call(1, path, request), reader=http2.Connection, marker=marker)


def plain_tcp() -> Subscription:
    """Returns the subscription to a socket that sends length-prefixed messages to whoever connects."""
    return Subscription(hello=b"", reader=Prefixed)
