"""The watch as a state machine without I/O: events in, effects out. Which document counts is `_holding`'s business."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msc_client import _events as do
from msc_client._announce import applied_lines, restored_lines
from msc_client._backoff import backoff_bounds_s
from msc_client._counting import Tally, cause_of
from msc_client._events import Close, Effect, Ended, Event, Forked, Log, Paused, ReaderDied, Received, Start, Tick
from msc_client._held import Held, ns
from msc_client._holding import Applied, Behind, Confirmed, Holding, Nothing, Outcome, Refused
from msc_client._messages import (
    Freshness,
    Garbled,
    Goodbye,
    Heartbeat,
    Snapshot,
    SnapshotReason,
    StreamEnd,
    Unchanged,
    WatchMessage,
)
from msc_client._second import SAME_REPLICA_RETRIES, is_better, is_from
from msc_client._states import TRANSITIONS, Cause
from msc_client._trouble import Trouble
from msc_client.config import ClientConfig
from msc_client.policy import Ref
from msc_client.role import ConnectionState, Role
from msc_client.tier import SafeDefaults

_S = ConnectionState
_NS = 1_000_000_000
_LONGEST_HEARTBEAT_S: Final = 30.0
_LONGEST_RETRY_AFTER_S: Final = 60.0


class Session:
    """One client's watch. Every method takes the present instant; nothing here reads a clock."""

    def __init__(
        self,
        *,
        config: ClientConfig,
        safe: SafeDefaults,
        role: Role,
        uniform: Callable[[float, float], float],
        now_ns: int,
    ) -> None:
        self.state = _S.NEW
        self.since_ns = now_ns
        self.last_error = self.server_id = ""
        self.counters = Tally()
        self._config = config
        self._uniform = uniform
        self._holding = Holding(config=config, safe=safe, role=role, since_ns=now_ns)
        self._trouble = Trouble()
        self._effects: list[Effect] = []
        self._stream: int | None = None
        self._candidate: int | None = None
        self._opened, self._why = 0, ""
        self._due_ns = self._candidate_due_ns = self._gap_again_ns = now_ns
        self._last_message_ns = self._live_since_ns = now_ns
        self._watchdog_s = config.watchdog_s
        self._attempt = self._retries = 0
        self._replica_age_s = 0.0
        self._aged = False
        self._last_switch_ns: int | None = None
        self._last_restart_ns: int | None = None
        self._gap_head: Ref | None = None
        self._refused: Refused | None = None

    @property
    def applied(self) -> Ref | None:
        """The revision in hand."""
        return self._holding.applied

    @property
    def holding(self) -> Holding:
        """The value in hand."""
        return self._holding

    @property
    def held(self) -> Held:
        """The value, ready for reading."""
        return self._holding.held()

    @property
    def open_streams(self) -> tuple[int, ...]:
        """The streams whose readers should be alive."""
        return tuple(stream for stream in (self._stream, self._candidate) if stream is not None)

    @property
    def next_due_ns(self) -> int | None:
        """When a Tick is due, or None when nothing waits for time."""
        if self.state in (_S.CONNECTING, _S.BACKOFF, _S.DENIED):
            return self._due_ns
        if self.state is not _S.LIVE:
            return None
        watchdog_ns = self._last_message_ns + ns(self._watchdog_s)
        return watchdog_ns if self._candidate is None else min(watchdog_ns, self._candidate_due_ns)

    def handle(self, event: Event, now_ns: int) -> list[Effect]:
        """Takes what happened and returns what to do, in order. Events that come too late change nothing."""
        match event:
            case Received():
                self._receive(event, now_ns)
            case Tick():
                self._tick(now_ns)
            case Ended():
                self._end(event, now_ns)
            case ReaderDied():
                self._reader_died(event, now_ns)
            case Start():
                self._start(event, now_ns)
            case do.CredentialsChanged() if self.state is _S.DENIED:
                self._due_ns = now_ns
            case Paused():
                self._pause(event, now_ns)
            case Forked():
                self._move(Cause.FORKED, now_ns)
                self._stream, self._candidate, self._last_restart_ns, self._why = None, None, None, "forked"
            case Close():
                self._move(Cause.CLOSED, now_ns)
                self._cancel_all()
        effects, self._effects = self._effects, []
        return effects

    # Connection

    def _move(self, cause: Cause, now_ns: int) -> bool:
        target = TRANSITIONS.get((self.state, cause))
        if target is None:
            return False
        self.state, self.since_ns = target, now_ns
        return True

    def _start(self, event: Start, now_ns: int) -> None:
        if not self._move(Cause.STARTED, now_ns):
            return
        if event.restored is not None:
            usable = self._holding.restore(event.restored, now_ns)
            self._swap(changed=usable)
            age_s = (now_ns - event.restored.confirmation.as_of_ns) / _NS
            self._say(restored_lines(event.restored.policy, age_s, usable=usable))
        self._connect(now_ns)

    def _connect(self, now_ns: int) -> None:
        self._stream = self._open(self._why)
        self._due_ns = now_ns + ns(self._config.first_message_s)

    def _open(self, why: str) -> int:
        if self._opened:
            self.counters.reconnected(why)
        self._opened += 1
        self._effects.append(do.OpenStream(stream=self._opened, known=self.applied))
        return self._opened

    def _cancel_all(self) -> None:
        for stream in self.open_streams:
            self._effects.append(do.CancelStream(stream=stream))
        self._stream = self._candidate = None

    def _leave(self, cause: Cause, why: str, now_ns: int, wait_s: float, *, counts: bool = True) -> None:
        """Goes to wait, and remembers why. `counts` False: the next wait is drawn as if this one had not been."""
        if not self._move(cause, now_ns):
            return
        self._cancel_all()
        self._due_ns, self._why = now_ns + ns(wait_s), why
        self._attempt += counts

    def _backoff_s(self, now_ns: int) -> float:
        """Draws the next wait, after taking a healthy spell into account."""
        if self.state is _S.LIVE and now_ns - self._live_since_ns >= ns(self._config.backoff_reset_after_s):
            self._attempt = 0
        return self._uniform(*backoff_bounds_s(self._attempt, self._config))

    def _tick(self, now_ns: int) -> None:
        if self._candidate is not None and now_ns >= self._candidate_due_ns:
            self._drop_candidate()
        match self.state:
            case _S.LIVE if now_ns - self._last_message_ns > ns(self._watchdog_s):
                self._watchdog(now_ns)
            case _S.CONNECTING if now_ns >= self._due_ns:
                self.last_error = f"no message within {self._config.first_message_s:.1f} s"
                # The channel waits by itself while it cannot connect: waiting longer here would only add to that.
                self._leave(Cause.SILENCE, "first_message_timeout", now_ns, self._backoff_s(now_ns), counts=False)
                self._say(self._trouble.no_message(self.last_error))
            case _S.BACKOFF | _S.DENIED if now_ns >= self._due_ns:
                if self.state is _S.DENIED or self._why == "first_message_timeout":
                    self._effects.append(do.RenewChannel())
                self._move(Cause.DUE, now_ns)
                self._connect(now_ns)

    def _watchdog(self, now_ns: int) -> None:
        self.counters.watchdog_timeouts += 1
        self.last_error = f"watchdog: silent {(now_ns - self._last_message_ns) / _NS:.1f}s"
        self._log(do.WARNING, "watchdog", self.last_error)
        self._leave(Cause.SILENCE, "watchdog", now_ns, self._backoff_s(now_ns))

    def _pause(self, event: Paused, now_ns: int) -> None:
        self._log(do.WARNING, "local_pause", f"local pause {event.seconds:.0f} s")
        # What waits in the stream's buffers was true before the pause. Only a new stream tells what is true now.
        self._leave(Cause.PAUSED, "local_pause", now_ns, self._backoff_s(now_ns), counts=False)

    def _end(self, event: Ended, now_ns: int) -> None:
        if event.stream == self._candidate:
            self._candidate = None
        if event.stream != self._stream:
            return
        self._stream = None
        end, self.last_error = event.end, str(event.end)
        if self._promote(now_ns):
            return
        if end.refuses_client:
            self._deny(end, now_ns)
            return
        retry_after_s = min(end.retry_after_s or 0.0, _LONGEST_RETRY_AFTER_S)
        wait_s = retry_after_s + self._backoff_s(now_ns)
        self._leave(Cause.ENDED, cause_of(end), now_ns, wait_s)
        self._say(self._trouble.ended(end, self.last_error, wait_s, self.applied, now_ns))

    def _deny(self, end: StreamEnd, now_ns: int) -> None:
        wait_s = self._uniform(self._config.denied_retry_min_s, self._config.denied_retry_max_s)
        self._leave(Cause.REFUSED, cause_of(end), now_ns, wait_s)
        self._say(self._trouble.denied(str(end), now_ns))

    def _reader_died(self, event: ReaderDied, now_ns: int) -> None:
        if event.stream == self._candidate:
            self._drop_candidate()
        if event.stream != self._stream:
            return
        self.last_error = "the reader died of a bug; see the log"
        wait_s = self._backoff_s(now_ns)
        if self._last_restart_ns is not None:
            wait_s = max(wait_s, self._config.thread_restart_s - (now_ns - self._last_restart_ns) / _NS)
        self._last_restart_ns = now_ns + ns(wait_s)
        self._leave(Cause.ENDED, "reader_died", now_ns, wait_s)

    # The second stream: opened while the first still lives, and kept only if it is better

    def _open_candidate(self, why: str, now_ns: int, *, retries: int = 0) -> None:
        if self._candidate is None and self.state is _S.LIVE:
            self._candidate, self._retries = self._open(why), retries
            self._candidate_due_ns = now_ns + ns(self._config.first_message_s)

    def _drop_candidate(self) -> None:
        if self._candidate is not None:
            self._effects.append(do.CancelStream(stream=self._candidate))
            self._candidate = None

    def _promote(self, now_ns: int) -> bool:
        if self._candidate is None or not self._move(Cause.PROMOTED, now_ns):
            return False
        if self._stream is not None:
            self._effects.append(do.CancelStream(stream=self._stream))
        self._stream, self._candidate = self._candidate, None
        self._due_ns = self._candidate_due_ns
        return True

    def _judge_candidate(self, message: WatchMessage | Garbled, now_ns: int) -> None:
        if isinstance(message, Garbled) or not is_better(message, self.applied, self._replica_age_s):
            self._drop_candidate()
            if self._retries and is_from(message, self.server_id):
                self._open_candidate("replica_age", now_ns, retries=self._retries - 1)
            return
        if self._stream is not None:
            self._effects.append(do.CancelStream(stream=self._stream))
        self._stream, self._candidate = self._candidate, None
        self._live_since_ns = self._last_message_ns = now_ns
        self._take(message, now_ns)

    # Messages

    def _receive(self, event: Received, now_ns: int) -> None:
        if event.stream == self._candidate:
            self._judge_candidate(event.message, now_ns)
            return
        if event.stream != self._stream:
            return
        if self._move(Cause.MESSAGE, now_ns):
            self._live_since_ns = now_ns
            self._watchdog_s, self.last_error = self._config.watchdog_s, ""
            self._say(self._trouble.over())
            self._trouble = Trouble()
        self._last_message_ns = now_ns
        if isinstance(event.message, Garbled):
            self._refuse(Refused(ref=None, problem=event.message.problem))
        else:
            self._take(event.message, now_ns)

    def _take(self, message: WatchMessage, now_ns: int) -> None:
        if message.info is not None:
            self.server_id = message.info.server_id
            announced_s = message.info.heartbeat_interval_s or self._config.heartbeat_interval_s
            self._watchdog_s = self._config.watchdog_for_s(min(announced_s, _LONGEST_HEARTBEAT_S))
        if isinstance(message.event, Goodbye):
            self._goodbye(message.event, now_ns)
            return
        self._follow(self._outcome(message, now_ns), message, now_ns)
        if message.freshness is not None:
            self._watch_replica_age(message.freshness, now_ns)

    def _outcome(self, message: WatchMessage, now_ns: int) -> Outcome:
        match message.event:
            case Snapshot(document=document):
                return self._holding.offer(
                    document,
                    size_bytes=message.size_bytes,
                    head=message.head,
                    freshness=message.freshness,
                    now_ns=now_ns,
                )
            case Unchanged() | Heartbeat():
                return self._holding.vouch(message.head, message.freshness, now_ns)
            case _:
                return Nothing()

    def _follow(self, outcome: Outcome, message: WatchMessage, now_ns: int) -> None:
        match outcome:
            case Applied():
                self._applied(outcome, message)
                if message.head is not None and message.head > outcome.policy.ref:
                    self._gap(message.head, now_ns)
            case Confirmed():
                self._swap(changed=False)
                if not isinstance(message.event, Heartbeat):
                    self.last_error = ""
            case Behind():
                self._gap(outcome.head, now_ns)
            case Refused():
                if isinstance(message.event, Snapshot) or outcome != self._refused:
                    self._refuse(outcome)

    def _applied(self, outcome: Applied, message: WatchMessage) -> None:
        self.counters.applied += 1
        self.last_error, self._refused = "", None
        self._swap(changed=True)
        reason = message.event.reason if isinstance(message.event, Snapshot) else SnapshotReason.UNKNOWN
        self._say(applied_lines(outcome.previous, outcome.policy, reason))
        self._effects.append(do.Report())

    def _refuse(self, refused: Refused) -> None:
        self.counters.rejected += 1
        self.last_error = f"policy {refused.ref or 'without reference'} rejected: {refused.problem}"
        if refused != self._refused:
            level = do.CRITICAL if refused.integrity else do.ERROR
            self._log(level, "integrity" if refused.integrity else "rejected", self.last_error)
        self._refused = refused
        self._effects.append(do.Report())

    def _gap(self, head: Ref, now_ns: int) -> None:
        asked = head == self._gap_head and now_ns < self._gap_again_ns
        if asked or (self._refused is not None and head == self._refused.ref):
            return
        # Once, but not once for ever: a second stream that failed would leave a live client to expire.
        self._gap_head, self._gap_again_ns = head, now_ns + ns(self._config.switch_interval_s)
        self.counters.gaps += 1
        self._log(do.INFO, "gap", f"missed a version: head {head}, applied {self.applied or 'none'}; reopening")
        self._open_candidate("gap", now_ns)

    def _watch_replica_age(self, freshness: Freshness, now_ns: int) -> None:
        self._replica_age_s = freshness.replica_age_s
        was_aged, self._aged = self._aged, freshness.replica_age_s > self._config.replica_age_max_s
        if not self._aged:
            return
        if not was_aged:
            text = f"authority cannot confirm head: its replica last could {freshness.replica_age_s:.0f} s ago"
            self._log(do.WARNING, "replica_age", text)
        if self._last_switch_ns is None or now_ns - self._last_switch_ns >= ns(self._config.switch_interval_s):
            self._last_switch_ns = now_ns
            self._open_candidate("replica_age", now_ns, retries=SAME_REPLICA_RETRIES)

    def _goodbye(self, goodbye: Goodbye, now_ns: int) -> None:
        backoff_s = self._backoff_s(now_ns)
        wait_s = self._uniform(0.0, min(goodbye.reconnect_after_s, self._config.goodbye_delay_max_s))
        # A server that says goodbye to every new stream must not be answered in a tight loop.
        wait_s = wait_s + backoff_s if self._attempt else wait_s
        self._log(do.DEBUG, "goodbye", f"authority says goodbye ({goodbye.reason}); back in {wait_s:.2f} s")
        if not self._promote(now_ns):
            self._leave(Cause.GOODBYE, "goodbye", now_ns, wait_s)

    # Effects

    def _swap(self, *, changed: bool) -> None:
        self._effects.append(do.Swap(held=self._holding.held(), changed=changed))

    def _log(self, level: int, event: str, text: str) -> None:
        self._effects.append(Log(level=level, event=event, text=text))

    def _say(self, lines: list[Log]) -> None:
        self._effects.extend(lines)
