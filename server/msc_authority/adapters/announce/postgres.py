"""Announcements by LISTEN and NOTIFY: one connection and one thread a process, both for telling and for hearing."""

from __future__ import annotations

import contextlib
import logging
import re
import selectors
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlalchemy import URL

from msc_authority.adapters.clock import uniform
from msc_authority.adapters.sql.postgres import LIMITS, Limits, connect_directly
from msc_authority.core.policy import PolicyRef
from msc_authority.ports.store import StoreError

if TYPE_CHECKING:
    from msc_authority.adapters.sql.patient import PatientConnection

_log = logging.getLogger(__name__)

CHANNEL = "msc_policy"
"""What is listened to; a message is EPOCH:VERSION. Channels are the database's own: others do not hear it."""
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0
_CLOSE_S = 1.0
_MESSAGE = re.compile(r"(\d{1,19}):(\d{1,19})")


class PostgresAnnouncements:
    """Tells and hears by one connection of its own, which it makes anew whenever it is lost."""

    def __init__(self, url: URL, limits: Limits = LIMITS) -> None:
        """`url` as `checked_url` returns it."""
        self._url, self._limits = url, limits
        self._changing = threading.Lock()
        self._callbacks: tuple[Callable[[PolicyRef | None], None], ...] = ()
        self._waiting: PolicyRef | None = None
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        self.told = 0
        """How many announcements were handed to the server."""
        self.heard = 0
        """How many arrived, our own among them."""
        self.lost = 0
        """How often there was no connection, and none could be made."""
        self._complained = False
        self._connected_now = False

    @property
    def connected(self) -> bool | None:
        """Whether others are heard of at once."""
        return self._connected_now

    def announce(self, ref: PolicyRef) -> None:
        """Tells the others that `ref` was committed, soon: as long as there is no connection, the newest one waits."""
        with self._changing:
            if self._waiting is None or self._waiting < ref:
                self._waiting = ref
        self._begin()

    def listen(self, callback: Callable[[PolicyRef | None], None]) -> None:
        """Calls `callback` on a thread of its own with each ref announced from now on, and with None after a gap."""
        with self._changing:
            self._callbacks = (*self._callbacks, callback)
        self._begin()

    def close(self) -> None:
        """Ends telling and hearing; twice is fine. A server that does not answer is not waited for."""
        self._closing.set()
        with self._changing:
            self._callbacks = ()
            thread = self._thread
        self._knock()
        if thread is not None:
            thread.join(_CLOSE_S)
        if thread is None or not thread.is_alive():
            self._wake.close()
            self._woken.close()

    def _begin(self) -> None:
        with self._changing:
            if self._thread is None and not self._closing.is_set():
                self._thread = threading.Thread(target=self._run, name="announce", daemon=True)
                self._thread.start()
        self._knock()

    def _knock(self) -> None:
        # Full: it has been woken. Closed: there is nobody left to wake.
        with contextlib.suppress(OSError):
            self._wake.send(b"!")

    def _run(self) -> None:
        from psycopg import Error

        pause_s = FIRST_PAUSE_S
        while not self._closing.is_set():
            try:
                with connect_directly(self._url, self._limits) as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    pause_s = FIRST_PAUSE_S
                    self._connected()
                    self._serve(connection)
            except (Error, OSError, StoreError) as error:
                self._disconnected(error)
            # Drawn by lot, or all replicas come back in the same moment.
            self._closing.wait(uniform(pause_s / 2, pause_s))
            pause_s = min(LONGEST_PAUSE_S, pause_s * 2)

    def _serve(self, connection: PatientConnection) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(connection, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while not self._closing.is_set():
                self._tell(connection)
                self._hear(connection)
                selector.select()
                with contextlib.suppress(BlockingIOError):
                    self._woken.recv(1024)

    def _tell(self, connection: PatientConnection) -> None:
        with self._changing:
            ref = self._waiting
        if ref is None:
            return
        connection.execute("SELECT pg_notify(%s, %s)", [CHANNEL, f"{ref.epoch}:{ref.version}"])
        self.told += 1
        with self._changing:
            if self._waiting == ref:
                self._waiting = None

    def _hear(self, connection: PatientConnection) -> None:
        for message in connection.notifies(timeout=0):
            self.heard += 1
            if found := _MESSAGE.fullmatch(message.payload):
                self._call(PolicyRef(int(found[1]), int(found[2])))
            else:
                _log.warning("Not an announcement of ours on channel %s: %.80r", CHANNEL, message.payload)

    def _connected(self) -> None:
        self._connected_now = True
        if self._complained:
            _log.info("New heads are announced again")
            self._complained = False
        self._call(None)

    def _disconnected(self, error: Exception) -> None:
        self.lost += 1
        self._connected_now = False
        level = logging.DEBUG if self._complained else logging.WARNING
        text = " ".join(str(error).split())
        _log.log(level, "New heads are not announced, others find them within a second all the same: %s", text)
        self._complained = True

    def _call(self, ref: PolicyRef | None) -> None:
        for callback in self._callbacks:
            try:
                callback(ref)
            except Exception:
                _log.exception("A listener failed on an announcement")
