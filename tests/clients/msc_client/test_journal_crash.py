"""The writer's process dies or forks: what was acknowledged arrives, and nobody writes in another's folder."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from msc_client.journal import JournalWriter
from msc_policy.v1 import JournalServiceServicer, RecordResponse, add_JournalServiceServicer_to_server

DEADLINE_S = 20.0


class Authority(JournalServiceServicer):
    """Stores accounts as ids, on a port of its own; it can go away and come back."""

    def __init__(self) -> None:
        self.arrived: set[str] = set()
        self.port = 0
        self._server: grpc.Server | None = None
        self.start()

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    def Record(self, request_iterator: Any, context: Any) -> RecordResponse:  # noqa: N802, ANN401 -- as generated
        accounts = [entry.equity.account for request in request_iterator for entry in request.entries]
        self.arrived.update(accounts)
        return RecordResponse(accepted=len(accounts))

    def start(self) -> None:
        self._server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
        add_JournalServiceServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        self._server.start()

    def stop(self) -> None:
        if self._server:
            self._server.stop(None).wait()
            self._server = None


@pytest.fixture
def authority() -> Iterator[Authority]:
    authority = Authority()
    yield authority
    authority.stop()


def test_a_forked_child_is_told_to_make_its_own_and_leaves_the_parent_alone(tmp_path: Path) -> None:
    script = """
import os, sys
from pathlib import Path
from datetime import UTC, datetime
from decimal import Decimal
from msc_client._delivery import Answer
from msc_client.facts import EquityPoint
from msc_client.journal import JournalWriter, WriterForked

class Sender:
    def send(self, batch): return Answer(stored=len(batch), refused_total=0)
    def close(self): pass

folder = Path(sys.argv[1])
writer = JournalWriter(spool_dir=folder, name="t", sender=Sender())
at = datetime(2022, 1, 1, tzinfo=UTC)
fact = EquityPoint(account="a", at=at, wallet_balance=Decimal(1), unrealized_pnl=Decimal(1))
child = os.fork()
if child == 0:
    try:
        writer.write(fact)
    except WriterForked:
        with JournalWriter(spool_dir=folder / "child", name="t", sender=Sender()) as own:
            own.write(fact)
            os._exit(0 if own.drain(20) else 3)
    os._exit(4)
_, status = os.waitpid(child, 0)
writer.write(fact)
print(os.waitstatus_to_exitcode(status), writer.close(20))
"""
    # Forking with threads about is what is tested; the interpreter rightly warns of it since 3.12.
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stdout.split() == ["0", "True"], done.stderr


_WRITE_FOR_EVER = """
import sys
from pathlib import Path
from datetime import UTC, datetime
from decimal import Decimal
from msc_client.facts import EquityPoint
from msc_client.journal import JournalWriter

target, folder, start = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
writer = JournalWriter(target, spool_dir=folder, name="t", segment_bytes=2000)
at = datetime(2022, 1, 1, tzinfo=UTC)
for batch in range(start, start + 1_000_000, 5):
    for number in range(batch, batch + 5):
        writer.write(EquityPoint(account=f"a{number}", at=at, wallet_balance=Decimal(1), unrealized_pnl=Decimal(1)))
    if writer.flush(20):
        print(batch + 5, flush=True)
"""


def test_every_fact_acknowledged_as_durable_arrives_although_the_process_is_killed_again_and_again(
    authority: Authority, tmp_path: Path
) -> None:
    acknowledged = 0
    for round_ in range(6):
        if round_ % 2:
            authority.stop()
        acknowledged = write_until_killed(authority.target, tmp_path / "spool", acknowledged, facts=40 + 15 * round_)
        if round_ % 2:
            authority.start()

    with JournalWriter(authority.target, spool_dir=tmp_path / "spool", name="last") as writer:
        assert writer.drain(DEADLINE_S)
    assert [number for number in range(acknowledged) if f"a{number}" not in authority.arrived] == []


def write_until_killed(target: str, folder: Path, start: int, *, facts: int) -> int:
    arguments = [sys.executable, "-c", _WRITE_FOR_EVER, target, str(folder), str(start)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        acknowledged = start
        while acknowledged < start + facts:
            acknowledged = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().splitlines()
    return int(rest[-1]) if rest and rest[-1].isdigit() else acknowledged
