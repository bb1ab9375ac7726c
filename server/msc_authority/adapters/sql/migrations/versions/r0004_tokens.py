"""Bearer tokens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from msc_authority.adapters.sql.types import UtcTime

revision = "0004"
down_revision = "0003"

_IDENTIFIER = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Makes the table."""
    op.create_table(
        "msc_tokens",
        sa.Column("token_id", _IDENTIFIER, nullable=False),
        sa.Column("name", _IDENTIFIER, nullable=False),
        sa.Column("roles", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("scope", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("expires_at", UtcTime()),
        sa.Column("revoked_at", UtcTime()),
        sa.Column("last_used_at", UtcTime()),
        sa.PrimaryKeyConstraint("token_id", name=op.f("pk_msc_tokens")),
    )
