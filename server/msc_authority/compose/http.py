"""Composes the HTTP side, beside an authority that already answers."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from msc_authority.compose.parts import loop_factory
from msc_authority.http.hosts import Hosts
from msc_authority.http.inbox import Inbox
from msc_authority.http.serving import HttpServer, listen, url_of

if TYPE_CHECKING:
    from msc_authority.compose.parts import Running
    from msc_authority.http.app import Face
    from msc_authority.settings import Settings


class Beside:
    """What may run beside the authority: the HTTP server, once it is begun."""

    def __init__(self) -> None:
        """Nothing runs yet."""
        self._server: HttpServer | None = None
        self._inbox: Inbox | None = None

    def begin(self, settings: Settings, authority: Running, new_id: Callable[[], str]) -> str:
        """Listens, and returns the address; the application is loaded in a thread, so as to hold nothing up.

        Raises:
            PortInUse: another program listens there.
            CannotListen: the address is none of this machine, or the port needs a privilege.
        """
        listening = listen(settings.http_host, settings.http_port)
        url = url_of(settings.http_host, listening, "https" if settings.tls else "http")
        authority.insight.links.served_at(url)
        # From now on, not from when the application is loaded: the first evaluation may be over by then.
        inbox = self._inbox = Inbox(authority.insight)

        def make() -> Face:
            from msc_authority.http.app import make_app

            hosts = Hosts.of(settings.http_host, settings.http_names)
            return make_app(
                authority.insight,
                hosts=hosts,
                admission=authority.admission,
                new_id=new_id,
                inbox=inbox,
                deliveries=authority.deliveries,
            )

        # What was loaded lives as long as the process; the collector need not look at it again.
        self._server = HttpServer(make, listening, loop_factory=loop_factory(), on_up=gc.freeze, tls=authority.tls)
        self._server.start()
        return url

    def begin_stop(self) -> None:
        """Has the server stop while the authority says goodbye. Twice is fine."""
        if self._server is not None:
            self._server.begin_stop()

    async def ended(self) -> None:
        """Returns when the server has stopped."""
        self.begin_stop()
        if self._server is not None:
            await asyncio.to_thread(self._server.join)
        if self._inbox is not None:
            self._inbox.close()


@asynccontextmanager
async def beside() -> AsyncIterator[Beside]:
    """Yields what may run beside an authority, and waits behind the block until it has stopped."""
    async with AsyncExitStack() as stack:
        it = Beside()
        stack.push_async_callback(it.ended)
        yield it
