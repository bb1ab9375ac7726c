"""Acts of persons on SQL: their history."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, RowMapping, Select, select

from msc_authority.adapters.documents import Fields, change_from, document_of
from msc_authority.adapters.instants import aware_utc
from msc_authority.adapters.sql.engine import Database
from msc_authority.adapters.sql.tables import msc_operator_acts
from msc_authority.core.policy import PolicyRef
from msc_authority.ports.operator import ActEntry

_columns = msc_operator_acts.c
_NEWEST_FIRST = select(msc_operator_acts).order_by(_columns.sequence.desc())


class SqlActLog:
    """Reads acts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def by_request(self, request_id: str, since: datetime) -> ActEntry | None:
        """Returns the act that `request_id` led to, if it was done at `since` or later."""
        if not request_id:
            return None
        asked = _NEWEST_FIRST.where(_columns.request_id == request_id, _columns.at >= aware_utc(since))
        return next(iter(self._entries(asked.limit(1))), None)

    def page(self, before: int | None, limit: int) -> list[ActEntry]:
        """Returns up to `limit` acts with sequence < `before` (None: from the newest), newest first."""
        wanted = _NEWEST_FIRST if before is None else _NEWEST_FIRST.where(_columns.sequence < before)
        return self._entries(wanted.limit(limit))

    def _entries(self, wanted: Select[*tuple[object, ...]]) -> list[ActEntry]:
        with self._database.read() as connection:
            rows = connection.execute(wanted).mappings().all()
        return [_entry_from(row) for row in rows]


def insert_act(connection: Connection, entry: ActEntry) -> None:
    """Writes one act."""
    committed = entry.committed
    row = {
        "act_id": entry.act_id,
        "act": entry.act,
        "target": entry.target,
        "at": entry.at,
        "actor": entry.actor,
        "reason": entry.reason,
        "request_id": entry.request_id,
        "detail": dict(entry.detail),
        "override_id": entry.override_id,
        "committed_epoch": committed.epoch if committed else None,
        "committed_version": committed.version if committed else None,
        "changes": document_of(entry.changes),
    }
    connection.execute(msc_operator_acts.insert(), row)


def _entry_from(row: RowMapping) -> ActEntry:
    version = row["committed_version"]
    return ActEntry(
        act_id=row["act_id"],
        act=row["act"],
        target=row["target"],
        at=row["at"],
        actor=row["actor"],
        reason=row["reason"],
        request_id=row["request_id"],
        detail=row["detail"],
        override_id=row["override_id"],
        committed=None if version is None else PolicyRef(row["committed_epoch"], version),
        changes=tuple(map(change_from, Fields(row).parts("changes"))),
        sequence=row["sequence"],
    )
