"""What the tests of the embedded client share."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

Until = Callable[[Callable[[], object]], None]


@pytest.fixture
def until() -> Until:
    """Waits for a condition that another thread brings about, and fails after some seconds."""

    def wait(condition: Callable[[], object]) -> None:
        never = threading.Event()
        for _ in range(2_000):
            if condition():
                return
            never.wait(0.005)
        pytest.fail("it did not happen within 10 s")

    return wait
