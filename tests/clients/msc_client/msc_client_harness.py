"""What the tests of the embedded client share: a session whose effects are kept, a source on a script, and waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from msc_client import (
    ClientConfig,
    ConnectionState,
    Policy,
    PolicyInvalid,
    Ref,
    Role,
    SafeDefaults,
    SourceStatus,
    Tier,
)
from msc_client._events import Effect, Ended, Event, Log, OpenStream, Received, Start, Tick
from msc_client._held import Confirmation
from msc_client._holding import Restored
from msc_client._messages import Document, Freshness, Snapshot, SnapshotReason, StreamEnd, StreamInfo, WatchMessage
from msc_client._messages import Event as WatchEvent
from msc_client._session import Session
from msc_client._wire.authority import policy_message
from msc_client._wire.policy import document_from
from msc_client.testing import ManualClock, ScriptedSource, ScriptedStream, make_policy


def until(condition: Callable[[], object]) -> None:
    """Waits for a condition that another thread brings about, and fails after some seconds."""
    never = threading.Event()
    for _ in range(2_000):
        if condition():
            return
        never.wait(0.005)
    pytest.fail("it did not happen within 10 s")


def levels(caplog: pytest.LogCaptureFixture) -> list[int]:
    return [record.levelno for record in caplog.records]


class Watch:
    """A session whose effects are kept: what a thin shell around it would have done."""

    def __init__(self, *, config: ClientConfig | None = None, role: Role = Role.EXECUTOR, draw: float = 0.5) -> None:
        self.clock = ManualClock(draw=draw)
        self.session = Session(
            config=config or ClientConfig(),
            safe=SafeDefaults(),
            role=role,
            uniform=self.clock.uniform,
            now_ns=self.clock.monotonic_ns(),
        )
        self.effects: list[Effect] = []

    def feed(self, event: Event) -> list[Effect]:
        effects = self.session.handle(event, self.clock.monotonic_ns())
        self.effects += effects
        return effects

    def advance(self, seconds: float) -> list[Effect]:
        self.clock.advance(seconds)
        return self.feed(Tick())

    def say(
        self,
        event: WatchEvent,
        *,
        head: Ref | None,
        replica_age_s: float = 0.0,
        ttl_s: float = 3600.0,
        heartbeat_s: float | None = None,
        server_id: str = "r1",
        stream: int | None = None,
        size_bytes: int = 500,
        freshness: bool = True,
    ) -> list[Effect]:
        message = WatchMessage(
            head=head,
            freshness=Freshness(replica_age_s=replica_age_s, ttl_s=ttl_s) if freshness else None,
            event=event,
            info=None if heartbeat_s is None else StreamInfo(server_id=server_id, heartbeat_interval_s=heartbeat_s),
            size_bytes=size_bytes,
        )
        return self.feed(Received(stream=self.stream if stream is None else stream, message=message))

    def publish(self, policy: Policy, **how: float) -> list[Effect]:
        return self.say(snapshot(policy), head=policy.ref, replica_age_s=how.get("replica_age_s", 0.0))

    def live(self, policy: Policy | None = None) -> Watch:
        """Starts, and has it follow version 5."""
        self.feed(Start())
        policy = policy or make_policy(5)
        self.say(snapshot(policy), head=policy.ref, heartbeat_s=5.0)
        return self

    def end(self, code: str, detail: str = "", *, reason: str = "", retry_after_s: float | None = None) -> list[Effect]:
        end = StreamEnd(code=code, detail=detail, reason=reason, retry_after_s=retry_after_s)
        return self.feed(Ended(stream=self.stream, end=end))

    def end_and_reopen(self, code: str, *, reason: str = "") -> None:
        self.end(code, reason=reason)
        self.clock.advance(self.due_s)
        self.feed(Tick())

    @property
    def stream(self) -> int:
        return [effect.stream for effect in self.effects if isinstance(effect, OpenStream)][-1]

    @property
    def due_s(self) -> float:
        due_ns = self.session.next_due_ns
        assert due_ns is not None
        return (due_ns - self.clock.monotonic_ns()) / 1e9

    def state(self) -> ConnectionState:
        return self.session.state

    def tier(self) -> Tier:
        return self.session.held.at(self.clock.monotonic_ns()).tier

    @property
    def policy(self) -> Policy:
        return self.session.held.at(self.clock.monotonic_ns()).policy

    def lines(self, level: int) -> list[str]:
        return [effect.text for effect in self.effects if isinstance(effect, Log) and effect.level == level]


def snapshot(policy: Policy, reason: SnapshotReason = SnapshotReason.UPDATE) -> Snapshot:
    return Snapshot(document=Document(ref=policy.ref, policy=policy, raw=b""), reason=reason)


def invalid(ref: Ref, *, upgrade: bool = False) -> Snapshot:
    problem = PolicyInvalid("risk_mode", "unknown value 9", upgrade=upgrade)
    return Snapshot(document=Document(ref=ref, policy=problem, raw=b""), reason=SnapshotReason.UPDATE)


def kept_value(policy: Policy, clock: ManualClock, *, replica_age_s: float = 0.0, ttl_s: float = 3600.0) -> Restored:
    """What is written to disk of a policy that was confirmed now."""
    return Restored(
        document=document_from(policy_message(policy)),
        policy=policy,
        confirmation=Confirmation(
            at_ns=clock.monotonic_ns(), freshness=Freshness(replica_age_s=replica_age_s, ttl_s=ttl_s)
        ),
    )


def has(effects: list[Effect], kind: type[Effect]) -> bool:
    return any(isinstance(effect, kind) for effect in effects)


# Small waits, so that tests need not wait; they are scaled, not skipped.
QUICK = ClientConfig(
    heartbeat_interval_s=0.2,
    watchdog_s=1.0,
    backoff_floor_s=0.001,
    backoff_initial_s=0.01,
    backoff_max_s=0.05,
    denied_retry_min_s=0.05,
    denied_retry_max_s=0.1,
    unary_deadline_s=5.0,
)

# A manual clock moves in jumps, and each would count as a pause of the process.
NO_PAUSES = ClientConfig(local_pause_s=1e9)


class Host:
    """A source, its script and its clock."""

    def __init__(
        self, *, config: ClientConfig = NO_PAUSES, state_dir: Path | None = None, safe: SafeDefaults | None = None
    ) -> None:
        self.script = ScriptedStream()
        self.clock = ManualClock()
        self.source = ScriptedSource(self.script, self.clock, config=config, state_dir=state_dir, safe=safe)

    def follow(self, policy: Policy | None = None) -> Host:
        self.source.start(wait_s=0)
        self.script.publish(policy or make_policy(5))
        return self

    def tier(self) -> Tier:
        return self.source.current().tier

    def status(self) -> SourceStatus:
        return self.source.status()
