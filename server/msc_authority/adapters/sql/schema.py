"""Brings a database to the schema of this program, and refuses one it does not know."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection, column, delete, insert, inspect, select, table

from msc_authority.adapters.sql.audit import AuditLine, write_audit
from msc_authority.adapters.sql.engine import Database, WriteLock
from msc_authority.adapters.sql.tables import metadata, msc_schema
from msc_authority.ports.store import StoreError

if TYPE_CHECKING:
    from alembic.config import Config

_log = logging.getLogger(__name__)

VERSION_TABLE = "msc_schema_version"

# Oldest first, as in migrations/versions. Known here so that opening a database does not load Alembic.
REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006")
HEAD_REVISION = REVISIONS[-1]

# Programs of this schema or a later one work on the newest, beside those of today. Behind a release, this stays at the
# release's own schema for as long as steps only add what its programs need not know.
WORKS_WITH = HEAD_REVISION


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrant:
    """Who brings a schema up to date, and when."""

    actor: str
    now: datetime


def bring_to_head(database: Database, by: Migrant) -> None:
    """Makes the schema current; costs one query when it is. One that is newer and works with this program is left.

    Changing a schema leaves an audit line; making the first one does not, for there is nobody's yet.

    Raises:
        StoreError: the database belongs to a newer program that this one cannot work beside, or to another one.
    """
    with database.read() as connection:
        if is_served(connection, revision_of(connection)):
            return
    with database.write(WriteLock.SCHEMA) as connection:
        # Asked again behind the lock: another process may have done it while this one waited.
        found = revision_of(connection)
        if is_served(connection, found):
            return
        check_known(connection, found)
        upgrade(connection)
        if found is not None:
            write_audit(connection, by.now, _line_of(by, found))


def _line_of(by: Migrant, found: str) -> AuditLine:
    steps = [f"{revision} {does}" for revision, does in steps_after(found)]
    detail = {"from": found, "to": HEAD_REVISION, "steps": steps}
    return AuditLine(actor=by.actor, action="migrate", target=f"schema {HEAD_REVISION}", detail=detail)


def check_current(database: Database) -> None:
    """Makes sure that this program can work on the schema as it is, and changes nothing.

    Raises:
        StoreError: it cannot; the message says what to do.
    """
    with database.read() as connection:
        found = revision_of(connection)
        if is_served(connection, found):
            return
        check_known(connection, found)
    has = f"has schema {found}" if found else "has no tables yet"
    raise StoreError(f"the database {has}, and this program works with {HEAD_REVISION}: run msc migrate")


def revision_of(connection: Connection) -> str | None:
    """The revision the database is at, or None when it has no schema of ours."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found: str | None = connection.scalar(select(column("version_num")).select_from(table(VERSION_TABLE)))
    return found


def is_empty(database: Database) -> bool:
    """Whether there is no table of ours, nor one with the name of ours."""
    with database.read() as connection:
        return not set(inspect(connection).get_table_names()) & {VERSION_TABLE, *metadata.tables}


def works_with(connection: Connection) -> str | None:
    """The oldest schema whose programs can work on the one that is there, as the program that made it said."""
    if not inspect(connection).has_table(msc_schema.name):
        return None
    oldest: str | None = connection.scalar(select(msc_schema.c.works_with))
    return oldest


def is_served(connection: Connection, found: str | None) -> bool:
    """Whether this program works on the schema `found` as it is: its own, or a newer one that says so."""
    if found == HEAD_REVISION:
        return True
    if found is None or found in REVISIONS or works_with(connection) not in REVISIONS:
        return False
    _log.warning(
        "The database has schema %s, newer than this program's %s, and still works with it: this program is to be "
        "upgraded, too",
        found,
        HEAD_REVISION,
    )
    return True


def check_known(connection: Connection, found: str | None) -> None:
    """Raises StoreError where the schema is of a newer program, or the tables are of another one."""
    if found is not None and found not in REVISIONS:
        raise StoreError(
            f"the database has schema {found}, which this program does not know (its newest is {HEAD_REVISION}): "
            "use the version of the program that wrote it, or a newer one"
        )
    taken = sorted(set(inspect(connection).get_table_names()) & set(metadata.tables))
    if found is None and taken:
        raise StoreError(
            f"the database already has tables named {', '.join(taken)} that this program did not make: use another "
            "database, or rename them"
        )


def upgrade(connection: Connection, revision: str = HEAD_REVISION) -> None:
    """Takes the steps up to `revision`, in this transaction."""
    # Loading Alembic takes longer than the rest of a start, and most starts have nothing to migrate.
    from alembic import command

    config = _alembic()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
    if revision == HEAD_REVISION:
        connection.execute(delete(msc_schema))
        connection.execute(insert(msc_schema), {"id": 1, "revision": HEAD_REVISION, "works_with": WORKS_WITH})


def steps_after(revision: str | None) -> list[tuple[str, str]]:
    """The steps from `revision` (None: nothing) to the newest, in order: revision, and what it does."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(_alembic())
    first = 0 if revision is None else REVISIONS.index(revision) + 1
    return [(each, str(scripts.get_revision(each).doc).strip()) for each in REVISIONS[first:]]


def _alembic() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "msc_authority.adapters.sql:migrations")
    return config
