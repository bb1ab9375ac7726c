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
        sys.stdout.write(json.dumps(seen(source)) + "\n")
        sys.stdout.flush()


def seen(source: PolicySource) -> dict[str, object]:
    """Returns what the source says now."""
    view, status = source.current(), source.status()
    return {
        "tier": view.tier.name,
        "version": view.ref.version if view.ref else 0,
        "epoch": view.ref.epoch if view.ref else 0,
        "state": status.connection.name,
        "risk_mode": view.policy.risk_mode.name,
        "max_risk_per_trade": view.policy.max_risk_per_trade,
        "watchdog_timeouts": status.counters.watchdog_timeouts,
    }


if __name__ == "__main__":
    main()
