"""One watch: what is written next, and when. Knows no transport; whoever writes asks for frame after frame."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from msc_authority.app.broker import Broker, Ending, Watcher
from msc_authority.app.events import name_of
from msc_authority.app.timing import Uniform
from msc_authority.core.policy import Policy, PolicyRef
from msc_authority.ports.clock import Clock
from msc_authority.rpc.errors import EpochSuperseded, ReplicaBehind
from msc_authority.rpc.frames import Frames, with_info
from msc_policy import v1 as pb

_log = logging.getLogger(__name__)

MIN_HEARTBEAT_S, MAX_HEARTBEAT_S = 1.0, 30.0
HEARTBEAT_JITTER = (1.0, 1.1)
MAX_AGE_S = (1200.0, 1800.0)
RECONNECT_AFTER_DRAIN_S = 5.0
RECONNECT_AFTER_MAX_AGE_S = 1.0
RECONNECT_AFTER_AUTH_EXPIRED_S = 1.0

# Who ends a watch that is stuck in a write says it by a status; see watch_service.
_GOODBYES: dict[Ending, pb.GoodbyeReason.ValueType] = {
    Ending.DRAINING: pb.GOODBYE_REASON_DRAINING,
    Ending.REBALANCE: pb.GOODBYE_REASON_REBALANCE,
    Ending.SLOW_CONSUMER: pb.GOODBYE_REASON_SLOW_CONSUMER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a caller says it holds. `etag` empty: it did not say."""

    ref: PolicyRef
    etag: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamIdentity:
    """Names of a stream and of the replica that serves it, and its heartbeat interval in seconds."""

    stream_id: str
    server_id: str
    heartbeat_s: float


class Watch:
    """The messages of one watch, in order."""

    def __init__(
        self,
        *,
        broker: Broker,
        watcher: Watcher,
        frames: Frames,
        clock: Clock,
        uniform: Uniform,
        identity: StreamIdentity,
        held: Held | None,
    ) -> None:
        self._broker, self._watcher, self._frames = broker, watcher, frames
        self._clock, self._uniform, self._identity = clock, uniform, identity
        self._claimed = held
        self._held: PolicyRef | None = None
        self._seq = 0
        self.over = False
        """Whether the goodbye was said."""
        self._heartbeat_due: float | None = None
        self._age_due = clock.monotonic() + uniform(*MAX_AGE_S)

    def first(self) -> bytes:
        """Returns the answer to what the caller holds.

        Raises:
            ReplicaBehind: the caller holds a newer version.
            EpochSuperseded: the caller holds a version of a later epoch.
        """
        identity = self._identity
        return with_info(
            self._answer(),
            stream_id=identity.stream_id,
            server_id=identity.server_id,
            heartbeat_s=identity.heartbeat_s,
        )

    def due(self) -> bytes | None:
        """Returns what is to be said now, and the message before must be written; None: nothing.

        Then its watcher is woken when there may be something, or the watch is over.
        """
        head, ending = self._broker.current.head, self._watcher.ending
        if self.over:
            return None
        if ending is Ending.AUTH_EXPIRED:
            # Before any news: who asks may not have them.
            return self._goodbye(pb.GOODBYE_REASON_AUTH_EXPIRED, RECONNECT_AFTER_AUTH_EXPIRED_S)
        # News before a goodbye: the final version arrives while the caller is connected.
        if head.policy is not None and head.ref != self._held:
            self._heartbeat_due = None
            return self._snapshot(head.policy)
        if ending is not None:
            return self._goodbye(_GOODBYES[ending], RECONNECT_AFTER_DRAIN_S)
        return self._due_by_now(self._clock.monotonic())

    def _due_by_now(self, now: float) -> bytes | None:
        if now >= self._age_due:
            return self._goodbye(pb.GOODBYE_REASON_MAX_AGE, RECONNECT_AFTER_MAX_AGE_S)
        if self._heartbeat_due is None:
            # An interval after the message that has been written now.
            self._heartbeat_due = now + self._identity.heartbeat_s * self._uniform(*HEARTBEAT_JITTER)
        if now >= self._heartbeat_due:
            self._heartbeat_due = None
            return self._heartbeat()
        self._watcher.wake_by(min(self._heartbeat_due, self._age_due))
        return None

    def _answer(self) -> bytes:
        current = self._broker.current
        check_not_behind(self._claimed.ref if self._claimed else None, current.head.ref)
        policy = current.head.policy
        if policy is None:
            self._held = self._claimed.ref if self._claimed else None
            return self._heartbeat()
        if self._claimed is None or self._claimed.ref != policy.ref:
            self._held = self._claimed.ref if self._claimed else None
            return self._snapshot(policy)
        self._held = policy.ref
        if self._claimed.etag not in ("", policy.etag):
            # The caller refuses it, as an integrity error; an Unchanged would confirm what may be wrong.
            _log.error("A client holds other content as policy %s: two writers?", name_of(policy.ref))
            return self._snapshot(policy)
        return self._frames.unchanged()

    def _snapshot(self, policy: Policy) -> bytes:
        held, self._held = self._held, policy.ref
        return self._frames.snapshot(held)

    def _heartbeat(self) -> bytes:
        self._seq += 1
        return self._frames.heartbeat(self._seq)

    def _goodbye(self, reason: pb.GoodbyeReason.ValueType, reconnect_after_s: float) -> bytes:
        self.over = True
        return self._frames.goodbye(reason, reconnect_after_s)


def check_not_behind(known: PolicyRef | None, head: PolicyRef) -> None:
    """Passes when the head is at least what the caller knows, or of a later epoch.

    Raises:
        ReplicaBehind: the caller knows a newer version of this epoch.
        EpochSuperseded: the caller knows a later epoch.
    """
    if known is None or known <= head:
        return
    if known.epoch > head.epoch:
        raise EpochSuperseded(f"you know epoch {known.epoch}; this replica is of epoch {head.epoch}")
    raise ReplicaBehind(f"you know version {known.version}; this replica is at version {head.version}")


def heartbeat_interval(wish_s: float | None, default_s: float) -> float:
    """Returns the interval a caller gets, in seconds: its wish within bounds, else the default.

    An authority that beats faster by itself than callers may wish, as one on fast simulated time does, lets them wish
    as much.
    """
    return min(MAX_HEARTBEAT_S, max(min(MIN_HEARTBEAT_S, default_s), default_s if wish_s is None else wish_s))
