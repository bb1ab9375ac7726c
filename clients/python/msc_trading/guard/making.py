"""Frozen values made as fast as others.

The constructor of a frozen dataclass sets each field by a call, and takes three times as long as one that just sets
them: of a decision, that was a third. Here the value is, while it is made, of a twin class that is not frozen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field, fields, is_dataclass, make_dataclass
from typing import ParamSpec, TypeVar, cast

_P = ParamSpec("_P")
_T = TypeVar("_T")


def quickly(kind: Callable[_P, _T]) -> Callable[_P, _T]:
    """Returns what makes the same values as the constructor of `kind`, a frozen dataclass with slots.

    Raises:
        TypeError: `kind` is none, or does more than set fields.
    """
    if not isinstance(kind, type) or not is_dataclass(kind) or not hasattr(kind, "__slots__"):
        raise TypeError(f"{kind!r} is not a dataclass with slots")
    if hasattr(kind, "__post_init__") or not all(item.init for item in fields(kind)):
        raise TypeError(f"{kind.__name__} does more than set its fields")

    def finish(value: object) -> None:
        value.__class__ = kind

    members = [
        (item.name, item.type, field(default=item.default, default_factory=item.default_factory, kw_only=item.kw_only))
        for item in fields(kind)
    ]
    twin = make_dataclass(f"{kind.__name__}InTheMaking", members, slots=True, namespace={"__post_init__": finish})
    try:
        finish(object.__new__(twin))
    except TypeError:
        # An interpreter that lays the two out differently.
        return cast("Callable[_P, _T]", kind)
    return cast("Callable[_P, _T]", twin)
