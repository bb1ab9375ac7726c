"""Runs the migrations on the connection the program hands over. Loaded by Alembic only."""

from __future__ import annotations

from alembic import context

from msc_authority.adapters.sql.schema import VERSION_TABLE
from msc_authority.adapters.sql.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    # SQLite can: the program begins its transactions itself. So a migration that is cut short leaves nothing.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
