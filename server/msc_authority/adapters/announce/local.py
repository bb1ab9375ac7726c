"""Announcements within one process: to those that listen to the same object."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from msc_authority.core.policy import PolicyRef

_log = logging.getLogger(__name__)


class LocalAnnouncements:
    """For stores that cannot tell anybody, such as SQLite: other processes find a new head when they read the store."""

    def __init__(self) -> None:
        self._callbacks: tuple[Callable[[PolicyRef | None], None], ...] = ()
        self._changing = threading.Lock()

    @property
    def connected(self) -> bool | None:
        """None: nobody outside of this process is told."""
        return None

    def announce(self, ref: PolicyRef) -> None:
        """Tells those who listen, on the caller's thread. What one of them raises is logged and goes no further."""
        for callback in self._callbacks:
            try:
                callback(ref)
            except Exception:
                _log.exception("A listener failed on the announcement of %s:%s", ref.epoch, ref.version)

    def listen(self, callback: Callable[[PolicyRef | None], None]) -> None:
        """Calls `callback` with each ref announced here from now on."""
        with self._changing:
            self._callbacks = (*self._callbacks, callback)

    def close(self) -> None:
        """Ends telling and hearing; twice is fine."""
        with self._changing:
            self._callbacks = ()
