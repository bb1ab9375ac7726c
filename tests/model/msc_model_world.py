"""A small world: a database, a Redis, announcements, up to three replicas, three clients. Others say what happens."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, cast

from msc_builders import a_trade, an_equity_point
from msc_model_client import Client, Where
from msc_model_network import Announced, Post
from msc_model_reference import Reference
from msc_model_replica import Parts, Replica, Surroundings
from msc_model_store import Backup, Database, Redis
from msc_model_time import LeapingLoop, WorldClock

from msc_authority.app.acts import Act
from msc_authority.app.broker import Current
from msc_authority.app.evaluate import EvaluationFailed, EvaluationOutcome
from msc_authority.app.leadership import NotLeader
from msc_authority.compose.cache import first_current
from msc_authority.core.facts import Fact
from msc_authority.core.operator_acts import ActRefused
from msc_authority.core.policy import PolicyRef
from msc_authority.ports.policies import Head
from msc_authority.ports.store import StoreError
from msc_client import Ref, Role, Tier
from msc_client._session import Session

if TYPE_CHECKING:
    from msc_authority.compose.parts import Stores

REPLICAS = ("a", "b", "c")
ROLES = {"executor": Role.EXECUTOR, "orchestrator": Role.ORCHESTRATOR, "guard": Role.RISK_GUARD}
HEALS_WITHIN_S, LOOK_AGAIN_S = 200.0, 10.0
"""Every wait there is, once: a retry of a failed evaluation, a turn of a client to another replica, a lease."""
LONGEST_STEP_S = 10_000.0
_EXPECTED = (StoreError, NotLeader, EvaluationFailed, ActRefused)


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What a test plants. Nothing: the product as it is."""

    parts: Parts = field(default_factory=Parts)
    session: type[Session] = Session
    plant: Callable[[World], None] = lambda world: None
    new_epoch: bool = True
    keep_words: bool = True


class World:
    """Everything, on one thread and one clock."""

    def __init__(self, directory: Path, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self.loop = LeapingLoop()
        self.clock = WorldClock(self.loop)
        self.reference = Reference(self.clock)
        self.database = Database(self.clock, self.reference)
        self.redis = Redis(self.clock)
        self.announced = Announced()
        self.replicas: dict[str, Replica] = {}
        self.backups: list[Backup] = []
        self._facts = itertools.count(1)
        self._balance = Decimal(100_000)
        self._around = Surroundings(
            loop=self.loop,
            clock=self.clock,
            database=self.database,
            redis=self.redis,
            announced=self.announced,
            reference=self.reference,
        )
        where = Where(
            loop=self.loop,
            clock=self.clock,
            reference=self.reference,
            route=self._route,
            session=self.faults.session,
        )
        self.clients = {name: Client(name, role, directory / name, where) for name, role in ROLES.items()}
        self._heads: dict[str, tuple[str, PolicyRef]] = {}
        self.faults.plant(self)

    # Time

    def run(self, what: Coroutine[None, None, object] | None = None) -> None:
        """Lets everything happen that is due now."""
        self._complete(what or self._settled())
        self.look()

    def _complete(self, what: Coroutine[None, None, object]) -> None:
        self.loop.ends_at_s = self.loop.time() + LONGEST_STEP_S
        self.loop.run_until_complete(what)

    async def _settled(self) -> None:
        await asyncio.sleep(0.001)

    def pass_time(self, seconds: float) -> None:
        """Lets time pass for all."""
        self.run(asyncio.sleep(seconds))

    def leap(self, seconds: float) -> None:
        """The whole machine is suspended, and wakes up."""
        self.loop.leap(seconds)
        for client in self.clients.values():
            client.noticed(seconds)
        self.run()

    def look(self) -> None:
        """Has the model see what replicas serve and clients read."""
        for name, replica in self.replicas.items():
            head = replica.broker.current.head
            before = self._heads.get(name)
            known = before[1] if before is not None and before[0] == replica.server_id else head.ref
            self.reference.served(name, head, replica.broker.freshness().replica_age_s, known)
            self._heads[name] = (replica.server_id, head.ref)
        leaders = {name: one.leadership for name, one in self.replicas.items() if one.leadership.leading}
        self.reference.leading({name: leadership.term() for name, leadership in leaders.items()})
        for client in self.clients.values():
            client.look()
        self._broken()

    def _broken(self) -> None:
        failures = [failure for client in self.clients.values() for failure in client.failures()]
        for replica in self.replicas.values():
            done = {task for task in replica.tasks if task.done()}
            replica.tasks -= done
            failures += [error for task in done if not task.cancelled() and (error := task.exception()) is not None]
        for failure in failures:
            if not isinstance(failure, _EXPECTED):
                raise failure

    # Replicas

    def start(self, name: str) -> bool:
        """Starts a replica, if it finds anything to start with."""
        try:
            current = first_current(cast("Stores", _Stores(self.database)), self.clock, self.redis.inner)
        except StoreError:
            return False
        self.run(self._start(name, current))
        return True

    async def _start(self, name: str, current: Current) -> None:
        replica = Replica(name, self._around, current, self.faults.parts)
        self.replicas[name] = replica
        replica.begin()

    def stop(self, name: str, *, gently: bool) -> None:
        """Ends a replica: it drains, or is killed."""
        replica = self.replicas.pop(name)
        replica.cuts.stop_before_commit = False
        replica.life.end()
        self.run(self._stop(replica, gently=gently))

    async def _stop(self, replica: Replica, *, gently: bool) -> None:
        if gently:
            replica.broker.drain()
            await asyncio.sleep(0.5)
        for client in self.clients.values():
            client.torn_from(replica)
        await replica.kill(gently=gently)

    def _route(self, client: Client) -> Replica | None:
        names = [name for name in REPLICAS if name in self.replicas and name not in client.unreachable]
        return self.replicas[names[client.turn % len(names)]] if names else None

    # What persons and markets do

    def evaluate(self, replica: Replica, request_id: str = "") -> EvaluationOutcome | None:
        """Has a replica evaluate. Returns what it led to, if that is known at once."""
        done: list[EvaluationOutcome] = []

        async def evaluated() -> None:
            done.append(await replica.scheduler.evaluate(request_id=request_id, requested_by="model", reason=""))

        replica.do(evaluated())
        self.run()
        return done[0] if done else None

    def act(self, replica: Replica, act: Act) -> None:
        """Has a person do something by way of a replica."""
        replica.do(replica.operations.act(act, actor="ann", reason="model"))
        self.run()

    def trade(self, pnl: int) -> None:
        """A trade is closed, and the account is read."""
        number, now = next(self._facts), self.clock.now()
        self._balance += pnl
        won = Decimal(pnl)
        facts: list[Fact] = [
            a_trade(
                f"T-{number}",
                strategy_id=("TREND", "RANGE")[number % 2],
                opened_at=now - timedelta(minutes=9),
                closed_at=now,
                gross_pnl=won,
                fees=Decimal(0),
                funding=Decimal(0),
                net_pnl=won,
            ),
            an_equity_point(now, wallet_balance=self._balance, unrealized_pnl=Decimal(0)),
        ]
        self.database.store.journal.record(facts)

    # The end

    def heal(self) -> None:
        """Ends every fault, and has everybody there."""
        self.database.down, self.database.answer_takes_s = False, 0.0
        self.redis.down = False
        self.announced.post = Post.DELIVERED
        self.announced.let_go(reverse=False)
        for replica in self.replicas.values():
            replica.cuts.database = replica.cuts.redis = replica.cuts.stop_before_commit = False
            replica.life.end()
        for name in REPLICAS:
            if name not in self.replicas:
                self.start(name)
        for client in self.clients.values():
            client.unreachable.clear()
            client.on_hold = False
            client.goes_on()
            if client.session is None:
                client.start()
        self.run()

    def everybody_has_the_head(self) -> None:
        """The final version arrives: see that after everything healed and time passed, all have it, and FRESH."""
        self.heal()
        for _ in range(round(HEALS_WITHIN_S / LOOK_AGAIN_S)):
            self.pass_time(LOOK_AGAIN_S)
            if not self._missing():
                return
        for text in self._missing():
            self.reference.breach("4 the final version arrives", text)

    def _missing(self) -> list[str]:
        head = self.database.store.policies.head()
        if head.policy is None:
            return ["there is no policy"]
        ref = Ref(head.ref.epoch, head.ref.version, head.policy.etag)
        late = [f"{name} does not serve {ref}" for name, one in self.replicas.items() if not _serves(one, head)]
        for name, client in self.clients.items():
            applied = None if client.session is None else client.session.applied
            if not ref.same_as(applied) or client.tier() is not Tier.FRESH:
                late.append(f"{name} has {applied}, {client.tier().name}, and the head is {ref}")
        return late

    def end(self) -> None:
        """Takes everything down."""
        for client in self.clients.values():
            client.stop(gently=False)
        self._complete(self._end())
        self.loop.close()

    async def _end(self) -> None:
        for replica in self.replicas.values():
            replica.cuts.stop_before_commit = False
            replica.life.end()
            await replica.kill(gently=False)
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


def _serves(replica: Replica, head: Head) -> bool:
    return replica.broker.current.head.ref == head.ref


class _Stores:
    """The stores as a starting replica reads them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def policies(self) -> object:
        self._database.check()
        return self._database.store.policies
