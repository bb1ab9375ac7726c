"""What every process of the loop does alike: told by lines on standard input, telling by lines on standard output."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from time import gmtime, struct_time

_OUT = threading.Lock()
_LINE = "%(asctime)s.%(msecs)03dZ %(levelname)-8s %(name)s: %(message)s"


def tell(event: str, **fields: object) -> None:
    """Tells the parent, in one line of JSON. A parent that is gone hears nothing."""
    line = json.dumps({"event": event, **fields}, default=str)
    with _OUT:
        try:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            end_now()


def hear() -> str:
    """Returns the parent's next line.

    Raises:
        SystemExit: the parent is gone.
    """
    line = sys.stdin.readline()
    if not line:
        raise SystemExit(0)
    return line


def end_with_parent() -> None:
    """Ends this process as SIGTERM would once the parent is gone, whatever became of it."""
    threading.Thread(target=_wait_for_the_end, name="parent", daemon=True).start()


def _wait_for_the_end() -> None:
    # The descriptor itself: a thread that waits inside sys.stdin would keep the interpreter from ending.
    while os.read(0, 4096):
        pass
    end_now()


def end_now() -> None:
    """Asks this process to end, as SIGTERM does."""
    os.kill(os.getpid(), signal.SIGTERM)


def log_to_stderr(levels: Mapping[str, int] | None = None) -> None:
    """Sends what is logged to standard error, which the parent keeps in a file."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Utc(_LINE, "%Y-%m-%dT%H:%M:%S"))
    logging.basicConfig(handlers=[handler], level=logging.INFO)
    for name, level in (levels or {}).items():
        logging.getLogger(name).setLevel(level)


def log_to_shared(path: Path, process: str) -> None:
    """Writes what is logged also to a file that all processes of a run share, with the name of this one.

    Each record is written whole. Secrets are masked there where they are masked on standard error.
    """
    root = logging.getLogger()
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(_Named(process, root.handlers[0].formatter if root.handlers else None))
    root.addHandler(handler)


class _Utc(logging.Formatter):
    """Lines as the authority writes them, so that those of a whole run can be read and sorted together."""

    @staticmethod
    def converter(timestamp: float | None) -> struct_time:
        return gmtime(timestamp)


class _Named(logging.Formatter):
    """What another formatter makes of a record, behind the name of the process."""

    def __init__(self, process: str, inner: logging.Formatter | None) -> None:
        super().__init__()
        self._process, self._inner = process, inner or logging.Formatter()

    def format(self, record: logging.LogRecord) -> str:
        return f"{self._process:<9} {self._inner.format(record)}"
