"""Fills a database from a backup, in one transaction, and starts a new lineage in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TypeVar

from sqlalchemy import Column, Connection, column, delete, func, insert, inspect, select, table, text, update

from msc_authority.adapters.sql.archive import ArchiveReader, BadBackup, Manifest, TablePart
from msc_authority.adapters.sql.audit import AuditLine, rows_in, write_audit
from msc_authority.adapters.sql.audit_guard import without_guard
from msc_authority.adapters.sql.backup import CHAINED_SINCE, PASSING, Progress
from msc_authority.adapters.sql.engine import Database, WriteLock
from msc_authority.adapters.sql.lineage import start_lineage
from msc_authority.adapters.sql.portable import from_json, type_of
from msc_authority.adapters.sql.schema import HEAD_REVISION, REVISIONS, VERSION_TABLE, upgrade
from msc_authority.adapters.sql.tables import metadata, msc_audit, msc_lease, msc_meta, msc_state
from msc_authority.core.audit_chain import Anchor, Break, verify
from msc_authority.ports import StoreError

_T = TypeVar("_T")
_ROWS_AT_ONCE = 1000
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class NotEmpty(StoreError):
    """The database holds something, and nobody said that it may go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What came of it: the epoch of the backup, that of the database before (0: there was none), and the new one.

    `audit_break` is where the audit log of the backup does not hold; None: it does.
    """

    rows: int
    backup_epoch: int
    replaced_epoch: int
    epoch: int
    audit_break: Break | None


def check_manifest(manifest: Manifest) -> None:
    """Makes sure that this program can restore the backup.

    Raises:
        BadBackup: its schema is of a newer program, or it has tables that it should not have.
    """
    if manifest.schema not in REVISIONS:
        raise BadBackup(
            f"the backup has schema {manifest.schema}, which this program does not know (its newest is "
            f"{HEAD_REVISION}): restore it with the program that made it, or a newer one"
        )
    unknown = sorted({part.name for part in manifest.tables} - set(metadata.tables))
    if unknown:
        raise BadBackup(f"the backup has tables that no schema of this program has: {', '.join(unknown)}")


def restore(
    database: Database,
    backup: ArchiveReader,
    *,
    now: datetime,
    actor: str,
    replace: bool = False,
    progress: Progress = lambda *_: None,
) -> Restored:
    """Fills the database, brings it to the schema of this program, and starts a lineage greater than any before.

    All of it is one transaction. With `replace`, what is there goes.

    Raises:
        NotEmpty: there is something, and `replace` was not asked for.
        BadBackup: the backup is not as it was written.
        StoreError: the database did not do it. Nothing was changed.
    """
    manifest = backup.manifest
    check_manifest(manifest)
    backup.check()
    with database.write(WriteLock.SCHEMA) as connection:
        there = _Lineage.of(connection)
        if there.rows and not replace:
            raise NotEmpty(f"the database holds {there.rows} rows already: it is restored over with --replace only")
        _clear(connection)
        upgrade(connection, manifest.schema)
        _fill(connection, backup, progress)
        if not database.is_sqlite:
            _continue_sequences(connection)
        upgrade(connection)
        broken = _audit_break(connection, manifest)
        epoch = _begin(connection, manifest, there, broken, now, actor)
    return Restored(
        rows=manifest.rows,
        backup_epoch=manifest.epoch,
        replaced_epoch=there.epoch,
        epoch=epoch,
        audit_break=broken,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lineage:
    """What the database was before: that of which nothing may be repeated."""

    rows: int
    epoch: int = 0
    generation: int = 0
    term: int = 0

    @classmethod
    def of(cls, connection: Connection) -> _Lineage:
        there = set(inspect(connection).get_table_names()) & set(metadata.tables)
        ours = [metadata.tables[name] for name in sorted(there - PASSING)]
        rows = sum(connection.scalar(select(func.count()).select_from(each)) or 0 for each in ours)
        greatest = {
            "epoch": msc_meta.c.epoch,
            "generation": msc_state.c.generation,
            "term": msc_lease.c.term,
        }
        known = {
            name: connection.scalar(select(func.max(each))) or 0
            for name, each in greatest.items()
            if each.table.name in there
        }
        return cls(rows=rows, **known)


def _clear(connection: Connection) -> None:
    there = set(inspect(connection).get_table_names())
    for each in reversed(metadata.sorted_tables):
        if each.name in there:
            each.drop(connection)
    if VERSION_TABLE in there:
        connection.execute(text(f"DROP TABLE {VERSION_TABLE}"))


def _fill(connection: Connection, backup: ArchiveReader, progress: Progress) -> None:
    done, total = 0, backup.manifest.rows
    has_guard = REVISIONS.index(backup.manifest.schema) >= REVISIONS.index(CHAINED_SINCE)
    guarded = msc_audit.name if has_guard else None
    for part in backup.manifest.tables:
        progress(part.name, done, total)
        target = table(part.name, *(column(each.name, type_of(each.kind)) for each in part.columns))
        with without_guard(connection) if part.name == guarded else nullcontext():
            for rows in _in_batches(_rows_of(backup, part)):
                connection.execute(insert(target), rows)
                done += len(rows)
                progress(part.name, done, total)


def _rows_of(backup: ArchiveReader, part: TablePart) -> Iterator[dict[str, object]]:
    for values in backup.rows(part):
        try:
            yield from_json(values, part.columns)
        except ValueError as error:
            raise BadBackup(f"the table {part.name} holds a row that cannot be read: {error}") from error


def _in_batches(rows: Iterable[_T]) -> Iterator[list[_T]]:
    waiting = iter(rows)
    while batch := list(islice(waiting, _ROWS_AT_ONCE)):
        yield batch


def _continue_sequences(connection: Connection) -> None:
    # Rows that came with their numbers did not take them from the sequence.
    for each in metadata.sorted_tables:
        if each.autoincrement_column is None or not inspect(connection).has_table(each.name):
            continue
        number = each.autoincrement_column.name
        sequence = connection.scalar(select(func.pg_get_serial_sequence(each.name, number)))
        greatest = connection.scalar(select(func.max(each.c[number])))
        if sequence is not None and greatest is not None:
            connection.execute(select(func.setval(sequence, greatest)))


def _audit_break(connection: Connection, manifest: Manifest) -> Break | None:
    # A log that somebody laid hands on is no reason to be without a policy; it is told, and goes on behind the break.
    anchors = [Anchor.read(manifest.audit_anchor)] if manifest.audit_anchor else []
    return verify(rows_in(connection), anchors=anchors).broken


def _begin(
    connection: Connection, manifest: Manifest, there: _Lineage, broken: Break | None, now: datetime, actor: str
) -> int:
    reason = f"restored from the backup of {manifest.made_at.isoformat()}"
    epoch = start_lineage(connection, now, above=max(there.epoch, manifest.epoch), actor=actor, reason=reason)
    # Whoever led or evaluated before may still be at it, on numbers that the backup does not know of. These are counts
    # of commits and leaders, and an epoch is seconds since 1970: no count is as great.
    generation = _above(connection, msc_state.c.generation, epoch, there.generation)
    connection.execute(update(msc_state).values(generation=generation))
    term = _above(connection, msc_lease.c.term, epoch, there.term)
    nobody = {"holder": "", "address": "", "renewed_at": _LONG_AGO, "expires_at": _LONG_AGO}
    connection.execute(delete(msc_lease))
    connection.execute(insert(msc_lease), {"id": 1, "term": term, **nobody})
    detail = {
        "reason": reason,
        "made_at": manifest.made_at.isoformat(),
        "source": manifest.source,
        "rows": manifest.rows,
        "backup_epoch": manifest.epoch,
        "replaced_epoch": there.epoch,
        "audit_anchor": manifest.audit_anchor,
        "audit_break": broken.text if broken else "",
    }
    write_audit(connection, now, AuditLine(actor=actor, action="restore", target=f"epoch {epoch}", detail=detail))
    return epoch


def _above(connection: Connection, count: Column[int], *others: int) -> int:
    own: int = connection.scalar(select(func.max(count))) or 0
    return max(own, *others) + 1
