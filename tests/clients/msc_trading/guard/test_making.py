"""What is made quickly is what the constructor makes: equal, of the same class, and frozen."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, dataclass, field, replace

import pytest

from msc_trading.guard.making import quickly


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    name: str
    count: int = 3
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Pair:
    left: int
    right: int = 0


@dataclass(frozen=True, slots=True)
class Checked:
    number: int

    def __post_init__(self) -> None:
        if self.number < 0:
            raise ValueError("number: below 0")


@dataclass(frozen=True)
class Open:
    number: int


@dataclass(frozen=True, slots=True)
class Derived:
    number: int
    double: int = field(init=False, default=0)


def test_it_is_the_value_that_the_constructor_makes_with_its_defaults() -> None:
    made = quickly(Sample)(name="a")
    assert type(made) is Sample
    assert made == Sample(name="a")
    assert repr(made) == repr(Sample(name="a"))
    assert made.notes is not quickly(Sample)(name="b").notes
    assert quickly(Sample)(name="a", count=4, notes=["x"]) == Sample(name="a", count=4, notes=["x"])


def test_positions_count_where_they_do_in_the_constructor() -> None:
    assert quickly(Pair)(1) == Pair(1)
    assert hash(quickly(Pair)(1, 2)) == hash(Pair(1, 2))
    with pytest.raises(TypeError):
        quickly(Sample)("a")  # type: ignore[call-arg] # that it is refused is the test


def test_it_is_frozen_and_can_be_replaced_and_kept() -> None:
    made = quickly(Pair)(1, 2)
    with pytest.raises(FrozenInstanceError):
        made.left = 3  # type: ignore[misc] # that it is refused is the test
    assert replace(made, left=3) == Pair(3, 2)
    assert pickle.loads(pickle.dumps(made)) == made  # noqa: S301 -- our own bytes


@pytest.mark.parametrize("kind", [Checked, Derived], ids=lambda kind: kind.__name__)
def test_a_class_that_does_more_than_set_its_fields_is_refused(kind: type[object]) -> None:
    with pytest.raises(TypeError, match=f"{kind.__name__} does more"):
        quickly(kind)


@pytest.mark.parametrize("kind", [Open, int, len], ids=["no slots", "no dataclass", "no class"])
def test_what_is_no_dataclass_with_slots_is_refused(kind: type[object]) -> None:
    with pytest.raises(TypeError, match="is not a dataclass with slots"):
        quickly(kind)
