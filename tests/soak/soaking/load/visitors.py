"""People and programs that come by HTTP and go again: requests, streams of events, dashboards.

python -m soaking.load.visitors '{"port": 8000, "per_s": 10, "streams": 8, "pages": 6, "stay_s": 8, "seed": 1}'
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import uuid
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from benching.child import tell

from soaking.load.shift import Tally, chance, for_ever, in_shifts

PATHS = ("status", "health", "history?limit=10", "strategies", "clients", "alerts", "overrides", "nothing-here")
SOCKET = "/_nicegui_ws/socket.io/"
CLIENT_ID = re.compile(r"""["']client_id["']: ["']([^"']+)["']""")
EXPECTED = (aiohttp.ClientError, TimeoutError, ConnectionError)
OPEN_WITHIN_S = 30.0
GAP_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How many there are. `abandoned`: some load a page and never connect to it, which takes the server a minute."""

    port: int
    per_s: float
    streams: int
    pages: int
    stay_s: float
    abandoned: bool
    seed: int


class Visitors:
    """Those who come."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self._chance, self.tally = plan, chance(plan.seed), Tally()
        self._base = f"http://127.0.0.1:{plan.port}"

    def jobs(self) -> list[Coroutine[None, None, None]]:
        """Returns the jobs of a shift."""
        works = [self._ask, *[self._follow] * self._plan.streams, *[self._look] * self._plan.pages]
        return [for_ever(work, self.tally, EXPECTED) for work in works]

    async def _ask(self) -> None:
        async with self._session() as session:
            for _ in range(self._chance.randrange(1, 20)):
                async with session.get(f"{self._base}/api/msc/{self._chance.choice(PATHS)}") as answer:
                    await answer.read()
                self.tally.note(f"requests answered {answer.status}")
                await asyncio.sleep(1.0 / self._plan.per_s)

    async def _follow(self) -> None:
        kinds = self._chance.choice(("", "?types=policy", "?types=client,alert"))
        headers = {"Last-Event-ID": "0"} if self._chance.random() < 0.3 else {}
        async with self._session() as session:
            answer = await session.get(f"{self._base}/api/msc/events{kinds}", headers=headers)
            self.tally.note("event streams")
            await self._read_for_a_while(answer)
            if self._chance.random() < 0.5:
                _abort(answer)
            else:
                answer.close()
        await asyncio.sleep(self._chance.uniform(0.0, GAP_S))

    async def _read_for_a_while(self, answer: aiohttp.ClientResponse) -> None:
        stay_s = self._stay_s()
        if self._chance.random() < 0.2:
            # Open, and never read.
            await asyncio.sleep(stay_s)
            return
        try:
            async with asyncio.timeout(stay_s):
                async for line in answer.content:
                    self.tally.note("events", line.startswith(b"event:"))
        except TimeoutError:
            return

    async def _look(self) -> None:
        async with self._session() as session:
            async with session.get(self._base) as answer:
                answer.raise_for_status()
                found = CLIENT_ID.search(await answer.text())
            if found is None:
                raise LookupError("the page does not say by which id its script connects")
            self.tally.note("pages")
            if self._plan.abandoned and self._chance.random() < 0.1:
                self.tally.note("pages abandoned")
            else:
                await self._stay(session, found.group(1))
        await asyncio.sleep(self._chance.uniform(0.0, GAP_S))

    async def _stay(self, session: aiohttp.ClientSession, client_id: str) -> None:
        query = {
            "EIO": "4",
            "transport": "websocket",
            "client_id": client_id,
            "tab_id": uuid.uuid4().hex,
            "document_id": uuid.uuid4().hex,
            "next_message_id": "0",
            "implicit_handshake": "true",
        }
        socket = await session.ws_connect(f"{self._base}{SOCKET}", params=query, max_msg_size=0)
        await _heard(socket)
        await socket.send_str("40")
        await _heard(socket)
        try:
            async with asyncio.timeout(self._stay_s()):
                async for message in socket:
                    if message.data == "2":
                        await socket.send_str("3")
                    self.tally.note("page messages")
        except TimeoutError:
            if self._chance.random() < 0.5:
                await socket.close()
            else:
                _abort(socket._response)

    def _stay_s(self) -> float:
        return self._chance.uniform(0.1, 2 * self._plan.stay_s)

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[aiohttp.ClientSession]:
        limits = aiohttp.ClientTimeout(total=None, sock_connect=OPEN_WITHIN_S)
        async with aiohttp.ClientSession(timeout=limits) as session:
            yield session


async def _heard(socket: aiohttp.ClientWebSocketResponse) -> None:
    message = await socket.receive(timeout=OPEN_WITHIN_S)
    if message.type is not aiohttp.WSMsgType.TEXT:
        raise ConnectionError(f"the dashboard ended a page that was just opening: {message.type.name}")


def _abort(answer: aiohttp.ClientResponse) -> None:
    if answer.connection is not None and answer.connection.transport is not None:
        answer.connection.transport.abort()


async def run(plan: Plan) -> None:
    """Works in shifts."""
    visitors = Visitors(plan)
    tell(ready=True)
    await in_shifts(visitors.jobs, visitors.tally)


if __name__ == "__main__":
    asyncio.run(run(Plan(**json.loads(sys.argv[1]))))
