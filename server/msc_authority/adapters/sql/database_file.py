"""The file of an SQLite database: whether what is open is still what its path names."""

from __future__ import annotations

import os
from typing import Final

from msc_authority.ports.store import StoreUnavailable

_ADVICE: Final = (
    "Nothing is read or written meanwhile, for it would be lost. Move it back, or stop every program that has it open "
    "and start again with what is there then"
)


class DatabaseFile:
    """Remembers which file was opened first.

    The driver holds the file, not its path. It goes on with a file that was moved or deleted, and notices nothing.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._opened: tuple[int, int] | None = None

    def note_opened(self) -> None:
        """Call it when a connection has opened the file. The first counts."""
        if self._opened is None:
            self._opened = _identity(self._path)

    def check(self) -> None:
        """Returns if the path still names the file that was opened, or none was yet.

        Raises:
            StoreUnavailable: the file was moved, deleted or replaced.
        """
        if self._opened is None:
            return
        found = _identity(self._path)
        if found is None:
            raise StoreUnavailable(f"the database file {self._path} is gone: moved or deleted while open. {_ADVICE}")
        if found != self._opened:
            raise StoreUnavailable(f"the database file {self._path} is another one: replaced while open. {_ADVICE}")


def _identity(path: str) -> tuple[int, int] | None:
    # Only looked at: opening and closing it would drop the locks that this process has on it.
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
