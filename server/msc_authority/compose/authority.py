"""Composes the authority: everything that lives beside each other, and the server that answers calls."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from msc_authority.adapters.notify.addresses import sinks_for
from msc_authority.app.activity import Activity
from msc_authority.app.alerts.board import Board
from msc_authority.app.alerts.lookout import Lookout
from msc_authority.app.alerts.values import Severity
from msc_authority.app.announcing import announcer
from msc_authority.app.broker import Broker
from msc_authority.app.events import EventBus, log_event, name_of
from msc_authority.app.fleet import Fleet
from msc_authority.app.journal_tally import RowCounter
from msc_authority.app.live_insight import LiveInsight
from msc_authority.app.modes import ModeTimeline
from msc_authority.app.observer import Observer
from msc_authority.app.scheduler import Evaluates, Scheduler
from msc_authority.app.timing import pause
from msc_authority.app.trace import EquityTracer
from msc_authority.app.vitals import HeadKeeper, Vitals
from msc_authority.app.work import Worker
from msc_authority.compose.access import Access
from msc_authority.compose.cache import Cached, first_current
from msc_authority.compose.operator import Operating
from msc_authority.compose.parts import Machine, Running, Stores, links_of
from msc_authority.compose.replicas import Together
from msc_authority.compose.signs import Signs
from msc_authority.ports.announcements import Announcements
from msc_authority.ports.cache import PolicyCache
from msc_authority.rpc.frames import Frames
from msc_authority.rpc.health import Health
from msc_authority.rpc.journal_service import JournalRecorder, journal_handlers
from msc_authority.rpc.local_feed import LocalPolicyFeed
from msc_authority.rpc.mapping.served import ServedPolicy
from msc_authority.rpc.operator_service import OperatorService, operator_handlers
from msc_authority.rpc.policy_service import PolicyService, policy_handlers
from msc_authority.rpc.serving import PolicyServer
from msc_authority.rpc.watch_service import WatchMaker, WatchService

if TYPE_CHECKING:
    import grpc

    from msc_authority.settings import Settings

_log = logging.getLogger(__name__)

STORE_THREADS = 4
PAGE_THREADS = 2
"""For what pages ask of the store: they do not queue before callers of gRPC."""
RESTART_AFTER_S = 1.0
CLIENTS_PER_WATCHER = 2
"""Clients remembered for each watcher allowed: those that left are kept for an hour."""


MakesEvaluator = Callable[[Callable[[], int]], Evaluates]
"""Makes the evaluator of an authority; it is given what returns the term to evaluate under."""


class Authority:
    """Everything that lives, wired."""

    def __init__(
        self,
        settings: Settings,
        stores: Stores,
        machine: Machine,
        make_evaluator: MakesEvaluator,
        broker: Broker,
        events: EventBus,
        announcements: Announcements,
        cache: PolicyCache | None = None,
    ) -> None:
        clock, timer = machine.clock, machine.timer
        self._settings, self._broker, self._clock, self._timer = settings, broker, clock, timer
        self._server_id = machine.new_id()
        self._links = links_of(settings)
        self.sinks = sinks_for(settings.alert_urls, links=self._links, least=Severity(settings.alert_min_severity))
        events.subscribe(self.sinks.listener, patient=True)
        self._announcements = announcements
        events.subscribe(announcer(announcements))
        self.together = Together(settings, stores, machine, broker=broker, events=events, server_id=self._server_id)
        self._evaluations = Worker(threads=1, name="evaluate")
        self._reads = Worker(threads=STORE_THREADS, name="store")
        self._health = Health()
        self._served = ServedPolicy()
        self._scheduler = Scheduler(
            evaluator=make_evaluator(self.together.leadership.term),
            broker=broker,
            events=events,
            clock=clock,
            timer=timer,
            worker=self._evaluations,
            previews=self._reads,
            period_s=settings.evaluation_period_s / machine.speed,
            speed=machine.speed,
            leads=self.together.leadership,
            elsewhere=self.together.demands,
        )
        self._operating = Operating(settings, stores, machine, broker=broker, schedule=self._scheduler, events=events)
        # A thread of its own: the confirmation of the head does not queue behind callers.
        self._confirm = Worker(threads=1, name="confirm")
        self._keeper = HeadKeeper(store=stores.policies, broker=broker, worker=self._confirm, clock=clock, timer=timer)
        self.cached = Cached(cache, machine, broker=broker, events=events, keeper=self._keeper)
        self._vitals = Vitals(
            broker=broker,
            events=events,
            clock=clock,
            timer=timer,
            tell=self._health.show,
        )
        frames = Frames(broker, clock, self._served)
        stores.evaluations.before_commit(frames.prepare)
        self._maker = WatchMaker(
            broker=broker,
            frames=frames,
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
        self.access = Access(settings, stores.tokens, clock, timer)
        self._signs = Signs(stores, announcements, door=self.access.admission.tally, cache=self.cached.signs)
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
            in_force=self._operating.in_force,
            events=events,
            clock=clock,
            server_id=self._server_id,
            period_s=settings.evaluation_period_s / machine.speed,
            speed=machine.speed,
            standing=self.together.standing,
            production=self._signs.production,
        )
        self.board = Board()
        # It folds a journal for seconds: nothing is to queue behind that.
        self._folds = Worker(threads=1, name="trace")
        self._tracer = EquityTracer(
            journal=stores.journal, clock=clock, timer=timer, worker=self._folds, config=settings.decision
        )
        self._pages = Worker(threads=PAGE_THREADS, name="pages")
        self._insight = self._live_insight(stores, events)
        self._lookout = Lookout(observer=self.observer, board=self.board, events=events, timer=timer)
        self.server = PolicyServer(
            handlers=self._handlers(stores),
            health=self._health,
            broker=broker,
            admission=self.access.admission,
            tls=self.access.tls,
            clock=clock,
            new_id=machine.new_id,
        )

    def _live_insight(self, stores: Stores, events: EventBus) -> LiveInsight:
        return LiveInsight(
            broker=self._broker,
            scheduler=self._scheduler,
            observer=self.observer,
            board=self.board,
            tracer=self._tracer,
            timeline=self.modes,
            in_force=self._operating.in_force,
            operations=self._operating.operations,
            links=self._links,
            policies=stores.policies,
            log=stores.log,
            worker=self._pages,
            events=events,
            clock=self._clock,
        )

    @classmethod
    async def made(
        cls,
        settings: Settings,
        stores: Stores,
        machine: Machine,
        make_evaluator: MakesEvaluator,
        announcements: Announcements,
        cache: PolicyCache | None = None,
    ) -> Authority:
        """Returns one that starts from what the store, or else the cache, says is the head. Raises StoreUnavailable."""
        events = EventBus(later=asyncio.get_running_loop().call_soon)
        events.subscribe(log_event, patient=True)
        current = await asyncio.to_thread(first_current, stores, machine.clock, cache)
        broker = Broker(
            current=current,
            clock=machine.clock,
            timer=machine.timer,
            events=events,
            max_watchers=settings.max_watchers,
            speed=machine.speed,
        )
        return cls(settings, stores, machine, make_evaluator, broker, events, announcements, cache)

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
            standing=self.together.standing,
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
        acts = OperatorService(operations=self._operating.operations, broker=self._broker, served=self._served)
        return policy_handlers(service, watches.watch_policy), journal_handlers(recorder), operator_handlers(acts)

    def begin(self) -> list[asyncio.Task[None]]:
        """Starts what runs beside the server: pulse, confirmation, lease, schedule, and all that watches."""
        self._vitals.pulse(lag_s=0.0)
        self._announcements.listen(self._keeper.poke)
        lives = {
            "vitals": self._vitals.run,
            "confirm": self._keeper.run,
            **self.cached.lives(),
            **self.together.lives(self._keeper, self._scheduler),
            "schedule": self._scheduler.run,
            "signals": self._activity.run,
            "modes": self.modes.run,
            "watch": self._lookout.run,
            "trace": self._tracer.run,
            "overrides": self._operating.keep,
            "tokens": self.access.keep_tokens,
            "certificates": self.access.keep_certificates,
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
            insight=self._insight,
            admission=self.access.admission,
            tls=self.access.tls,
            deliveries=self.sinks.tallies,
            leading=lambda: self.together.leadership.leading,
            watch_upkeep=self._signs.watch_upkeep,
        )
        _log.info("Serving on %s, policy %s", running.address, name_of(running.head.ref))
        return running

    def close(self) -> None:
        """Waits for blocking calls that have begun."""
        for worker in (self._evaluations, self._reads, self._confirm, self._tail, self._folds, self._pages):
            worker.close()
        self.cached.close()
        self._operating.close()
        self.together.close()
        self.access.close()
