"""Announcements of new heads between processes. `open_announcements(url)` is the way in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from msc_authority.ports.announcements import Announcements


def open_announcements(url: str) -> Announcements:
    """Announcements by the database at `url`: PostgreSQL's own; for SQLite, which has none, those of this process.

    Nothing is connected before the first `listen` or `announce`.

    Raises:
        StoreError: the URL cannot be used.
    """
    from msc_authority.adapters.announce.local import LocalAnnouncements
    from msc_authority.adapters.announce.postgres import PostgresAnnouncements
    from msc_authority.adapters.sql.engine import checked_url

    checked = checked_url(url)
    if checked.get_backend_name() == "sqlite":
        return LocalAnnouncements()
    return PostgresAnnouncements(checked)


__all__ = ["open_announcements"]
