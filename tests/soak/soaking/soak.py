"""One soak: a burst that fills pools, a rest, the load, and a rest again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from soaking.scene import Scene
from soaking.values import Record, Sample
from soaking.verdict import is_back

Say = Callable[[str, Sample | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How long each part is, and how often is looked, in seconds. A page without a connection is kept for a minute."""

    burst_s: float = 30.0
    settle_s: float = 75.0
    load_s: float = 1200.0
    rest_within_s: float = 150.0
    look_every_s: float = 4.0
    samples_at_rest: int = 3


class Soak:
    """Runs a scene through its parts and keeps what was seen. May be interrupted at any time."""

    def __init__(self, scene: Scene, times: Times, kill_every_s: float, say: Say) -> None:
        self._scene, self._times, self._kill_every_s, self._say = scene, times, kill_every_s, say
        self.record = Record()

    def run(self) -> None:
        """Returns when all is over."""
        self._burst()
        self._load()
        self._rest()

    def _burst(self) -> None:
        self._say("a burst of load, so that pools fill up", None)
        self._scene.work()
        self._pause(self._times.burst_s)
        self._scene.rest()
        self._say("rest", None)
        self._pause(self._times.settle_s)
        for _ in range(self._times.samples_at_rest):
            self.record.before.append(self._look("rest"))
            self._pause(1.0)

    def _load(self) -> None:
        began, kills = time.monotonic(), 0
        self._scene.work()
        while (elapsed_s := time.monotonic() - began) < self._times.load_s:
            seen = self._look(f"under load, {elapsed_s / 60:.1f} of {self._times.load_s / 60:.1f} min")
            self.record.under_load.append(replace(seen, at_s=elapsed_s))
            if elapsed_s > (kills + 1) * self._kill_every_s:
                kills += 1
                self._scene.kill_one()
            self._pause(self._times.look_every_s - (time.monotonic() - began - elapsed_s))

    def _rest(self) -> None:
        self._scene.rest()
        deadline = time.monotonic() + self._times.rest_within_s
        while True:
            self.record.after.append(self._look("everybody has gone: waiting for rest"))
            if is_back(self.record.before, self.record.after[-1]) or time.monotonic() > deadline:
                return
            self._pause(1.0)

    def _look(self, what: str) -> Sample:
        seen = self._scene.look()
        self._say(what, seen)
        return seen

    def _pause(self, seconds: float) -> None:
        time.sleep(max(0.0, seconds))
