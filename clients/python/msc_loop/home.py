"""The folder of a run: one run at a time, each begins anew, and nothing else is ever deleted."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MARK = "msc-loop"
_LOCK = "loop.lock"
_FOLDERS = ("executors", "logs")
LOG_NAME = "quantum_trader.log"
"""What every process of a run logs, in one file."""


class HomeUnusable(Exception):
    """The folder cannot hold a run. The message says why."""


@contextmanager
def fresh_home(home: Path) -> Iterator[Path]:
    """Yields the folder without what an earlier run left in it, and keeps other runs out.

    Raises:
        HomeUnusable: another run has it, or it is not a folder of runs.
        OSError: it cannot be made or written.
    """
    home.mkdir(parents=True, exist_ok=True)
    if not (home / _MARK).exists() and any(home.iterdir()):
        raise HomeUnusable(f"{home} holds something that no run has made; choose another home")
    (home / _MARK).touch()
    with (home / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HomeUnusable(f"another run is under way in {home}; end it, or choose another home") from None
        _clear(home)
        yield home


def _clear(home: Path) -> None:
    for leftover in (*home.glob("msc.db*"), home / LOG_NAME):
        leftover.unlink(missing_ok=True)
    for name in _FOLDERS:
        shutil.rmtree(home / name, ignore_errors=True)
