"""Follows the events of an authority across its restarts: one stream after another, each end noticed, none repeated."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from msc_authority.cli.server_events import BrokenStream, Frame, ServerEvent
from msc_authority.cli.web import WebError

Told = dict[str, object]


class Opens(Protocol):
    """Opens streams."""

    def __call__(self, last_id: str) -> Iterable[Frame]:
        """Opens a stream of what came after `last_id`. Raises WebError, then and while it is read."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TailPace:
    """How long the wait between two streams is: drawn between the shortest and one that doubles up to the longest."""

    shortest_pause_s: float = 0.2
    first_pause_s: float = 1.0
    longest_pause_s: float = 10.0

    def bounds(self, failures: int) -> tuple[float, float]:
        """Returns between what the wait is drawn after so many streams in a row that told nothing."""
        return self.shortest_pause_s, min(self.longest_pause_s, self.first_pause_s * 2.0 ** min(failures, 10))


def tail(
    open_stream: Opens,
    pace: TailPace,
    *,
    uniform: Callable[[float, float], float],
    wait: Callable[[float], object],
    last_id: str = "",
) -> Iterator[Told]:
    """Yields every event as `told_of` has it, and one "disconnected" for each end of a stream.

    `uniform(low, high)` is chance: many followers do not come back in the same instant. `wait` waits so many seconds.

    Raises:
        WebError: the authority refuses, and would refuse again.
    """
    failures = 0
    while True:
        why = {"reason": "ENDED", "message": "the authority ended the stream"}
        try:
            for frame in open_stream(last_id):
                failures = 0
                if isinstance(frame, ServerEvent):
                    last_id = frame.id or last_id
                    yield told_of(frame)
        except WebError as error:
            if not error.may_pass:
                raise
            why = {"reason": error.reason, "message": error.message}
        except BrokenStream as error:
            why = {"reason": "BROKEN", "message": str(error)}
        pause_s = uniform(*pace.bounds(failures))
        failures += 1
        yield {"event": "disconnected", **why, "retry_in_s": pause_s}
        wait(pause_s)


def told_of(event: ServerEvent) -> Told:
    """The event with its data parsed; data that is no JSON stays text."""
    try:
        data: object = json.loads(event.data)
    except ValueError:
        data = event.data
    return {"id": event.id, "event": event.kind, "data": data}
