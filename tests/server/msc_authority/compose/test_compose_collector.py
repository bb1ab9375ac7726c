"""How much the collector looks at while the authority serves."""

from __future__ import annotations

import gc
import weakref

import pytest

from msc_authority.compose.parts import COLLECT_AFTER, spared_collector

NEW_OBJECTS = 1_000_000
"""Far more than a few minutes of load make."""


class _Circle:
    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _thaw() -> object:
    yield
    gc.unfreeze()


def test_while_serving_the_collector_leaves_alone_what_was_there_before() -> None:
    before = gc.get_freeze_count()

    with spared_collector():
        assert gc.get_freeze_count() > before
        assert gc.get_threshold() == COLLECT_AFTER


def test_the_collector_is_as_before_however_serving_ends() -> None:
    usual = gc.get_threshold()

    with pytest.raises(RuntimeError), spared_collector():
        raise RuntimeError("the port is gone")

    assert gc.get_threshold() == usual


def test_rubbish_made_while_serving_is_still_collected() -> None:
    with spared_collector():
        circle: list[object] = []
        circle.append(circle)
        del circle

        assert gc.collect() >= 1


def test_rubbish_that_outlived_some_looks_is_collected_soon_enough() -> None:
    with spared_collector():
        circle: _Circle | None = _Circle()
        gone = weakref.ref(circle)
        for generation in (0, 1):
            gc.collect(generation)
        circle = None

        new = [[number] for number in range(NEW_OBJECTS)]

        assert len(new) == NEW_OBJECTS
        assert gone() is None
