"""Callers of one unary method, each on a connection of its own with one call in flight: tells how many were answered.

python -m benching.load.callers '{"port": 7443, "count": 8, "path": "/...", "request": ""}'

Says {"ready": true, "answer": HEX} after a first call of each; {"for_s": 1.0} is answered with {"calls", "seconds"}.
"""

from __future__ import annotations

import gc
import json
import selectors
import socket
import sys
import time
from typing import cast

from benching.child import allow_many_files, tell
from benching.load import http2

RECEIVE_BYTES = 65_536
ANSWER_WITHIN_S = 10.0


class Caller:
    """One connection with one call in flight."""

    def __init__(self, port: int, path: str, request: bytes) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), ANSWER_WITHIN_S)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection = http2.Connection()
        self._template = http2.call(0, path, request)
        # The stream's number stands in two places: behind the head of the HEADERS frame, and of the DATA frame.
        self._data_at = 9 + int.from_bytes(self._template[:3], "big")
        self._stream = 1
        self.answer = b""
        self.sock.sendall(http2.opening() + self._next())

    def _next(self) -> bytes:
        number = self._stream.to_bytes(4, "big")
        self._stream += 2
        call, data = self._template, self._data_at
        return call[:5] + number + call[9 : data + 5] + number + call[data + 9 :]

    def read(self, *, go_on: bool) -> bool:
        """Takes what has arrived, returns whether that ended the call, and makes the next one.

        Raises:
            ConnectionError: the server is gone, or ended a call without an answer.
        """
        chunk = self.sock.recv(RECEIVE_BYTES)
        if not chunk:
            raise ConnectionError("the server has closed the connection")
        messages, connection = self._connection.feed(chunk), self._connection
        if messages:
            self.answer = messages[-1]
        out, connection.answer = connection.answer, b""
        over = connection.ended > 0
        if over:
            if not self.answer:
                raise ConnectionError("a call ended without an answer")
            connection.ended = 0
            out += self._next() if go_on else b""
        if out:
            self.sock.sendall(out)
        return over

    def call_again(self) -> None:
        """Makes the next call."""
        self.answer = b""
        self.sock.sendall(self._next())


class Callers:
    """All of them, and the loop that reads them."""

    def __init__(self, port: int, path: str, request: bytes, count: int) -> None:
        self._all = [Caller(port, path, request) for _ in range(count)]
        self._selector = selectors.DefaultSelector()
        for caller in self._all:
            self._selector.register(caller.sock, selectors.EVENT_READ, caller)
        self._drain(count)

    @property
    def answer(self) -> bytes:
        """What the first of them was answered last."""
        return self._all[0].answer

    def go(self, for_s: float) -> tuple[int, float]:
        """Calls for so long, and returns how many calls were answered in how many seconds."""
        calls, began = 0, time.monotonic()
        for caller in self._all:
            caller.call_again()
        while (taken := time.monotonic() - began) < for_s:
            calls += sum(caller.read(go_on=True) for caller in self._readable())
        self._drain(len(self._all))
        return calls, taken

    def _drain(self, count: int) -> None:
        while count:
            count -= sum(caller.read(go_on=False) for caller in self._readable())

    def _readable(self) -> list[Caller]:
        ready = self._selector.select(ANSWER_WITHIN_S)
        if not ready:
            raise TimeoutError(f"nothing was answered for {ANSWER_WITHIN_S:g} s")
        return [key.data for key, _ in ready]


def main() -> None:
    """Calls when told to, until standard input ends."""
    plan = cast("dict[str, object]", json.loads(sys.argv[1]))
    allow_many_files()
    request = bytes.fromhex(str(plan.get("request", "")))
    callers = Callers(int(str(plan["port"])), str(plan["path"]), request, int(str(plan["count"])))
    gc.freeze()
    gc.disable()
    tell(ready=True, answer=callers.answer.hex())
    for line in sys.stdin:
        calls, seconds = callers.go(float(json.loads(line)["for_s"]))
        tell(calls=calls, seconds=seconds)


if __name__ == "__main__":
    main()
