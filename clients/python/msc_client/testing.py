"""What a host's tests need: sources that say what the test wants, a clock that moves when told, a real small server."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Self, TypedDict, Unpack

from msc_client._base import BaseSource, StateDir
from msc_client._dispatch import Callback
from msc_client._messages import Freshness, SnapshotReason, StreamEnd
from msc_client._streams import OpenedStream, StreamSink
from msc_client._transport.inprocess import InProcessAuthority
from msc_client._wire.authority import (
    ClientReport,
    WatchOpening,
    client_report,
    goodbye_bytes,
    heartbeat_bytes,
    snapshot_bytes,
    unchanged_bytes,
    watch_opening,
)
from msc_client.config import ClientConfig
from msc_client.policy import EvaluationMetrics, Policy, Ref, RiskMode, StrategyGrant, TradingState
from msc_client.status import ConnectionState, Counters, Role, SourceStatus
from msc_client.tier import SafeDefaults, Tier
from msc_client.view import PolicyView

__all__ = [
    "ClientReport",
    "Freshness",
    "InProcessAuthority",
    "ManualClock",
    "ScriptedSource",
    "ScriptedStream",
    "SnapshotReason",
    "StaticPolicySource",
    "WatchOpening",
    "make_policy",
]

_NS = 1_000_000_000
_START_S = 1_000_000.0
_REAL_WAIT_S = 0.005


class ManualClock:
    """Time that stands still until it is moved. Chance is `draw`: 0 draws the smallest number, 1 the largest."""

    def __init__(self, *, wall: datetime = datetime(2026, 1, 1, tzinfo=UTC), draw: float = 0.5) -> None:
        self.draw = draw
        self._now_ns = round(_START_S * _NS)
        self._wall_s = wall.timestamp()
        self.monotonic_ns: Callable[[], int] = lambda: self._now_ns

    def advance(self, seconds: float) -> None:
        """Lets so much time pass, on both clocks."""
        self._now_ns += round(seconds * _NS)
        self._wall_s += seconds

    def set_wall(self, wall: datetime) -> None:
        """Sets the wall clock alone, as an operator might."""
        self._wall_s = wall.timestamp()

    def wall_s(self) -> float:
        """Returns seconds since 1970, UTC."""
        return self._wall_s

    def uniform(self, low: float, high: float) -> float:
        """Returns the number at `draw` between the two."""
        return low + (high - low) * self.draw

    def wait(self, condition: threading.Condition, timeout_s: float) -> None:
        """Waits on a held condition for a moment of real time, so that whoever waits sees moved time soon."""
        condition.wait(min(timeout_s, _REAL_WAIT_S))


class PolicyFields(TypedDict, total=False):
    """What may be said differently about a made policy."""

    risk_mode: RiskMode
    max_risk_per_trade: float
    global_min_confidence: float
    max_positions: int
    max_daily_trades: int
    trading_state: TradingState
    strategy_grants: tuple[StrategyGrant, ...]
    created_at: datetime | None
    metrics: EvaluationMetrics
    author: str
    rollback_of: int
    valid_for_s: float


def make_policy(
    version: int = 1,
    *,
    epoch: int = 1,
    etag: str | None = None,
    strategies: tuple[str, ...] = ("TREND_001", "MOMENTUM_002"),
    **fields: Unpack[PolicyFields],
) -> Policy:
    """Returns a policy that a client accepts: NORMAL with its usual limits, unless said otherwise."""
    ref = Ref(epoch, version, f'"{epoch}-{version}"' if etag is None else etag)
    usual = Policy(
        ref=ref,
        risk_mode=RiskMode.NORMAL,
        allowed_strategies=strategies,
        max_risk_per_trade=0.0075,
        global_min_confidence=0.60,
        max_positions=10,
        max_daily_trades=30,
        trading_state=TradingState.ACTIVE,
        strategy_grants=tuple(StrategyGrant(strategy_id=id_) for id_ in strategies),
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        author="evaluator",
        valid_for_s=3600.0,
    )
    return replace(usual, **fields)


class StaticPolicySource:
    """A source that holds what it is given. Time stands still unless `now_ns` of another clock is given."""

    def __init__(self, policy: Policy | None = None, tier: Tier = Tier.FRESH) -> None:
        self._callbacks: dict[object, Callback] = {}
        self._view = _view_of(policy, tier)

    def set(self, policy: Policy | None, tier: Tier = Tier.FRESH, *, entries_until_ns: int | None = None) -> None:
        """Holds this from now on, and calls the callbacks, one after the other, before it returns."""
        self._view = _view_of(policy, tier, entries_until_ns)
        for callback in list(self._callbacks.values()):
            callback(self._view)

    def current(self) -> PolicyView:
        """Returns what it holds."""
        return self._view

    def now_ns(self) -> int:
        """Returns an instant that never changes."""
        return 0

    def status(self) -> SourceStatus:
        """Returns the status of a source that is connected to nothing."""
        return SourceStatus(
            connection=ConnectionState.LIVE,
            since=datetime(2026, 1, 1, tzinfo=UTC),
            tier=self._view.tier,
            applied=self._view.ref,
            age_s=self._view.age_s(self.now_ns()),
            ttl_s=None,
            last_error="",
            counters=Counters(),
            instance_id="static",
            server_id="",
            target="static",
        )

    def subscribe(self, callback: Callback) -> Callable[[], None]:
        """Calls `callback` with each view that is set. Returns what ends that."""
        key = object()
        self._callbacks[key] = callback

        def unsubscribe() -> None:
            self._callbacks.pop(key, None)

        return unsubscribe

    def start(self, wait_s: float | None = None) -> PolicyView:
        """Returns what it holds."""
        return self._view

    def close(self) -> None:
        """Does nothing: there is nothing to close."""

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Does nothing."""


class ScriptedStream:
    """The authority's side of a watch, without a network: the test says each message and each end."""

    def __init__(self, *, heartbeat_interval_s: float = 5.0, server_id: str = "scripted") -> None:
        self.freshness = Freshness(replica_age_s=0.0, ttl_s=3600.0)
        """How far the messages to come vouch for the head."""
        self.opened: list[WatchOpening] = []
        """Every watch that was opened."""
        self.cancelled: list[int] = []
        """Streams that the client ended, by number."""
        self.reports: list[ClientReport] = []
        self.renewed = 0
        self.changed = False
        """Whether the client's credentials changed since it showed them."""
        self._info: tuple[str, float] = (server_id, heartbeat_interval_s)
        self._sink: StreamSink | None = None
        self._streams: list[int] = []

    @property
    def latest(self) -> int:
        """Number of the stream that was opened last.

        Raises:
            LookupError: none was.
        """
        if not self._streams:
            raise LookupError("no stream was opened")
        return self._streams[-1]

    def publish(
        self, policy: Policy, *, reason: SnapshotReason = SnapshotReason.UPDATE, head: Ref | None = None
    ) -> None:
        """Sends a snapshot; `head` None names the policy itself."""
        self.send(snapshot_bytes(policy, reason=reason, head=head, freshness=self.freshness, info=self._info))

    def unchanged(self, head: Ref) -> None:
        """Says that what the client holds is the head."""
        self.send(unchanged_bytes(head, freshness=self.freshness, info=self._info))

    def heartbeat(self, head: Ref) -> None:
        """Sends a sign of life."""
        self.send(heartbeat_bytes(head, freshness=self.freshness, info=self._info))

    def goodbye(self, head: Ref, *, reason: str = "DRAINING", reconnect_after_s: float = 0.0) -> None:
        """Says goodbye; the stream's end is said by `end`."""
        self.send(goodbye_bytes(head, reason=reason, reconnect_after_s=reconnect_after_s, freshness=self.freshness))

    def send(self, raw: bytes, *, stream: int | None = None) -> None:
        """Sends these bytes, on the stream opened last unless another is named."""
        self._to().message(self.latest if stream is None else stream, raw)

    def end(self, code: str = "OK", detail: str = "", *, reason: str = "", retry_after_s: float | None = None) -> None:
        """Ends the stream opened last."""
        end = StreamEnd(code=code, detail=detail, reason=reason, retry_after_s=retry_after_s)
        self._to().ended(self.latest, end)

    def open(self, stream: int, request: bytes, sink: StreamSink) -> OpenedStream:
        """Takes a watch."""
        self._sink = sink
        self._streams.append(stream)
        self.opened.append(watch_opening(request))
        return _ScriptedHandle(self, stream)

    def report(self, request: bytes, answered: Callable[[bytes], None]) -> None:
        """Keeps a report."""
        self.reports.append(client_report(request))

    def credentials_changed(self) -> bool:
        """Tells what the test says, once."""
        changed, self.changed = self.changed, False
        return changed

    def renew(self) -> None:
        """Counts."""
        self.renewed += 1

    def after_fork(self) -> None:
        """Nothing was opened that a child could not touch."""

    def close(self) -> None:
        """Nothing was opened."""

    def _to(self) -> StreamSink:
        if self._sink is None:
            raise LookupError("no stream was opened")
        return self._sink


class _ScriptedHandle:
    def __init__(self, script: ScriptedStream, stream: int) -> None:
        self._script = script
        self._stream = stream

    def cancel(self) -> None:
        self._script.cancelled.append(self._stream)

    def alive(self) -> bool:
        return True


class ScriptedSource(BaseSource):
    """A whole source, threads included, on a script and a clock of the test's own."""

    def __init__(
        self,
        script: ScriptedStream,
        clock: ManualClock,
        *,
        role: Role = Role.OTHER,
        name: str = "scripted",
        config: ClientConfig | None = None,
        safe: SafeDefaults | None = None,
        state_dir: StateDir = None,
    ) -> None:
        super().__init__(
            streams=script,
            role=role,
            name=name,
            config=config or ClientConfig(),
            safe=safe or SafeDefaults(),
            state_dir=state_dir,
            clock=clock,
            target="scripted",
        )


def _view_of(policy: Policy | None, tier: Tier, entries_until_ns: int | None = None) -> PolicyView:
    return PolicyView(
        policy=SafeDefaults().as_policy() if policy is None else policy,
        tier=Tier.SAFE_NONE if policy is None else tier,
        ref=None if policy is None else policy.ref,
        as_of_ns=None if policy is None else 0,
        entries_until_ns=entries_until_ns,
    )
