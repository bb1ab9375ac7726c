"""A backup is taken while the authority writes, the database is destroyed, and a client moves to the new epoch once."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from process_harness import AuthorityProcess, WatchingClient, clean_environment, until

from msc_policy import v1 as pb


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[AuthorityProcess]:
    process = AuthorityProcess(home=tmp_path / "authority")
    yield process
    process.close()


@pytest.fixture
def client(authority: AuthorityProcess, tmp_path: Path) -> Iterator[WatchingClient]:
    authority.start()
    watching = WatchingClient(authority.target, tmp_path / "client")
    yield watching
    watching.close()


def msc(authority: AuthorityProcess, *words: str) -> dict[str, object]:
    """Runs a command on the authority's home, and returns what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "msc_authority", *words, "--json"],
        env=clean_environment(authority.home),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


class Writer:
    """Journals equity readings, one a call, until it is told to stop."""

    def __init__(self, authority: AuthorityProcess) -> None:
        self._authority = authority
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.acknowledged = 0

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(30)

    def _run(self) -> None:
        began = datetime.now(UTC) - timedelta(hours=1)
        with self._authority.channel() as channel:
            stub = pb.JournalServiceStub(channel)
            while not self._stopping.is_set():
                number = self.acknowledged + 1
                stamp = Timestamp()
                stamp.FromDatetime(began + timedelta(milliseconds=number))
                point = pb.EquityPoint(account="main", at=stamp, wallet_balance="1000", unrealized_pnl="0")
                entry = pb.JournalEntry(seq=number, equity=point)
                try:
                    answer = stub.Record(iter([pb.RecordRequest(entries=[entry])]), timeout=10)
                except grpc.RpcError:
                    return
                assert answer.refused_total == 0, answer
                self.acknowledged = number


def test_a_client_moves_to_the_restored_store_once_and_never_back(
    authority: AuthorityProcess, client: WatchingClient, tmp_path: Path
) -> None:
    before = client.until(lambda seen: seen.tier == "FRESH" and seen.version > 0)
    file = tmp_path / "msc.backup"
    with Writer(authority) as writer:
        until(lambda: writer.acknowledged > 20, what="facts arrive")
        taken = msc(authority, "backup", str(file))
        during = writer.acknowledged
        until(lambda: writer.acknowledged > during + 5, what="facts arrive on behind the backup")
    assert taken["epoch"] == before.epoch

    authority.kill()
    for left in authority.home.glob("msc.db*"):
        left.unlink()
    restored = msc(authority, "restore", str(file), "--yes")
    authority.start()
    after = client.until(lambda seen: seen.tier == "FRESH" and seen.epoch != before.epoch, deadline_s=60)

    assert after.epoch == restored["epoch"] != before.epoch
    moves = [epoch for epoch, _ in groupby(seen.epoch for seen in client.seen if seen.epoch)]
    assert moves == [before.epoch, after.epoch]
    refs = [(seen.epoch, seen.version) for seen in client.seen]
    assert refs == sorted(refs)
    assert sum("reset" in line.lower() for line in client.logged) == 1
    verified = msc(authority, "audit", "verify", "--anchor", str(taken["audit_anchor"]))
    assert verified["intact"] is True


def test_what_persons_put_in_force_is_in_force_behind_a_restore(authority: AuthorityProcess, tmp_path: Path) -> None:
    authority.start()
    until(lambda: (answer := authority.answers()) and answer.policy.ref.version, what="a first policy")
    asking = ("--target", authority.target)
    msc(authority, "pin", "DEFENSIVE", "--reason", "calm down", "--for", "2d", *asking)
    msc(authority, "halt", "--reason", "news", *asking)
    file = tmp_path / "msc.backup"
    taken = msc(authority, "backup", str(file))
    authority.kill()
    for left in authority.home.glob("msc.db*"):
        left.unlink()

    restored = msc(authority, "restore", str(file), "--yes")
    authority.start()

    def policy_of_the_new_epoch() -> pb.Policy | None:
        answer = authority.answers()
        return answer.policy if answer and answer.policy.ref.version else None

    policy = until(policy_of_the_new_epoch, what="a policy of the new epoch")
    assert policy.ref.epoch == restored["epoch"] != taken["epoch"]
    assert policy.trading_state == pb.TRADING_STATE_HALTED
    assert policy.risk_mode == pb.RISK_MODE_DEFENSIVE
    assert "calm down" in json.dumps(msc(authority, "overrides", *asking))
    msc(authority, "resume", "--reason", "over", "--yes", *asking)
    assert until(authority.answers).policy.trading_state != pb.TRADING_STATE_HALTED


def test_what_persons_said_since_the_backup_is_in_force_behind_a_restore_over_the_database(
    authority: AuthorityProcess, tmp_path: Path
) -> None:
    authority.start()
    until(lambda: (answer := authority.answers()) and answer.policy.ref.version, what="a first policy")
    asking = ("--target", authority.target)
    token = msc(authority, "token", "create", "bot", "--role", "reader")
    file = tmp_path / "msc.backup"
    msc(authority, "backup", str(file))
    msc(authority, "limit", "--max-positions", "1", "--reason", "careful", *asking)
    msc(authority, "halt", "--reason", "news", *asking)
    msc(authority, "token", "revoke", str(token["token_id"]))
    anchor = msc(authority, "audit", "verify")["anchor"]
    authority.kill()

    restored = msc(authority, "restore", str(file), "--replace", "--yes")
    authority.start()

    def policy_of_the_new_epoch() -> pb.Policy | None:
        answer = authority.answers()
        return answer.policy if answer and answer.policy.ref.version else None

    policy = until(policy_of_the_new_epoch, what="a policy of the new epoch")
    assert policy.ref.epoch == restored["epoch"]
    assert (policy.trading_state, policy.max_positions) == (pb.TRADING_STATE_HALTED, 1)
    assert (restored["tokens"], restored["knows_what_was_said"]) == ([], True)
    assert msc(authority, "audit", "verify", "--anchor", str(anchor))["intact"] is True
