"""What to say about streams that end: each trouble once, until a stream works again. Pure."""

from __future__ import annotations

import logging

from msc_client._events import Log
from msc_client._messages import StreamEnd
from msc_client.policy import Ref

_NS = 1_000_000_000
_EVERY_NTH_ATTEMPT = 10
_BEHIND_IS_ODD = 5
_BEHIND_IS_WRONG_NS = 60 * _NS
_DENIED_AGAIN_NS = 300 * _NS


class Trouble:
    """Chooses the lines about failed attempts."""

    def __init__(self) -> None:
        self._attempts = 0
        self._said: set[str] = set()
        self._behind = 0
        self._behind_since_ns = 0
        self._denied_said_ns: int | None = None

    def over(self) -> list[Log]:
        """A message came, and with it the end of this trouble."""
        if not self._attempts:
            return []
        return [
            Log(level=logging.INFO, event="connected", text=f"connected again; attempts that failed: {self._attempts}")
        ]

    def no_message(self, error: str) -> list[Log]:
        """A stream stayed silent from its start."""
        return self._attempt(error)

    def ended(self, end: StreamEnd, error: str, wait_s: float, applied: Ref | None, now_ns: int) -> list[Log]:
        """A stream ended or was refused."""
        if end.reason == "REPLICA_BEHIND":
            return self._replica_behind(error, applied, now_ns)
        if end.reason == "EPOCH_SUPERSEDED":
            text = f"the authority serves an older epoch than the applied {applied}: {error}"
            return self._once(logging.ERROR, "epoch_superseded", text)
        if "too_many_pings" in end.detail:
            text = (
                "the authority closed the connection for too many pings: the client's grpc.keepalive_time_ms must not "
                f"be below the server's grpc.http2.min_ping_interval_without_data_ms ({error})"
            )
            return self._once(logging.ERROR, "too_many_pings", text)
        if end.code == "RESOURCE_EXHAUSTED":
            return self._once(logging.WARNING, "too_many_watchers", f"the authority has no room: {error}")
        return self._attempt(f"{error}; next in {wait_s:.2f} s")

    def denied(self, error: str, now_ns: int) -> list[Log]:
        """The authority refuses this client."""
        if self._denied_said_ns is not None and now_ns - self._denied_said_ns < _DENIED_AGAIN_NS:
            return []
        self._denied_said_ns = now_ns
        return [Log(level=logging.ERROR, event="denied", text=f"the authority refuses this client: {error}")]

    def _attempt(self, error: str) -> list[Log]:
        self._attempts += 1
        if self._attempts != 1 and self._attempts % _EVERY_NTH_ATTEMPT:
            return []
        return [Log(level=logging.INFO, event="reconnect", text=f"reconnect {self._attempts}: {error}")]

    def _replica_behind(self, error: str, applied: Ref | None, now_ns: int) -> list[Log]:
        self._behind += 1
        if self._behind == 1:
            self._behind_since_ns = now_ns
        text = f"the replica is behind the applied {applied}: {error}"
        if now_ns - self._behind_since_ns > _BEHIND_IS_WRONG_NS:
            hint = "; a restored backup needs a greater epoch"
            return self._once(logging.ERROR, "replica_behind_for_long", text + hint)
        if self._behind > _BEHIND_IS_ODD:
            return self._once(logging.WARNING, "replica_behind", text)
        return [Log(level=logging.DEBUG, event="replica_behind", text=text)]

    def _once(self, level: int, event: str, text: str) -> list[Log]:
        if event in self._said:
            return []
        self._said.add(event)
        return [Log(level=level, event=event, text=text)]
