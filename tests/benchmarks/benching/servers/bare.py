"""The least that a gRPC server in Python can be: one slot, one event for each watcher, bytes that were made before.

python -m benching.servers.bare '{"frame": HEX, "answer": HEX, "port": 0}'

Says {"port": ...}. {"publish": true} wakes every watcher; {"stamp": true} is answered with {"published_ns"}.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import grpc

from benching.child import Document, tell
from benching.servers.loops import hear_on_the_loop, run, uvloop_factory

SERVICE = "bench.Bare"
# The same as the product's where they decide over joins; otherwise bare.
OPTIONS = (
    ("grpc.so_reuseport", 0),
    ("grpc.server.max_pending_requests", 100_000),
    ("grpc.server.max_pending_requests_hard_limit", 200_000),
)

Context = grpc.aio.ServicerContext[bytes, bytes]


class Slot:
    """The current value and whoever waits for the next."""

    def __init__(self, frame: bytes, answer: bytes) -> None:
        self._frame, self._answer = frame, answer
        self._number = 0
        self._current = self._numbered()
        self._waiting: set[asyncio.Event] = set()
        self.published_ns = 0

    def publish(self) -> None:
        """Puts the next value into the slot and wakes everybody."""
        self._number += 1
        self.published_ns = time.monotonic_ns()
        self._current = self._numbered()
        for event in self._waiting:
            event.set()

    def _numbered(self) -> bytes:
        # Equal in length, different in content: who has the last one shows it.
        return self._frame[:-8] + self._number.to_bytes(8, "big")

    async def watch(self, request: bytes, context: Context) -> None:
        """Writes every value that is current when the one before is written."""
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            while True:
                await context.write(self._current)
                await event.wait()
                event.clear()
        finally:
            self._waiting.discard(event)

    async def get(self, request: bytes, context: Context) -> bytes:
        """Returns the answer."""
        return self._answer


async def serve(frame: bytes, answer: bytes, port: int) -> None:
    """Serves until the parent ends it."""
    slot = Slot(frame, answer)
    server = grpc.aio.server(options=OPTIONS)
    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        "Watch": grpc.unary_stream_rpc_method_handler(slot.watch),
        "Get": grpc.unary_unary_rpc_method_handler(slot.get),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()

    def heard(document: Document) -> None:
        if "publish" in document:
            slot.publish()
        else:
            tell(published_ns=slot.published_ns)

    hear_on_the_loop(heard)
    tell(port=bound)
    await server.wait_for_termination()


def main() -> None:
    """Serves what the first argument says."""
    plan = json.loads(sys.argv[1])
    serving = serve(bytes.fromhex(plan["frame"]), bytes.fromhex(plan["answer"]), plan.get("port", 0))
    run(serving, uvloop_factory())


if __name__ == "__main__":
    main()
