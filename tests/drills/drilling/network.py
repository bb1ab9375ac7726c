"""A network of its own for one authority: a front to clients and a back to its stores, each a cable to be pulled."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from types import TracebackType
from typing import Literal, Self

Side = Literal["front", "back"]
SIDES: tuple[Side, ...] = ("front", "back")


class Unavailable(Exception):
    """This machine, or this user, has no network namespaces. The message says what was refused."""


class Network:
    """A network namespace, and a pair of connected interfaces for each side; gone behind `with`.

    Addresses are from the range that is set aside for tests of networks.
    """

    def __init__(self) -> None:
        self._name = f"msc-drill-{os.getpid()}"
        self._block = f"198.18.{os.getpid() % 250}"

    def outside(self, side: Side) -> str:
        """The address of this machine that the inside reaches it by."""
        return f"{self._block}.{self._first(side)}"

    def inside(self, side: Side) -> str:
        """The address of the inside."""
        return f"{self._block}.{self._first(side) + 1}"

    @property
    def command(self) -> tuple[str, ...]:
        """What to put before a command that is to run inside. The process is the command's own."""
        return ("ip", "netns", "exec", self._name)

    def cut(self, *sides: Side) -> None:
        """Pulls cables: nothing arrives, and nobody is told."""
        for side in sides:
            _ip("link", "set", self._device(side), "down")

    def heal(self, *sides: Side) -> None:
        """Puts them back."""
        for side in sides:
            _ip("link", "set", self._device(side), "up")

    @staticmethod
    def _first(side: Side) -> int:
        return 1 + 4 * SIDES.index(side)

    @staticmethod
    def _device(side: Side) -> str:
        return f"msc{side[0]}{os.getpid()}"

    def __enter__(self) -> Self:
        """Makes it. Raises Unavailable."""
        if os.geteuid() != 0 or shutil.which("ip") is None:
            raise Unavailable("network namespaces need root, and the command ip")
        try:
            self._make()
        except Unavailable:
            self._remove()
            raise
        return self

    def _make(self) -> None:
        _ip("netns", "add", self._name)
        within = ("-n", self._name)
        _ip(*within, "link", "set", "lo", "up")
        for side in SIDES:
            device, peer = self._device(side), f"{side}0"
            _ip("link", "add", device, "type", "veth", "peer", "name", peer, "netns", self._name)
            _ip("address", "add", f"{self.outside(side)}/30", "dev", device)
            _ip(*within, "address", "add", f"{self.inside(side)}/30", "dev", peer)
            _ip("link", "set", device, "up")
            _ip(*within, "link", "set", peer, "up")

    def _remove(self) -> None:
        # With the namespace go the interfaces in it, and with each of them its other end.
        with contextlib.suppress(Unavailable):
            _ip("netns", "delete", self._name)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"ip {' '.join(words)}: {done.stderr.strip()}")
