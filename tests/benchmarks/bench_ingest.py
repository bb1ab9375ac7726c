"""How many closed trades a second the authority stores, beside a driver that is handed the finished rows."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import count

import psycopg
from benching.contenders import child, start_authority
from benching.history import trades_until_now, url_of
from benching.postgres import start_postgres
from benching.processes import Child
from benching.run import Candidate, Run
from benching.values import Benchmark, Goal
from sqlalchemy import make_url

from msc_authority.adapters.instants import text_of
from msc_authority.adapters.sql import open_store
from msc_authority.compose.parts import this_machine
from msc_authority.core.facts import Trade

TRADES, QUICK_TRADES = 50_000, 5_000
ROUNDS, QUICK_ROUNDS = 9, 2
A_BATCH = 1000
"""Trades of a message, and of a commit: what is acknowledged is durable."""
WITHIN_S = 120.0

AUTHORITY, RAW, AT_ONCE = "authority", "executemany", "executemany, one commit"
SQLITE, POSTGRES = "SQLite", "PostgreSQL"

_COLUMNS = (
    "trade_id, strategy_id, symbol, direction, quantity, entry_price, exit_price, opened_at, closed_at, gross_pnl, "
    "fees, funding, net_pnl, risk_at_entry, source, policy_version"
)
_Row = tuple[object, ...]
_Insert = Callable[[Sequence[_Row]], None]


def measure(run: Run) -> None:
    """The authority and the driver write into databases of their own, of one schema and on one disk or server."""
    candidates = _on_sqlite(run)
    with run.optional(f"{AUTHORITY}, {POSTGRES}", f"{RAW}, {POSTGRES}", f"{AT_ONCE}, {POSTGRES}"):
        candidates += _on_postgres(run)
    run.rounds(candidates, QUICK_ROUNDS if run.quick else ROUNDS)


def _on_sqlite(run: Run) -> list[Candidate]:
    authority = start_authority(run, "ingest-sqlite")
    path = run.home / "raw.db"
    open_store(url_of(path), this_machine().clock).close()
    database = run.stack.enter_context(closing(sqlite3.connect(path, isolation_level=None)))
    # As careful as the product.
    database.execute("PRAGMA synchronous = FULL")
    statement = f"INSERT INTO trade_logs ({_COLUMNS}) VALUES ({', '.join('?' * 16)})"  # noqa: S608 - names of ours

    def insert(rows: Sequence[_Row]) -> None:
        database.execute("BEGIN IMMEDIATE")
        database.executemany(statement, rows)
        database.execute("COMMIT")

    return _candidates(run, SQLITE, authority.port, insert, _sqlite_row)


def _on_postgres(run: Run) -> list[Candidate]:
    server = start_postgres(run)
    authority = start_authority(run, "ingest-postgresql", database_url=server.new_database())
    url = make_url(server.new_database()).set(drivername="postgresql")
    database = run.stack.enter_context(psycopg.connect(url.render_as_string(hide_password=False)))
    statement = f"INSERT INTO trade_logs ({_COLUMNS}) VALUES ({', '.join(['%s'] * 16)})"  # noqa: S608 - names of ours

    def insert(rows: Sequence[_Row]) -> None:
        with database.transaction(), database.cursor() as cursor:
            cursor.executemany(statement, rows)

    return _candidates(run, POSTGRES, authority.port, insert, _postgres_row)


def _candidates(run: Run, kind: str, port: int, insert: _Insert, row_of: Callable[[Trade], _Row]) -> list[Candidate]:
    trades = QUICK_TRADES if run.quick else TRADES
    recorder = child(run, f"recorder-{kind}", "benching.load.recorder", port=port)
    numbers, rows = count(1), list[_Row]()

    def make_messages() -> None:
        run.say(f"{trades:,} trades into {kind}")
        recorder.ask(WITHIN_S, make=f"M{next(numbers)}", trades=trades)

    def make_rows() -> None:
        rows[:] = map(row_of, trades_until_now(trades, f"R{next(numbers)}"))

    return [
        Candidate(f"{AUTHORITY}, {kind}", partial(_sent, recorder, trades), make_messages),
        Candidate(f"{RAW}, {kind}", lambda: _inserted(insert, _batches(rows), trades), make_rows),
        Candidate(f"{AT_ONCE}, {kind}", lambda: _inserted(insert, [rows], trades), make_rows),
    ]


def _sent(recorder: Child, trades: int) -> float:
    return trades / float(str(recorder.ask(WITHIN_S, send=True)["seconds"]))


def _inserted(insert: _Insert, batches: Sequence[Sequence[_Row]], trades: int) -> float:
    began = time.perf_counter_ns()
    for batch in batches:
        insert(batch)
    return trades / ((time.perf_counter_ns() - began) / 1e9)


def _batches(rows: Sequence[_Row]) -> list[Sequence[_Row]]:
    return [rows[start : start + A_BATCH] for start in range(0, len(rows), A_BATCH)]


def _postgres_row(trade: Trade) -> _Row:
    return tuple(_values(trade))


def _sqlite_row(trade: Trade) -> _Row:
    texts: list[object] = [value if value is None or isinstance(value, int) else str(value) for value in _values(trade)]
    texts[7], texts[8] = text_of(trade.opened_at), text_of(trade.closed_at)
    return tuple(texts)


def _values(trade: Trade) -> Iterator[object]:
    names = _COLUMNS.split(", ")
    for name in names:
        value = getattr(trade, name)
        yield value.value if name in {"direction", "source"} else value


BENCHMARK = Benchmark(
    name="ingest",
    question="Closed trades stored in a second, beside a driver that is handed the finished rows",
    unit="rows/s",
    baseline=f"{RAW}, {SQLITE}",
    goals=(
        *(Goal(what=f"{AUTHORITY}, {kind}", against=f"{RAW}, {kind}", at_least=0.3) for kind in (SQLITE, POSTGRES)),
        *(Goal(what=f"{AUTHORITY}, {kind}", against=f"{AT_ONCE}, {kind}", at_least=0.3) for kind in (SQLITE, POSTGRES)),
    ),
    measure=measure,
)
