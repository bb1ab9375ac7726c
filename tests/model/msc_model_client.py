"""One client: the real session, the real file on disk, and a shell without threads around them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from msc_model_network import Wire
from msc_model_reference import Follower, Reference
from msc_model_replica import Replica
from msc_model_time import LeapingLoop, Standstill, WorldClock

from msc_client import ClientConfig, Ref, Role, SafeDefaults, Tier
from msc_client._events import CancelStream, Close, Ended, Event, OpenStream, Paused, Received, Start, Swap, Tick
from msc_client._held import Held
from msc_client._keeper import Keeper
from msc_client._messages import Garbled, Snapshot, SnapshotReason, StreamEnd, WatchMessage
from msc_client._session import Session
from msc_client._wire.policy import ref_to
from msc_client._wire.watch import watch_message_from
from msc_policy import v1 as pb

_NS = 1_000_000_000
_A_LITTLE_S = 1e-6
UNNOTICED_S = 6.0
"""A pause that is no longer may go unnoticed: the timer wakes each second, and counts from 5 s on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """What a client lives in. `route` finds the replica for a new watch of the client so named."""

    loop: LeapingLoop
    clock: WorldClock
    reference: Reference
    route: Callable[[Client], Replica | None]
    session: type[Session] = Session


class Client:
    """One client and its lives."""

    def __init__(self, name: str, role: Role, path: Path, where: Where) -> None:
        self.name, self.role = name, role
        self.path, self._where = path, where
        self.config, self.safe = ClientConfig(), SafeDefaults()
        self.life = Standstill(where.loop)
        self.on_hold = False
        self.turn = 0
        """How many watches were opened: each comes out at another replica."""
        self.unreachable: set[str] = set()
        self.session: Session | None = None
        self._wires: dict[int, Wire] = {}
        self._ended: list[Wire] = []

    # Life

    def start(self) -> None:
        """Begins a life, from what an earlier one left on disk."""
        now_ns = self._where.clock.monotonic_ns()
        self._seen = Follower(name=self.name, role=self.role)
        self._keeper = Keeper(self.path, config=self.config, clock=self._where.clock)
        self.session = self._where.session(
            config=self.config, safe=self.safe, role=self.role, uniform=self._where.clock.uniform, now_ns=now_ns
        )
        self._held: Held = self.session.held
        self._timer: asyncio.TimerHandle | None = None
        restored = self._keeper.load()
        if restored is not None:
            self._seen.floor = self._seen.applied = restored.policy.ref
            self._seen.vouched_at = restored.confirmation.as_of_ns / _NS
        self._feed(Start(restored=restored))
        self._started(young=restored is not None)

    def _started(self, *, young: bool) -> None:
        tier = self.tier()
        right = tier in (Tier.STALE, Tier.SAFE_NONE, Tier.SAFE_EXPIRED) if young else tier is Tier.SAFE_NONE
        self._where.reference.expect(right, "13 start", f"{self.name} starts {tier.name}")

    def stop(self, *, gently: bool) -> None:
        """Ends the life; what is on disk stays, and a gentle end writes it again."""
        session, self.session = self.session, None
        if session is None:
            return
        self.life.end()
        if gently:
            session.handle(Close(), self._where.clock.monotonic_ns())
            self._keeper.save(session.holding.to_keep(), self._where.clock.monotonic_ns())
        self._quiet()
        for wire in self._wires.values():
            wire.cancel()
        self._ended += self._wires.values()
        self._wires.clear()

    def goes_on(self) -> None:
        """Wakes up. Whoever wakes too late says so before anything else."""
        self.noticed(self.life.end())

    def noticed(self, stood_s: float) -> None:
        """The process stood still for so long."""
        if self.session is not None and stood_s > UNNOTICED_S:
            self._feed(Paused(seconds=stood_s))
        self.flow()

    # The network

    @property
    def stalled(self) -> bool:
        return self.on_hold or self.life.on

    def route(self) -> Replica | None:
        return self._where.route(self)

    def flow(self) -> None:
        """What waited on the way arrives."""
        for wire in list(self._wires.values()):
            wire.flow()

    def tear(self) -> None:
        """Its connections break."""
        for wire in list(self._wires.values()):
            wire.tear()

    def torn_from(self, replica: Replica) -> None:
        """Its connections to a replica break."""
        for wire in list(self._wires.values()):
            if wire.replica is replica:
                wire.tear()

    def message(self, stream: int, raw: bytes) -> None:
        session, said = self.session, watch_message_from(raw)
        if session is None or stream not in session.open_streams:
            return
        before = session.applied
        self._count(stream, said)
        self._feed(Received(stream=stream, message=said))
        if isinstance(said, WatchMessage):
            self._note(session, said, before)
        self.look()

    def ended(self, stream: int, end: StreamEnd) -> None:
        wire = self._wires.pop(stream, None)
        if wire is not None:
            self._ended.append(wire)
        self._feed(Ended(stream=stream, end=end))

    def _count(self, stream: int, said: WatchMessage | Garbled) -> None:
        wire = self._wires.get(stream)
        if wire is None or isinstance(said, Garbled) or not isinstance(said.event, Snapshot):
            return
        ref = said.event.document.ref
        if wire.held is None or ref > wire.held:
            self._where.reference.skipped(self.name, wire.held, ref, said.event.skipped_versions)
        wire.held = ref

    def _note(self, session: Session, said: WatchMessage, before: Ref | None) -> None:
        seen, freshness = self._seen, said.freshness
        if session.applied is None or freshness is None:
            return
        as_of = self._where.clock.monotonic() - freshness.replica_age_s
        confirms = session.applied.same_as(said.head)
        if session.applied != before:
            reason = said.event.reason if isinstance(said.event, Snapshot) else SnapshotReason.UNKNOWN
            self._where.reference.applied(seen, session.applied, reason)
            seen.vouched_at, seen.confirmed_at = as_of, as_of if confirms else None
        elif confirms:
            seen.vouched_at = as_of if seen.vouched_at is None else max(seen.vouched_at, as_of)
            seen.confirmed_at = as_of if seen.confirmed_at is None else max(seen.confirmed_at, as_of)

    # The shell

    def look(self) -> None:
        """Reads, as a trader does at any time."""
        if self.session is not None:
            self._where.reference.read(self._seen, self._held.at(self._where.clock.monotonic_ns()))

    def tier(self) -> Tier:
        return self._held.at(self._where.clock.monotonic_ns()).tier

    def failures(self) -> list[BaseException]:
        """Returns what broke on the other side of its watches."""
        wires = [*self._ended, *self._wires.values()]
        self._ended = [wire for wire in self._ended if not wire.done]
        return [failure for wire in wires if (failure := wire.failure()) is not None]

    def _feed(self, event: Event) -> None:
        session = self.session
        if session is None:
            return
        for effect in session.handle(event, self._where.clock.monotonic_ns()):
            match effect:
                case OpenStream():
                    self._open(effect)
                case CancelStream():
                    self._cancel(effect.stream)
                case Swap():
                    self._held = effect.held
                    if effect.changed:
                        self._where.reference.told(self._seen, session.applied)
                case _:
                    pass
        self._wait(session)

    def _open(self, effect: OpenStream) -> None:
        self.turn += 1
        request = pb.WatchPolicyRequest(known=None if effect.known is None else ref_to(effect.known))
        wire = Wire(self._where.loop, self, effect.stream, request)
        wire.held = effect.known
        self._wires[effect.stream] = wire

    def _cancel(self, stream: int) -> None:
        wire = self._wires.pop(stream, None)
        if wire is not None:
            wire.cancel()
            self._ended.append(wire)

    def _wait(self, session: Session) -> None:
        self._quiet()
        now_ns = self._where.clock.monotonic_ns()
        edges = (self._held.fresh_until_ns + 1, self._held.good_until_ns + 1)
        due = [edge for edge in edges if edge > now_ns]
        if session.next_due_ns is not None:
            due.append(session.next_due_ns)
        keep_ns = self._keeper.due_ns(session.holding.to_keep())
        if keep_ns is not None:
            due.append(max(keep_ns, now_ns + _NS))
        if due:
            wait_s = max(0.0, (min(due) - now_ns) / _NS) + _A_LITTLE_S
            self._timer = self._where.loop.call_later(wait_s, lambda: self.life.do(self._turn))

    def _turn(self) -> None:
        session, now_ns = self.session, self._where.clock.monotonic_ns()
        if session is None:
            return
        value = session.holding.to_keep()
        due_ns = self._keeper.due_ns(value)
        if due_ns is not None and now_ns >= due_ns:
            self._keeper.save(value, now_ns)
        self._feed(Tick())
        self.look()

    def _quiet(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
