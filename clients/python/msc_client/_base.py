"""The surface that every source has."""

from __future__ import annotations

import atexit
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TypeAlias

from msc_client._clock import Clock
from msc_client._dispatch import Callback, Dispatcher
from msc_client._engine import Engine, Identity
from msc_client._fork import follow_forks
from msc_client._held import Readable
from msc_client._keeper import Keeper
from msc_client._session import Session
from msc_client.config import ClientConfig
from msc_client.errors import SourceClosed
from msc_client.policy import Ref
from msc_client.role import ConnectionState, Role
from msc_client.tier import SafeDefaults, Tier
from msc_client.view import PolicyView

if TYPE_CHECKING:
    from pathlib import Path

    from msc_client._streams import Streams
    from msc_client.status import SourceStatus

StateDir: TypeAlias = "Path | str | None"
"""Where the last known good policy is kept: a directory, the platform's own ("default"), or nowhere (None)."""


class PolicyReader(Protocol):
    """What a decision needs of a source. Every source has it, those for tests included."""

    def current(self) -> PolicyView:
        """Returns the policy in force at this instant. Never blocks, never raises, never does I/O."""
        ...

    def now_ns(self) -> int:
        """Returns the instant that the methods of a view ask for."""
        ...

    def status(self) -> SourceStatus:
        """Returns how the source is doing."""
        ...

    def subscribe(self, callback: Callback) -> Callable[[], None]:
        """Calls `callback` with each new view. Returns what ends that."""
        ...


class BaseSource:
    """One policy, followed. `current()` is for every decision; the rest is for start, end and display."""

    def __init__(
        self,
        *,
        streams: Streams,
        role: Role,
        name: str,
        config: ClientConfig,
        safe: SafeDefaults,
        state_dir: StateDir,
        clock: Clock,
        target: str,
    ) -> None:
        if not name:
            raise ValueError("name: people need one to know this client by")
        self._config = config
        self._now_ns = clock.monotonic_ns
        session = Session(config=config, safe=safe, role=role, uniform=clock.uniform, now_ns=self._now_ns())
        self._held: Readable = session.held
        self._reads = self._fallback_reads = 0
        self._started = False
        self._engine = Engine(
            session=session,
            streams=streams,
            keeper=Keeper(_file_in(state_dir, role, name), config=config, clock=clock),
            dispatcher=Dispatcher(config=config, clock=clock),
            identity=Identity(role=role, name=name, target=target),
            config=config,
            clock=clock,
            publish=self._publish,
            reads=self._count_of_reads,
        )

    def current(self) -> PolicyView:
        """Returns the policy in force at this instant. Never blocks, never raises, never does I/O.

        Cost: one attribute, one clock reading, two comparisons, one count. In a forked child the first read opens a new
        watch.
        """
        held = self._held
        now_ns = self._now_ns()
        # Without a lock: threads that read at once may lose a count now and then, and never wait for one.
        self._reads += 1
        if now_ns <= held.fresh_until_ns:
            return held.fresh
        self._fallback_reads += 1
        if now_ns <= held.good_until_ns:
            return held.stale
        return held.lapsed()

    def now_ns(self) -> int:
        """Returns the instant that the methods of a view ask for, in nanoseconds of this source's monotonic clock."""
        return self._now_ns()

    def start(self, wait_s: float | None = None) -> PolicyView:
        """Starts to follow the authority, and returns what holds after at most `wait_s` (None: as configured).

        FRESH if a message came, else the last known good policy from disk, else SAFE. Starting twice is harmless.

        Raises:
            SourceClosed: it was closed before.
        """
        if self._engine.state is ConnectionState.CLOSED:
            raise SourceClosed("a closed source cannot be started; make a new one")
        wait_s = self._config.start_wait_s if wait_s is None else wait_s
        if not self._started:
            self._started = True
            follow_forks(self._engine)
            _close_at_exit(self)
            self._engine.start(quiet_s=wait_s)
        self._engine.await_view(lambda view: view.tier is Tier.FRESH, wait_s)
        return self.current()

    def status(self) -> SourceStatus:
        """Returns how the source is doing, in one consistent reading."""
        if self._engine.state is ConnectionState.FORKED:
            self._held.lapsed()
        return self._engine.status()

    def subscribe(self, callback: Callback) -> Callable[[], None]:
        """Calls `callback` with the new view whenever policy or tier changed, in a thread of its own.

        The newest value only, in order, one at a time. Returns what ends it.
        """
        return self._engine.dispatcher.subscribe(callback)

    def guarded(self, callback: Callback) -> Callback:
        """Returns a callback that never raises: what it raises is logged and counted by this source."""
        return self._engine.dispatcher.guarded(callback)

    def wait_for(self, predicate: Callable[[PolicyView], bool], timeout_s: float) -> PolicyView:
        """Returns the first view for which `predicate` holds.

        Raises:
            TimeoutError: none came in time.
        """
        view = self._engine.await_view(predicate, timeout_s)
        if view is None:
            raise TimeoutError(f"no such policy within {timeout_s} s: {self.status()}")
        return view

    def wait_for_ref(self, ref: Ref, timeout_s: float) -> PolicyView:
        """Returns the first view of this revision or of a later one.

        Raises:
            TimeoutError: none came in time.
        """
        return self.wait_for(lambda view: view.ref is not None and view.ref >= ref, timeout_s)

    def close(self) -> None:
        """Stops following, keeps the last value on disk, and ends the threads. Reads go on, by age. Twice is fine."""
        if self._engine.state is not ConnectionState.CLOSED:
            _open_sources.discard(self)
            self._engine.close()

    def __enter__(self) -> Self:
        """Starts it."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes it."""
        self.close()

    def _publish(self, held: Readable) -> None:
        self._held = held

    def _count_of_reads(self) -> tuple[int, int]:
        return self._reads, self._fallback_reads


_open_sources: weakref.WeakSet[BaseSource] = weakref.WeakSet()


def _close_at_exit(source: BaseSource) -> None:
    """Keeps the last value on disk even if the host forgets to close."""
    if not _open_sources:
        atexit.register(_close_sources)
    _open_sources.add(source)


def _close_sources() -> None:
    for source in list(_open_sources):
        source.close()


def _file_in(state_dir: StateDir, role: Role, name: str) -> Path | None:
    if state_dir is None:
        return None
    # Paths are imported by hosts that name one.
    from msc_client._paths import state_directory, state_file

    directory = state_directory(state_dir)
    return None if directory is None else state_file(directory, role, name)
