"""The one place where everything meets: opens the store, starts what lives, serves, and stops it all in reverse."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import threading
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from msc_authority.adapters.clock import SimulatedClock, SystemClock, uniform
from msc_authority.adapters.notify.addresses import sinks_for
from msc_authority.app.activity import Activity
from msc_authority.app.alerts.board import Board
from msc_authority.app.alerts.lookout import Lookout
from msc_authority.app.alerts.values import Severity
from msc_authority.app.broker import Broker
from msc_authority.app.evaluate import Evaluator
from msc_authority.app.events import EventBus, log_event, name_of
from msc_authority.app.fleet import Fleet
from msc_authority.app.journal_tally import RowCounter
from msc_authority.app.modes import ModeTimeline
from msc_authority.app.observer import Observer
from msc_authority.app.scheduler import Evaluates, Scheduler
from msc_authority.app.timing import LoopTimer, Timer, Uniform, pause
from msc_authority.app.vitals import HeadKeeper, Vitals, read_current
from msc_authority.app.work import Worker
from msc_authority.ports import Clock, EvaluationLog, EvaluationStore, ExecutionLog, Head, Journal, PolicyStore
from msc_authority.rpc.frames import Frames
from msc_authority.rpc.health import Health
from msc_authority.rpc.journal_service import JournalRecorder, journal_handlers
from msc_authority.rpc.local_feed import LocalPolicyFeed
from msc_authority.rpc.mapping.served import ServedPolicy
from msc_authority.rpc.policy_service import PolicyService, policy_handlers
from msc_authority.rpc.serving import PolicyServer
from msc_authority.rpc.watch_service import WatchMaker, WatchService

if TYPE_CHECKING:
    import grpc

    from msc_authority.settings import Settings

_log = logging.getLogger(__name__)

STORE_THREADS = 4
VALID_FOR_PERIODS = 2
"""A decision is valid for so many evaluation periods: one evaluation may be missed."""
MAX_DRAIN_S = 1.4
"""Longest wait for watchers at a stop, so that Ctrl-C ends the process within 2 s."""
RESTART_AFTER_S = 1.0
CLIENTS_PER_WATCHER = 2
"""Clients remembered for each watcher allowed: those that left are kept for an hour."""


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
    """An authority that answers calls. `head` is the policy it started with; `feed` serves hosts in this process."""

    host: str
    port: int
    server_id: str
    head: Head
    database_url: str
    feed: LocalPolicyFeed

    @property
    def address(self) -> str:
        """Where clients reach it, as host:port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def this_machine() -> Machine:
    """The real clocks, chance and ids."""
    return Machine(clock=SystemClock(), timer=LoopTimer(), uniform=uniform, new_id=lambda: uuid.uuid4().hex)


def simulated_machine(*, origin: datetime, started_at: datetime, speed: float) -> Machine:
    """The real machine with simulated time: evaluations keep their period in it; heartbeats and ages stay real."""
    clock = SimulatedClock(origin=origin, started_at=started_at, speed=speed)
    return replace(this_machine(), clock=clock, speed=speed)


def run(
    settings: Settings, *, on_ready: Callable[[Running], None] | None = None, machine: Machine | None = None
) -> None:
    """Runs an authority until it is told to stop by SIGINT or SIGTERM, on uvloop where that is installed.

    Raises:
        PortInUse: it cannot listen on the configured port.
        StoreError: the database cannot be opened.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(serve(settings, on_ready=on_ready, machine=machine))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def serve(
    settings: Settings,
    *,
    on_ready: Callable[[Running], None] | None = None,
    stop: asyncio.Event | None = None,
    machine: Machine | None = None,
) -> None:
    """Serves until `stop` is set; without one, until SIGINT or SIGTERM. Stops gracefully within 2 s.

    Raises:
        PortInUse: it cannot listen on the configured port.
        StoreError: the database cannot be opened.
    """
    from msc_authority.adapters.sql import open_store

    machine = machine or this_machine()
    # Before anything is said or opened: whoever reads "ready" may stop it in the same instant.
    with ExitStack() as hearing:
        told = hearing.enter_context(_told_to_stop(stop))
        stores = open_store(settings.database_url, machine.clock)
        try:
            async with running(settings, stores, machine) as authority:
                # What exists now lives as long as the process; the collector need not look at it again.
                gc.freeze()
                if on_ready:
                    on_ready(authority)
                await told.wait()
                # From here on, a second Ctrl-C ends the process at once.
                hearing.close()
                _log.info("Stopping")
        finally:
            stores.close()


@contextmanager
def _told_to_stop(stop: asyncio.Event | None) -> Iterator[asyncio.Event]:
    if stop is not None or threading.current_thread() is not threading.main_thread():
        yield stop or asyncio.Event()
        return
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    try:
        yield told
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


@asynccontextmanager
async def running(
    settings: Settings, stores: Stores, machine: Machine, *, evaluator: Evaluates | None = None
) -> AsyncIterator[Running]:
    """Yields an authority that answers calls, and stops it gracefully behind the block.

    `evaluator` None: the one that decides from the journal.

    Raises:
        PortInUse: it cannot listen on the configured port.
        StoreUnavailable: the store does not answer.
    """
    evaluator = evaluator or _evaluator(settings, stores, machine)
    authority = await _Authority.made(settings, stores, machine, evaluator)
    async with AsyncExitStack() as stack:
        stack.callback(authority.close)
        authority.sinks.start()
        stack.push_async_callback(asyncio.to_thread, authority.sinks.stop)
        port = await authority.server.start(settings.grpc_host, settings.grpc_port)
        stack.push_async_callback(authority.server.stop, min(settings.drain_s, MAX_DRAIN_S))
        stack.push_async_callback(_cancel, authority.begin())
        yield authority.running(port)


class _Authority:
    """Everything that lives, wired."""

    def __init__(
        self,
        settings: Settings,
        stores: Stores,
        machine: Machine,
        evaluator: Evaluates,
        broker: Broker,
        events: EventBus,
    ) -> None:
        clock, timer = machine.clock, machine.timer
        self._settings, self._broker, self._clock, self._timer = settings, broker, clock, timer
        self._server_id = machine.new_id()
        self.sinks = sinks_for(settings.alert_urls, least=Severity(settings.alert_min_severity))
        events.subscribe(self.sinks.listener)
        self._evaluations = Worker(threads=1, name="evaluate")
        self._reads = Worker(threads=STORE_THREADS, name="store")
        self._health = Health()
        self._served = ServedPolicy()
        self._scheduler = Scheduler(
            evaluator=evaluator,
            broker=broker,
            events=events,
            clock=clock,
            timer=timer,
            worker=self._evaluations,
            previews=self._reads,
            period_s=settings.evaluation_period_s / machine.speed,
        )
        # A thread of its own: the confirmation of the head does not queue behind callers.
        self._confirm = Worker(threads=1, name="confirm")
        self._keeper = HeadKeeper(store=stores.policies, broker=broker, worker=self._confirm, clock=clock, timer=timer)
        self._vitals = Vitals(
            broker=broker,
            events=events,
            clock=clock,
            timer=timer,
            tell=self._health.show,
        )
        self._maker = WatchMaker(
            broker=broker,
            frames=Frames(broker, clock, self._served),
            clock=clock,
            uniform=machine.uniform,
            new_id=machine.new_id,
            server_id=self._server_id,
        )
        self._fleet = Fleet(
            events=events,
            clock=clock,
            head=broker.current.head.ref,
            max_clients=CLIENTS_PER_WATCHER * settings.max_watchers,
        )
        self._rows = RowCounter(clock)
        # A thread of its own here, too: a block is shown while callers wait for the store.
        self._tail = Worker(threads=1, name="tail")
        self._activity = Activity(log=stores.executions, events=events, clock=clock, timer=timer, worker=self._tail)
        self.modes = ModeTimeline(store=stores.policies, events=events, clock=clock, timer=timer, worker=self._reads)
        self.observer = Observer(
            broker=broker,
            fleet=self._fleet,
            schedule=self._scheduler,
            pulse=self._vitals,
            signals=self._activity,
            rows=self._rows,
            modes=self.modes,
            events=events,
            clock=clock,
            server_id=self._server_id,
            period_s=settings.evaluation_period_s / machine.speed,
            speed=machine.speed,
        )
        self.board = Board()
        self._lookout = Lookout(observer=self.observer, board=self.board, events=events, timer=timer)
        self.server = PolicyServer(
            handlers=self._handlers(stores),
            health=self._health,
            broker=broker,
            clock=clock,
            new_id=machine.new_id,
        )

    @classmethod
    async def made(cls, settings: Settings, stores: Stores, machine: Machine, evaluator: Evaluates) -> _Authority:
        events = EventBus()
        events.subscribe(log_event)
        current = await asyncio.to_thread(read_current, stores.policies, machine.clock)
        broker = Broker(
            current=current,
            clock=machine.clock,
            timer=machine.timer,
            events=events,
            max_watchers=settings.max_watchers,
            speed=machine.speed,
        )
        return cls(settings, stores, machine, evaluator, broker, events)

    def _handlers(self, stores: Stores) -> Sequence[grpc.GenericRpcHandler]:
        fleet = self._fleet
        service = PolicyService(
            broker=self._broker,
            scheduler=self._scheduler,
            fleet=fleet,
            policies=stores.policies,
            log=stores.log,
            served=self._served,
            worker=self._reads,
            clock=self._clock,
        )
        watches = WatchService(
            maker=self._maker, fleet=fleet, clock=self._clock, heartbeat_s=self._settings.heartbeat_s
        )
        recorder = JournalRecorder(
            journal=stores.journal,
            worker=self._reads,
            clock=self._clock,
            rows=self._rows,
            on_recorded=self._activity.facts_arrived,
        )
        return policy_handlers(service, watches.watch_policy), journal_handlers(recorder)

    def begin(self) -> list[asyncio.Task[None]]:
        """Starts what runs beside the server: pulse, confirmation, schedule, following the journal, watching it all."""
        self._vitals.pulse(lag_s=0.0)
        lives = {
            "vitals": self._vitals.run,
            "confirm": self._keeper.run,
            "schedule": self._scheduler.run,
            "signals": self._activity.run,
            "modes": self.modes.run,
            "watch": self._lookout.run,
        }
        return [asyncio.create_task(self._living(name, live), name=name) for name, live in lives.items()]

    async def _living(self, name: str, live: Callable[[], Awaitable[None]]) -> None:
        # None of them may die in silence: without confirmation and pulse the authority would vouch for what it
        # does not know.
        while True:
            try:
                await live()
            except Exception:
                _log.critical("The %s task failed and is started again", name, exc_info=True)
                await pause(self._timer, RESTART_AFTER_S)

    def running(self, port: int) -> Running:
        """Returns what a host may know."""
        feed = LocalPolicyFeed(self._maker, heartbeat_s=self._settings.heartbeat_s, loop=asyncio.get_running_loop())
        running = Running(
            host=self._settings.grpc_host,
            port=port,
            server_id=self._server_id,
            head=self._broker.current.head,
            database_url=self._settings.database_url,
            feed=feed,
        )
        _log.info("Serving on %s, policy %s", running.address, name_of(running.head.ref))
        return running

    def close(self) -> None:
        """Waits for blocking calls that have begun."""
        for worker in (self._evaluations, self._reads, self._confirm, self._tail):
            worker.close()


def _evaluator(settings: Settings, stores: Stores, machine: Machine) -> Evaluator:
    return Evaluator(
        store=stores.evaluations,
        journal=stores.journal,
        log=stores.log,
        clock=machine.clock,
        config=settings.decision,
        valid_for_s=VALID_FOR_PERIODS * settings.evaluation_period_s,
        new_id=machine.new_id,
    )


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
