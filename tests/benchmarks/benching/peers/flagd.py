"""flagd as it comes: it watches a file of flags, and tells all who subscribed to its sync service when that changes."""

from __future__ import annotations

import json
import os
import socket
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benching.contenders import wait_until
from benching.peers.programs import installed
from benching.processes import Child
from benching.run import Run

PACKAGE = "github.com/open-feature/flagd/flagd@v0.16.1"
FLAGD_SYNC = "/flagd.sync.v1.FlagSyncService/SyncFlags"
PORTS = ("sync-port", "port", "management-port", "ofrep-port")
"""It listens on each, at every address of the machine, and cannot be told otherwise. Watchers connect to the first."""


@dataclass(frozen=True, slots=True)
class Flagd:
    """A running flagd. `size` is about how many bytes a subscriber is told."""

    file: Path
    port: int
    size: int

    def publish(self, number: int) -> None:
        """Puts another file in the place of the one it watches: it sees one change, and never half of it."""
        replace_flags(self.file, number, self.size)


def start_flagd(run: Run, *, size: int) -> Flagd:
    """Starts one that ends with the run.

    Raises:
        Unavailable: there is no Go, or it could not have or build flagd.
    """
    program = installed(run, PACKAGE)
    file = run.home / "flagd" / "flags.json"
    file.parent.mkdir()
    replace_flags(file, 0, size)
    ports = free_ports(len(PORTS))
    asked = [word for name, port in zip(PORTS, ports, strict=True) for word in (f"--{name}", str(port))]
    command = (str(program), "start", "--uri", f"file:{file}", *asked)
    run.stack.enter_context(Child(command, log=file.with_suffix(".log")))
    wait_until(lambda: _listens(ports[0]), "flagd")
    return Flagd(file, ports[0], size)


def replace_flags(file: Path, number: int, size: int) -> None:
    """Has the file hold one flag of about so many bytes in all, the last of which are the number."""
    text = numbered(number).decode()
    flag = {"state": "ENABLED", "variants": {"on": text}, "defaultVariant": "on"}
    flag["variants"] = {"on": "x" * max(0, size - len(json.dumps({"flags": {"policy": flag}}))) + text}
    new = file.with_suffix(".new")
    new.write_text(json.dumps({"flags": {"policy": flag}}), encoding="utf-8")
    os.replace(new, file)


def numbered(number: int) -> bytes:
    """Returns how a number stands in what subscribers are told."""
    return f"#{number:016x}".encode()


def free_ports(count: int) -> list[int]:
    """Returns ports that nobody listens on now."""
    with ExitStack() as held:
        found = []
        for _ in range(count):
            one = held.enter_context(socket.socket())
            one.bind(("127.0.0.1", 0))
            found.append(int(one.getsockname()[1]))
        return found


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
