"""The authority is killed in the middle of commits and of ingest, again and again; nothing acknowledged is lost."""

from __future__ import annotations

import itertools
import random
import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from process_harness import AuthorityProcess, until

from msc_policy import v1 as pb

ROUNDS = 50
EVALUATED_EACH = 5
"""In one life of so many it is killed amid evaluations: behind a kill, these first wait for the lease of the dead."""
BATCH = 20
STRATEGIES = 4


class Traffic:
    """Journals trades and asks for evaluations until the authority dies, and remembers what was acknowledged."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self.acknowledged: set[str] = set()
        self.versions: list[tuple[int, int]] = []
        self._began = datetime.now(UTC)

    def run_until_killed(self, authority: AuthorityProcess, after: int, *, evaluated: bool) -> None:
        """Kills the authority once `after` calls were acknowledged, while others are under way.

        `evaluated`: so many of them have to be evaluations.
        """
        acknowledgements = itertools.count(1)
        enough = threading.Event()
        dead = threading.Event()

        def acknowledged(*, an_evaluation: bool) -> None:
            if (an_evaluation or not evaluated) and next(acknowledgements) >= after:
                enough.set()

        threads = [
            threading.Thread(target=self._journal, args=(authority, partial(acknowledged, an_evaluation=False))),
            threading.Thread(target=self._evaluate, args=(authority, partial(acknowledged, an_evaluation=True), dead)),
            threading.Thread(target=self._watch, args=(authority,)),
        ]
        for thread in threads:
            thread.start()
        assert enough.wait(30), authority.printed()
        dead.set()
        authority.kill()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()

    def _journal(self, authority: AuthorityProcess, acknowledged: Callable[[], None]) -> None:
        with authority.channel() as channel:
            stub = pb.JournalServiceStub(channel)
            while True:
                entries = [self._trade(next(self._numbers)) for _ in range(BATCH)]
                try:
                    answer = stub.Record(iter([pb.RecordRequest(entries=entries)]), timeout=10)
                except grpc.RpcError:
                    return
                assert answer.refused_total == 0, answer
                self.acknowledged.update(entry.trade.trade_id for entry in entries)
                acknowledged()

    def _evaluate(self, authority: AuthorityProcess, acknowledged: Callable[[], None], dead: threading.Event) -> None:
        with authority.stub() as stub:
            while True:
                try:
                    answer = stub.Evaluate(pb.EvaluateRequest(), timeout=10)
                except grpc.RpcError:
                    if dead.is_set():
                        return
                    # It does not lead yet.
                    continue
                self.versions.append((answer.head.epoch, answer.head.version))
                acknowledged()

    def _watch(self, authority: AuthorityProcess) -> None:
        with authority.stub() as stub:
            try:
                for message in stub.WatchPolicy(pb.WatchPolicyRequest(), timeout=60):
                    self.versions.append((message.head.epoch, message.head.version))
            except grpc.RpcError:
                return

    def _trade(self, number: int) -> pb.JournalEntry:
        closed = self._began - timedelta(minutes=10) + timedelta(milliseconds=number)
        pnl = "30" if (number // BATCH) % STRATEGIES == number % STRATEGIES else "5"
        trade = pb.ClosedTrade(
            trade_id=f"trade-{number}",
            strategy_id=f"STRATEGY_{number % STRATEGIES}",
            symbol="BTCUSDT",
            direction=pb.DIRECTION_LONG,
            quantity="1",
            entry_price="100",
            exit_price="101",
            opened_at=_stamp(closed - timedelta(minutes=5)),
            closed_at=_stamp(closed),
            gross_pnl=pnl,
            fees="0",
            funding="0",
            net_pnl=pnl,
            risk_at_entry="20",
            source=pb.TRADE_SOURCE_LIVE,
        )
        return pb.JournalEntry(seq=number, trade=trade)


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[AuthorityProcess]:
    process = AuthorityProcess(home=tmp_path / "authority", environment={"MSC_LEASE_TTL_S": "1"})
    yield process
    process.close()


def test_fifty_kills_lose_nothing_and_double_nothing(authority: AuthorityProcess) -> None:
    traffic, chance = Traffic(), random.Random(20)  # noqa: S311 - seeded, for the moments of the kills
    highest = (0, 0)
    for life in range(ROUNDS):
        authority.spawn()
        answer = until(authority.answers, deadline_s=30, what="the database opens after a kill")
        head = (answer.head.epoch, answer.head.version)
        assert head >= highest, "an acknowledged version is gone"
        traffic.versions.clear()
        traffic.run_until_killed(authority, after=chance.randint(1, 12), evaluated=life % EVALUATED_EACH == 0)
        highest = max([head, *traffic.versions])

    ids, versions = _stored(authority.home)
    assert len(ids) == len(set(ids)), "a row is doubled"
    assert traffic.acknowledged <= set(ids), "an acknowledged row is lost"
    assert versions == list(range(1, len(versions) + 1)), "versions have a gap"
    assert len(versions) > ROUNDS // EVALUATED_EACH, "the policy hardly changed, so commits were hardly tried"


def _stored(home: Path) -> tuple[list[str], list[int]]:
    (database,) = home.glob("*.db")
    with sqlite3.connect(database) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        ids = [row[0] for row in connection.execute("SELECT trade_id FROM trade_logs")]
        versions = [row[0] for row in connection.execute("SELECT version FROM msc_policies ORDER BY version")]
    connection.close()
    return ids, versions


def _stamp(instant: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(instant)
    return stamp
