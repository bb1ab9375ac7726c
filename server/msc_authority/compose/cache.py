"""Composes the cache beside the store, where one is configured."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from msc_authority.app.cache_keeper import CacheKeeper, cached_current
from msc_authority.app.events import name_of
from msc_authority.app.vitals import read_current
from msc_authority.app.work import Worker
from msc_authority.ports.store import StoreUnavailable

if TYPE_CHECKING:
    from msc_authority.adapters.sql import SqlStore
    from msc_authority.app.broker import Broker, Current
    from msc_authority.app.events import EventBus
    from msc_authority.app.production import CacheSigns
    from msc_authority.app.vitals import HeadKeeper
    from msc_authority.compose.parts import Machine, Stores
    from msc_authority.ports.cache import PolicyCache
    from msc_authority.ports.clock import Clock
    from msc_authority.settings import Settings

_log = logging.getLogger(__name__)


def cache_of(settings: Settings, clock: Clock) -> PolicyCache | None:
    """Returns the cache that the settings name, or None. Nothing is connected yet. Raises CacheUnusable."""
    if settings.redis_url is None:
        return None
    from msc_authority.adapters.redis.opening import open_cache

    return open_cache(settings.redis_url, clock, prefix=settings.redis_key_prefix)


def stores_of(settings: Settings, clock: Clock, cache: PolicyCache | None) -> SqlStore:
    """Returns the open store; one that opens later, where there is a policy in the cache to serve until then.

    Raises:
        StoreError: it cannot be opened, and there is nothing to serve without it.
    """
    from msc_authority.adapters.sql import open_store

    try:
        return open_store(settings.database_url, clock, migrate=settings.auto_migrate)
    except StoreUnavailable:
        if cache is None or cached_current(cache) is None:
            raise
        return open_store(settings.database_url, clock, migrate=settings.auto_migrate, later=True)


def first_current(stores: Stores, clock: Clock, cache: PolicyCache | None) -> Current:
    """Returns what to start with: what the store says, or the cache while that says nothing. Blocking.

    Raises:
        StoreUnavailable: neither does.
    """
    try:
        return read_current(stores.policies, clock)
    except StoreUnavailable as error:
        current = None if cache is None else cached_current(cache)
        if current is None:
            raise
        text = "Starting with policy %s from the cache, because the database cannot be read: %s"
        _log.warning(text, name_of(current.head.ref), error)
        return current


class Cached:
    """The cache at work, or nothing where there is none."""

    def __init__(
        self, cache: PolicyCache | None, machine: Machine, *, broker: Broker, events: EventBus, keeper: HeadKeeper
    ) -> None:
        """Nothing runs yet. The cache belongs to whoever opened it."""
        self._cache = cache
        # A thread of its own: nobody waits for a cache that does not answer.
        self._worker = Worker(threads=1, name="cache")
        self.keeper: CacheKeeper | None = None
        if cache is not None:
            self.keeper = CacheKeeper(
                cache=cache,
                broker=broker,
                worker=self._worker,
                events=events,
                clock=machine.clock,
                timer=machine.timer,
                on_newer=keeper.poke,
            )

    def lives(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """Returns what runs beside the server, and begins to hear of what others put."""
        if self._cache is None or self.keeper is None:
            return {}
        self._cache.listen(self.keeper.heard)
        return {"cache": self.keeper.run}

    def signs(self) -> CacheSigns | None:
        """Returns how the cache is; None: there is none."""
        return None if self.keeper is None else self.keeper.signs()

    def close(self) -> None:
        """Waits for a call that has begun."""
        self._worker.close()
