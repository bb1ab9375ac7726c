"""What an authority is composed of, as far as hosts know: a store, a machine to live on, and what answers calls."""

from __future__ import annotations

import asyncio
import gc
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from msc_authority.adapters.clock import SimulatedClock, SystemClock, uniform
from msc_authority.app.alerts.links import Links
from msc_authority.app.timing import LoopTimer, Timer, Uniform
from msc_authority.http.serving import url_at
from msc_authority.ports.clock import Clock
from msc_authority.ports.evaluations import EvaluationLog, EvaluationStore
from msc_authority.ports.journal import ExecutionLog, Journal
from msc_authority.ports.operator import ActLog
from msc_authority.ports.policies import Head, PolicyStore
from msc_authority.ports.replicas import EvaluationRequests, Lease, Replicas
from msc_authority.ports.store import StoreTally
from msc_authority.ports.tokens import TokenStore

if TYPE_CHECKING:
    from msc_authority.app.admission import Admission
    from msc_authority.app.alerts.delivery import SinkTally
    from msc_authority.app.insight import Insight
    from msc_authority.app.production import UpkeepSigns
    from msc_authority.ports.tls import TlsSource
    from msc_authority.rpc.local_feed import LocalPolicyFeed
    from msc_authority.settings import Settings


VALID_FOR_PERIODS = 2
"""A decision is valid for so many evaluation periods: one evaluation may be missed."""


def valid_for_s(settings: Settings) -> float:
    """Returns how long a decision stays valid without a new evaluation, in seconds."""
    return VALID_FOR_PERIODS * settings.evaluation_period_s


class Stores(Protocol):
    """An open store. Read by several threads; each part is one port."""

    @property
    def journal(self) -> Journal:
        """The facts."""
        ...

    @property
    def executions(self) -> ExecutionLog:
        """The execution reports, in the order of arrival."""
        ...

    @property
    def evaluations(self) -> EvaluationStore:
        """Where evaluations start and end."""
        ...

    @property
    def policies(self) -> PolicyStore:
        """The policies."""
        ...

    @property
    def log(self) -> EvaluationLog:
        """The evaluations."""
        ...

    @property
    def acts(self) -> ActLog:
        """What persons did."""
        ...

    @property
    def lease(self) -> Lease:
        """Who of several authorities leads."""
        ...

    @property
    def replicas(self) -> Replicas:
        """Who of them is there."""
        ...

    @property
    def requests(self) -> EvaluationRequests:
        """What the leader is asked to do."""
        ...

    @property
    def tokens(self) -> TokenStore:
        """The bearer tokens."""
        ...

    def tally(self) -> StoreTally:
        """Returns what went wrong with it since it was opened."""
        ...

    def close(self) -> None:
        """Gives everything back."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What of the machine the authority lives on. `speed` is how many seconds of its clock pass in a real one."""

    clock: Clock
    timer: Timer
    uniform: Uniform
    new_id: Callable[[], str]
    speed: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """An authority that answers calls. `head` is the policy it started with; `feed` serves hosts in this process.

    `admission` lets callers in, `tls` has the certificates that are shown to them (None: it speaks plaintext).
    `insight` answers what people and programs ask about it, `deliveries` what became of alerts that were sent out.
    `http_url` is where a browser finds it; None: it serves no HTTP. `leading` says whether it is the one of several
    that evaluates. `watch_upkeep` takes what says how the upkeep of the store is, which begins later.
    """

    host: str
    port: int
    server_id: str
    head: Head
    database_url: str
    feed: LocalPolicyFeed
    insight: Insight
    admission: Admission
    tls: TlsSource | None = None
    deliveries: Callable[[], Sequence[SinkTally]] = tuple
    http_url: str | None = None
    leading: Callable[[], bool] = lambda: True
    watch_upkeep: Callable[[Callable[[], UpkeepSigns]], None] = lambda _: None

    @property
    def address(self) -> str:
        """Where clients reach it, as host:port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def links_of(settings: Settings) -> Links:
    """Where alerts say that more is to be read, as far as the settings tell."""
    links = Links(settings.public_url)
    # Another port is known when it listens.
    if settings.serve_http and settings.http_port:
        links.served_at(url_at(settings.http_host, settings.http_port, "https" if settings.tls else "http"))
    return links


def this_machine() -> Machine:
    """The real clocks, chance and ids."""
    return Machine(clock=SystemClock(), timer=LoopTimer(), uniform=uniform, new_id=lambda: uuid.uuid4().hex)


def simulated_machine(*, origin: datetime, started_at: datetime, speed: float) -> Machine:
    """The real machine with simulated time: evaluations keep their period in it; heartbeats and ages stay real."""
    clock = SimulatedClock(origin=origin, started_at=started_at, speed=speed)
    return replace(this_machine(), clock=clock, speed=speed)


COLLECT_AFTER = (20_000, 1, 1)
"""Objects made and not freed before the collector looks at the young ones, and how often at older ones after that.

The first number is what spares: what is made and freed between two looks costs none. The others are small, because a
page of the dashboard, a thousand objects in circles, outlives a look or two: at 20 and 100, hundreds of pages that had
been closed would wait for a collector that comes once a day, with what is freed meanwhile scattered between them.
"""


@contextmanager
def spared_collector() -> Iterator[None]:
    """Within the block, the collector leaves alone what exists now, and looks at the rest more seldom.

    Writing to a thousand watchers makes some ten thousand objects that are gone a moment later: at the default of 700
    the collector walks all that belongs to watchers over and over meanwhile, for about 25 ms each time.
    """
    usual = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes event loops: uvloop where that is installed; None: Python's own."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
