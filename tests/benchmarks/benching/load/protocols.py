"""How a watcher of each contender begins, and how its messages are told from the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from benching.load import http2

CRLF = b"\r\n"


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


class Published:
    """What a server of the Redis protocol pushes to a subscriber; also that it is one, as an empty message."""

    __slots__ = ("_rest", "answer")

    def __init__(self) -> None:
        self._rest = b""
        self.answer = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Takes bytes and returns the messages that are whole now."""
        rest, found = self._rest + chunk, []
        while (push := _push(rest)) is not None:
            kind, payload, rest = push
            found.append(payload if kind == b"message" else b"")
        self._rest = rest
        return found


def _push(rest: bytes) -> tuple[bytes, bytes, bytes] | None:
    # An array of three: what it is, the channel, and the message or a number.
    parts, _, rest = rest.partition(CRLF)
    if parts != b"*3":
        return None
    texts: list[bytes] = []
    while len(texts) < 3:
        head, end, rest = rest.partition(CRLF)
        if not end:
            return None
        if head.startswith(b":"):
            texts.append(head[1:])
            continue
        length = int(head[1:])
        if len(rest) < length + len(CRLF):
            return None
        texts.append(rest[:length])
        rest = rest[length + len(CRLF) :]
    return texts[0], texts[2], rest


class Subject:
    """What NATS sends to a subscriber; also that it has heard everything so far, as an empty message."""

    __slots__ = ("_rest", "answer")

    def __init__(self) -> None:
        self._rest = b""
        self.answer = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Takes bytes and returns the messages that are whole now."""
        rest, found = self._rest + chunk, []
        while CRLF in rest:
            head, _, after = rest.partition(CRLF)
            if head.startswith(b"MSG "):
                length = int(head.rsplit(b" ", 1)[1])
                if len(after) < length + len(CRLF):
                    break
                found.append(after[:length])
                after = after[length + len(CRLF) :]
            elif head == b"PONG":
                found.append(b"")
            elif head == b"PING":
                self.answer += b"PONG" + CRLF
            rest = after
        self._rest = rest
        return found


def grpc_watch(plan: Mapping[str, object]) -> Subscription:
    """Returns the subscription to a server stream of gRPC, or to one that both sides may write to (`only` false)."""
    request, marker = bytes.fromhex(str(plan.get("request", ""))), bytes.fromhex(str(plan.get("marker", "")))
    hello = http2.opening() + http2.call(1, str(plan["path"]), request, only=bool(plan.get("only", True)))
    return Subscription(hello=hello, reader=http2.Connection, marker=marker)


def subscription_of(plan: Mapping[str, object]) -> Subscription:
    """Returns the subscription that a plan asks for."""
    subject = str(plan.get("subject", "")).encode()
    kinds: dict[object, Callable[[], Subscription]] = {
        "grpc": lambda: grpc_watch(plan),
        "tcp": lambda: Subscription(hello=b"", reader=Prefixed),
        "redis": lambda: Subscription(hello=b"SUBSCRIBE " + subject + CRLF, reader=Published),
        "nats": lambda: Subscription(
            hello=CRLF.join([b'CONNECT {"verbose":false}', b"SUB " + subject + b" 1", b"PING", b""]), reader=Subject
        ),
    }
    return kinds[plan["kind"]]()
