"""What `msc top` knows: the newest answers, and since when there have been none."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from msc_authority.cli.web import WebError

if TYPE_CHECKING:
    from msc_authority.cli.web import Document, Web
    from msc_authority.ports.clock import Clock

PARTS = ("strategies", "clients", "alerts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The answers of one look. A part that was not answered is None, and `problems` says why."""

    status: Document
    strategies: Document | None = None
    clients: Document | None = None
    alerts: Document | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Away:
    """Since when nobody answers, by this machine's clocks, and why."""

    since: datetime
    since_monotonic: float
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TopState:
    """What is known now. `seen` outlives an authority that is away; `seen_at` is monotonic."""

    url: str
    seen: Seen | None = None
    seen_at: float | None = None
    away: Away | None = None

    def answered(self, seen: Seen, monotonic: float) -> TopState:
        """Returns what is known after an answer."""
        return replace(self, seen=seen, seen_at=monotonic, away=None)

    def missed(self, why: str, now: datetime, monotonic: float) -> TopState:
        """Returns what is known when nobody answered. The absence began with the first one that was missed."""
        first = self.away or Away(since=now, since_monotonic=monotonic, why=why)
        return replace(self, away=replace(first, why=why))


def look(web: Web) -> Seen:
    """Asks for everything once.

    Raises:
        WebError: the authority does not say how it stands.
    """
    status = web.get("/api/msc/status")
    found: dict[str, Document | None] = {}
    problems: list[str] = []
    for part in PARTS:
        try:
            found[part] = web.get(f"/api/msc/{part}")
        except WebError as error:
            found[part] = None
            problems.append(f"{part}: {error.message}")
    return Seen(
        status=status,
        strategies=found["strategies"],
        clients=found["clients"],
        alerts=found["alerts"],
        problems=tuple(problems),
    )


def look_again(state: TopState, web: Web, clock: Clock) -> TopState:
    """Asks once, and returns what is known then. Raises nothing: what goes wrong is part of the state."""
    try:
        seen = look(web)
    except WebError as error:
        return state.missed(error.message, clock.now(), clock.monotonic())
    except Exception as error:
        # Shown to the person who looks, like any other absence: a view must not freeze on the last good answer.
        return state.missed(f"{type(error).__name__}: {error}", clock.now(), clock.monotonic())
    return state.answered(seen, clock.monotonic())


class Looker:
    """Looks again and again from a thread of its own: a frozen authority does not freeze the view."""

    def __init__(self, url: str, web: Web, clock: Clock, every_s: float) -> None:
        """Takes where to look, and the pause between two looks."""
        self._web, self._clock, self._every_s = web, clock, every_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="msc-top", daemon=True)
        self.state = TopState(url=url)

    def start(self) -> None:
        """Begins to look."""
        self._thread.start()

    def stop(self) -> None:
        """Ends it after the look that is under way."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self.state = look_again(self.state, self._web, self._clock)
            self._stopped.wait(self._every_s)
