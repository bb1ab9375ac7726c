"""The database's own guard of the audit log: it takes the next row, and refuses every other change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import DDL, Connection, Table, event

# Of row REPLACE, SQLite tells no DELETE trigger; it meets the sequence here, as whoever writes out of turn does.
_NOT_NEXT = """
    new.sequence <> (SELECT coalesce(max(sequence), 0) + 1 FROM msc_audit)
    OR new.previous_hash <> coalesce((SELECT hash FROM msc_audit ORDER BY sequence DESC LIMIT 1), '{genesis}')
""".strip().format(genesis="0" * 64)
_SAYS = "msc_audit is append-only"

ON_SQLITE = tuple(
    f"CREATE TRIGGER msc_audit_{name} BEFORE {event} ON msc_audit{when} BEGIN SELECT RAISE(ABORT, '{says}'); END"
    for name, event, when, says in (
        ("keeps_content", "UPDATE", "", _SAYS),
        ("keeps_rows", "DELETE", "", _SAYS),
        ("takes_the_next", "INSERT", f" WHEN {_NOT_NEXT}", "msc_audit takes the next row of its chain only"),
    )
)
ON_POSTGRESQL = (
    f"""CREATE OR REPLACE FUNCTION msc_audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '{_SAYS}' USING ERRCODE = 'integrity_constraint_violation';
END $$""",
    f"""CREATE OR REPLACE FUNCTION msc_audit_next_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF {_NOT_NEXT} THEN
    RAISE EXCEPTION 'msc_audit takes the next row of its chain only' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN new;
END $$""",
    "CREATE TRIGGER msc_audit_keeps_content BEFORE UPDATE OR DELETE OR TRUNCATE ON msc_audit "
    "FOR EACH STATEMENT EXECUTE FUNCTION msc_audit_append_only()",
    "CREATE TRIGGER msc_audit_takes_the_next BEFORE INSERT ON msc_audit "
    "FOR EACH ROW EXECUTE FUNCTION msc_audit_next_only()",
)


def guard_audit(table: Table) -> None:
    """Makes the guard together with the table, wherever that is made directly."""
    for dialect, statements in (("sqlite", ON_SQLITE), ("postgresql", ON_POSTGRESQL)):
        for statement in statements:
            guard = DDL(statement)  # type: ignore[no-untyped-call]  # SQLAlchemy left it so
            event.listen(table, "after_create", guard.execute_if(dialect=dialect))


@contextmanager
def without_guard(connection: Connection) -> Iterator[None]:
    """Lets rows of a backup in, as they are, and guards them from then on. Of use inside one transaction only."""
    is_sqlite = connection.dialect.name == "sqlite"
    for name in ("keeps_content", "takes_the_next", *(("keeps_rows",) if is_sqlite else ())):
        connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS msc_audit_{name}" + ("" if is_sqlite else " ON msc_audit"))
    yield
    for statement in ON_SQLITE if is_sqlite else ON_POSTGRESQL:
        connection.exec_driver_sql(statement)
