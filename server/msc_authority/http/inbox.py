"""Events on their way from the authority's thread to that of HTTP. Loads nothing: it is there from the start."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from msc_authority.app.insight import Insight

TOLD = (PolicyPublished, EvaluationDone, EvaluationBroken, AlertChanged, ClientChanged, SignalBlocked, OperatorActed)
LIMIT = 4096
"""Events that may wait for the HTTP thread. It is told that some are missing where more came."""


class Inbox:
    """Takes what is told without holding up who tells it, and keeps it until somebody reads."""

    def __init__(self, insight: Insight, *, limit: int = LIMIT) -> None:
        """Hears from now on."""
        self._events: deque[Event] = deque()
        self._limit, self._overflown = limit, False
        self._wake: Callable[[], None] | None = None
        self._leave: Callable[[], None] | None = insight.subscribe(self._hear)

    def read_by(self, wake: Callable[[], None]) -> None:
        """Calls `wake`, which must be quick and may be called from any thread, for what is there and what comes."""
        self._wake = wake
        wake()

    def taken(self) -> Iterator[Event]:
        """Yields what is there, the oldest first, and takes it out."""
        while self._events:
            yield self._events.popleft()

    def overflown(self) -> bool:
        """Whether events were missed since this was asked last."""
        missed, self._overflown = self._overflown, False
        return missed

    def close(self) -> None:
        """Hears no more. Twice is fine."""
        leave, self._leave, self._wake = self._leave, None, None
        if leave is not None:
            leave()

    def _hear(self, event: Event) -> None:
        if not isinstance(event, TOLD):
            return
        if len(self._events) >= self._limit:
            self._overflown = True
        else:
            self._events.append(event)
        if (wake := self._wake) is not None:
            wake()
