"""Sends alerts to every notifier from a thread of its own, so that no notifier holds up the authority or another."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from queue import Empty, Full, Queue

from msc_authority.app.alerts.delivery import DeliveryFailed, Notifier, SinkTally
from msc_authority.app.alerts.values import Alert, AlertState, Severity
from msc_authority.app.events import AlertChanged, Event

_log = logging.getLogger(__name__)

CAPACITY = 200
STOP_WITHIN_S = 0.3
"""How long a stop waits for what is still on its way: Ctrl-C has to end the process within 2 s."""
_RANK = {Severity.WARNING: 0, Severity.CRITICAL: 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often an alert is tried, and the waits between: from `first_s`, doubling up to `longest_s`, with jitter."""

    attempts: int = 6
    first_s: float = 1.0
    longest_s: float = 30.0


class Sinks:
    """Takes alerts off the event bus and delivers those that fire or are resolved, each notifier in their order."""

    def __init__(
        self,
        notifiers: Sequence[Notifier],
        *,
        least: Severity = Severity.WARNING,
        retry: Retry | None = None,
        capacity: int = CAPACITY,
    ) -> None:
        """`least` is the lowest severity that is sent; `capacity` is how many alerts wait for each notifier."""
        self._least = least
        self._sinks = tuple(_Sink(notifier, retry or Retry(), capacity) for notifier in notifiers)

    def start(self) -> None:
        """Begins to deliver, what was heard before included."""
        for sink in self._sinks:
            sink.start()

    def stop(self, within_s: float = STOP_WITHIN_S) -> None:
        """Tries what is still waiting once more, and returns after at most about `within_s` seconds. Blocking."""
        for sink in self._sinks:
            sink.hurry()
        for sink in self._sinks:
            sink.end(within_s / len(self._sinks))

    def listener(self, event: Event) -> None:
        """Hears an event. Never blocks; a full queue drops the alert, says so once, and counts it."""
        if not isinstance(event, AlertChanged) or event.alert.state is AlertState.PENDING:
            return
        if _RANK[event.alert.severity] >= _RANK[self._least]:
            for sink in self._sinks:
                sink.offer(event.alert)

    def tallies(self) -> tuple[SinkTally, ...]:
        """Returns what became of the alerts so far, notifier by notifier. Safe from any thread."""
        return tuple(sink.tally() for sink in self._sinks)


class _Sink:
    """One notifier, its queue and its thread."""

    def __init__(self, notifier: Notifier, retry: Retry, capacity: int) -> None:
        self._notifier = notifier
        self._queue: Queue[Alert | None] = Queue(maxsize=capacity)
        self._hurried, self._abandoned = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"alerts-{notifier.name}", daemon=True)
        # Loaded with the first notifier: most authorities have none.
        import tenacity

        self._attempts = tenacity.Retrying(
            stop=tenacity.stop_any(
                tenacity.stop_after_attempt(retry.attempts), tenacity.stop_when_event_set(self._hurried)
            ),
            wait=tenacity.wait_exponential(multiplier=retry.first_s, max=retry.longest_s)
            + tenacity.wait_random(0, retry.first_s),
            sleep=tenacity.sleep_using_event(self._hurried),
            retry=tenacity.retry_if_exception(_worth_another),
            reraise=True,
        )
        self._delivered = self._failed = self._dropped = 0
        self._full = self._failing = False

    def start(self) -> None:
        self._thread.start()

    def offer(self, alert: Alert) -> None:
        try:
            self._queue.put_nowait(alert)
            self._full = False
        except Full:
            self._dropped += 1
            if not self._full:
                _log.error("Alerts for %s are dropped: its queue is full, it does not keep up", self._notifier.name)
            self._full = True

    def hurry(self) -> None:
        self._hurried.set()
        try:
            self._queue.put_nowait(None)
        except Full:
            # Whoever works off a full queue does not wait at its end, and so needs no wake-up.
            _log.debug("The queue of %s is full at the stop", self._notifier.name)

    def end(self, within_s: float) -> None:
        if not self._thread.ident:
            return
        self._thread.join(within_s)
        self._abandoned.set()
        if self._thread.is_alive():
            _log.warning("Stopped while alerts for %s were still on their way", self._notifier.name)

    def tally(self) -> SinkTally:
        return SinkTally(
            name=self._notifier.name,
            delivered=self._delivered,
            failed=self._failed,
            dropped=self._dropped,
            waiting=self._queue.qsize(),
        )

    def _run(self) -> None:
        while not self._abandoned.is_set() and (alert := self._next()) is not None:
            self._deliver(alert)

    def _next(self) -> Alert | None:
        if not self._hurried.is_set():
            return self._queue.get()
        try:
            return self._queue.get_nowait()
        except Empty:
            return None

    def _deliver(self, alert: Alert) -> None:
        try:
            self._attempts(self._notifier.send, alert)
        except DeliveryFailed as error:
            self._give_up(alert, str(error))
        except Exception as error:
            # Its text could name the address, and the address is a secret.
            self._give_up(alert, f"unexpected {type(error).__name__}")
        else:
            self._took()

    def _took(self) -> None:
        self._delivered += 1
        if self._failing:
            _log.info("%s takes alerts again", self._notifier.name)
        self._failing = False

    def _give_up(self, alert: Alert, why: str) -> None:
        self._failed += 1
        self._failing = True
        subject = f" {alert.subject}" if alert.subject else ""
        _log.error("[%s]%s %s not delivered to %s: %s", alert.code, subject, alert.state, self._notifier.name, why)


def _worth_another(error: BaseException) -> bool:
    return isinstance(error, DeliveryFailed) and not error.permanent
