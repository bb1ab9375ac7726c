"""What the stream tells of each event of the authority."""

from __future__ import annotations

import asyncio
import logging

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
from msc_authority.http.inbox import Inbox
from msc_authority.http.models.alerts import AlertAnswer
from msc_authority.http.models.basics import Answer, ChangeAnswer
from msc_authority.http.models.evaluations import EvaluationAnswer, HealthReport
from msc_authority.http.models.events import ActEvent, BlockEvent, BrokenEvaluation, EvaluationEvent, PolicyEvent
from msc_authority.http.models.fleet import ClientEvent
from msc_authority.http.models.policies import PolicyAnswer

_log = logging.getLogger(__name__)

KINDS = ("policy", "evaluation", "alert", "client", "block", "act")
GATHER_S = 0.02
"""What is told here waits so long for what belongs to it, while the watchers of a policy are served: both threads share
an interpreter, and theirs comes first.
"""


class Listening:
    """Takes events out of an inbox, and tells the feed, on the HTTP thread."""

    def __init__(self, insight: Insight, feed: Feed, inbox: Inbox) -> None:
        self._insight, self._feed, self._inbox = insight, feed, inbox
        self._woken = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def begin(self) -> None:
        """Tells what has come so far, and from now on what comes, on the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._inbox.read_by(self._wake)

    def end(self) -> None:
        """Listens no more. Twice is fine."""
        self._inbox.close()
        self._loop = None

    def _wake(self) -> None:
        loop = self._loop
        if loop is not None and not self._woken:
            self._woken = True
            loop.call_soon_threadsafe(loop.call_later, GATHER_S, self._tell)

    def _tell(self) -> None:
        # In this order: what comes from here on wakes this again.
        self._woken = False
        broken = False
        for event in self._inbox.taken():
            broken = not self._tell_one(event) or broken
        if self._inbox.overflown() or broken:
            self._feed.tell_gap()

    def _tell_one(self, event: Event) -> bool:
        try:
            told = told_of(event, self._insight)
            if told is not None:
                kind, data = told
                self._feed.tell(kind, data.model_dump_json())
        except Exception:
            # Whoever follows must not take the rest for all there was.
            _log.exception("A %s could not be told over HTTP", type(event).__name__)
            return False
        return True


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
