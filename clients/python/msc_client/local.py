"""The policy source for a host in the authority's own process: the same surface, without a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msc_client._base import BaseSource, StateDir
from msc_client._clock import Clock, SystemClock
from msc_client._messages import StreamEnd
from msc_client._streams import OpenedStream, StreamSink
from msc_client.config import ClientConfig
from msc_client.role import Role
from msc_client.tier import SafeDefaults

__all__ = ["LocalPolicySource", "PolicyFeed"]


class PolicyFeed(Protocol):
    """Delivers what a watch delivers: serialized WatchPolicyResponse messages, the same bytes as on the wire."""

    def subscribe(self, callback: Callable[[bytes], None]) -> Callable[[], None]:
        """Calls `callback` with a snapshot (if there is a policy) and every later message. Returns what ends that."""
        ...


class LocalPolicySource(BaseSource):
    """Follows a feed of this process. The tiers hold here too: a feed that falls silent is a policy that ages."""

    def __init__(
        self,
        feed: PolicyFeed,
        *,
        role: Role,
        name: str,
        config: ClientConfig | None = None,
        safe: SafeDefaults | None = None,
        state_dir: StateDir = "default",
        clock: Clock | None = None,
    ) -> None:
        super().__init__(
            streams=_FeedStreams(feed),
            role=role,
            name=name,
            config=config or ClientConfig(),
            safe=safe or SafeDefaults(),
            state_dir=state_dir,
            clock=clock or SystemClock(),
            target="local",
        )


class _FeedStreams:
    """Turns a subscription into a stream."""

    def __init__(self, feed: PolicyFeed) -> None:
        self._feed = feed

    def open(self, stream: int, request: bytes, sink: StreamSink) -> OpenedStream:
        subscription = _Subscription()
        try:
            subscription.begin(self._feed.subscribe(lambda raw: sink.message(stream, raw)))
        except Exception as error:
            # The feed is the host's: whatever it raises is, for us, an authority that cannot be reached.
            sink.ended(stream, StreamEnd(code="UNAVAILABLE", detail=f"the feed refused: {error!r}"))
        return subscription

    def report(self, request: bytes, answered: Callable[[bytes], None]) -> None:
        """There is nobody to tell: the authority is this process."""

    def credentials_changed(self) -> bool:
        """There are no credentials."""
        return False

    def renew(self) -> None:
        """There are no credentials."""

    def after_fork(self) -> None:
        """The feed of a forked child is the host's business; a new subscription asks it."""

    def close(self) -> None:
        """Nothing was opened."""


class _Subscription:
    def __init__(self) -> None:
        self._end: Callable[[], None] | None = None

    def begin(self, end: Callable[[], None]) -> None:
        self._end = end

    def cancel(self) -> None:
        end, self._end = self._end, None
        if end is not None:
            end()

    def alive(self) -> bool:
        return True
