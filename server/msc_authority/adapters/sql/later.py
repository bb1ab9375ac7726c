"""A database that could not be reached at the start, and is made ready by whoever needs it first."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from msc_authority.ports.store import StoreUnavailable

_log = logging.getLogger(__name__)


class Opening:
    """What is to be done before the first transaction. Until it has succeeded, there is none."""

    def __init__(self, open_: Callable[[], None]) -> None:
        """`open_` may use the database; what it raises goes to whoever wanted a transaction."""
        self._open = open_
        self._turn = threading.Lock()
        self._opener: int | None = None
        self._done = False

    def ensure(self) -> None:
        """Returns when it is done.

        Raises:
            StoreUnavailable: the database still cannot be reached, or another thread is trying.
            StoreError: of `open_`.
        """
        if self._done or self._opener == threading.get_ident():
            return
        # Whoever came second would wait as long for an answer that is on its way.
        if not self._turn.acquire(blocking=False):
            raise StoreUnavailable("the database is being opened")
        try:
            self._ensure()
        finally:
            self._turn.release()

    def _ensure(self) -> None:
        if self._done:
            return
        self._opener = threading.get_ident()
        try:
            self._open()
        finally:
            self._opener = None
        self._done = True
        _log.info("The database is open")
