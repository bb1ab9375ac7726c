"""Composes what makes one of several authorities of this one: who leads, who is there, who makes what was asked."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from msc_authority.app.demands import Demands, MakesEvaluations
from msc_authority.app.leadership import Leadership
from msc_authority.app.observation import ReplicaView, Standing
from msc_authority.app.presence import Presence, is_alive
from msc_authority.app.work import Worker
from msc_authority.ports.policies import Head

if TYPE_CHECKING:
    from msc_authority.app.broker import Broker
    from msc_authority.app.events import EventBus
    from msc_authority.app.vitals import HeadKeeper
    from msc_authority.compose.parts import Machine, Stores
    from msc_authority.settings import Settings

STORE_THREADS = 2
LEAVE_WITHIN_S = 0.5
"""Longest wait for the store at a stop: whoever is not told notices by itself."""


class Together:
    """This authority among others on the same store."""

    def __init__(
        self, settings: Settings, stores: Stores, machine: Machine, *, broker: Broker, events: EventBus, server_id: str
    ) -> None:
        """Nothing runs yet."""
        self._settings, self._stores, self._machine, self._broker = settings, stores, machine, broker
        self._server_id = server_id
        # A thread of its own: a lease is renewed in time, whatever else is asked of the store.
        self._leases = Worker(threads=1, name="lease")
        self._worker = Worker(threads=STORE_THREADS, name="replicas")
        self.leadership = Leadership(
            lease=stores.lease,
            events=events,
            clock=machine.clock,
            timer=machine.timer,
            worker=self._leases,
            holder=server_id,
            ttl_s=settings.lease_ttl_s,
        )
        self.presence = Presence(
            replicas=stores.replicas,
            broker=broker,
            clock=machine.clock,
            timer=machine.timer,
            worker=self._worker,
            server_id=server_id,
        )
        self._keeper: HeadKeeper | None = None
        self.demands = Demands(
            requests=stores.requests,
            log=stores.log,
            leads=self.leadership,
            clock=machine.clock,
            timer=machine.timer,
            worker=self._worker,
            new_id=machine.new_id,
            confirmed_head=self._confirmed_head,
        )

    def standing(self) -> Standing:
        """Returns this authority among the others, as far as is known here."""
        leader_id = self.leadership.leader_id
        return Standing(
            leading=self.leadership.leading,
            term=self.leadership.present_term,
            leader_address=self.leadership.leader_address,
            changes=self.leadership.transitions,
            sent_away=self.presence.sent_away,
            lease_age_s=self.leadership.lease_age_s,
            leaderless_s=self.leadership.leaderless_s,
            commits_fenced=self.leadership.commits_fenced,
            replicas=tuple(
                ReplicaView(
                    server_id=replica.server_id,
                    address=replica.address,
                    watchers=replica.watchers,
                    started_at=replica.started_at,
                    seen_ago_s=replica.seen_ago_s,
                    alive=is_alive(replica),
                    leads=replica.server_id == leader_id,
                    here=replica.server_id == self._server_id,
                )
                for replica in self.presence.replicas
            ),
        )

    async def stand_at(self, port: int) -> None:
        """Says where this authority is reached, and leads if nobody else does, before anybody asks it for anything."""
        address = address_of(self._settings, port)
        self.leadership.stands_at(address)
        self.presence.stands_at(address)
        await self.leadership.attend()

    def lives(self, keeper: HeadKeeper, evaluations: MakesEvaluations) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """Returns what runs beside the server."""
        self._keeper = keeper

        async def serve_demands() -> None:
            await self.demands.serve(evaluations, others=lambda: bool(self.presence.others))

        return {"lease": self.leadership.run, "presence": self.presence.run, "demands": serve_demands}

    async def leave(self) -> None:
        """Lets another lead at once, and is no longer there. Nothing of it may run any more."""
        for goodbye in (self.leadership.give_back, self.demands.end, self.presence.leave):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LEAVE_WITHIN_S):
                    await goodbye()

    def close(self) -> None:
        """Waits for blocking calls that have begun."""
        self._leases.close()
        self._worker.close()

    async def _confirmed_head(self) -> Head:
        if self._keeper is not None:
            await self._keeper.confirm()
        return self._broker.current.head


def address_of(settings: Settings, port: int) -> str:
    """Returns where other replicas and programs reach this one: as configured, else as far as it can tell itself."""
    if settings.advertised_address:
        return settings.advertised_address
    everywhere = settings.grpc_host in ("0.0.0.0", "::", "[::]")  # noqa: S104 -- compared with, not listened on
    host = socket.gethostname() if everywhere else settings.grpc_host
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"
