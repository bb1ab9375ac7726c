"""The audit log in memory. It means what the one on SQL means, and is gone when it goes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime

from msc_authority.adapters.instants import aware_utc
from msc_authority.core.audit_chain import Anchor, AuditRow, chained
from msc_authority.ports.audit import AuditLine


class MemoryAuditLog:
    """Who did what to the store, as a chain of rows that only grows. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: list[AuditRow] = []

    def append(self, at: datetime, line: AuditLine) -> AuditRow:
        """Adds a line that nothing else is written with, and returns it as the next row of the chain."""
        return self.append_all(at, line)[0]

    def append_all(self, at: datetime, *lines: AuditLine) -> list[AuditRow]:
        """Adds lines one behind the other, and returns them as rows of the chain: all, or with ValueError none."""
        with self._lock:
            rows: list[AuditRow] = []
            for line in lines:
                last = next(reversed(rows or self._rows), None)
                rows.append(
                    chained(
                        Anchor(last.sequence, last.hash) if last else None,
                        at=aware_utc(at),
                        actor=line.actor,
                        action=line.action,
                        target=line.target,
                        detail=line.detail,
                    )
                )
            self._rows += rows
        return rows

    def page(self, before: int | None, limit: int) -> list[AuditRow]:
        """Returns up to `limit` rows with sequence < `before` (None: from the newest), newest first."""
        with self._lock:
            end = len(self._rows) if before is None else max(0, before - 1)
            return self._rows[:end][::-1][:limit]

    def rows_after(self, sequence: int | None) -> Iterator[AuditRow]:
        """Yields the rows behind `sequence` (None: all) in their order, to those written meanwhile."""
        at = sequence or 0
        while (row := self._at(at)) is not None:
            yield row
            at += 1

    def last_before(self, at: datetime) -> Anchor | None:
        """Returns the row before the first one written at `at` or later; None: that is the very first."""
        with self._lock:
            first = next((row.sequence for row in self._rows if row.at >= aware_utc(at)), len(self._rows) + 1)
            before = self._rows[first - 2] if first > 1 else None
        return Anchor(before.sequence, before.hash) if before else None

    def newest_of(self, action: str) -> AuditRow | None:
        """Returns the newest row of an action, or None."""
        with self._lock:
            return next((row for row in reversed(self._rows) if row.action == action), None)

    def _at(self, index: int) -> AuditRow | None:
        with self._lock:
            return self._rows[index] if index < len(self._rows) else None
