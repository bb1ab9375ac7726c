"""Runs a session: one lock, a timer thread, and effects carried out in order outside the lock."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from msc_client import _events as do
from msc_client._clock import Clock, new_id
from msc_client._dispatch import Dispatcher
from msc_client._events import Effect, Event
from msc_client._held import Held, InheritedHeld, Readable, ns
from msc_client._keeper import Keeper
from msc_client._ladder import Ladder
from msc_client._messages import StreamEnd
from msc_client._reporter import Reporter
from msc_client._session import Session
from msc_client._version import SDK
from msc_client._wire.watch import ClientRecord, next_report_s, watch_message_from
from msc_client.config import ClientConfig
from msc_client.role import ConnectionState, Role
from msc_client.view import PolicyView

if TYPE_CHECKING:
    from msc_client._streams import OpenedStream, Streams
    from msc_client.status import SourceStatus

_log = logging.getLogger("msc_client")
_NS: Final = 1_000_000_000
_LONGEST_WAIT_S: Final = 1.0
_SHORTEST_WAIT_S: Final = 0.002
_JOIN_S: Final = 1.0
_FAR_NS: Final = 1 << 62

# A forked child must not touch what it inherited, not even by collecting it.
_inherited: list[object] = []


class Identity(NamedTuple):
    """Who the client is."""

    role: Role
    name: str
    target: str


class Engine:
    """Carries a session through time. Readers are served by what it publishes, and never wait for it."""

    def __init__(
        self,
        *,
        session: Session,
        streams: Streams,
        keeper: Keeper,
        dispatcher: Dispatcher,
        identity: Identity,
        config: ClientConfig,
        clock: Clock,
        publish: Callable[[Readable], None],
        reads: Callable[[], tuple[int, int]],
    ) -> None:
        self.dispatcher = dispatcher
        self._session = session
        self._streams = streams
        self._keeper = keeper
        self._identity = identity
        self._config = config
        self._clock = clock
        self._publish = publish
        self._reads = reads
        self._applied_ns: int | None = None
        self._now_ns = clock.monotonic_ns
        self._held: Held = session.held
        self._told = self._held.at(self._now_ns()).tier
        self._changed = threading.Condition()
        self._sequence = 0
        self._reporter = Reporter(config, clock.uniform)
        self._ladder = Ladder(config, now_ns=self._now_ns(), quiet_until_ns=_FAR_NS)
        self._handles: dict[int, OpenedStream] = {}
        self._timer: threading.Thread | None = None
        self._timer_due_ns = _FAR_NS
        self._timer_failed_ns: int | None = None
        self._pid = os.getpid()
        self._reopened = True
        self._new_instance()

    # Life

    def start(self, quiet_s: float) -> None:
        """Starts to follow. Nothing is said about the tier for `quiet_s`, unless it is FRESH before."""
        now_ns = self._now_ns()
        self._ladder = Ladder(self._config, now_ns=now_ns, quiet_until_ns=now_ns + ns(quiet_s))
        self.feed(do.Start(restored=self._keeper.load()))
        self._start_threads()

    def close(self) -> None:
        """Stops, keeps the last value on disk, ends the threads."""
        self.feed(do.Close())
        self._streams.close()
        self.dispatcher.close(_JOIN_S)
        if self._timer is not None and self._timer is not threading.current_thread():
            self._timer.join(_JOIN_S)
        self._keeper.save(self._session.holding.to_keep(), self._now_ns())

    def await_view(self, predicate: Callable[[PolicyView], bool], timeout_s: float) -> PolicyView | None:
        """Returns the first view for which `predicate` holds, or None when none came in time."""
        deadline_ns = self._now_ns() + ns(timeout_s)
        while True:
            sequence = self._sequence
            now_ns = self._now_ns()
            view = self._held.at(now_ns)
            if predicate(view):
                return view
            if now_ns >= deadline_ns:
                return None
            with self._changed:
                if self._sequence == sequence:
                    self._clock.wait(self._changed, (deadline_ns - now_ns) / _NS)

    def status(self) -> SourceStatus:
        """Returns how it is doing, in one consistent reading."""
        with self._changed:
            return self._status(self._now_ns())

    @property
    def state(self) -> ConnectionState:
        """Where the stream stands."""
        return self._session.state

    # What streams deliver

    def message(self, stream: int, raw: bytes) -> None:
        """Takes one message. The instant of receipt is now, before anything else."""
        now_ns = self._now_ns()
        self._note_pause(now_ns)
        self.feed(do.Received(stream=stream, message=watch_message_from(raw)), now_ns)

    def ended(self, stream: int, end: StreamEnd) -> None:
        """Takes the end of a stream."""
        self.feed(do.Ended(stream=stream, end=end))
        self._forget(stream)

    def died(self, stream: int, error: BaseException) -> None:
        """Takes the end of a reader by a bug."""
        _log.critical("the reader of the policy died", exc_info=error, extra={"msc_event": "reader_died"})
        self.feed(do.ReaderDied(stream=stream))
        self._forget(stream)

    # The heart

    def feed(self, event: Event, now_ns: int | None = None) -> None:
        """Lets the session take an event, and does what it asks for."""
        with self._changed:
            effects = self._session.handle(event, self._now_ns() if now_ns is None else now_ns)
            for effect in effects:
                # Inside the lock: readers and callbacks must see values in the order they were decided.
                if isinstance(effect, do.Swap):
                    self._swap(effect)
                elif isinstance(effect, do.Report):
                    # And the timer, woken by this, must find that it is due.
                    self._reporter.soon(self._now_ns())
            if effects:
                self._sequence += 1
                self._changed.notify_all()
        for effect in effects:
            self._perform(effect)

    def _swap(self, swap: do.Swap) -> None:
        self._held = swap.held
        self._publish(swap.held)
        if swap.changed:
            self._applied_ns = self._now_ns()
            self._tell(swap.held.at(self._now_ns()))

    def _tell(self, view: PolicyView) -> None:
        self._told = view.tier
        self.dispatcher.put(view)

    def _perform(self, effect: Effect) -> None:
        match effect:
            case do.Log():
                _log.log(effect.level, "%s", effect.text, extra={"msc_event": effect.event})
            case do.OpenStream():
                self._open(effect)
            case do.CancelStream():
                self._cancel(effect.stream)
            case do.RenewChannel():
                self._streams.renew()
            case do.Swap() | do.Report():
                pass

    def _open(self, effect: do.OpenStream) -> None:
        request = self._record.watch_request(
            known=effect.known,
            heartbeat_interval_s=self._config.heartbeat_interval_s,
            status=self.status(),
        )
        handle = self._streams.open(effect.stream, request, self)
        with self._changed:
            wanted = effect.stream in self._session.open_streams
            if wanted:
                self._handles[effect.stream] = handle
        if not wanted:
            # It ended, or was cancelled by another thread, before it was even opened.
            handle.cancel()

    def _cancel(self, stream: int) -> None:
        handle = self._forget(stream)
        if handle is not None:
            handle.cancel()

    def _forget(self, stream: int) -> OpenedStream | None:
        with self._changed:
            return self._handles.pop(stream, None)

    def _status(self, now_ns: int) -> SourceStatus:
        from msc_client.status import SourceStatus

        session, bounds = self._session, self._session.holding.bounds
        reads, fallback_reads = self._reads()
        in_state = timedelta(microseconds=(now_ns - session.since_ns) / 1000)
        return SourceStatus(
            connection=session.state,
            since=datetime.fromtimestamp(self._clock.wall_s(), UTC) - in_state,
            tier=self._held.at(now_ns).tier,
            applied=session.applied,
            age_s=None if bounds is None else (now_ns - bounds.as_of_ns) / _NS,
            ttl_s=None if bounds is None else (bounds.ttl_ns - now_ns) / _NS,
            last_error=session.last_error,
            counters=session.counters.shown(
                callback_errors=self.dispatcher.errors, reads=reads, fallback_reads=fallback_reads
            ),
            instance_id=self._instance_id,
            server_id=session.server_id,
            target=self._identity.target,
            applied_for_s=None if self._applied_ns is None else (now_ns - self._applied_ns) / _NS,
        )

    # The timer thread

    def _start_threads(self) -> None:
        self.dispatcher.start()
        self._timer = threading.Thread(target=self._run_timer, name="policy-timer", daemon=True)
        self._timer.start()

    def _run_timer(self) -> None:
        while self._wait():
            try:
                self._turn()
            except Exception:
                # The timer is what notices that others died: it must not die itself, nor fill the disk with its log.
                self._complain()

    def _wait(self) -> bool:
        """Waits for the next thing to do. Returns whether there is anything still to be done."""
        with self._changed:
            if self._is_closed():
                return False
            timeout_s = self._timeout_s(self._now_ns())
            self._timer_due_ns = self._now_ns() + ns(timeout_s)
            self._clock.wait(self._changed, timeout_s)
        self._note_pause(self._now_ns())
        with self._changed:
            # While it works it may well be late: a slow disk is no pause of the process.
            self._timer_due_ns = _FAR_NS
            return not self._is_closed()

    def _is_closed(self) -> bool:
        return self._session.state is ConnectionState.CLOSED

    def _timeout_s(self, now_ns: int) -> float:
        edges = (self._held.fresh_until_ns + 1, self._held.good_until_ns + 1)
        due = [edge for edge in edges if edge > now_ns]
        if self._session.next_due_ns is not None:
            due.append(self._session.next_due_ns)
        if self._session.state is ConnectionState.LIVE:
            due.append(self._reporter.due_ns)
        wait_s = (min(due) - now_ns) / _NS if due else _LONGEST_WAIT_S
        return min(max(wait_s, _SHORTEST_WAIT_S), _LONGEST_WAIT_S)

    def _turn(self) -> None:
        if self._session.state is ConnectionState.DENIED and self._streams.credentials_changed():
            self.feed(do.CredentialsChanged())
        self.feed(do.Tick())
        self._bury_readers()
        self._observe_tier()
        self._report()
        self._keep()

    def _bury_readers(self) -> None:
        with self._changed:
            dead = [stream for stream, handle in self._handles.items() if not handle.alive()]
        for stream in dead:
            if self._forget(stream) is not None:
                _log.critical("the reader of the policy vanished", extra={"msc_event": "reader_died"})
                self.feed(do.ReaderDied(stream=stream))

    def _observe_tier(self) -> None:
        with self._changed:
            now_ns = self._now_ns()
            view = self._held.at(now_ns)
            lines = self._ladder.observe(view, self._session.holding.bounds, self._session.last_error, now_ns)
            # Not by the ladder's rung: that stays unset while the start is quiet, and callbacks do not.
            if view.tier is not self._told:
                self._tell(view)
                self._reporter.soon(now_ns)
                self._sequence += 1
                self._changed.notify_all()
        for line in lines:
            self._perform(line)

    def _report(self) -> None:
        now_ns = self._now_ns()
        if self._session.state is not ConnectionState.LIVE or now_ns < self._reporter.due_ns:
            return
        self._reporter.sent(now_ns)
        self._streams.report(self._record.report_request(self.status()), self._reported)

    def _reported(self, answer: bytes) -> None:
        wanted_s = next_report_s(answer)
        if wanted_s is not None:
            self._reporter.wanted(wanted_s)

    def _keep(self) -> None:
        with self._changed:
            value = self._session.holding.to_keep()
        now_ns = self._now_ns()
        due_ns = self._keeper.due_ns(value)
        if due_ns is not None and now_ns >= due_ns:
            self._keeper.save(value, now_ns)

    def _note_pause(self, now_ns: int) -> None:
        with self._changed:
            late_ns = now_ns - self._timer_due_ns
            if late_ns <= ns(self._config.local_pause_s):
                return
            # Whoever wakes first says so, and nobody twice.
            self._timer_due_ns = _FAR_NS
        self.feed(do.Paused(seconds=late_ns / _NS))

    def _complain(self) -> None:
        now_ns = self._now_ns()
        if self._timer_failed_ns is None or now_ns - self._timer_failed_ns >= ns(self._config.thread_restart_s):
            self._timer_failed_ns = now_ns
            _log.critical("the timer of the policy failed", exc_info=True, extra={"msc_event": "timer_failed"})

    # Fork

    def before_fork(self) -> None:
        """Lets no event be half taken while the process is copied."""
        self._changed.acquire()

    def after_fork_in_parent(self) -> None:
        """Goes on."""
        self._changed.release()

    def after_fork_in_child(self) -> None:
        """Forgets threads and streams. The value stays; the first read opens a watch of the child's own."""
        _inherited.append((self._handles, self._timer))
        self._changed = threading.Condition()
        self._handles, self._timer = {}, None
        self._streams.after_fork()
        self._timer_due_ns = _FAR_NS
        self._reopened = False
        self.dispatcher.after_fork()
        self._new_instance()
        self._session.handle(do.Forked(), self._now_ns())
        if self._session.state is ConnectionState.FORKED:
            self._publish(InheritedHeld(self._held, self._reopen))

    def _reopen(self) -> PolicyView:
        with self._changed:
            first, self._reopened = not self._reopened, True
            self._publish(self._held)
        if first:
            self._start_again()
        return self._held.at(self._now_ns())

    def _start_again(self) -> None:
        parent, self._pid = self._pid, os.getpid()
        text = "forked: process %d -> %d keeps the policy and opens a watch of its own"
        _log.warning(text, parent, self._pid, extra={"msc_event": "forked"})
        self.feed(do.Start())
        self._start_threads()

    def _new_instance(self) -> None:
        self._instance_id = new_id()
        self._record = ClientRecord(
            instance_id=self._instance_id,
            name=self._identity.name,
            role=self._identity.role,
            sdk=SDK,
            started_at=datetime.fromtimestamp(self._clock.wall_s(), UTC),
        )
