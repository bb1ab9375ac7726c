"""The store on SQLAlchemy Core: SQLite, and PostgreSQL by another URL."""

from msc_authority.adapters.sql.store import SqlStore, open_store

__all__ = ["SqlStore", "open_store"]
