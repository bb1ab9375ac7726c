"""Lets go of what is old, in memory. It means what the one on SQL means."""

from __future__ import annotations

from datetime import datetime

from msc_authority.adapters.audit_lines import floor_line, prune_line
from msc_authority.adapters.instants import aware_utc, text_of
from msc_authority.adapters.memory_evaluations import KeptEvaluations
from msc_authority.adapters.memory_journal import MemoryJournal
from msc_authority.ports.journal import LedgerCheckpoint
from msc_authority.ports.store import StaleState
from msc_authority.ports.upkeep import Kept, PruneOrder

_EVIDENCE = (Kept.TRADES, Kept.EQUITY)


class MemoryRetention:
    """Lets go of what is old. Threads may share it."""

    def __init__(self, journal: MemoryJournal, kept: KeptEvaluations) -> None:
        self._journal, self._kept = journal, kept

    def earliest_base(self) -> datetime | None:
        """Returns the earliest watermark that an evaluation may fold on from, or None: nothing was evaluated yet."""
        with self._kept.lock:
            return self._kept.earliest_base()

    def pruned_up_to(self, kind: Kept) -> datetime | None:
        """Returns the instant up to which rows may be gone already; None: all are there."""
        with self._kept.lock:
            return self._kept.pruned_up_to if kind is Kept.EVALUATIONS else self._journal.pruned_up_to(kind)

    def count(self, kind: Kept, upto: datetime) -> int:
        """Returns how many rows no later than `upto` could go."""
        with self._kept.lock:
            at = aware_utc(upto)
            return len(self._kept.may_go(at) if kind is Kept.EVALUATIONS else self._journal.older(kind, at))

    def raise_floor(self, floor: LedgerCheckpoint, now: datetime, actor: str) -> None:
        """Makes `floor` the floor of the journal, so that evidence no later than its watermark may go.

        Raises:
            StaleState: something of that time arrived in between, or an evaluation may have to fold on from before it.
        """
        upto = aware_utc(floor.watermark)
        with self._kept.lock, self._journal.lock:
            before, base = self._floor_at(), self._kept.earliest_base()
            if base is None or base < upto:
                raise StaleState(f"an evaluation may have to fold on from before {text_of(upto)}: nothing was changed")
            if before is not None and before > upto:
                raise StaleState(f"the journal's floor is at {text_of(before)} already: it never comes down")
            late = self._journal.earliest_between(floor.cursor, self._journal.end())
            if late is not None and late <= upto:
                raise StaleState(f"evidence of {text_of(late)} arrived meanwhile: start again")
            self._kept.audit.append(now, floor_line(floor, before, actor))
            self._journal.set_floor(floor)

    def allow(self, order: PruneOrder, now: datetime, actor: str) -> None:
        """Writes down that these rows may be gone from now on, with an audit line.

        Raises:
            StaleState: they are evidence later than the floor.
        """
        upto = aware_utc(order.upto)
        with self._kept.lock, self._journal.lock:
            floor, before = self._floor_at(), self.pruned_up_to(order.kind)
            if order.kind in _EVIDENCE and (floor is None or floor < upto):
                raise StaleState(f"evidence later than the journal's floor cannot go: that is {floor}")
            if before is not None and before >= upto:
                return
            self._kept.audit.append(now, prune_line(order, before, actor))
            if order.kind is Kept.EVALUATIONS:
                self._kept.pruned_up_to = upto
            else:
                self._journal.set_pruned(order.kind, upto)

    def prune(self, kind: Kept, limit: int) -> int:
        """Removes up to `limit` of the rows that may go, and returns how many went."""
        with self._kept.lock, self._journal.lock:
            upto = self.pruned_up_to(kind)
            if upto is None:
                return 0
            if kind is Kept.EVALUATIONS:
                return self._prune_evaluations(upto, limit)
            going = self._journal.older(kind, upto)[:limit]
            self._journal.remove(kind, going)
            return len(going)

    def _prune_evaluations(self, upto: datetime, limit: int) -> int:
        going = {entry.sequence for entry in self._kept.may_go(upto)[:limit]}
        self._kept.entries[:] = [entry for entry in self._kept.entries if entry.sequence not in going]
        return len(going)

    def _floor_at(self) -> datetime | None:
        floor = self._journal.floor()
        return None if floor is None else floor.watermark
