"""The process: opens the store, starts what lives, serves, and stops it all in reverse."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from msc_authority.adapters.announce.local import LocalAnnouncements
from msc_authority.app.evaluate import Evaluator
from msc_authority.app.scheduler import Evaluates
from msc_authority.compose.authority import Authority
from msc_authority.compose.cache import cache_of, stores_of
from msc_authority.compose.http import beside
from msc_authority.compose.parts import (
    Machine,
    Running,
    Stores,
    loop_factory,
    spared_collector,
    this_machine,
    valid_for_s,
)
from msc_authority.compose.upkeep import kept_up
from msc_authority.ports.announcements import Announcements
from msc_authority.ports.cache import PolicyCache
from msc_authority.rpc.serving import calls_outlived

if TYPE_CHECKING:
    from msc_authority.adapters.sql import SqlStore
    from msc_authority.settings import Settings

_log = logging.getLogger(__name__)

MAX_DRAIN_S = 1.4
"""Longest wait for watchers at a stop, so that Ctrl-C ends the process within 2 s."""


def run(
    settings: Settings, *, on_ready: Callable[[Running], None] | None = None, machine: Machine | None = None
) -> None:
    """Runs an authority until it is told to stop by SIGINT or SIGTERM, on uvloop where that is installed.

    Raises:
        CannotListen: of `rpc.serving` or `http.serving`; it cannot listen where it is configured to.
        StoreError: the database cannot be opened.
    """
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(serve(settings, on_ready=on_ready, machine=machine))


async def serve(
    settings: Settings,
    *,
    on_ready: Callable[[Running], None] | None = None,
    stop: asyncio.Event | None = None,
    machine: Machine | None = None,
) -> None:
    """Serves until `stop` is set; without one, until SIGINT or SIGTERM. Stops gracefully within 2 s,
    or when a commit that has begun ends: of that the database has the say.

    Raises:
        CannotListen: of `rpc.serving` or `http.serving`; it cannot listen where it is configured to.
        StoreError: the database cannot be opened.
    """
    machine = machine or this_machine()
    # Before anything is said or opened: whoever reads "ready" may stop it in the same instant.
    with ExitStack() as hearing:
        told = hearing.enter_context(_told_to_stop(stop))
        with _opened(settings, machine) as (stores, announcements, cache):
            lives = running(settings, stores, machine, announcements=announcements, cache=cache)
            # Around the authority: both stop at the same time, and the later of them is waited for.
            async with (
                calls_outlived(),
                beside() as http,
                lives as authority,
                kept_up(settings, stores, machine, authority.leading) as upkeep,
            ):
                authority.watch_upkeep(upkeep.signs)
                url = http.begin(settings, authority, machine.new_id) if settings.serve_http else None
                # What exists now lives as long as the process; the collector need not look at it again.
                with spared_collector():
                    if on_ready:
                        on_ready(replace(authority, http_url=url))
                    await told.wait()
                    # From here on, a second Ctrl-C ends the process at once.
                    hearing.close()
                    _log.info("Stopping")
                    http.begin_stop()


@contextmanager
def _opened(settings: Settings, machine: Machine) -> Iterator[tuple[SqlStore, Announcements, PolicyCache | None]]:
    from msc_authority.adapters.announce import open_announcements

    with ExitStack() as opened:
        cache = cache_of(settings, machine.clock)
        if cache is not None:
            opened.callback(cache.close)
        stores = stores_of(settings, machine.clock, cache)
        opened.callback(stores.close)
        announcements = open_announcements(settings.database_url)
        opened.callback(announcements.close)
        yield stores, announcements, cache


@contextmanager
def _told_to_stop(stop: asyncio.Event | None) -> Iterator[asyncio.Event]:
    if stop is not None or threading.current_thread() is not threading.main_thread():
        yield stop or asyncio.Event()
        return
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    try:
        yield told
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


@asynccontextmanager
async def running(
    settings: Settings,
    stores: Stores,
    machine: Machine,
    *,
    evaluator: Evaluates | None = None,
    announcements: Announcements | None = None,
    cache: PolicyCache | None = None,
) -> AsyncIterator[Running]:
    """Yields an authority that answers calls, and stops it gracefully behind the block.

    `evaluator` None: the one that decides from the journal. `announcements` None: it tells nobody of new heads, and
    finds those of others when it reads the store. `cache` None: it has the store alone.

    Raises:
        PortInUse: it cannot listen on the configured port.
        StoreUnavailable: the store does not answer, and there is no cache with a policy.
    """
    make_evaluator = partial(_evaluator, settings, stores, machine) if evaluator is None else lambda _: evaluator
    announcements = announcements or LocalAnnouncements()
    authority = await Authority.made(settings, stores, machine, make_evaluator, announcements, cache)
    async with AsyncExitStack() as stack:
        stack.callback(authority.close)
        await authority.access.book.read()
        authority.sinks.start()
        stack.push_async_callback(asyncio.to_thread, authority.sinks.stop)
        port = await authority.server.start(settings.grpc_host, settings.grpc_port)
        stack.push_async_callback(authority.server.stop, min(settings.drain_s, MAX_DRAIN_S))
        stack.push_async_callback(authority.together.leave)
        await authority.together.stand_at(port)
        stack.push_async_callback(_cancel, authority.begin())
        yield authority.running(port)


def _evaluator(settings: Settings, stores: Stores, machine: Machine, term: Callable[[], int]) -> Evaluator:
    return Evaluator(
        store=stores.evaluations,
        journal=stores.journal,
        log=stores.log,
        clock=machine.clock,
        config=settings.decision,
        valid_for_s=valid_for_s(settings),
        new_id=machine.new_id,
        term=term,
    )


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
