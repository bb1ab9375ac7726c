"""Decides when the authority is told how the client is doing. Pure."""

from __future__ import annotations

from collections.abc import Callable

from msc_client._held import ns
from msc_client.config import ClientConfig

_SHORTEST_S = 1.0
_LONGEST_S = 300.0
_SPREAD = 0.1


class Reporter:
    """Every 30 s, and soon after something worth telling, but never more than once a second."""

    def __init__(self, config: ClientConfig, uniform: Callable[[float, float], float]) -> None:
        self._interval_s = config.report_interval_s
        self._uniform = uniform
        self._sent_ns: int | None = None
        self._planned_ns = 0
        self._soon_ns: int | None = None

    @property
    def due_ns(self) -> int:
        """When the next report is due. What is to be told soon is not put off by a plan."""
        soon_ns = self._soon_ns
        return self._planned_ns if soon_ns is None else min(soon_ns, self._planned_ns)

    def soon(self, now_ns: int) -> None:
        """Something happened that the authority should know."""
        self._soon_ns = now_ns if self._sent_ns is None else max(now_ns, self._sent_ns + ns(_SHORTEST_S))

    def sent(self, now_ns: int) -> None:
        """A report was sent."""
        self._sent_ns, self._soon_ns = now_ns, None
        self._plan(self._interval_s)

    def wanted(self, interval_s: float) -> None:
        """The authority wants the next report after so long."""
        self._plan(min(max(interval_s, _SHORTEST_S), _LONGEST_S))

    def _plan(self, interval_s: float) -> None:
        spread_s = self._uniform(-_SPREAD, _SPREAD) * interval_s
        self._planned_ns = (self._sent_ns or 0) + ns(interval_s + spread_s)
