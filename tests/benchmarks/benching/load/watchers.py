"""Many watchers in one process: tells when each of them has what was published.

python -m benching.load.watchers '{"kind": "grpc", "port": 7443, "count": 100, "path": "/...", "marker": "2a"}'

Says {"joined_s": ..., "first": HEX} when every watcher has had a first message. {"arm": true} is answered at once, and
a second time when every watcher has had a message since: {"last_ns", "median_ns", "first_ns", "held"}, instants of the
machine's monotonic clock, and `held` the distinct messages that the watchers hold. {"settle": true, "quiet_s": 0.5} is
answered at once, and with {"last_ns", "held"} when something has arrived and then nothing for so long.
"""

from __future__ import annotations

import gc
import json
import os
import selectors
import socket
import statistics
import sys
import time
from typing import cast

from benching.child import allow_many_files, tell
from benching.load.protocols import Reader, Subscription, subscription_of

CONNECT_WITHIN_S = 10.0
RECEIVE_BYTES = 65_536
DISTINCT_SHOWN = 50


class Watcher:
    """One connection and what it holds."""

    __slots__ = ("feed", "held", "marker", "reader", "sock")

    def __init__(self, sock: socket.socket, reader: Reader, marker: bytes) -> None:
        self.sock, self.reader, self.marker = sock, reader, marker
        self.feed = reader.feed
        self.held = b""

    def read(self) -> bool:
        """Takes what has arrived. Returns whether there was a new value in it.

        Raises:
            ConnectionError: the server is gone.
        """
        chunk = self.sock.recv(RECEIVE_BYTES)
        if not chunk:
            raise ConnectionError("the server has closed the connection")
        messages = self.feed(chunk)
        if self.reader.answer:
            self.sock.sendall(self.reader.answer)
            self.reader.answer = b""
        fresh = False
        for message in messages:
            if message.startswith(self.marker):
                self.held, fresh = message, True
        return fresh


class Watchers:
    """All of them, and the loop that reads them."""

    def __init__(self, subscription: Subscription, port: int, count: int) -> None:
        self._subscription, self._port, self._count = subscription, port, count
        self._selector = selectors.DefaultSelector()
        self._all: list[Watcher] = []
        self._commands = b""

    def join(self) -> None:
        """Connects every watcher and waits until each has its first message."""
        began = time.monotonic()
        for _ in range(self._count):
            self._connect()
        arrived = self._gather()
        tell(joined_s=max(arrived) / 1e9 - began, first=self._all[0].held.hex())

    def _connect(self) -> None:
        sock = socket.create_connection(("127.0.0.1", self._port), CONNECT_WITHIN_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(self._subscription.hello)
        watcher = Watcher(sock, self._subscription.reader(), self._subscription.marker)
        self._selector.register(sock, selectors.EVENT_READ, watcher)
        self._all.append(watcher)

    def serve(self) -> None:
        """Hears commands until there are no more, and meanwhile reads whatever arrives."""
        self._selector.register(0, selectors.EVENT_READ, None)
        while (command := self._wait_for_command()) is not None:
            if "arm" in command:
                tell(armed=True)
                arrived = self._gather()
                tell(
                    last_ns=arrived[-1],
                    median_ns=round(statistics.median(arrived)),
                    first_ns=arrived[0],
                    held=self._held(),
                )
            elif "settle" in command:
                tell(settling=True)
                tell(last_ns=self._settle(float(str(command["quiet_s"]))), held=self._held())

    def _held(self) -> list[str]:
        return sorted({watcher.held.hex() for watcher in self._all})[:DISTINCT_SHOWN]

    def _settle(self, quiet_s: float) -> int:
        """Returns when the last new value arrived, of those between which there was no longer pause."""
        last = 0
        while ready := self._selector.select(quiet_s if last else None):
            for key, _ in ready:
                watcher = cast("Watcher | None", key.data)
                if watcher is None:
                    self._read_commands()
                elif watcher.read():
                    last = time.monotonic_ns()
        return last

    def _gather(self) -> list[int]:
        """Returns when the watchers got their next value, in the order in which they did."""
        waiting, arrived = set(self._all), []
        now = time.monotonic_ns
        while waiting:
            for key, _ in self._selector.select():
                watcher = cast("Watcher | None", key.data)
                if watcher is None:
                    self._read_commands()
                elif watcher.read() and watcher in waiting:
                    arrived.append(now())
                    waiting.discard(watcher)
        return arrived

    def _wait_for_command(self) -> dict[str, object] | None:
        while b"\n" not in self._commands:
            for key, _ in self._selector.select():
                if key.data is not None:
                    key.data.read()
                elif not self._read_commands():
                    return None
        line, _, self._commands = self._commands.partition(b"\n")
        return cast("dict[str, object]", json.loads(line))

    def _read_commands(self) -> bool:
        said = os.read(0, RECEIVE_BYTES)
        if not said and not self._commands:
            # The benchmark is gone.
            raise SystemExit(0)
        self._commands += said
        return bool(said)


def main() -> None:
    """Watches as planned until standard input ends."""
    plan = cast("dict[str, object]", json.loads(sys.argv[1]))
    allow_many_files()
    watchers = Watchers(subscription_of(plan), int(str(plan["port"])), int(str(plan["count"])))
    watchers.join()
    # Nothing here is garbage until the process ends.
    gc.freeze()
    gc.disable()
    watchers.serve()


if __name__ == "__main__":
    main()
