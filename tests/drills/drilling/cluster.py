"""Three authorities on one PostgreSQL and one Valkey, each behind lines of its own, and everybody who watches them."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from msc_postgres import PostgresServer
from msc_valkey import ValkeyServer
from process_harness import AuthorityProcess, until

from drilling.database import DrillDatabase
from drilling.lines import Line, Switchboard, Upstream
from drilling.network import Network, Side, Unavailable
from drilling.publishing import Publisher
from drilling.verdict import Ref
from drilling.watchers import Watchers

AUTHORITIES = 3
STARTS_WITHIN_S = 90.0
_NO_LONGER = re.compile(r"No longer leading in term \d+: ([^\n]*)")
# A traceback with the lines around it. Alerts are critical lines, too, and do their work; but two of them are about the
# authority itself.
_BROKEN = re.compile(
    r"[^\n]*\n[^\n]*Traceback \(most recent call last\)[^\n]*\n(?:[ |+][^\n]*\n)*[^\n]*"
    r"|CRITICAL (?!msc_authority\.app\.events: \[)[^\n]*"
    r"|\[(?:INTEGRITY|RULE_BROKEN)\][^\n]*"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One authority, the lines to its stores, and one from its clients where it has no network of its own."""

    process: AuthorityProcess
    database: Line
    redis: Line
    front: Line | None
    network: Network | None

    @property
    def target(self) -> str:
        """Where clients find it."""
        return self.process.target if self.front is None else f"127.0.0.1:{self.front.port}"

    def cut(self, *sides: Side) -> None:
        """Cuts it off from its clients, its stores, or both. Nobody is told."""
        if self.network is not None:
            self.network.cut(*sides)
            return
        for line in self._lines(*sides):
            line.cut()

    def heal(self, *sides: Side) -> None:
        """Lets everything through again."""
        if self.network is not None:
            self.network.heal(*sides)
            return
        for line in self._lines(*sides):
            line.heal()

    def _lines(self, *sides: Side) -> list[Line]:
        lines = {"front": [self.front] if self.front is not None else [], "back": [self.database, self.redis]}
        return [line for side in sides for line in lines[side]]

    def steps_down(self) -> list[str]:
        """Why it said that it no longer leads, each time."""
        return _NO_LONGER.findall(self.process.printed())

    def complaints(self) -> list[str]:
        """What it said that must not come about, whatever breaks."""
        return _BROKEN.findall(self.process.printed())


class Cluster:
    """Everything of a drill; up behind `with`, and gone behind it."""

    def __init__(
        self, home: Path, *, clients: int, own_network: bool = True, say: Callable[[str], None] = lambda _: None
    ) -> None:
        """With `own_network`, the first authority gets one where the machine allows it."""
        self._home, self._clients, self._own_network, self._say = home, clients, own_network, say
        self._stack = ExitStack()
        self.no_network = "" if own_network else "not asked for"

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def _start(self) -> None:
        enter = self._stack.enter_context
        self._say("starting PostgreSQL and Valkey")
        self.postgres = enter(PostgresServer(max_connections="100", fsync="on")).start()
        self.valkey = enter(ValkeyServer()).start()
        self.database = DrillDatabase(self.postgres)
        self.lines = enter(Switchboard())
        network = self._network()
        self.replicas = [self._replica(number, network if number == 0 else None) for number in range(AUTHORITIES)]
        for number, replica in enumerate(self.replicas):
            self._say(f"starting authority {number + 1} of {AUTHORITIES}")
            self._stack.callback(replica.process.close)
            replica.process.start()
        self._say(f"starting {self._clients} clients")
        self.publisher = Publisher([replica.process for replica in self.replicas])
        self.watchers = enter(Watchers(self._home, ",".join(one.target for one in self.replicas), self._clients))
        self.all_fresh(STARTS_WITHIN_S)
        enter(self.publisher)

    def _network(self) -> Network | None:
        if not self._own_network:
            return None
        try:
            return self._stack.enter_context(Network())
        except Unavailable as unavailable:
            self.no_network = str(unavailable)
            return None

    def _replica(self, number: int, network: Network | None) -> Replica:
        there = network.outside("back") if network is not None else "127.0.0.1"
        database = self.lines.open(Upstream(path=self.postgres.folder / ".s.PGSQL.5432"), there)
        redis = self.lines.open(Upstream(port=self.valkey.port), there)
        environment = {
            "MSC_DATABASE_URL": self.database.url(there, database.port),
            "MSC_REDIS_URL": f"redis://{there}:{redis.port}/0",
        }
        process = AuthorityProcess(home=self._home / f"authority-{number}", environment=environment)
        if network is None:
            front = self.lines.open(Upstream(port=process.port)) if number == 0 else None
        else:
            front = None
            process.host, process.within = network.inside("front"), network.command
            # Its clients are on another machine, as far as it can tell.
            environment |= {
                "MSC_GRPC_HOST": process.host,
                "MSC_ALLOW_PLAINTEXT_REMOTE": "true",
                "MSC_ALLOW_ANONYMOUS_REMOTE": "true",
                "MSC_REMOTE_ROLE": "operator",
            }
            process.environment = environment
        return Replica(process=process, database=database, redis=redis, front=front, network=network)

    def leader(self) -> Replica:
        """The one that has the lease; waits until one of them does."""
        return until(self._leader, deadline_s=STARTS_WITHIN_S, what="somebody leads")

    def _leader(self) -> Replica | None:
        led = self.database.leader()
        return next((one for one in self.replicas if led is not None and one.process.target == led.address), None)

    def term(self) -> int:
        """The newest term; 0: nobody has led."""
        return self.database.term()

    def others(self, than: Replica) -> list[Replica]:
        """All but one."""
        return [replica for replica in self.replicas if replica is not than]

    def complaints(self) -> set[str]:
        """What authorities and clients said that must not come about, whatever breaks."""
        said = {f"{one.process.target}: {line}" for one in self.replicas for line in one.complaints()}
        return said | self.watchers.complaints()

    def all_fresh(self, within_s: float) -> None:
        """Returns when each client is FRESH."""
        count = len(self.watchers.names)
        until(lambda: self.watchers.fresh() == count, deadline_s=within_s, what=f"all {count} are FRESH", pause_s=0.1)

    def settled(self) -> Ref | None:
        """Returns the head that the database has, if each client was just read to be FRESH on it."""
        head = self.database.head()
        return head if self.watchers.all_have(head) else None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
