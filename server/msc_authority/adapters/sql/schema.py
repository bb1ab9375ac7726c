"""Brings a database to the schema of this program, and refuses one it does not know."""

from __future__ import annotations

from sqlalchemy import Connection, column, inspect, select, table

from msc_authority.adapters.sql.engine import Database, WriteLock
from msc_authority.adapters.sql.tables import metadata
from msc_authority.ports import StoreError

VERSION_TABLE = "msc_schema_version"

# Oldest first, as in migrations/versions. Known here so that opening a database does not load Alembic.
REVISIONS = ("0001", "0002", "0003", "0004", "0005")
HEAD_REVISION = REVISIONS[-1]


def bring_to_head(database: Database) -> None:
    """Makes the schema current; costs one query when it is.

    Raises:
        StoreError: the database belongs to a newer program, or to another one.
    """
    with database.read() as connection:
        if revision_of(connection) == HEAD_REVISION:
            return
    with database.write(WriteLock.SCHEMA) as connection:
        # Asked again behind the lock: another process may have done it while this one waited.
        found = revision_of(connection)
        if found == HEAD_REVISION:
            return
        _check_known(connection, found)
        _upgrade(connection)


def check_current(database: Database) -> None:
    """Makes sure that the schema is that of this program, and changes nothing.

    Raises:
        StoreError: it is not; the message says what to do.
    """
    with database.read() as connection:
        found = revision_of(connection)
        if found == HEAD_REVISION:
            return
        _check_known(connection, found)
    has = f"has schema {found}" if found else "has no tables yet"
    raise StoreError(f"the database {has}, and this program works with {HEAD_REVISION}: run msc migrate")


def revision_of(connection: Connection) -> str | None:
    """The revision the database is at, or None when it has no schema of ours."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found: str | None = connection.scalar(select(column("version_num")).select_from(table(VERSION_TABLE)))
    return found


def _check_known(connection: Connection, found: str | None) -> None:
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


def _upgrade(connection: Connection) -> None:
    # Loading Alembic takes longer than the rest of a start, and most starts have nothing to migrate.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "msc_authority.adapters.sql:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD_REVISION)
