"""Which of the machine's clocks ages are measured with."""

from __future__ import annotations

import sys
import time

import pytest

from msc_client._clock import SystemClock


@pytest.mark.parametrize(("platform", "expected"), [("linux", 7), ("darwin", 1)])
def test_ages_grow_while_the_machine_sleeps(monkeypatch: pytest.MonkeyPatch, platform: str, expected: int) -> None:
    asked: list[int] = []
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(time, "CLOCK_BOOTTIME", 7, raising=False)
    monkeypatch.setattr(time, "CLOCK_MONOTONIC", 1, raising=False)

    def read(clock: int) -> int:
        asked.append(clock)
        return 0

    monkeypatch.setattr(time, "clock_gettime_ns", read)
    SystemClock().monotonic_ns()
    assert asked == [expected]
