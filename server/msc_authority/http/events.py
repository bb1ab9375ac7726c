"""Listens to the authority on its thread, and tells the feed on that of HTTP."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from msc_authority.app.events import (
    AlertChanged,
    ClientChanged,
    EvaluationBroken,
    EvaluationDone,
    Event,
    OperatorActed,
    PolicyPublished,
    SignalBlocked,
)
from msc_authority.app.insight import Insight
from msc_authority.core.policy import changes_between
from msc_authority.http.feed import Feed
from msc_authority.http.models.alerts import AlertAnswer
from msc_authority.http.models.basics import Answer, ChangeAnswer
from msc_authority.http.models.evaluations import EvaluationAnswer, HealthReport
from msc_authority.http.models.events import ActEvent, BlockEvent, BrokenEvaluation, EvaluationEvent, PolicyEvent
from msc_authority.http.models.fleet import ClientEvent
from msc_authority.http.models.policies import PolicyAnswer

_log = logging.getLogger(__name__)

KINDS = ("policy", "evaluation", "alert", "client", "block", "act")
TOLD = (PolicyPublished, EvaluationDone, EvaluationBroken, AlertChanged, ClientChanged, SignalBlocked, OperatorActed)
INBOX = 4096
"""Events that may wait for the HTTP thread. It is told that some are missing where more came."""
GATHER_S = 0.02
"""What is told here waits so long for what belongs to it, while the watchers of a policy are served: both threads share
an interpreter, and theirs comes first.
"""


class Listening:
    """Takes events from the authority's thread without holding it up."""

    def __init__(self, insight: Insight, feed: Feed, *, inbox: int = INBOX) -> None:
        self._insight, self._feed = insight, feed
        self._inbox: deque[Event] = deque()
        self._limit, self._overflown, self._woken = inbox, False, False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._leave: Callable[[], None] | None = None

    def begin(self) -> None:
        """Listens from now on, for the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._leave = self._insight.subscribe(self._hear)

    def end(self) -> None:
        """Listens no more. Twice is fine."""
        leave, self._leave, self._loop = self._leave, None, None
        if leave is not None:
            leave()

    def _hear(self, event: Event) -> None:
        loop = self._loop
        if loop is None or not isinstance(event, TOLD):
            return
        if len(self._inbox) >= self._limit:
            self._overflown = True
        else:
            self._inbox.append(event)
        if not self._woken:
            self._woken = True
            loop.call_soon_threadsafe(loop.call_later, GATHER_S, self._tell)

    def _tell(self) -> None:
        # In this order: what comes from here on wakes this again.
        self._woken = False
        while self._inbox:
            self._tell_one(self._inbox.popleft())
        if self._overflown:
            self._overflown = False
            self._feed.tell_gap()

    def _tell_one(self, event: Event) -> None:
        try:
            told = told_of(event, self._insight)
            if told is not None:
                kind, data = told
                self._feed.tell(kind, data.model_dump_json())
        except Exception:
            # Whoever follows must not take the rest for all there was.
            _log.exception("A %s could not be told over HTTP", type(event).__name__)
            self._overflown = True


def told_of(event: Event, insight: Insight) -> tuple[str, Answer] | None:
    """Returns the kind and the content under which the stream tells an event, None for one that it does not."""
    told: tuple[str, Answer] | None = None
    match event:
        case PolicyPublished():
            told = "policy", _policy(event)
        case EvaluationDone() | EvaluationBroken():
            told = "evaluation", _evaluation(event)
        case AlertChanged():
            told = "alert", AlertAnswer.of(event.alert, insight.links)
        case ClientChanged():
            told = "client", ClientEvent.of_event(event, insight.current.head)
        case SignalBlocked():
            told = "block", BlockEvent.of(event.signal)
        case OperatorActed():
            told = "act", ActEvent.of(event.entry)
        case _:
            pass
    return told


def _policy(event: PolicyPublished) -> PolicyEvent:
    before = event.before.content if event.before else None
    changes = changes_between(before, event.after.content)
    return PolicyEvent(policy=PolicyAnswer.of(event.after), changes=[ChangeAnswer.of(change) for change in changes])


def _evaluation(event: EvaluationDone | EvaluationBroken) -> EvaluationEvent:
    if isinstance(event, EvaluationBroken):
        broken = BrokenEvaluation(trigger=event.trigger, failure=event.text)
        return EvaluationEvent(evaluation=None, health=None, failure=broken)
    verdict = event.entry.verdict
    health = HealthReport.of(verdict) if verdict else None
    return EvaluationEvent(evaluation=EvaluationAnswer.of(event.entry), health=health, failure=None)
