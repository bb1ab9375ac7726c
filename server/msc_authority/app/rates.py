"""How much of the authority one caller may take: requests in a second, and streams at once. Any thread may ask."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict

from msc_authority.ports.clock import Clock

BURST_S = 10.0
"""A caller that was silent may send the requests of so many seconds at once: a fleet comes back all together."""
MAX_CALLERS = 20_000
"""Callers remembered; the one silent for longest is forgotten first, which only does it a favour."""


class RateLimited(Exception):
    """More requests came than one caller may send."""


class StreamLimitReached(Exception):
    """More streams are open than one caller may have."""


class _Bucket:
    __slots__ = ("left", "since")

    def __init__(self, left: float, since: float) -> None:
        self.left, self.since = left, since


class RequestRates:
    """One bucket of tokens for each caller: refilled with time, emptied by requests."""

    def __init__(self, *, per_s: float, clock: Clock, max_callers: int = MAX_CALLERS) -> None:
        """`per_s` is what a caller may send for good, in requests a second."""
        self._per_s, self._clock, self._max_callers = per_s, clock, max_callers
        self._full = max(1.0, per_s * BURST_S)
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._latest: _Bucket | None = None
        self.refused = 0

    def take(self, caller: str) -> None:
        """Counts one request. Raises RateLimited."""
        # In one piece and in place: this is part of every call.
        with self._lock:
            now = self._clock.monotonic()
            bucket = self._buckets.get(caller)
            if bucket is None:
                bucket = self._new(caller, now)
            elif bucket is not self._latest:
                self._buckets.move_to_end(caller)
            self._latest = bucket
            left = bucket.left + (now - bucket.since) * self._per_s
            left, bucket.since = left if left < self._full else self._full, now
            if left >= 1.0:
                bucket.left = left - 1.0
                return
            bucket.left = left
            self.refused += 1
        raise RateLimited(f"more than {self._per_s:g} requests a second came from you for a while; slow down")

    def _new(self, caller: str, now: float) -> _Bucket:
        bucket = self._buckets[caller] = _Bucket(self._full, now)
        if len(self._buckets) > self._max_callers:
            self._buckets.popitem(last=False)
        return bucket


class OpenStreams:
    """Counts the streams of each caller."""

    def __init__(self, most: int) -> None:
        """`most` is how many one caller may have."""
        self._most = most
        self._lock = threading.Lock()
        self._open: Counter[str] = Counter()
        self.refused = 0

    def begin(self, caller: str) -> None:
        """Counts a stream. Raises StreamLimitReached."""
        with self._lock:
            if self._open[caller] >= self._most:
                self.refused += 1
                raise StreamLimitReached(f"you have {self._most} streams open, which is the limit; close some")
            self._open[caller] += 1

    def end(self, caller: str) -> None:
        """Counts it no more."""
        with self._lock:
            self._open[caller] -= 1
            # What is at zero would be remembered for good.
            self._open += Counter()
