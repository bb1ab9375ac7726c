"""The processes of a run: started in a group of their own, heard line by line, ended by id."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

Message = dict[str, object]
END_S = 8.0
KILL_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A line of a child. `message` None: it has ended."""

    child: Child
    message: Message | None


@dataclass(slots=True, kw_only=True, eq=False)
class Child:
    """A process of the run. `life` counts its starts; `told` is what it said last of each event."""

    name: str
    module: str
    arguments: tuple[str, ...]
    process: subprocess.Popen[str]
    life: int
    told: dict[str, Message] = field(default_factory=dict)

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self.process.poll() is None

    def say(self, line: str) -> None:
        """Sends it a line. One that has died does not hear it."""
        stdin = self.process.stdin
        if stdin is None:
            return
        try:
            stdin.write(line + "\n")
            stdin.flush()
        except BrokenPipeError:
            return


class Fleet:
    """Starts children, and puts what they say into one queue. Close it; `with` does."""

    def __init__(self, logs: Path) -> None:
        """Takes the folder for their logs."""
        self._logs = logs
        self._children: list[Child] = []
        self._logs.mkdir(parents=True, exist_ok=True)
        self.heard: queue.SimpleQueue[Heard] = queue.SimpleQueue()

    def start(self, name: str, module: str, *arguments: str, life: int = 1) -> Child:
        """Starts a module as a process."""
        with self.log_of(name).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                # Ctrl-C is for the parent alone: it ends the children in order.
                start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        child = Child(name=name, module=module, arguments=arguments, process=process, life=life)
        self._children.append(child)
        if process.stdout is not None:
            threading.Thread(target=self._listen, args=(child, process.stdout), name=name, daemon=True).start()
        return child

    @property
    def children(self) -> tuple[Child, ...]:
        """Every child so far, those that have died among them, in the order of their start."""
        return tuple(self._children)

    def log_of(self, name: str) -> Path:
        """Where the child's log lines are."""
        return self._logs / f"{name}.log"

    def _listen(self, child: Child, stdout: IO[str]) -> None:
        with stdout:
            for line in stdout:
                message = _message(line)
                if message is not None:
                    self.heard.put(Heard(child=child, message=message))
        child.process.wait()
        self.heard.put(Heard(child=child, message=None))

    def end(self, children: Sequence[Child], *, within_s: float = END_S) -> None:
        """Ends children together: asked first, and killed when they do not go."""
        for child in children:
            if child.is_alive:
                child.process.terminate()
        for child in children:
            try:
                child.process.wait(within_s)
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait(KILL_S)
            if child.process.stdin is not None:
                # It may have died with a line unread.
                with suppress(BrokenPipeError):
                    child.process.stdin.close()

    def close(self) -> None:
        """Ends whatever still runs, the newest first. Twice is fine."""
        while self._children:
            self.end([self._children.pop()])

    def __enter__(self) -> Fleet:
        """Returns itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes it."""
        self.close()

    def last_words(self, child: Child, lines: int = 3) -> str:
        """Returns the last lines of its log."""
        text = self.log_of(child.name).read_text(encoding="utf-8", errors="replace")
        return " | ".join(text.splitlines()[-lines:])


def _message(line: str) -> Message | None:
    try:
        found = json.loads(line)
    except ValueError:
        # Something printed that is none of ours.
        return None
    return found if isinstance(found, dict) and "event" in found else None
