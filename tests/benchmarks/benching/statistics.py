"""Medians with their spread, and ratios of what was measured in the same rounds."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benching.values import Goal, Outcome, Series


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The middle of some values and the quartiles around it."""

    median: float
    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A goal at one size. `ratio` None: it could not be measured, and `why` says so."""

    goal: Goal
    size: int
    ratio: Summary | None
    why: str = ""

    @property
    def held(self) -> bool | None:
        """Whether the goal was reached by the median; None where nothing was measured."""
        return None if self.ratio is None else self.goal.held_by(self.ratio.median)


def summary(values: Sequence[float]) -> Summary:
    """Returns the median and the quartiles.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("nothing was measured")
    if len(values) == 1:
        return Summary(median=values[0], low=values[0], high=values[0], count=1)
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Summary(median=median, low=low, high=high, count=len(values))


def ratio(what: Series, against: Series) -> Summary:
    """Returns the ratios round by round, so that whatever slows the whole machine for a while cancels out.

    Raises:
        ValueError: no round measured both.
    """
    return summary([one / other for one, other in zip(what.values, against.values, strict=False)])


def judged(outcome: Outcome) -> Iterator[Judged]:
    """Yields each goal at each of its sizes."""
    for goal in outcome.benchmark.goals:
        for size in goal.at or outcome.sizes or (0,):
            verdict = _judged(goal, size, outcome)
            if verdict.ratio is not None or goal.at or not outcome.series:
                yield verdict


def _judged(goal: Goal, size: int, outcome: Outcome) -> Judged:
    against_size = size if goal.against_size is None else goal.against_size
    what, against = outcome.find(goal.what, size), outcome.find(goal.against, against_size)
    if what is None or (goal.against and against is None):
        return Judged(goal=goal, size=size, ratio=None, why=_why_not(goal, outcome))
    return Judged(goal=goal, size=size, ratio=summary(what.values) if against is None else ratio(what, against))


def _why_not(goal: Goal, outcome: Outcome) -> str:
    skipped = dict(outcome.skipped)
    return next(
        (f"{name}: {skipped[name]}" for name in (goal.what, goal.against) if name in skipped),
        "ended early" if outcome.broken else "not in this run",
    )
