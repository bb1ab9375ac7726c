"""Configuration numbers that carry their own bounds, so that a wrong one is refused by name."""

from __future__ import annotations

import math
from dataclasses import Field, field, fields
from itertools import pairwise
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def number(default: float, *, low: float = -math.inf, high: float = math.inf) -> float:
    """Declares a finite number within [low, high]."""
    return field(default=default, metadata={"low": low, "high": high})


def positive(default: float, *, high: float = math.inf) -> float:
    """Declares a finite number within (0, high]."""
    return number(default, low=math.ulp(0.0), high=high)


def percent(default: float) -> float:
    """Declares a percentage within [0, 100]."""
    return number(default, low=0.0, high=100.0)


def fraction(default: float) -> float:
    """Declares a fraction within [0, 1]."""
    return number(default, low=0.0, high=1.0)


def count(default: int, *, low: int = 0, high: int = 1_000_000) -> int:
    """Declares a whole number within [low, high]."""
    return field(default=default, metadata={"low": low, "high": high})


def check_numbers(group: DataclassInstance, name: str) -> None:
    """Refuses a group whose numbers are not what they were declared to be; makes whole floats out of integers.

    Raises:
        ValueError: names the field, its value and its bounds.
    """
    for declared in fields(group):
        if "low" in declared.metadata:
            _check_number(group, name, declared)


def _check_number(group: DataclassInstance, name: str, declared: Field[object]) -> None:
    whole = isinstance(declared.default, int)
    value = getattr(group, declared.name)
    wanted = "a whole number" if whole else "a finite number"
    low, high = cast("float", declared.metadata["low"]), cast("float", declared.metadata["high"])
    kind_ok = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    if not kind_ok or not math.isfinite(value) or not low <= value <= high:
        raise ValueError(f"{name}.{declared.name} must be {wanted} {_range(low, high)}, not {value!r}")
    if not whole:
        object.__setattr__(group, declared.name, float(value))


def _range(low: float, high: float) -> str:
    if low == math.ulp(0.0):
        return "above 0" if math.isinf(high) else f"above 0 and at most {high:g}"
    return f"from {low:g} to {high:g}"


def check_rising(name: str, **values: float) -> None:
    """Refuses values that do not rise (or stay) in the order given.

    Raises:
        ValueError: names the first pair out of order.
    """
    for (left, low), (right, high) in pairwise(values.items()):
        if low > high:
            raise ValueError(f"{name}.{left} ({low:g}) must not be greater than {name}.{right} ({high:g})")
