"""Equity, drawdown and the strategies' results over the last days, kept small enough to draw."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from msc_authority.app.ledger import JournalPruned, ledger_at_floor
from msc_authority.app.timing import Timer, pause
from msc_authority.app.trace_fold import SPAN, Stopped, TraceFold
from msc_authority.app.work import Worker
from msc_authority.core.config import DecisionConfig
from msc_authority.ports.clock import Clock
from msc_authority.ports.journal import Journal, JournalCursor
from msc_authority.ports.store import StoreError

_log = logging.getLogger(__name__)

REFRESH_PERIOD_S = 3.0
PRUNE_EVERY = timedelta(minutes=5)
GIVE_WAY_S = 0.0001
"""Pause after each few rows: a long journal takes a little longer to fold, and holds up nothing."""
WHOLE_JOURNAL_ROWS = 500_000
"""A journal of no more rows is folded from its beginning; of a longer one, what can bear on the last days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TracePoint:
    """The account at an instant. `equity` in account currency; `drawdown_pct` from the rolling high; None: unknown."""

    at: datetime
    equity: float
    drawdown_pct: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EquityTrace:
    """A bounded number of points over the last days, oldest first, and each strategy's cumulated net PnL.

    `strategies` maps an id to at most a few dozen values of its cumulated net PnL of LIVE and SHADOW trades, in account
    currency, oldest first.
    """

    points: tuple[TracePoint, ...] = ()
    strategies: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


class EquityTracer:
    """Keeps a trace up to date: folds what is new, and winds back as far as something came late.

    Lives on the event loop; the worker reads and folds. The trace may be read from any thread.
    """

    def __init__(self, *, journal: Journal, clock: Clock, timer: Timer, worker: Worker, config: DecisionConfig) -> None:
        """`worker` needs one thread, of its own: folding a long journal takes seconds."""
        self._journal, self._clock, self._timer, self._worker = journal, clock, timer, worker
        self._config = config
        self._trace = EquityTrace()
        self._fold: TraceFold | None = None
        self._cursor = JournalCursor()
        self._rows_ahead = False
        self._pruned_at: datetime | None = None
        self._stopping = threading.Event()
        self._complained = False

    @property
    def trace(self) -> EquityTrace:
        """The newest trace."""
        return self._trace

    async def run(self) -> None:
        """Refreshes every few seconds, until cancelled. While the store does not answer, the trace stays as it was."""
        self._stopping.clear()
        try:
            while True:
                await self.refresh()
                await pause(self._timer, REFRESH_PERIOD_S)
        finally:
            self._stopping.set()

    async def refresh(self) -> bool:
        """Brings the trace up to date once. Returns whether the store answered."""
        try:
            await self._worker.run(self._refresh)
        except StoreError as error:
            self._complain(error)
            return False
        if self._complained:
            _log.info("The journal can be read again, equity and results are up to date")
            self._complained = False
        return True

    def _refresh(self) -> None:
        now, end = self._clock.now(), self._journal.end()
        if not self._is_due(now, end):
            return
        known, self._fold = self._fold, None
        after = self._base_of(known, end) if known is not None else None
        if known is None or after is None:
            fold, after = self._begun(now, end)
        else:
            fold = known
        try:
            rows = self._journal.evidence_after(after, end)
            rows_ahead = fold.fold(rows, now, self._give_way)
        except Stopped:
            return
        if self._pruned_at is None or abs(now - self._pruned_at) >= PRUNE_EVERY or fold is not known:
            fold.prune(now)
            self._pruned_at = now
        # From here on it is whole: whatever was raised above leaves nothing half-folded behind.
        self._fold, self._cursor, self._rows_ahead = fold, end, rows_ahead
        points = tuple(TracePoint(at=at, equity=equity, drawdown_pct=fall) for at, equity, fall in fold.points())
        self._trace = EquityTrace(points=points, strategies=fold.results())

    def _give_way(self) -> bool:
        # A thread that only computes keeps the event loop waiting for its turn; one that pauses lets it go first.
        return self._stopping.wait(GIVE_WAY_S)

    def _is_due(self, now: datetime, end: JournalCursor) -> bool:
        if self._fold is None or self._rows_ahead or self._pruned_at is None or end != self._cursor:
            return True
        return abs(now - self._pruned_at) >= PRUNE_EVERY

    def _base_of(self, fold: TraceFold, end: JournalCursor) -> datetime | None:
        """Returns the instant behind which rows are to be read, after winding back behind what came late."""
        late = self._journal.earliest_between(self._cursor, end) if end != self._cursor else None
        if late is None or fold.watermark is None or fold.watermark < late:
            return fold.watermark
        return fold.rewind(late)

    def _begun(self, now: datetime, end: JournalCursor) -> tuple[TraceFold, datetime | None]:
        after, floor = self._beginning(now, end), self._journal.floor()
        if floor is None or (after is not None and after >= floor.watermark):
            return TraceFold(self._config), after
        try:
            return TraceFold(self._config, ledger_at_floor(floor, self._config)), floor.watermark
        except JournalPruned:
            # Evaluations fail for the same reason, and say so; what is left can be drawn all the same.
            return TraceFold(self._config), floor.watermark

    def _beginning(self, now: datetime, end: JournalCursor) -> datetime | None:
        # A drawdown is from the high of a window before it. The curve of closed trades has its scale from all of them.
        if not end.equity or end.equity + end.trades <= WHOLE_JOURNAL_ROWS:
            return None
        return now - SPAN - timedelta(days=self._config.equity.high_water_window_d)

    def _complain(self, error: StoreError) -> None:
        level = logging.DEBUG if self._complained else logging.WARNING
        _log.log(level, "The journal cannot be read, equity and results stay as they are: %s", error)
        self._complained = True
