"""What a benchmark is, and what came out of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from benching.run import Run

Unit = Literal["ns", "ms", "calls/s"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A ratio within one run that is to hold: `what` / `against`, at every size in `at` (empty: wherever both are).

    `against` empty: no ratio but a bound in the benchmark's unit.
    """

    what: str
    against: str = ""
    at_most: float | None = None
    at_least: float | None = None
    at: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if (self.at_most is None) == (self.at_least is None):
            raise ValueError(f"{self.what}: say either at_most or at_least")

    def held_by(self, value: float) -> bool:
        """Tells whether so much is within the goal."""
        return value <= self.at_most if self.at_most is not None else value >= (self.at_least or 0.0)

    @property
    def text(self) -> str:
        """The bound as people write it."""
        return f"≤ {self.at_most:g}" if self.at_most is not None else f"≥ {self.at_least:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """One question to measure. `baseline` is the contender that the others are shown as multiples of.

    `size` names what its sizes count ("watchers"); empty for one that has none.
    """

    name: str
    question: str
    unit: Unit
    baseline: str
    goals: tuple[Goal, ...]
    measure: Callable[[Run], None]
    size: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What one contender took at one size, round by round. Size 0: the benchmark has none."""

    contender: str
    size: int
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came out of a benchmark. `skipped` are contenders that could not take part, and why.

    `broken` says why it ended before its end; what was measured until then counts.
    """

    benchmark: Benchmark
    series: tuple[Series, ...]
    skipped: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    broken: str = ""

    def find(self, contender: str, size: int) -> Series | None:
        """Returns what a contender took at a size, None where that was not measured."""
        return next((one for one in self.series if (one.contender, one.size) == (contender, size)), None)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Every size at which something was measured, ascending."""
        return tuple(sorted({one.size for one in self.series}))
