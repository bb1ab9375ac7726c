"""Decides when the last known good policy is written, and says so when it cannot be."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from msc_client._clock import Clock
from msc_client._held import ns
from msc_client._holding import Restored
from msc_client.config import ClientConfig

if TYPE_CHECKING:
    from pathlib import Path

    from msc_client._lkg import LastKnownGood

_log = logging.getLogger("msc_client")
_COMPLAIN_AGAIN_NS = ns(3600.0)


class Keeper:
    """Writes at most once a second, the newest value only. Without a file it does nothing."""

    def __init__(self, path: Path | None, *, config: ClientConfig, clock: Clock) -> None:
        self._file = None if path is None else _file_at(path, clock)
        self._config = config
        self._written: Restored | None = None
        self._written_ns: int | None = None
        self._complained_ns: int | None = None

    def load(self) -> Restored | None:
        """Returns the value of an earlier life, if there is one to trust."""
        if self._file is None:
            return None
        loaded = self._file.load()
        if loaded.problem:
            _log.error("last known good policy unusable: %s", loaded.problem, extra={"msc_event": "lkg_bad"})
        return loaded.restored

    def due_ns(self, value: Restored | None) -> int | None:
        """Returns from when on this value is to be written, or None when it need not be."""
        if self._file is None or value is None:
            return None
        if self._written_ns is None:
            return 0
        if self._written is None or value.policy.ref != self._written.policy.ref:
            return self._written_ns + ns(self._config.disk_debounce_s)
        return self._written_ns + ns(self._config.disk_refresh_s)

    def save(self, value: Restored | None, now_ns: int) -> None:
        """Writes the value, unless exactly this was written before. A disk that refuses is logged once an hour."""
        if self._file is None or value is None or value == self._written:
            return
        self._written_ns = now_ns
        try:
            self._file.save(value)
            self._written = value
        except OSError as error:
            if self._complained_ns is None or now_ns - self._complained_ns >= _COMPLAIN_AGAIN_NS:
                self._complained_ns = now_ns
                _log.warning(
                    "last known good policy not written to %s: %s", self._file.path, error, extra={"msc_event": "lkg"}
                )


def _file_at(path: Path, clock: Clock) -> LastKnownGood:
    # Not every host keeps one: what reads and writes it is imported by those that do.
    from msc_client._lkg import LastKnownGood

    return LastKnownGood(path, clock)
