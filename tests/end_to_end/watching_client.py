"""A host process with a PolicySource in it: prints what it sees as one JSON object a line, until it is ended."""

from __future__ import annotations

import json
import logging
import sys
import threading
from pathlib import Path

from msc_client import ClientConfig, PolicySource, Role


def main() -> None:
    """Watches `target` with state under `home` and the timers of `config`."""
    target, home, config = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(message)s")
    source = PolicySource(
        target, role=Role.EXECUTOR, name="watching", config=ClientConfig(**config), state_dir=home / "client"
    )
    source.start(wait_s=2.0)
    beat = threading.Event()
    while not beat.wait(0.05):
        _view, _status = source.current(), source.status()


if __name__ == "__main__":
    main()
