"""Processes of a benchmark: told and telling by lines of JSON, and gone when the benchmark is."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

from benching.run import Failed

PROGRAMS = Path(__file__).resolve().parents[1]
STOP_WITHIN_S = 5.0

Document = dict[str, object]


class Child:
    """One process. It writes one line when it is ready, and hears lines on its standard input, whose end is its own."""

    def __init__(self, command: Sequence[str], *, log: Path, environ: Mapping[str, str] | None = None) -> None:
        self._name, self._log = log.stem, log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**environment(), **(environ or {})},
                # Ctrl-C in a terminal reaches the benchmark, which then ends its children itself.
                start_new_session=True,
            )
        self._said = b""

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def tell(self, **command: object) -> None:
        """Sends it a line.

        Raises:
            Failed: it is gone.
        """
        try:
            _pipe(self._process.stdin).write(json.dumps(command).encode() + b"\n")
            _pipe(self._process.stdin).flush()
        except BrokenPipeError:
            raise self._failed("is gone") from None

    def hear(self, within_s: float = 30.0) -> Document:
        """Returns its next line.

        Raises:
            Failed: it said nothing for so long, or is gone.
        """
        deadline = time.monotonic() + within_s
        while b"\n" not in self._said:
            self._said += self._some(deadline, within_s)
        line, _, self._said = self._said.partition(b"\n")
        return cast("Document", json.loads(line))

    def ask(self, within_s: float = 30.0, /, **command: object) -> Document:
        """Sends it a line and returns its next one."""
        self.tell(**command)
        return self.hear(within_s)

    def _some(self, deadline: float, within_s: float) -> bytes:
        out = _pipe(self._process.stdout)
        with selectors.DefaultSelector() as selector:
            selector.register(out, selectors.EVENT_READ)
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise self._failed(f"said nothing for {within_s:g} s")
        said = os.read(out.fileno(), 65_536)
        if not said:
            raise self._failed("ended")
        return said

    def _failed(self, what: str) -> Failed:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.2)
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
        return Failed("\n  ".join([f"{self._name} {what} (exit code {self._process.poll()}); it last wrote:", *lines]))

    def stop(self) -> None:
        """Ends it, at the latest after some seconds by force. Twice is fine."""
        with contextlib.suppress(BrokenPipeError):
            _pipe(self._process.stdin).close()
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        _pipe(self._process.stdout).close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def program(module: str, *arguments: str) -> tuple[str, ...]:
    """Returns the command that runs a module beside this one in a process of its own."""
    return (sys.executable, "-m", module, *arguments)


def environment() -> dict[str, str]:
    """Returns what processes of a benchmark find: nothing that configures the product, and the programs beside this."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MSC_")}
    paths = [str(PROGRAMS), *filter(None, [os.environ.get("PYTHONPATH")])]
    return kept | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise AssertionError("both pipes were asked for")
    return pipe
