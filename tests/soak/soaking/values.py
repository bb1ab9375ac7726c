"""What is looked at in a soak, and what was seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """Something that must not grow.

    `per_hour` is the growth under load that is let pass, in the unit an hour; `over_rest` how much more there may be
    when everybody has gone than before they came, None: it is not judged then.
    """

    name: str
    unit: str = ""
    per_hour: float
    over_rest: float | None


QUANTITIES = (
    # Memory is given back to the system in pieces, if at all: its rest says little, its slope everything.
    Quantity(name="authority: memory", unit="MiB", per_hour=24.0, over_rest=None),
    Quantity(name="authority: threads", per_hour=12.0, over_rest=3),
    Quantity(name="authority: open files", per_hour=120.0, over_rest=6),
    Quantity(name="authority: tasks of gRPC", per_hour=240.0, over_rest=4),
    Quantity(name="authority: tasks of HTTP", per_hour=240.0, over_rest=4),
    Quantity(name="authority: watches", per_hour=120.0, over_rest=0),
    Quantity(name="authority: event streams", per_hour=60.0, over_rest=0),
    Quantity(name="authority: dashboards", per_hour=60.0, over_rest=0),
    Quantity(name="client: memory", unit="MiB", per_hour=12.0, over_rest=None),
    Quantity(name="client: threads", per_hour=12.0, over_rest=3),
    Quantity(name="client: open files", per_hour=120.0, over_rest=6),
)


@dataclass(frozen=True, slots=True)
class Sample:
    """Values by the names of quantities, at a time in seconds since the load began."""

    at_s: float
    values: Mapping[str, float]


@dataclass(slots=True)
class Record:
    """What was seen: at rest before the load, under it, and at rest behind it, each oldest first.

    `trouble` is what went wrong by the words of those who took part.
    """

    before: list[Sample] = field(default_factory=list)
    under_load: list[Sample] = field(default_factory=list)
    after: list[Sample] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)
