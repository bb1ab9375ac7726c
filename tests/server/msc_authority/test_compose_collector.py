"""How much the collector looks at while the authority serves."""

from __future__ import annotations

import gc

import pytest

from msc_authority.compose_parts import COLLECT_AFTER, spared_collector


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
