"""What every process of the loop does alike: told by lines on standard input, telling by lines on standard output."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping

_OUT = threading.Lock()


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
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for name, level in (levels or {}).items():
        logging.getLogger(name).setLevel(level)
