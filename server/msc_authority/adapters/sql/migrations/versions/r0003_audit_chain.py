"""Chain the audit log, the rows that are there included, and let it grow only."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import sqlalchemy as sa
from alembic import op

from msc_authority.adapters.sql.audit import columns_of
from msc_authority.adapters.sql.audit_guard import ON_POSTGRESQL, ON_SQLITE
from msc_authority.adapters.sql.types import UtcTime
from msc_authority.core.audit_chain import Anchor, AuditRow, chained

revision = "0003"
down_revision = "0002"

_SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_BEFORE = sa.table(
    "msc_audit_unchained",
    sa.column("sequence", sa.BigInteger()),
    sa.column("at", UtcTime()),
    sa.column("actor", sa.Text()),
    sa.column("action", sa.Text()),
    sa.column("object", sa.Text()),
    sa.column("detail", sa.Text()),
)
_ROWS_AT_ONCE = 500


def upgrade() -> None:
    """Makes the table anew with the columns of the chain; copies the rows in their order, numbered without a gap."""
    is_sqlite = op.get_context().dialect.name == "sqlite"
    op.drop_index(op.f("ix_msc_audit_at"), table_name="msc_audit")
    op.rename_table("msc_audit", "msc_audit_unchained")
    if not is_sqlite:
        # Names of constraints and sequences are those of the schema, and the new table is to have them.
        op.execute("ALTER TABLE msc_audit_unchained DROP CONSTRAINT pk_msc_audit")
        op.execute("ALTER SEQUENCE msc_audit_sequence_seq RENAME TO msc_audit_unchained_sequence_seq")
    chained_table = _create_msc_audit()
    _copy(op.get_bind(), chained_table)
    op.drop_table("msc_audit_unchained")
    for statement in ON_SQLITE if is_sqlite else ON_POSTGRESQL:
        op.execute(sa.text(statement.replace(":", r"\:")))


def _create_msc_audit() -> sa.Table:
    table = op.create_table(
        "msc_audit",
        sa.Column("sequence", _SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("previous_hash", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_msc_audit")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_msc_audit_at"), "msc_audit", ["at"], unique=False)
    return table


def _copy(connection: sa.Connection, table: sa.Table) -> None:
    # By key, not with one open result: a connection of SQLite would write under its own reader.
    last: Anchor | None = None
    behind = 0
    while rows := _rows_behind(connection, behind):
        behind = rows[-1]["sequence"]
        copies = list(_chained(rows, last))
        last = Anchor(copies[-1].sequence, copies[-1].hash)
        connection.execute(table.insert(), [columns_of(row) for row in copies])


def _rows_behind(connection: sa.Connection, sequence: int) -> list[sa.RowMapping]:
    wanted = sa.select(_BEFORE).where(_BEFORE.c.sequence > sequence).order_by(_BEFORE.c.sequence).limit(_ROWS_AT_ONCE)
    return list(connection.execute(wanted).mappings())


def _chained(rows: list[sa.RowMapping], last: Anchor | None) -> Iterator[AuditRow]:
    for row in rows:
        copy = chained(
            last,
            at=row["at"],
            actor=row["actor"],
            action=row["action"],
            target=row["object"],
            detail=_document(row["detail"]),
        )
        last = Anchor(copy.sequence, copy.hash)
        yield copy


def _document(stored: str | Mapping[str, object]) -> Mapping[str, object]:
    # Text on SQLite; the driver of PostgreSQL has read it already.
    return json.loads(stored) if isinstance(stored, str) else stored
