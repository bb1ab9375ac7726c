"""What a process uses, read from the kernel: shown on this one."""

from __future__ import annotations

import os

import pytest
from benching.usage import Busiest, memory_kb, peak_memory_kb, processor_s

MIB = 1024
ME = os.getpid()


def test_memory_that_is_taken_shows_and_stays_in_the_peak() -> None:
    before = memory_kb(ME)
    taken = bytearray(os.urandom(64 * MIB * 1024))

    assert memory_kb(ME) >= before + 32 * MIB
    del taken
    assert peak_memory_kb(ME) >= before + 32 * MIB


def test_work_shows_in_the_processor_time() -> None:
    before = processor_s(ME)

    # Ends as soon as it shows, and would run into the limit of the test run if it never did.
    while processor_s(ME) <= before:
        sum(range(10_000))

    assert processor_s(ME) > before


def test_the_busiest_moment_of_a_process_that_works_is_above_nothing() -> None:
    with Busiest(ME) as busiest:
        while not busiest.share:
            sum(range(10_000))

    assert busiest.share > 0.0


def test_a_process_that_is_gone_uses_nothing_that_could_be_read() -> None:
    # Above the most that the kernel gives out.
    with pytest.raises(FileNotFoundError):
        memory_kb(2**22 + 1)
