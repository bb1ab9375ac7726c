"""Which programs the schema works with, and from when on the journal is whole."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from msc_authority.adapters.sql.types import UtcTime

revision = "0006"
down_revision = "0005"

_IDENTIFIER = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Makes the three tables."""
    op.create_table(
        "msc_schema",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("works_with", sa.Text(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_msc_schema_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_msc_schema")),
    )
    op.create_table(
        "msc_journal_floor",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("watermark", UtcTime(), nullable=False),
        sa.Column("trades_cursor", sa.BigInteger(), nullable=False),
        sa.Column("equity_cursor", sa.BigInteger(), nullable=False),
        sa.Column("ledger", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_msc_journal_floor_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_msc_journal_floor")),
    )
    op.create_table(
        "msc_retention",
        sa.Column("kind", _IDENTIFIER, nullable=False),
        sa.Column("complete_after", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_msc_retention")),
    )
