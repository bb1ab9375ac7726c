"""A process of many clients: python -m drilling.watching '{"target": ..., "file": ..., "names": [...]}'

Each appends to the file whatever it applies, and whatever its reader, who looks forty times a second, gets. The process
ends when its standard input does.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from drilling.recording import Kind, Record, line_of
from msc_client import PolicySource, PolicyView, Role
from msc_client._held import Readable

LOOK_S = 0.025
LOOKS_BETWEEN_SERVERS = 8


class Recorded(PolicySource):
    """Tells what it applies at the moment in which readers begin to get it."""

    def __init__(self, target: str, name: str, tell: Callable[[Record], None]) -> None:
        self._name, self._tell = name, tell
        self._last = (0, 0)
        self._read = Record(client=name, kind=Kind.READ, at_ns=0)
        super().__init__(target, role=Role.OTHER, name=name, state_dir=None)

    def _publish(self, held: Readable) -> None:
        super()._publish(held)
        record = record_now(self._name, Kind.APPLIED, held.fresh)
        # It publishes each confirmation; what it applies is another revision, whichever.
        if record.version and record.ref != self._last:
            self._last = record.ref
            self._tell(record)

    def look(self, *, at_server: bool) -> None:
        """Reads once, and tells if that is something else than before. Asks who answers only when told to."""
        view = self.current()
        server = self.status().server_id if at_server else self._read.server
        ref = (view.ref.epoch, view.ref.version) if view.ref is not None else (0, 0)
        before = self._read
        if (ref, view.tier.name, server) == (before.ref, before.tier, before.server):
            return
        self._read = replace(record_now(self._name, Kind.READ, view), tier=view.tier.name, server=server)
        self._tell(self._read)


def record_now(client: str, kind: Kind, view: PolicyView) -> Record:
    """Returns a record of now. What is made up for want of trust, as in SAFE, has no content to compare."""
    at_ns, ref = time.monotonic_ns(), view.ref
    if ref is None:
        return Record(client=client, kind=kind, at_ns=at_ns)
    if view.tier.name.startswith("SAFE"):
        etag, digest = "", ""
    else:
        etag, digest = ref.etag, hashlib.sha256(repr(view.policy).encode()).hexdigest()[:16]
    return Record(client=client, kind=kind, at_ns=at_ns, epoch=ref.epoch, version=ref.version, etag=etag, digest=digest)


def main() -> None:
    """Watches what the first argument says."""
    plan = json.loads(sys.argv[1])
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    threading.Thread(target=_until_nobody_asks, daemon=True).start()
    with Path(plan["file"]).open("a", buffering=1, encoding="utf-8") as out:
        turn = threading.Lock()

        def tell(record: Record) -> None:
            with turn:
                out.write(line_of(record))

        sources = [Recorded(plan["target"], name, tell) for name in plan["names"]]
        for source in sources:
            source.start(wait_s=0.0)
        _look_on_and_on(sources)


def _look_on_and_on(sources: list[Recorded]) -> None:
    beat, looks = threading.Event(), 0
    while not beat.wait(LOOK_S):
        for source in sources:
            source.look(at_server=looks % LOOKS_BETWEEN_SERVERS == 0)
        looks += 1


def _until_nobody_asks() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
