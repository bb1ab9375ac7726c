"""People with the dashboard open, and programs that ask for the status: what the HTTP side may have to bear.

python -m benching.load.visitors '{"port": 8000, "pages": 50, "per_s": 200}'

Says {"ready": true}. {"come": true} is answered with {"pages"} when every page is open and requests have begun;
{"go": true} with {"requests", "per_s", "failed", "median_ms", "p99_ms", "updates"} when all of it has ended. The pages
are real ones: each loads `/` and holds the connection that the dashboard's script would hold, answering its pings.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import statistics
import sys
import time
import uuid
from typing import cast
from urllib.parse import urlencode

import aiohttp

from benching.child import tell

SOCKET = "/_nicegui_ws/socket.io/"
STATUS = "/api/msc/status"
CLIENT_ID = re.compile(r"""["']client_id["']: ["']([^"']+)["']""")
OPEN_WITHIN_S = 30.0
PERCENTILE_99 = 98


class Visit:
    """Open pages and running requests, until they are ended."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=OPEN_WITHIN_S)
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._asked: set[asyncio.Task[None]] = set()
        self._took_ms: list[float] = []
        self._failed = 0
        self._updates = 0
        self._began = 0.0

    async def come(self, pages: int, per_s: float) -> None:
        """Opens the pages, one after the other, and then starts the requests."""
        for _ in range(pages):
            await self._open_page()
        self._began = time.monotonic()
        self._tasks.append(asyncio.create_task(self._ask(per_s)))

    async def _open_page(self) -> None:
        async with self._session.get(self._base) as answer:
            answer.raise_for_status()
            found = CLIENT_ID.search(await answer.text())
        if found is None:
            raise LookupError("the page does not say by which id its script connects")
        query = {
            "EIO": 4,
            "transport": "websocket",
            "client_id": found.group(1),
            "tab_id": uuid.uuid4().hex,
            "document_id": uuid.uuid4().hex,
            "next_message_id": 0,
            "implicit_handshake": "true",
        }
        url = f"{self._base}{SOCKET}?{urlencode(query)}"
        socket = await self._session.ws_connect(url, max_msg_size=0)
        # Engine.IO opens, we join the namespace, Socket.IO says that we are in.
        await socket.receive_str(timeout=OPEN_WITHIN_S)
        await socket.send_str("40")
        joined = await socket.receive_str(timeout=OPEN_WITHIN_S)
        if not joined.startswith("40"):
            raise ConnectionError(f"the dashboard refused a page: {joined}")
        self._tasks.append(asyncio.create_task(self._look(socket)))

    async def _look(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            if message.data == "2":
                await socket.send_str("3")
            else:
                self._updates += 1

    async def _ask(self, per_s: float) -> None:
        # By the clock, and not when the last one was answered: people do not wait for each other.
        began, number = time.monotonic(), 0
        while True:
            number += 1
            await asyncio.sleep(max(0.0, began + number / per_s - time.monotonic()))
            asked = asyncio.create_task(self._ask_once())
            self._asked.add(asked)
            asked.add_done_callback(self._asked.discard)

    async def _ask_once(self) -> None:
        began = time.monotonic()
        try:
            async with self._session.get(self._base + STATUS) as answer:
                await answer.read()
                self._failed += answer.status != 200
        except (aiohttp.ClientError, TimeoutError):
            self._failed += 1
        self._took_ms.append((time.monotonic() - began) * 1e3)

    async def go(self) -> None:
        """Ends everything and says what there was."""
        for task in (*self._tasks, *self._asked):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._asked, return_exceptions=True)
        await self._session.close()
        taken = self._took_ms
        percentiles = statistics.quantiles(taken, n=100) if len(taken) > 1 else [0.0] * 99
        tell(
            requests=len(taken),
            per_s=len(taken) / (time.monotonic() - self._began),
            failed=self._failed,
            median_ms=statistics.median(taken or [0.0]),
            p99_ms=percentiles[PERCENTILE_99],
            updates=self._updates,
        )


async def serve(plan: dict[str, object]) -> None:
    """Comes and goes as the lines say."""
    loop = asyncio.get_running_loop()
    base = f"http://127.0.0.1:{plan['port']}"
    visit: Visit | None = None
    tell(ready=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        if "come" in json.loads(line):
            visit = Visit(base)
            await visit.come(int(str(plan["pages"])), float(str(plan["per_s"])))
            tell(pages=plan["pages"])
        elif visit is not None:
            await visit.go()
            visit = None


def main() -> None:
    """Visits as planned until standard input ends."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(cast("dict[str, object]", json.loads(sys.argv[1]))))


if __name__ == "__main__":
    main()
