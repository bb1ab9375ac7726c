"""Listens to the stream of changes, on a thread of its own, and connects again by itself."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import TypeAlias, cast

from redis import Redis

from msc_authority.adapters.redis.errors import cache_errors
from msc_authority.adapters.redis.layout import ref_of
from msc_authority.core.policy import PolicyRef
from msc_authority.ports.cache import CacheError, CacheFault

_log = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0
JOIN_S = 1.0
READ_AT_ONCE = 100
_BEGINNING = b"0-0"
# Told by whoever puts the policy there, once: this thread sees the same.
_TOLD_ELSEWHERE = frozenset({CacheFault.LOST, CacheFault.SLOW, CacheFault.LOADING})

_Entries: TypeAlias = list[tuple[bytes, Mapping[bytes, bytes]]]
Callback: TypeAlias = Callable[[PolicyRef | None], None]


class Changes:
    """Follows the stream from the moment it is connected."""

    def __init__(self, client: Redis, key: str, *, wait_s: float) -> None:
        """`client` belongs to this object; `wait_s` is how long Redis may keep it waiting."""
        self._client, self._key, self._wait_ms = client, key, round(wait_s * 1000)
        self._callbacks: tuple[Callback, ...] = ()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()
        self._complained = False

    def listen(self, callback: Callback) -> None:
        """Calls `callback` with each ref from now on, and with None behind each time that it connects."""
        self._callbacks = (*self._callbacks, callback)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="policy-changes", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Ends listening; twice is fine."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join(JOIN_S)

    def _run(self) -> None:
        # It closes its connection itself: a parser that another thread pulls away while it reads may crash the process.
        with self._client:
            self._listen()

    def _listen(self) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._closed.is_set():
            try:
                with cache_errors():
                    position = self._newest()
                    # Whoever may not read the stream finds out here, before it is said that it can be followed.
                    self._read_behind(position, wait_ms=None)
                    self._connected()
                    pause_s = FIRST_PAUSE_S
                    self._follow(position)
            except CacheError as error:
                self._complain(error)
                self._client.connection_pool.disconnect()
                self._closed.wait(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _follow(self, position: bytes) -> None:
        while not self._closed.is_set():
            entries = self._read_behind(position, wait_ms=self._wait_ms)
            for _, fields in entries:
                # None where it is an entry of somebody else.
                self._tell(ref_of(fields.get(b"epoch"), fields.get(b"version")))
            position = entries[-1][0] if entries else self._checked(position)

    def _checked(self, position: bytes) -> bytes:
        newest = self._newest()
        if _order(newest) >= _order(position):
            return position
        # Somebody removed the stream, and a new one may have begun with smaller ids.
        self._tell(None)
        return newest

    def _read_behind(self, position: bytes, *, wait_ms: int | None) -> _Entries:
        answer = self._client.xread({self._key: position}, count=READ_AT_ONCE, block=wait_ms)
        streams = cast("list[tuple[bytes, _Entries]]", answer)
        return streams[0][1] if streams else []

    def _newest(self) -> bytes:
        found = cast("_Entries", self._client.xrevrange(self._key, count=1))
        return found[0][0] if found else _BEGINNING

    def _connected(self) -> None:
        if self._complained:
            _log.info("Changes in Redis are followed again")
        self._complained = False
        self._tell(None)

    def _complain(self, error: CacheError) -> None:
        told = self._complained or error.fault in _TOLD_ELSEWHERE
        text = "Changes in Redis cannot be followed, so new heads are found when the database is read: %s"
        _log.log(logging.DEBUG if told else logging.WARNING, text, error)
        self._complained = self._complained or not told

    def _tell(self, ref: PolicyRef | None) -> None:
        for callback in self._callbacks:
            try:
                callback(ref)
            except Exception:
                _log.exception("A listener failed on a change in Redis")


def _order(position: bytes) -> tuple[int, int]:
    first, _, second = position.partition(b"-")
    return int(first), int(second)
