"""The other end of a `Child`: what a process of a benchmark says and hears."""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
from collections.abc import Callable

Document = dict[str, object]


def tell(**document: object) -> None:
    """Says one line."""
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def hear_on_a_thread(heard: Callable[[Document], None]) -> None:
    """Calls `heard` with each line, on a thread of its own; the end of the lines ends the process."""
    threading.Thread(target=_hear, args=(heard,), name="hear", daemon=True).start()


def _hear(heard: Callable[[Document], None]) -> None:
    for line in sys.stdin:
        heard(json.loads(line))
    # Nobody is left to serve.
    os._exit(0)


def allow_many_files() -> None:
    """Takes as many open files as this process may have: a connection is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
