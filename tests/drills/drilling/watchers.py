"""Processes full of clients, and what they have recorded."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from drilling.recording import Record, Recordings
from drilling.verdict import FRESH, Ref

PROCESSES = 4
ENDS_WITHIN_S = 10.0


class Watchers:
    """So many clients of a target, in a few processes; ended behind `with`."""

    def __init__(self, home: Path, target: str, count: int) -> None:
        self.names = tuple(f"client-{number:03d}" for number in range(count))
        shares = [share for share in (self.names[start::PROCESSES] for start in range(PROCESSES)) if share]
        files = [home / f"recording-{number}.jsonl" for number in range(len(shares))]
        self.recordings = Recordings(files)
        self._logs = [file.with_suffix(".log") for file in files]
        self.processes = [
            _watching({"target": target, "file": str(file), "names": share}, log)
            for file, share, log in zip(files, shares, self._logs, strict=True)
        ]

    @property
    def now(self) -> dict[str, Record]:
        """What each reads now."""
        self.recordings.catch_up()
        return self.recordings.now

    def fresh(self) -> int:
        """How many are FRESH now."""
        return sum(record.tier == FRESH for record in self.now.values())

    def all_have(self, ref: Ref) -> bool:
        """Whether each is FRESH on that revision now."""
        now = self.now
        return len(now) == len(self.names) and all(one.tier == FRESH and one.ref == ref for one in now.values())

    def have_at_least(self, ref: Ref) -> bool:
        """Whether each is FRESH on that revision or a later one now."""
        now = self.now
        return len(now) == len(self.names) and all(one.tier == FRESH and one.ref >= ref for one in now.values())

    def complaints(self) -> set[str]:
        """What clients said that must not come about: two contents under one version, or SAFE within minutes."""
        lines = (line for log in self._logs if log.exists() for line in log.read_text(errors="replace").splitlines())
        return {f"a client: {line}" for line in lines if " CRITICAL " in line or line.startswith("Traceback")}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self.processes:
            if process.stdin is not None:
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.close()
        for process in self.processes:
            try:
                process.wait(ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _watching(plan: dict[str, object], log: Path) -> subprocess.Popen[bytes]:
    # Of the environment nothing that configures the client; where modules are is known here.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MSC_")}
    with log.open("ab") as errors:
        return subprocess.Popen(
            [sys.executable, "-m", "drilling.watching", json.dumps(plan)],
            env=environment | {"PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )
