"""Fills a database from a backup, in one transaction, and starts a new lineage in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TypeVar

from sqlalchemy import Column, Connection, column, delete, func, insert, inspect, select, table, text, update

from msc_authority.adapters.sql.archive import ArchiveReader, BadBackup, Manifest, TablePart
from msc_authority.adapters.sql.audit import AuditLine, append_rows, rows_in, write_audit
from msc_authority.adapters.sql.audit_guard import without_guard
from msc_authority.adapters.sql.backup import CHAINED_SINCE, Progress
from msc_authority.adapters.sql.engine import Database, WriteLock
from msc_authority.adapters.sql.keeping import Holding, Wishes, keep_words
from msc_authority.adapters.sql.lineage import start_lineage
from msc_authority.adapters.sql.portable import from_json, type_of
from msc_authority.adapters.sql.replaced import Replaced, read_replaced
from msc_authority.adapters.sql.schema import HEAD_REVISION, REVISIONS, VERSION_TABLE, revision_of, upgrade
from msc_authority.adapters.sql.tables import metadata, msc_audit, msc_lease, msc_state
from msc_authority.core.audit_chain import Anchor, AuditRow, Break, verify
from msc_authority.ports.store import StoreError

_T = TypeVar("_T")
_ROWS_AT_ONCE = 1000
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_NONE = Wishes()
_RESTORE = "restore"
_ROWS_KEPT = "audit_rows_kept"


class NotEmpty(StoreError):
    """The database holds something, and nobody said that it may go."""


class NewerSchema(StoreError):
    """The database is of a newer program: nobody here knows which tables it has, nor what was said in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What came of it: the epoch of the backup, that of the database before (0: there was none), and the new one.

    `audit_break` is where the audit log of the backup does not hold; None: it does. `replaced` is what there was
    before, `holding` what persons said that holds.
    """

    rows: int
    backup_epoch: int
    epoch: int
    audit_break: Break | None
    replaced: Replaced
    holding: Holding
    wishes: Wishes

    @property
    def replaced_epoch(self) -> int:
        """The epoch of the database before; 0: there was none."""
        return self.replaced.epoch

    @property
    def knows_what_was_said(self) -> bool:
        """Whether what was replaced had gone on from this backup, as its log proves: then nothing was missed."""
        behind = self.replaced.log.behind
        return behind is not None and not any(_has_gap(row) for row in behind)


def _has_gap(row: AuditRow) -> bool:
    # A restore over nothing, or over something else, knew as little as its backup.
    return row.action == _RESTORE and row.detail.get(_ROWS_KEPT) is None


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
    wishes: Wishes = _NONE,
    progress: Progress = lambda *_: None,
) -> Restored:
    """Fills the database, brings it to the schema of this program, and starts a lineage greater than any before.

    All of it is one transaction. With `replace`, what is there goes, but for what persons have said in it: that holds
    in so far as it tightens, and the audit log goes on where it does.

    Raises:
        NewerSchema: what is there is of a newer program, whether it works beside this one or not.
        NotEmpty: there is something, and `replace` was not asked for.
        BadBackup: the backup is not as it was written.
        StoreError: the database did not do it. Nothing was changed.
    """
    manifest = backup.manifest
    check_manifest(manifest)
    backup.check()
    with database.write(WriteLock.SCHEMA) as connection:
        _check_ours(connection)
        there = read_replaced(connection, _anchor_of(manifest))
        if there.rows and not replace:
            raise NotEmpty(f"the database holds {there.rows} rows already: it is restored over with --replace only")
        _clear(connection)
        upgrade(connection, manifest.schema)
        _fill(connection, backup, progress)
        if not database.is_sqlite:
            _continue_sequences(connection)
        upgrade(connection)
        if there.log.behind:
            append_rows(connection, there.log.behind)
        broken = _audit_break(connection, manifest)
        reason = f"restored from the backup of {manifest.made_at.isoformat()}"
        epoch = _begin(connection, manifest, there, now, actor, reason)
        line = _restore_line(manifest, there, wishes, broken, actor=actor, target=f"epoch {epoch}", reason=reason)
        write_audit(connection, now, line)
        holding = keep_words(connection, there, wishes, now=now, actor=actor, reason=reason)
    return Restored(
        rows=manifest.rows,
        backup_epoch=manifest.epoch,
        epoch=epoch,
        audit_break=broken,
        replaced=there,
        holding=holding,
        wishes=wishes,
    )


def _check_ours(connection: Connection) -> None:
    found = revision_of(connection)
    if found is not None and found not in REVISIONS:
        raise NewerSchema(
            f"the database has schema {found}, which this program does not know (its newest is {HEAD_REVISION}): what "
            "was said in it cannot be carried over, and tables of it would stay; restore into a new database, with "
            "--halt where somebody may have halted, or over this one with the program that made it"
        )


def _anchor_of(manifest: Manifest) -> Anchor | None:
    return Anchor.read(manifest.audit_anchor) if manifest.audit_anchor else None


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
    anchor = _anchor_of(manifest)
    return verify(rows_in(connection), anchors=[anchor] if anchor else []).broken


def _begin(connection: Connection, manifest: Manifest, there: Replaced, now: datetime, actor: str, reason: str) -> int:
    epoch = start_lineage(connection, now, above=max(there.epoch, manifest.epoch), actor=actor, reason=reason)
    # Whoever led or evaluated before may still be at it, on numbers that the backup does not know of. These are counts
    # of commits and leaders, and an epoch is seconds since 1970: no count is as great.
    generation = _above(connection, msc_state.c.generation, epoch, there.generation)
    connection.execute(update(msc_state).values(generation=generation))
    term = _above(connection, msc_lease.c.term, epoch, there.term)
    nobody = {"holder": "", "address": "", "renewed_at": _LONG_AGO, "expires_at": _LONG_AGO}
    connection.execute(delete(msc_lease))
    connection.execute(insert(msc_lease), {"id": 1, "term": term, **nobody})
    return epoch


def _restore_line(
    manifest: Manifest,
    there: Replaced,
    wishes: Wishes,
    broken: Break | None,
    *,
    actor: str,
    target: str,
    reason: str,
) -> AuditLine:
    log = there.log
    detail = {
        "reason": reason,
        "made_at": manifest.made_at.isoformat(),
        "source": manifest.source,
        "schema": manifest.schema,
        "rows": manifest.rows,
        "backup_epoch": manifest.epoch,
        "replaced_epoch": there.epoch,
        "audit_anchor": manifest.audit_anchor,
        "audit_break": broken.text if broken else "",
        "replaced_audit_anchor": str(log.anchor) if log.anchor else "",
        "replaced_audit_rows": log.rows,
        _ROWS_KEPT: None if log.behind is None else len(log.behind),
        "asked": asdict(wishes),
    }
    return AuditLine(actor=actor, action=_RESTORE, target=target, detail=detail)


def _above(connection: Connection, count: Column[int], *others: int) -> int:
    own: int = connection.scalar(select(func.max(count))) or 0
    return max(own, *others) + 1
