"""One run of one benchmark: what it may use, and where it puts what it measured."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from benching.values import Series

T = TypeVar("T")


class Unavailable(Exception):
    """A contender cannot take part on this machine. The message says why."""


class Failed(Exception):
    """Something to be measured did not do what it should. The message says what."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something to measure. `take` does it once and returns what it took; `prepare` is not measured."""

    name: str
    take: Callable[[], float]
    prepare: Callable[[], None] | None = None


class Run:
    """What a benchmark is handed. `quick` asks for few and small rounds, `peers` for contenders made by others."""

    def __init__(
        self,
        *,
        home: Path,
        stack: ExitStack,
        quick: bool = False,
        peers: bool = False,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`home` is an empty folder; what `stack` holds is closed when the run is over, however it ends."""
        self.home, self.stack, self.quick, self.peers, self.say = home, stack, quick, peers, say
        self.notes: list[str] = []
        self._taken: dict[tuple[str, int], list[float]] = {}
        self._skipped: dict[str, str] = {}

    @property
    def series(self) -> tuple[Series, ...]:
        """What has been measured so far."""
        return tuple(
            Series(contender=contender, size=size, values=tuple(values))
            for (contender, size), values in self._taken.items()
        )

    @property
    def skipped(self) -> tuple[tuple[str, str], ...]:
        """Contenders that could not take part, and why."""
        return tuple(self._skipped.items())

    def note(self, text: str) -> None:
        """Adds a sentence to the report. Said twice it stands there once."""
        if text not in self.notes:
            self.notes.append(text)

    def skip(self, contender: str, why: str) -> None:
        """Notes that a contender does not take part."""
        self._skipped.setdefault(contender, why)
        self.say(f"without {contender}: {why}")

    @contextmanager
    def optional(self, *contenders: str) -> Iterator[None]:
        """Does the block, and leaves the contenders out where it says that they are unavailable."""
        try:
            yield
        except Unavailable as missing:
            for contender in contenders:
                self.skip(contender, str(missing))

    def record(self, contender: str, value: float, size: int = 0) -> None:
        """Takes in what a contender took in one round."""
        self._taken.setdefault((contender, size), []).append(value)

    def rounds(self, candidates: Sequence[Candidate], count: int, *, size: int = 0) -> None:
        """Measures every candidate in every round, and lets another one begin each time."""
        for number in range(count):
            taken: dict[str, float] = {}
            for candidate in in_turn(candidates, number):
                if candidate.prepare is not None:
                    candidate.prepare()
                taken[candidate.name] = candidate.take()
            # A round counts when it is whole, and contenders are named in the order in which they were given.
            for candidate in candidates:
                self.record(candidate.name, taken[candidate.name], size)


def in_turn(candidates: Sequence[T], number: int) -> Sequence[T]:
    """Returns the candidates in the order of a round: whoever comes after a costly one is not always the same."""
    first = number % len(candidates)
    return (*candidates[first:], *candidates[:first])


@contextmanager
def undisturbed() -> Iterator[None]:
    """Keeps the collector of this process still."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
