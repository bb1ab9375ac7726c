"""Says of what was seen whether it stayed flat. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

from soaking.values import QUANTITIES, Quantity, Record, Sample

WARM_UP = 0.5
"""Share of the load in which pools, rings and caches may still fill up: at the usual load they need 10 minutes."""
SHORTEST_TREND_S = 180.0
"""Of a shorter time nobody can say what an hour would bring."""
HOUR_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One quantity. None: nothing is known of it.

    `first` and `last` are medians of the first and the last tenth behind the warm-up.
    """

    quantity: Quantity
    rest_before: float | None
    first: float | None
    last: float | None
    highest: float | None
    per_hour: float | None
    rest_after: float | None
    complaint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """All of them, and what else went wrong."""

    findings: tuple[Finding, ...]
    trouble: tuple[str, ...]

    @property
    def complaints(self) -> list[str]:
        """Everything that is not as it should be, in words."""
        return [*(finding.complaint for finding in self.findings if finding.complaint), *self.trouble]


def judge(record: Record, quantities: Sequence[Quantity] = QUANTITIES) -> Verdict:
    """Returns what is to be said of a record."""
    return Verdict(findings=tuple(_find(quantity, record) for quantity in quantities), trouble=tuple(record.trouble))


def is_back(before: Sequence[Sample], now: Sample, quantities: Sequence[Quantity] = QUANTITIES) -> bool:
    """Whether everything that has to be back at rest is."""
    return all(
        _surplus(quantity, _median(before, quantity.name), now.values.get(quantity.name)) <= 0
        for quantity in quantities
    )


def theil_sen(points: Sequence[tuple[float, float]]) -> float | None:
    """Returns the median slope between all pairs of points; None with fewer than two instants.

    A third of the points may lie anywhere without moving it much.
    """
    slopes = [(y1 - y0) / (x1 - x0) for (x0, y0), (x1, y1) in combinations(points, 2) if x1 != x0]
    return median(slopes) if slopes else None


def settled(samples: Sequence[Sample]) -> Sequence[Sample]:
    """Returns those behind the warm-up."""
    if not samples:
        return ()
    begins_s = samples[0].at_s + WARM_UP * (samples[-1].at_s - samples[0].at_s)
    return [sample for sample in samples if sample.at_s >= begins_s]


def _find(quantity: Quantity, record: Record) -> Finding:
    name, late = quantity.name, settled(record.under_load)
    points = [(sample.at_s, sample.values[name]) for sample in late if name in sample.values]
    slope = theil_sen(points) if points and points[-1][0] - points[0][0] >= SHORTEST_TREND_S else None
    per_hour = None if slope is None else slope * HOUR_S
    tenth = max(1, len(late) // 10)
    before, after = _median(record.before, name), _last(record.after, name)
    return Finding(
        quantity=quantity,
        rest_before=before,
        first=_median(late[:tenth], name),
        last=_median(late[-tenth:], name),
        highest=max(_values(record.under_load, name), default=None),
        per_hour=per_hour,
        rest_after=after,
        complaint="; ".join(_complaints(quantity, per_hour, before, after, record)),
    )


def _complaints(
    quantity: Quantity, per_hour: float | None, before: float | None, after: float | None, record: Record
) -> Iterable[str]:
    unit = f" {quantity.unit}" if quantity.unit else ""
    if record.under_load and not _values(record.under_load, quantity.name):
        yield f"{quantity.name}: never seen"
    if per_hour is not None and per_hour > quantity.per_hour:
        yield f"{quantity.name}: grew by {per_hour:,.1f}{unit} an hour; {quantity.per_hour:g} are let pass"
    if _surplus(quantity, before, after) > 0:
        yield f"{quantity.name}: {after:g}{unit} stayed when everybody had gone; there were {before:g} before"


def _surplus(quantity: Quantity, before: float | None, after: float | None) -> float:
    if quantity.over_rest is None or before is None or after is None:
        return 0.0
    return after - before - quantity.over_rest


def _values(samples: Iterable[Sample], name: str) -> list[float]:
    return [sample.values[name] for sample in samples if name in sample.values]


def _median(samples: Iterable[Sample], name: str) -> float | None:
    values = _values(samples, name)
    return median(values) if values else None


def _last(samples: Sequence[Sample], name: str) -> float | None:
    values = _values(samples, name)
    return values[-1] if values else None
