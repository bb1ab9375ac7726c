"""Who did what to the store: written in the transaction that did it, never changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert

from msc_authority.adapters.sql.tables import msc_audit


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLine:
    """One act. `detail` is JSON."""

    actor: str
    action: str
    target: str
    detail: dict[str, object]


def write_audit(connection: Connection, at: datetime, line: AuditLine) -> None:
    """Adds the line to the transaction."""
    row = {"at": at, "actor": line.actor, "action": line.action, "object": line.target, "detail": line.detail}
    connection.execute(insert(msc_audit), row)
