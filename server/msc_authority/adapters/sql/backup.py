"""Takes a backup of everything, as of one instant, while others write."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Table, column, func, inspect, select, table

from msc_authority.adapters.sql.archive import ArchiveWriter, Manifest, TablePart, new_archive
from msc_authority.adapters.sql.audit import last_anchor
from msc_authority.adapters.sql.engine import Database
from msc_authority.adapters.sql.policies import current_epoch
from msc_authority.adapters.sql.portable import PortableColumn, columns_of, to_json, type_of
from msc_authority.adapters.sql.schema import REVISIONS, check_known, revision_of
from msc_authority.adapters.sql.tables import (
    metadata,
    msc_evaluation_requests,
    msc_policies,
    msc_replicas,
    msc_schema,
)
from msc_authority.ports.store import StoreError

Progress = Callable[[str, int, int], None]
"""Told the table at work, and how many of how many rows are done."""

_ROWS_AT_ONCE = 1000

CHAINED_SINCE = "0003"
"""The schema since which the audit log is a chain."""

# Of this moment on this database, and wrong in any other.
PASSING = frozenset({msc_replicas.name, msc_evaluation_requests.name, msc_schema.name})


def back_up(
    database: Database, path: Path, *, now: datetime, program: str, progress: Progress = lambda *_: None
) -> Manifest:
    """Writes a backup to a new file, and returns what it holds.

    One reading transaction sees one state of both kinds of databases, and holds up nobody: what others commit
    meanwhile is not in it. SQLite keeps its log until the end of it.

    Raises:
        StoreError: the database cannot be read, or its schema is of a newer program.
        OSError: the file cannot be written, or is there already.
    """
    with new_archive(path) as archive, database.read() as connection:
        schema = _schema_of(connection)
        tables = list(_tables_there(connection))
        total = sum(_count(connection, each) for each, _ in tables)
        parts: list[TablePart] = []
        for each, columns in tables:
            done = sum(part.rows for part in parts)
            parts.append(_written(archive, connection, each, columns, _Counter(each.name, done, total, progress)))
        manifest = Manifest(
            made_at=now,
            program=program,
            source="sqlite" if database.is_sqlite else "postgresql",
            schema=schema,
            epoch=current_epoch(connection),
            policy_version=_newest_version(connection),
            audit_anchor=_anchor(connection, schema),
            tables=tuple(parts),
        )
        archive.manifest(manifest)
    return manifest


def _schema_of(connection: Connection) -> str:
    found = revision_of(connection)
    check_known(connection, found)
    if found is None:
        raise StoreError("the database has no tables yet: there is nothing to back up")
    return found


def _tables_there(connection: Connection) -> Iterator[tuple[Table, list[PortableColumn]]]:
    # A database that is still to be migrated has less than this program knows.
    inspector = inspect(connection)
    there = set(inspector.get_table_names())
    for each in metadata.sorted_tables:
        if each.name in there and each.name not in PASSING:
            names = [found["name"] for found in inspector.get_columns(each.name)]
            yield each, columns_of(each, names)


def _count(connection: Connection, each: Table) -> int:
    return connection.scalar(select(func.count()).select_from(each)) or 0


class _Counter:
    def __init__(self, name: str, done: int, total: int, progress: Progress) -> None:
        self._name, self._done, self._total, self._progress = name, done, total, progress
        progress(name, done, total)

    def add(self, rows: int) -> None:
        self._done += rows
        self._progress(self._name, self._done, self._total)


def _written(
    archive: ArchiveWriter, connection: Connection, each: Table, columns: Sequence[PortableColumn], counter: _Counter
) -> TablePart:
    plain = table(each.name, *(column(one.name, type_of(one.kind)) for one in columns))
    in_order = select(plain).order_by(*(plain.c[key.name] for key in each.primary_key))
    streaming = connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(in_order)

    def rows() -> Iterator[list[object]]:
        for page in streaming.partitions():
            yield from (to_json(row, columns) for row in page)
            counter.add(len(page))

    try:
        return archive.table(each.name, columns, rows())
    finally:
        streaming.close()


def _newest_version(connection: Connection) -> int:
    policies = msc_policies.c
    newest = select(func.max(policies.version)).where(policies.epoch == current_epoch(connection))
    return connection.scalar(newest) or 0


def _anchor(connection: Connection, schema: str) -> str:
    if REVISIONS.index(schema) < REVISIONS.index(CHAINED_SINCE):
        return ""
    anchor = last_anchor(connection)
    return str(anchor) if anchor else ""
