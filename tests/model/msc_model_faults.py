"""Replicas and clients with a fault in them, each of a kind that is easily made. The model has to find every one."""

from __future__ import annotations

from typing import ClassVar

from msc_model_replica import Parts
from msc_model_world import Faults, World

from msc_authority.adapters.memory_replicas import MemoryLease
from msc_authority.app.broker import Broker, Current, HeadSource
from msc_authority.app.cache_keeper import CacheKeeper
from msc_authority.app.vitals import HeadKeeper
from msc_authority.ports.cache import CachedHead
from msc_authority.ports.policies import Head
from msc_client._events import Effect, Event, OpenStream
from msc_client._held import Confirmation
from msc_client._holding import Holding, Refused, Restored
from msc_client._messages import Document
from msc_client._session import Session


class TakesAnything(Broker):
    """Serves whatever it is given, also what is older than what it serves."""

    def publish(
        self,
        head: Head,
        *,
        confirmed_at: float,
        changed_fields: tuple[str, ...] = (),
        source: HeadSource = HeadSource.DATABASE,
    ) -> bool:
        if head.ref < self.current.head.ref:
            self.current = Current(head=head, changed_fields=(), confirmed_at=confirmed_at, source=source)
            return True
        return super().publish(head, confirmed_at=confirmed_at, changed_fields=changed_fields, source=source)


class BelievesTheCache(CacheKeeper):
    """Takes what the cache has, whatever it is."""

    async def _take(self) -> None:
        found: CachedHead | None = await self._worker.run(self._cache.get)
        if found is not None:
            self._publish(found, self._broker.current.head.policy)


class VouchesBlindly(HeadKeeper):
    """Says that the head was confirmed whenever it tried to confirm it."""

    async def confirm(self) -> bool:
        if not await super().confirm():
            self._broker.publish(self._broker.current.head, confirmed_at=self._clock.monotonic())
        return True


class LetsEverybodyWrite(MemoryLease):
    """Grants terms, and never asks for them."""

    def check(self, term: int | None) -> None:
        """Passes."""


def without_fence(world: World) -> None:
    """The store takes what a leader of an earlier term writes."""
    lease = LetsEverybodyWrite(world.clock)
    world.database.store.lease = world.database.store._kept.lease = lease


class _Gullible(Holding):
    def _refusal(self, document: Document, size_bytes: int) -> Refused | None:
        return None


class _FreshFromDisk(Holding):
    def restore(self, restored: Restored, now_ns: int) -> bool:
        self._confirmed = True
        return super().restore(restored, now_ns)


class _Unbound(Holding):
    def _bind(self, in_force: object, confirmation: Confirmation) -> None:
        self._bound = None


class _Holds(Session):
    kind: ClassVar[type[Holding]]

    def handle(self, event: Event, now_ns: int) -> list[Effect]:
        self._holding.__class__ = self.kind
        return super().handle(event, now_ns)


class AppliesAnything(_Holds):
    """Tells nobody what it has, and applies what it gets."""

    kind = _Gullible

    def handle(self, event: Event, now_ns: int) -> list[Effect]:
        effects = super().handle(event, now_ns)
        return [each._replace(known=None) if isinstance(each, OpenStream) else each for each in effects]


class TrustsItsDisk(_Holds):
    """Takes what was written in an earlier life for confirmed."""

    kind = _FreshFromDisk


class LoosensBlindly(_Holds):
    """Takes what an aged replica says, whatever its role."""

    kind = _Unbound


OLDER_FROM_CACHE = Faults(parts=Parts(broker=TakesAnything, cache_keeper=BelievesTheCache))
VOUCHES_BLINDLY = Faults(parts=Parts(keeper=VouchesBlindly))
NO_FENCE = Faults(plant=without_fence)
APPLIES_ANYTHING = Faults(session=AppliesAnything)
TRUSTS_ITS_DISK = Faults(session=TrustsItsDisk)
LOOSENS_BLINDLY = Faults(session=LoosensBlindly)
FORGETS_WHAT_WAS_SAID = Faults(keep_words=False)
