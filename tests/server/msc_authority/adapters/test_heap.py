"""Freed memory goes back to the system, where the C library can be told to give it."""

from __future__ import annotations

import ctypes
import resource
import sys
from pathlib import Path

import pytest

from msc_authority.adapters import heap

BLOCK_BYTES = 32 * 1024
BLOCKS = 1024


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts pages in /proc")
def test_what_was_freed_between_pieces_in_use_goes_back_to_the_system() -> None:
    give = heap.giver()
    if give is None:
        pytest.skip("the C library has no malloc_trim")
    blocks = [bytes([number % 251 + 1]) * BLOCK_BYTES for number in range(BLOCKS)]
    in_use = blocks[::8]
    del blocks
    kept = resident_bytes()

    assert give()

    assert resident_bytes() < kept - BLOCKS * BLOCK_BYTES // 2
    assert len(in_use) == BLOCKS // 8


def test_where_the_library_cannot_be_told_there_is_nothing_to_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())

    assert heap.giver() is None


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
