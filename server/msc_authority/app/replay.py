"""Replays a journal through the evaluation clock: the same evaluations, without the waiting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from msc_authority.app.evaluate import EvaluationOutcome, Evaluator
from msc_authority.core.facts import Fact, happened_at
from msc_authority.ports.journal import Journal, RefusedFact

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ReplayClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: datetime = _EPOCH) -> None:
        """Starts at `now`, aware UTC."""
        self._now = now

    def now(self) -> datetime:
        """Returns the instant it was moved to."""
        return self._now

    def monotonic(self) -> float:
        """Returns seconds since 1970 at the instant it was moved to."""
        return (self._now - _EPOCH).total_seconds()

    def move_to(self, instant: datetime) -> None:
        """Moves to `instant`.

        Raises:
            ValueError: that would be backwards.
        """
        if instant < self._now:
            raise ValueError(f"a replay does not run backwards: {instant} is before {self._now}")
        self._now = instant


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayStep:
    """One evaluation of a replay. `facts` were recorded since the one before; `refused` of them were refused."""

    number: int
    total: int
    as_of: datetime
    facts: int
    refused: tuple[RefusedFact, ...]
    outcome: EvaluationOutcome


def replay(
    facts: Sequence[Fact],
    *,
    journal: Journal,
    evaluator: Evaluator,
    clock: ReplayClock,
    step: timedelta,
) -> Iterator[ReplayStep]:
    """Yields one step for each multiple of `step` (UTC) from the first fact to just behind the last.

    Each evaluation sees exactly the facts that had happened by then. `evaluator` and `journal` must run on `clock`.

    Raises:
        ValueError: `step` is not positive.
    """
    if step <= timedelta(0):
        raise ValueError(f"step must be positive, not {step}")
    ordered = sorted(facts, key=happened_at)
    if not ordered:
        return
    instants = _instants(happened_at(ordered[0]), happened_at(ordered[-1]), step)
    position = 0
    for number, as_of in enumerate(instants, start=1):
        clock.move_to(as_of)
        begin, position = position, _first_after(ordered, position, as_of)
        batch = ordered[begin:position]
        refused = journal.record(batch).refused if batch else ()
        outcome = evaluator.evaluate(trigger="replay", requested_by="replay")
        yield ReplayStep(
            number=number, total=len(instants), as_of=as_of, facts=len(batch), refused=refused, outcome=outcome
        )


def _instants(first: datetime, last: datetime, step: timedelta) -> list[datetime]:
    start = -(-(first - _EPOCH) // step)
    end = -(-(last - _EPOCH) // step)
    return [_EPOCH + number * step for number in range(start, end + 1)]


def _first_after(ordered: Sequence[Fact], position: int, instant: datetime) -> int:
    while position < len(ordered) and happened_at(ordered[position]) <= instant:
        position += 1
    return position
