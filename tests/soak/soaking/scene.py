"""The authority, with what it stands on, and those who load it: started, sent to work and to rest, and ended."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benching.processes import Child, program
from process_harness import AuthorityProcess, free_port, until

from soaking.looking import done, of_metrics, of_process, scrape
from soaking.values import Sample

TESTS = Path(__file__).resolve().parents[2]
PATHS = ("soak", "benchmarks", "end_to_end", "server/msc_authority")
READY_WITHIN_S = 120.0
REST_WITHIN_S = 60.0
SEVERE = ("Traceback (most recent call last)", " ERROR ", "was never retrieved", "never awaited", "was destroyed but")
COMPLAINTS_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much load there is. `stay_s` is how long those who come stay, about."""

    residents: int = 20
    crowds: int = 2
    crowd: int = 20
    acts_per_s: float = 2.0
    requests_per_s: float = 10.0
    streams: int = 8
    pages: int = 6
    stay_s: float = 8.0
    breaks_after_s: float = 20.0
    abandoned: bool = True
    kill_every_s: float = 20.0


class Scene:
    """Everything that runs."""

    def __init__(self, home: Path, size: Size, environment: dict[str, str], stack: ExitStack) -> None:
        """Starts nothing yet. What is started ends with `stack`."""
        self._home, self._size, self._stack = home, size, stack
        # Clients that left are remembered for an hour, twice as many as may watch: that fills up in a minute.
        bounds = {"MSC_MAX_WATCHERS": "128", "MSC_MAX_REQUESTS_PER_S": "100000"}
        self.authority = AuthorityProcess(
            home=home / "authority", http_port=free_port(), environment=bounds | environment
        )
        self._workers: dict[str, Child] = {}
        self._resident = 0
        self._started = time.monotonic()
        self.tally: Counter[str] = Counter()

    def start(self) -> None:
        """Returns when the authority answers and everybody is ready to work."""
        self._stack.callback(self.authority.close)
        self.authority.start()
        until(self._has_pages, deadline_s=READY_WITHIN_S, what="HTTP answers")
        size, port = self._size, self.authority.port
        steering = self._worker("steering", port=port, acts_per_s=size.acts_per_s, breaks_after_s=size.breaks_after_s)
        line = int(str(steering.hear(READY_WITHIN_S)["line"]))
        residents = self._worker(
            "residents", seed=None, line=line, port=port, sources=size.residents, home=str(self._home / "residents")
        )
        residents.hear(READY_WITHIN_S)
        self._resident = residents.pid
        visitors = self._worker(
            "visitors",
            port=self.authority.http_port,
            per_s=size.requests_per_s,
            streams=size.streams,
            pages=size.pages,
            stay_s=size.stay_s,
            abandoned=size.abandoned,
        )
        visitors.hear(READY_WITHIN_S)
        for number in range(size.crowds):
            self._crowd(f"crowd-{number}")

    def _has_pages(self) -> bool:
        try:
            return bool(scrape(self.authority.url))
        except OSError:
            return False

    def _crowd(self, name: str) -> None:
        crowd = self._worker(
            name, module="crowd", port=self.authority.port, watchers=self._size.crowd, stay_s=self._size.stay_s
        )
        crowd.hear(READY_WITHIN_S)

    def _worker(self, name: str, *, module: str = "", seed: int | None = 1, **plan: object) -> Child:
        if seed is not None:
            # Another one each time, and the same in each soak.
            plan["seed"] = seed + sum(name.encode()) + self.tally["processes started"]
        self.tally["processes started"] += 1
        command = program(f"soaking.load.{module or name}", json.dumps(plan))
        log, path = self._home / f"{name}.log", os.pathsep.join(str(TESTS / folder) for folder in PATHS)
        child = Child(command, log=log, environ={"PYTHONPATH": path})
        self._stack.callback(child.stop)
        self._workers[name] = child
        return child

    def work(self) -> None:
        """Sends everybody to work."""
        for worker in self._workers.values():
            worker.ask(go=True)

    def rest(self) -> None:
        """Has everybody go away but the residents, who only rest."""
        for worker in self._workers.values():
            worker.tell(rest=True)
        for worker in self._workers.values():
            self.tally.update({what: int(str(many)) for what, many in worker.hear(REST_WITHIN_S).items()})

    def kill_one(self) -> None:
        """Ends a crowd of watchers with SIGKILL, and has another one come."""
        name = f"crowd-{self.tally['crowds killed'] % self._size.crowds}"
        crowd = self._workers[name]
        os.kill(crowd.pid, signal.SIGKILL)
        crowd.stop()
        self.tally["crowds killed"] += 1
        self._crowd(name)
        self._workers[name].ask(go=True)

    def look(self) -> Sample:
        """Returns what is to be seen now."""
        assert self.authority.process is not None
        text = scrape(self.authority.url)
        return Sample(
            time.monotonic() - self._started,
            {
                **of_process("authority", self.authority.process.pid),
                **of_metrics(text),
                **of_process("client", self._resident),
            },
        )

    def done(self) -> dict[str, int]:
        """Returns what the authority has done so far."""
        return done(scrape(self.authority.url))

    def trouble(self) -> list[str]:
        """Returns what was logged that should not have been, some of it."""
        logs = [self.authority.log, *sorted(self._home.glob("*.log"))]
        return [f"{log.stem} logged: {line}" for log in logs if log.exists() for line in severe(log)]


def severe(log: Path) -> list[str]:
    """Returns the lines of a log that speak of a mistake in a program."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return [line for line in lines if any(sign in line for sign in SEVERE)][:COMPLAINTS_SHOWN]


@contextmanager
def a_scene(home: Path, size: Size, environment: dict[str, str] | None = None) -> Iterator[Scene]:
    """Yields a scene in which everybody is ready; ends all of it behind the block."""
    with ExitStack() as stack:
        scene = Scene(home, size, environment or {}, stack)
        scene.start()
        yield scene
