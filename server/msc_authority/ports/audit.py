"""Who did what to the store, as a chain of rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from msc_authority.core.audit_chain import Anchor, AuditRow


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLine:
    """One act. `detail` is JSON."""

    actor: str
    action: str
    target: str
    detail: Mapping[str, object]


class AuditLog(Protocol):
    """Who did what to the store, as a chain of rows that only grows. Commits write to it by themselves."""

    def append(self, at: datetime, line: AuditLine) -> AuditRow:
        """Adds a line that nothing else is written with, and returns it as the next row of the chain."""
        ...

    def page(self, before: int | None, limit: int) -> list[AuditRow]:
        """Returns up to `limit` rows with sequence < `before` (None: from the newest), newest first."""
        ...

    def rows_after(self, sequence: int | None) -> Iterator[AuditRow]:
        """Yields the rows behind `sequence` (None: all) in their order, to those written meanwhile."""
        ...

    def last_before(self, at: datetime) -> Anchor | None:
        """Returns the row before the first one written at `at` or later; None: that is the very first."""
        ...

    def newest_of(self, action: str) -> AuditRow | None:
        """Returns the newest row of an action, or None."""
        ...
