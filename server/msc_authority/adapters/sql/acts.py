"""Acts of persons on SQL: their history, and the audit lines they leave."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, RowMapping, Select, select

from msc_authority.adapters.documents import Fields, change_from, document_of
from msc_authority.adapters.instants import aware_utc
from msc_authority.adapters.sql.audit import AuditLine
from msc_authority.adapters.sql.engine import Database
from msc_authority.adapters.sql.tables import msc_operator_acts
from msc_authority.core.overrides import Override
from msc_authority.core.policy import Policy, PolicyRef
from msc_authority.ports_operator import ActEntry

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


def act_line(entry: ActEntry, policy: Policy | None) -> AuditLine:
    """The audit line of an act."""
    return AuditLine(
        actor=entry.actor,
        action=entry.act.lower(),
        target=entry.target,
        detail={
            "act_id": entry.act_id,
            "reason": entry.reason,
            "override_id": entry.override_id,
            "asked": dict(entry.detail),
            "policy": f"{policy.ref.epoch}:{policy.ref.version}" if policy else None,
            "changes": document_of(entry.changes),
        },
    )


def expiry_lines(expired: Iterable[Override]) -> list[AuditLine]:
    """One audit line for each override whose time was over."""
    return [
        AuditLine(
            actor="authority", action="override_expired", target=f"override {one.override_id}", detail=one.encode()
        )
        for one in expired
    ]


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
