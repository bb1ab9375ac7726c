"""Fan-out over plain sockets of asyncio: what the machine and the interpreter cost before any protocol.

python -m benching.servers.tcp '{"frame": HEX}'

Speaks like `benching.servers.bare`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from benching.child import Document, tell
from benching.servers.loops import hear_on_the_loop, run


class Hub:
    """Everybody who is connected."""

    def __init__(self, frame: bytes) -> None:
        self._frame = frame
        self._number = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self.published_ns = 0

    def publish(self) -> None:
        """Writes the next value to everybody."""
        self._number += 1
        self.published_ns = time.monotonic_ns()
        message = self._message()
        for writer in self._writers:
            writer.write(message)

    def _message(self) -> bytes:
        return len(self._frame).to_bytes(4, "big") + self._frame[:-8] + self._number.to_bytes(8, "big")

    async def joined(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Keeps a connection until its other end closes it."""
        self._writers.add(writer)
        writer.write(self._message())
        try:
            await reader.read()
        finally:
            self._writers.discard(writer)
            writer.close()


async def serve(frame: bytes) -> None:
    """Serves until the parent ends it."""
    hub = Hub(frame)
    server = await asyncio.start_server(hub.joined, "127.0.0.1", 0, backlog=8192)

    def heard(document: Document) -> None:
        if "publish" in document:
            hub.publish()
        else:
            tell(published_ns=hub.published_ns)

    hear_on_the_loop(heard)
    tell(port=server.sockets[0].getsockname()[1])
    await server.serve_forever()


def main() -> None:
    """Serves what the first argument says, on the loop of the standard library."""
    run(serve(bytes.fromhex(json.loads(sys.argv[1])["frame"])), None)


if __name__ == "__main__":
    main()
