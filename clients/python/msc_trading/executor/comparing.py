"""Doubt and certainty: entries wait while anything may have been missed, until everything was compared again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from msc_trading.executor.parts import Parts
from msc_trading.executor.reconcile import Reconciler
from msc_trading.venue.port import RateLimited, VenueError

_LOG = logging.getLogger("msc_trading.executor")


class Comparer:
    """Compares with the venue whenever somebody doubts, and says whether nothing is in doubt."""

    def __init__(self, parts: Parts, *, done: Callable[[], None]) -> None:
        self._parts = parts
        self._reconciler = Reconciler(parts)
        self._done = done
        self._doubts = 0
        self._cleared = 0
        self._wake = asyncio.Event()
        self._was_settled = False
        self._check_again_at: dict[str, float] = {}
        self.comparisons = 0
        """How often everything was compared."""

    @property
    def compared(self) -> bool:
        """Whether everything was compared at least once."""
        return self.comparisons > 0

    @property
    def is_certain(self) -> bool:
        """Whether nothing is in doubt, and no order of an earlier life is undecided."""
        if self._cleared < self._doubts or not self.compared:
            return False
        self._was_settled = self._was_settled or self._reconciler.is_settled
        return self._was_settled

    def doubt(self, why: str) -> None:
        """Has everything compared with the venue; entries wait until then."""
        _LOG.info("comparing with the venue: %s", why)
        self._doubts += 1
        self._wake.set()

    async def run(self) -> None:
        """Compares until it is cancelled."""
        while True:
            self._wake.clear()
            if self._cleared < self._doubts:
                await self._compare()
            else:
                await self._wake.wait()

    async def _compare(self) -> None:
        seen, config = self._doubts, self._parts.config
        try:
            await self._reconciler.compare()
        except (VenueError, ValueError) as error:
            pause_s = error.retry_after_s if isinstance(error, RateLimited) else 0.0
            _LOG.warning("the comparison with the venue failed, and is tried again: %s", error)
            await self._parts.clock.sleep(max(pause_s, config.retry_pause_s))
            return
        self._cleared = seen
        self.comparisons += 1
        self._done()

    def check_positions(self) -> None:
        """Doubts when the books and the venue differ for longer than events take to arrive."""
        parts, now = self._parts, self._parts.clock.monotonic()
        for symbol in parts.config.symbols:
            ours, theirs = parts.books.quantity(symbol), parts.account.quantity(symbol)
            if ours == theirs and not parts.books.has_gap(symbol):
                self._check_again_at.pop(symbol, None)
                continue
            due = self._check_again_at.setdefault(symbol, now + parts.config.mismatch_patience_s)
            if now >= due and self._cleared == self._doubts:
                # What comparing does not explain, somebody else has done: not to be asked for all the time.
                self._check_again_at[symbol] = now + 2 * parts.config.account_every_s
                _LOG.error("we hold %s %s, the venue says %s: no entries there until they agree", ours, symbol, theirs)
                self.doubt(f"{symbol} differs")
