"""Policy reads of the last five minutes. What a client says of itself is a claim: it is taken with care."""

from __future__ import annotations

from collections import deque

from msc_authority.app.clients import ClientCounters
from msc_authority.app.observation import ReadTally

SPAN_S = 300.0
SLICE_S = 10.0
SLICES = int(SPAN_S / SLICE_S)
MAX_READS_BETWEEN_REPORTS = 1_000_000_000
"""No client reads that often between two reports: what claims more is nonsense, and is left out."""


class _Slice:
    __slots__ = ("failed", "number", "reads")

    def __init__(self, number: float) -> None:
        self.number, self.reads, self.failed = number, 0, 0


class ReadWindow:
    """Sums reads by slices of ten seconds, so that its size does not depend on how many there are."""

    def __init__(self) -> None:
        """Starts empty."""
        self._slices: deque[_Slice] = deque(maxlen=SLICES)
        self._newest = _Slice(-1.0)

    def note(self, monotonic: float, tally: ReadTally) -> None:
        """Adds reads that were made by now."""
        newest = self._newest
        if newest.number != (number := monotonic // SLICE_S):
            newest = self._newest = _Slice(number)
            self._slices.append(newest)
        newest.reads += tally.reads
        newest.failed += tally.failed

    def tally(self, monotonic: float) -> ReadTally:
        """Returns the sum over the window that ends now."""
        oldest = monotonic // SLICE_S - SLICES + 1
        while self._slices and self._slices[0].number < oldest:
            self._slices.popleft()
        return ReadTally(
            reads=sum(slice_.reads for slice_ in self._slices), failed=sum(slice_.failed for slice_ in self._slices)
        )


def reads_between(before: ClientCounters, after: ClientCounters, elapsed_s: float) -> ReadTally:
    """Returns the reads that two reports of one client lie apart, as far as they fit into the window.

    Counters that went back were reset, and say nothing about the time between. Of a longer time than the window, the
    share of the window counts: a client that comes back after an hour did not read all of that just now.
    """
    reads = after.reads - before.reads
    if not 0 < reads <= MAX_READS_BETWEEN_REPORTS:
        return ReadTally()
    failed = min(max(0, after.fallback_reads - before.fallback_reads), reads)
    share = min(1.0, SPAN_S / elapsed_s) if elapsed_s > 0 else 1.0
    return ReadTally(reads=round(reads * share), failed=round(failed * share))
