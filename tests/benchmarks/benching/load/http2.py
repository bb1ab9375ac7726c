"""As much of HTTP/2 as a caller of gRPC needs that knows what it will be answered (RFC 9113).

A load that costs more than what it loads measures itself, and a client of gRPC costs about as much as its server. This
one costs some microseconds a message: it sends bytes made in advance, and reads frames for their lengths.
"""

from __future__ import annotations

import struct

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
ACK = END_STREAM = 0x1
END_HEADERS = 0x4
_FRAME_HEAD, _MESSAGE_HEAD = 9, 5
_LARGEST_WINDOW = 2**31 - 1
_DEFAULT_WINDOW = 65_535
_INITIAL_WINDOW_SIZE = 4


class StreamBroken(Exception):
    """The server has ended what should have stayed open."""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Returns one frame."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def opening() -> bytes:
    """Returns what a connection begins with: windows so large that none ever needs to be refilled."""
    window = struct.pack(">HI", _INITIAL_WINDOW_SIZE, _LARGEST_WINDOW)
    grown = struct.pack(">I", _LARGEST_WINDOW - _DEFAULT_WINDOW)
    return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0, window) + frame(WINDOW_UPDATE, 0, 0, grown)


def call(stream: int, path: str, message: bytes, *, only: bool = True) -> bytes:
    """Returns a call with its first message, which is the `only` one unless the server expects that more may come."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "127.0.0.1",
        "te": "trailers",
        "content-type": "application/grpc",
    }
    # Each field as a literal that is not indexed, so that no connection has a table to keep (RFC 7541, 6.2.2).
    block = b"".join(b"\0" + _text(name) + _text(value) for name, value in fields.items())
    body = struct.pack(">BI", 0, len(message)) + message
    return frame(HEADERS, END_HEADERS, stream, block) + frame(DATA, END_STREAM if only else 0, stream, body)


def _text(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


class Connection:
    """The bytes of one connection, taken apart: messages of its call, and what has to be answered."""

    __slots__ = ("_body", "_rest", "answer", "ended")

    def __init__(self) -> None:
        self._rest, self._body = b"", b""
        self.answer = b""
        """What the server must be sent now. Whoever sends it empties it."""
        self.ended = 0
        """Streams that have ended."""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Takes bytes and returns the messages that are whole now.

        Raises:
            StreamBroken: the server has reset a stream or is closing the connection.
        """
        whole = None if self._rest or self._body else _only_message(chunk)
        if whole is not None:
            return [whole]
        rest = self._rest + chunk if self._rest else chunk
        at, size = 0, len(rest)
        while at + _FRAME_HEAD <= size:
            end = at + _FRAME_HEAD + (rest[at] << 16 | rest[at + 1] << 8 | rest[at + 2])
            if end > size:
                break
            self._frame(rest[at + 3], rest[at + 4], rest[at + _FRAME_HEAD : end])
            at = end
        self._rest = rest[at:]
        return self._messages() if self._body else []

    def _frame(self, kind: int, flags: int, payload: bytes) -> None:
        if kind == DATA:
            self._body = self._body + payload if self._body else payload
        elif kind == HEADERS:
            self.ended += flags & END_STREAM
        elif kind == SETTINGS and not flags & ACK:
            self.answer += frame(SETTINGS, ACK, 0)
        elif kind == PING and not flags & ACK:
            self.answer += frame(PING, ACK, 0, payload)
        elif kind in {RST_STREAM, GOAWAY}:
            raise StreamBroken(f"frame of kind {kind}: {payload!r}")

    def _messages(self) -> list[bytes]:
        body, at, found = self._body, 0, []
        while at + _MESSAGE_HEAD <= len(body):
            end = at + _MESSAGE_HEAD + int.from_bytes(body[at + 1 : at + _MESSAGE_HEAD], "big")
            if end > len(body):
                break
            found.append(body[at + _MESSAGE_HEAD : end])
            at = end
        self._body = body[at:]
        return found


def _only_message(chunk: bytes) -> bytes | None:
    # What nearly always arrives: one frame with one message. Only frames of more than 64 KiB have a first byte.
    head = _FRAME_HEAD + _MESSAGE_HEAD
    if len(chunk) < head or chunk[0] or chunk[3] != DATA:
        return None
    length = chunk[1] << 8 | chunk[2]
    if length != len(chunk) - _FRAME_HEAD or int.from_bytes(chunk[10:14], "big") != length - _MESSAGE_HEAD:
        return None
    return chunk[head:]
