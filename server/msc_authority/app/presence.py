"""Says to the other replicas that this one is there, and knows which of them are."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from msc_authority.app.balance import to_send_away
from msc_authority.app.broker import Broker
from msc_authority.app.timing import Timer, pause
from msc_authority.app.work import Worker
from msc_authority.ports.clock import Clock
from msc_authority.ports.replicas import Replica, Replicas
from msc_authority.ports.store import StoreError

_log = logging.getLogger(__name__)

BEAT_S = 5.0
ALIVE_S = 3 * BEAT_S
"""Who has said nothing for so long is taken for gone."""
FORGET_S = 600.0
"""Who has said nothing for so long is no longer shown."""


class Presence:
    """Beats, and has watchers go to other replicas when this one has far more than its share."""

    def __init__(
        self, *, replicas: Replicas, broker: Broker, clock: Clock, timer: Timer, worker: Worker, server_id: str
    ) -> None:
        self._replicas, self._broker = replicas, broker
        self._clock, self._timer, self._worker = clock, timer, worker
        self._me = Replica(server_id=server_id, address="", watchers=0, started_at=clock.now())
        self._heard_at = clock.monotonic()
        self._seen: tuple[Replica, ...] = ()
        self._there: dict[str, str] = {}
        self._complained = False
        self.sent_away = 0
        """Watchers that were asked to go elsewhere since this process started."""

    def stands_at(self, address: str) -> None:
        """Says where this process is reached. Needed before it runs."""
        self._me = replace(self._me, address=address)
        self._seen = (self._me,)

    @property
    def replicas(self) -> tuple[Replica, ...]:
        """This replica and the others that were heard of lately, by address, each with how long ago by now."""
        since_s = self._clock.monotonic() - self._heard_at
        return tuple(replace(replica, seen_ago_s=replica.seen_ago_s + since_s) for replica in self._seen)

    @property
    def others(self) -> tuple[Replica, ...]:
        """The other replicas that are alive, as far as is known."""
        return tuple(replica for replica in self.replicas if self._is_another(replica) and is_alive(replica))

    async def run(self) -> None:
        """Beats until cancelled."""
        while True:
            await self.beat()
            await pause(self._timer, BEAT_S)

    async def beat(self) -> None:
        """Says once that this replica is alive, and looks who else is."""
        me = replace(self._me, watchers=self._broker.watchers)
        try:
            seen = await self._worker.run(partial(self._replicas.beat, me, FORGET_S))
        except StoreError as error:
            level = logging.DEBUG if self._complained else logging.WARNING
            _log.log(level, "The other replicas cannot be heard: %s", error)
            self._complained = True
            return
        self._complained = False
        self._tell_changes(seen)
        self._seen, self._heard_at = tuple(seen), self._clock.monotonic()
        self._share()

    async def leave(self) -> None:
        """Says that this replica goes. Nothing may run beside it."""
        try:
            await self._worker.run(partial(self._replicas.leave, self._me.server_id))
        except StoreError as error:
            _log.warning("The other replicas could not be told that this one goes: %s", error)

    def _share(self) -> None:
        count = to_send_away(self._broker.watchers, [replica.watchers for replica in self.others])
        if count and not self._broker.draining:
            self._broker.send_away(count)
            self.sent_away += count
            _log.info("Sending %d of %d watchers to other replicas", count, self._broker.watchers)

    def _tell_changes(self, seen: Sequence[Replica]) -> None:
        before = self._there
        self._there = {one.server_id: one.address for one in seen if self._is_another(one) and is_alive(one)}
        for server_id in self._there.keys() - before.keys():
            _log.info("Replica %s is there", self._there[server_id])
        for server_id in before.keys() - self._there.keys():
            _log.info("Replica %s is gone", before[server_id])

    def _is_another(self, replica: Replica) -> bool:
        return replica.server_id != self._me.server_id


def is_alive(replica: Replica) -> bool:
    """Whether it said so lately."""
    return replica.seen_ago_s < ALIVE_S
