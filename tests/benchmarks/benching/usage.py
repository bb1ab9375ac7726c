"""What a process uses: memory and processor, as the kernel of Linux counts them."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

SAMPLE_S = 0.25
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_UTIME, _STIME = 11, 12


def memory_kb(pid: int) -> int:
    """Returns the memory that a process has in use now (resident), in KiB."""
    return _status(pid, "VmRSS")


def peak_memory_kb(pid: int) -> int:
    """Returns the most memory that a process ever had in use (resident), in KiB."""
    return _status(pid, "VmHWM")


def processor_s(pid: int) -> float:
    """Returns the seconds of one core that a process has used since its start, all its threads together."""
    # Behind the name, which may itself hold blanks and brackets.
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[_UTIME]) + int(fields[_STIME])) / _TICKS_PER_S


def _status(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0])
    raise LookupError(f"/proc/{pid}/status has no {name}")


class Busiest:
    """Within the block, notes the largest share of one core that a process takes in any quarter of a second."""

    def __init__(self, pid: int) -> None:
        self._pid, self._over = pid, threading.Event()
        self._thread = threading.Thread(target=self._look, name="busiest", daemon=True)
        self.share = 0.0

    def _look(self) -> None:
        at, used = time.monotonic(), processor_s(self._pid)
        while not self._over.wait(SAMPLE_S):
            try:
                now, now_used = time.monotonic(), processor_s(self._pid)
            except FileNotFoundError:
                # It is gone: what it took until then counts.
                return
            self.share = max(self.share, (now_used - used) / (now - at))
            at, used = now, now_used

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
