"""Several authorities on one database: lease, replicas, requests for evaluations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from msc_authority.adapters.sql.types import UtcTime

revision = "0002"
down_revision = "0001"

_IDENTIFIER = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Makes the three tables."""
    op.create_table(
        "msc_lease",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("term", sa.BigInteger(), nullable=False),
        sa.Column("holder", _IDENTIFIER, nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("renewed_at", UtcTime(), nullable=False),
        sa.Column("expires_at", UtcTime(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_msc_lease_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_msc_lease")),
    )
    op.create_table(
        "msc_replicas",
        sa.Column("server_id", _IDENTIFIER, nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("watchers", sa.BigInteger(), nullable=False),
        sa.Column("started_at", UtcTime(), nullable=False),
        sa.Column("seen_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("server_id", name=op.f("pk_msc_replicas")),
    )
    op.create_table(
        "msc_evaluation_requests",
        sa.Column("request_id", _IDENTIFIER, nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("asked_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_msc_evaluation_requests")),
    )
