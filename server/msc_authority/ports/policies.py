"""Where policies are kept: the head, and the revisions before it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from msc_authority.core.policy import FieldChange, Policy, PolicyRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The newest policy. `policy` is None at version 0; `evaluated_at` is the last evaluation that confirmed it."""

    ref: PolicyRef
    policy: Policy | None
    evaluated_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A policy in history and how it differed from the one before."""

    policy: Policy
    changes: tuple[FieldChange, ...]


class PolicyStore(Protocol):
    """Reads policies."""

    def head(self) -> Head:
        """Returns the newest policy, from the database itself."""
        ...

    def revision(self, version: int) -> Policy | None:
        """Returns one revision of the current epoch, or None."""
        ...

    def revisions(self, before: PolicyRef | None, limit: int) -> list[Revision]:
        """Returns up to `limit` revisions older than `before` (None: from the newest), newest first."""
        ...
