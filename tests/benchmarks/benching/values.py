"""What a benchmark is, and what came out of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benching.run import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A ratio within one run that is to hold: `what` / `against`, at every size in `at` (empty: wherever both are).

    `against` empty: no ratio but a bound in the unit of `what`. `against_size` is the size at which `against` is taken
    (None: the same as that of `what`), for what is to grow little with the size; then `what` may be `against` too.
    `title` names the row in the report, where the names of the contenders alone would not tell.
    """

    what: str
    against: str = ""
    at_most: float | None = None
    at_least: float | None = None
    at: tuple[int, ...] = ()
    against_size: int | None = None
    title: str = ""

    def __post_init__(self) -> None:
        if (self.at_most is None) == (self.at_least is None):
            raise ValueError(f"{self.what}: say either at_most or at_least")

    def held_by(self, value: float) -> bool:
        """Tells whether so much is within the goal."""
        return value <= self.at_most if self.at_most is not None else value >= (self.at_least or 0.0)

    @property
    def text(self) -> str:
        """The bound as people write it."""
        return f"≤ {self.at_most:,g}" if self.at_most is not None else f"≥ {self.at_least:,g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """One question to measure. `baseline` is the contender that the others are shown as multiples of.

    `size` names what its sizes count ("watchers"); empty for one that has none. `unit` is what `measure` records
    ("ns", "ms", "s", "KB", "rows/s"); `units` are those of contenders that are measured in another one. `plotted` are
    the contenders of the picture, which all are in `unit` (empty: all that are).
    """

    name: str
    question: str
    unit: str
    baseline: str
    goals: tuple[Goal, ...]
    measure: Callable[[Run], None]
    size: str = ""
    units: Mapping[str, str] = field(default_factory=dict)
    plotted: tuple[str, ...] = ()

    def unit_of(self, contender: str) -> str:
        """Returns what a contender is measured in."""
        return self.units.get(contender, self.unit)

    def is_plotted(self, contender: str) -> bool:
        """Tells whether a contender is in the picture."""
        return contender in self.plotted if self.plotted else self.unit_of(contender) == self.unit


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
