"""Scenes for the dashboard: a real authority with the bundled sample behind it, clients, blocked signals and losses."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import grpc
from google.protobuf.duration_pb2 import Duration
from msc_doors import an_open_door
from process_harness import AuthorityProcess, free_port, until

from msc_authority.adapters.clock import SystemClock
from msc_authority.adapters.sql import open_store
from msc_authority.app.insight import Insight
from msc_authority.compose.replay import replay_into
from msc_authority.core.config import DecisionConfig
from msc_authority.core.facts import EquityPoint, Execution, Fact, Side, happened_at
from msc_authority.http.app import Face, make_app
from msc_authority.http.hosts import Hosts
from msc_authority.http.serving import HttpServer, listen, url_of
from msc_authority.sample import sample_facts
from msc_authority.settings import sqlite_url
from msc_policy import v1 as pb

DATABASE = "msc.db"
REPORT_EVERY_S = 1.0
BALANCED_DAYS = timedelta(days=3)
"""So long before its end the sample is in mode NORMAL, whatever the time of the day."""


def known_facts() -> list[Fact]:
    """What of the sample has happened by the last full hour."""
    now = SystemClock().now()
    ends_at = datetime(now.year, now.month, now.day, 14, tzinfo=UTC) + BALANCED_DAYS
    last = now.replace(minute=0, second=0, microsecond=0)
    return [fact for fact in sample_facts(ends_at) if happened_at(fact) <= last]


def make_database(home: Path) -> Path:
    """Writes a database with the sample replayed up to now, in mode NORMAL."""
    for _ in replay_into(sqlite_url(home, DATABASE), known_facts(), DecisionConfig(), timedelta(hours=1)):
        pass
    return home / DATABASE


@dataclass
class Scene:
    """An authority and those around it. Close it; `with` does."""

    authority: AuthorityProcess
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _calls: list[grpc.Call] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def url(self) -> str:
        """Where the dashboard is."""
        return f"{self.authority.url}/"

    def wait_for_pages(self) -> None:
        """Returns when HTTP answers."""
        until(self._has_pages, deadline_s=60, what=f"HTTP answers; the authority printed {self.authority.printed()}")

    def _has_pages(self) -> bool:
        from httpx import HTTPError, get

        try:
            return get(f"{self.authority.url}/healthz", timeout=5).status_code == 200
        except HTTPError:
            return False

    def evaluate(self) -> pb.EvaluateResponse:
        """Has it evaluate, and returns the answer."""
        with self.authority.stub() as stub:
            answer: pb.EvaluateResponse = stub.Evaluate(pb.EvaluateRequest(reason="a test"), timeout=30)
        return answer

    def record(self, *facts: Fact) -> None:
        """Brings facts into its journal."""
        with open_store(sqlite_url(self.authority.home, DATABASE), SystemClock()) as store:
            assert not store.journal.record(facts).refused

    def fall(self, fraction: float) -> None:
        """Lets the account lose a part of the most that it had."""
        points = [fact for fact in known_facts() if isinstance(fact, EquityPoint)]
        most = max(point.wallet_balance + point.unrealized_pnl for point in points)
        balance = (most * (1 - Decimal(str(fraction)))).quantize(Decimal("0.01"))
        now = SystemClock().now()
        self.record(replace(points[-1], at=now, wallet_balance=balance, unrealized_pnl=Decimal(0), net_flow=Decimal(0)))

    def block(self, strategy_id: str, reason: str, *, symbol: str = "BTCUSDT", times: int = 1) -> None:
        """Journals blocked signals."""
        self.record(*(self._execution(strategy_id, "BLOCKED", reason, symbol) for _ in range(times)))

    def trade(self, strategy_id: str, *, times: int = 1) -> None:
        """Journals signals that came through."""
        self.record(*(self._execution(strategy_id, "NEW", "", "BTCUSDT") for _ in range(times)))

    def _execution(self, strategy_id: str, status: str, reason: str, symbol: str) -> Execution:
        number = next(self._numbers)
        return Execution(
            event_id=f"event-{number}",
            account="sample",
            executor="executor-1",
            strategy_id=strategy_id,
            symbol=symbol,
            side=Side.BUY,
            order_id="",
            client_order_id=f"order-{number}",
            status=status,
            quantity=Decimal("0.01"),
            price=None,
            fee=Decimal(0),
            realized_pnl=Decimal(0),
            reduce_only=False,
            confidence=0.55,
            policy_version=1,
            at=SystemClock().now() - timedelta(seconds=number % 60),
            reason=reason,
            detail_json='{"text": "the confidence 0.55 is below 0.60"}' if status == "BLOCKED" else "",
        )

    def client(
        self,
        name: str,
        role: pb.ClientRole.ValueType,
        *,
        behind: int = 0,
        tier: pb.ClientTier.ValueType = pb.CLIENT_TIER_FRESH,
        last_error: str = "",
    ) -> None:
        """Has a client watch, and report each second what it acts on, until the scene is over."""
        info = pb.ClientInfo(instance_id=f"{name}-1", name=name, role=role, sdk="python/0.1.0")
        channel = grpc.insecure_channel(self.authority.target)
        stub = pb.PolicyAuthorityStub(channel)
        watch = stub.WatchPolicy(pb.WatchPolicyRequest(client=info))
        self._calls.append(watch)
        head = pb.PolicyRef()

        def follow() -> None:
            try:
                for message in watch:
                    head.CopyFrom(message.head)
            except grpc.RpcError:
                return

        def report() -> None:
            while not self._stop.wait(REPORT_EVERY_S):
                applied = pb.PolicyRef(epoch=head.epoch, version=max(1, head.version - behind))
                age = Duration(seconds=95 if behind else 0, nanos=400_000_000)
                status = pb.ClientStatus(tier=tier, applied=applied, age=age, last_error=last_error)
                try:
                    stub.ReportClientStatus(pb.ReportClientStatusRequest(client=info, status=status), timeout=5)
                except grpc.RpcError:
                    continue
            channel.close()

        for work in (follow, report):
            thread = threading.Thread(target=work, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def close(self) -> None:
        """Ends everybody."""
        self._stop.set()
        for call in self._calls:
            call.cancel()
        for thread in self._threads:
            thread.join(10)
        self.authority.close()


@contextmanager
def a_scene(home: Path, database: Path | None = None) -> Iterator[Scene]:
    """Yields a running authority on a copy of `database`; without one it starts from nothing."""
    home.mkdir(parents=True)
    if database is not None:
        (home / DATABASE).write_bytes(database.read_bytes())
    environment = {"MSC_DATABASE_URL": sqlite_url(home, DATABASE)}
    scene = Scene(AuthorityProcess(home=home, http_port=free_port(), environment=environment))
    try:
        scene.authority.start()
        scene.wait_for_pages()
        yield scene
    finally:
        scene.close()


@contextmanager
def a_page_of(insight: Insight) -> Iterator[str]:
    """Yields where a dashboard is that shows these answers, served by this process."""
    ids = itertools.count(1)
    listening = listen("127.0.0.1", 0)
    url = f"{url_of('127.0.0.1', listening)}/"

    def make() -> Face:
        return make_app(
            insight, hosts=Hosts.of("127.0.0.1"), admission=an_open_door(), new_id=lambda: f"id-{next(ids)}"
        )

    server = HttpServer(make, listening)
    server.start()
    try:
        assert server.wait_until_up(60)
        yield url
    finally:
        server.begin_stop()
        assert server.join(20)
