"""Whatever PostgreSQL takes back is done again: the lease, replicas, requests, the audit log, a database's founding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from msc_builders import START
from msc_postgres import PostgresServer
from sqlalchemy import make_url

from msc_authority.adapters.sql import SqlStore
from msc_authority.adapters.sql.engine import ATTEMPTS
from msc_authority.ports.audit import AuditLine
from msc_authority.ports.replicas import EvaluationRequest, LeaseState, Replica
from msc_authority.ports.store import StoreTally, StoreUnavailable

REPLICA = Replica(server_id="a", address="a:1", watchers=1, started_at=START)
OTHER = replace(REPLICA, server_id="b", address="b:1")
REQUEST = EvaluationRequest(request_id="r-1", requested_by="ops", reason="a drill")
LINE = AuditLine(actor="ops", action="drill", target="nothing", detail={})


@dataclass(frozen=True, kw_only=True)
class Write:
    """One write, what is there before it, and how it is seen that it was done once."""

    table: str
    do: Callable[[SqlStore], object]
    done: Callable[[SqlStore], bool]
    before: Callable[[SqlStore], object] = id


def acquire(store: SqlStore) -> LeaseState:
    return store.lease.acquire_or_renew("a", "a:1", 9.0)


WRITES = {
    "acquiring the lease": Write(table="msc_lease", do=acquire, done=lambda store: acquire(store).term == 1),
    "renewing the lease": Write(
        table="msc_lease", before=acquire, do=acquire, done=lambda store: acquire(store).term == 1
    ),
    "giving the lease back": Write(
        table="msc_lease",
        before=acquire,
        do=lambda store: store.lease.release(1),
        done=lambda store: store.lease.acquire_or_renew("b", "b:1", 9.0).held,
    ),
    "a replica's beat": Write(
        table="msc_replicas",
        do=lambda store: store.replicas.beat(REPLICA, 9.0),
        done=lambda store: len(store.replicas.beat(OTHER, 9.0)) == 2,
    ),
    "a replica's leave": Write(
        table="msc_replicas",
        before=lambda store: store.replicas.beat(REPLICA, 9.0),
        do=lambda store: store.replicas.leave("a"),
        done=lambda store: len(store.replicas.beat(OTHER, 9.0)) == 1,
    ),
    "asking for an evaluation": Write(
        table="msc_evaluation_requests",
        do=lambda store: store.requests.ask(REQUEST),
        done=lambda store: store.requests.waiting(9.0) == [REQUEST],
    ),
    "forgetting old requests": Write(
        table="msc_evaluation_requests",
        before=lambda store: store.requests.ask(REQUEST),
        do=lambda store: store.requests.waiting(-1.0),
        done=lambda store: store.requests.waiting(9.0) == [],
    ),
    "ending a request": Write(
        table="msc_evaluation_requests",
        before=lambda store: store.requests.ask(REQUEST),
        do=lambda store: store.requests.forget("r-1"),
        done=lambda store: store.requests.waiting(9.0) == [],
    ),
    "a line of the audit log": Write(
        table="msc_audit",
        do=lambda store: store.audit.append(START, LINE),
        done=lambda store: [row.action for row in store.audit.rows_after(None)].count("drill") == 1,
    ),
}


@pytest.mark.parametrize("state", ["serialization_failure", "deadlock_detected"])
@pytest.mark.parametrize("write", WRITES)
def test_a_write_that_is_taken_back_is_done_again_once_and_counted(
    write: str, state: str, postgres: PostgresServer, postgres_url: str, postgres_store: SqlStore
) -> None:
    case = WRITES[write]
    case.before(postgres_store)
    take_back(postgres, postgres_url, case.table, state, times=2)

    case.do(postgres_store)
    assert postgres_store.repeated == 2
    assert case.done(postgres_store)


def test_what_is_taken_back_again_and_again_is_given_up_and_leaves_nothing(
    postgres: PostgresServer, postgres_url: str, postgres_store: SqlStore
) -> None:
    rows = len(list(postgres_store.audit.rows_after(None)))
    take_back(postgres, postgres_url, "msc_audit", "deadlock_detected", times=ATTEMPTS)

    with pytest.raises(StoreUnavailable, match="taken back"):
        postgres_store.audit.append(START, LINE)
    assert postgres_store.repeated == ATTEMPTS - 1
    assert len(list(postgres_store.audit.rows_after(None))) == rows


def test_a_database_whose_founding_is_taken_back_is_founded_once(
    postgres: PostgresServer, postgres_url: str, postgres_store: SqlStore
) -> None:
    name = make_url(postgres_url).database or ""
    for statement in ("DELETE FROM msc_state", "DELETE FROM msc_meta"):
        postgres.sql(statement, name)
    take_back(postgres, postgres_url, "msc_state", "serialization_failure", times=1)

    postgres_store.found()
    postgres_store.found()
    assert postgres.sql("SELECT count(*) FROM msc_state", name) == [(1,)]
    assert postgres_store.repeated == 1


def test_connections_that_break_and_transactions_that_cannot_be_made_are_counted(
    postgres: PostgresServer, postgres_url: str, postgres_store: SqlStore
) -> None:
    name = make_url(postgres_url).database or ""
    postgres_store.policies.head()
    assert postgres_store.tally() == StoreTally()
    postgres.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")  # noqa: S608 -- ours
    postgres_store.policies.head()
    assert postgres_store.tally().lost >= 1
    assert postgres_store.tally().unavailable == 0

    postgres.sql(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")
    postgres.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")  # noqa: S608 -- ours
    with pytest.raises(StoreUnavailable):
        postgres_store.policies.head()
    postgres.sql(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true")
    postgres_store.policies.head()
    assert postgres_store.tally().unavailable == 1


def take_back(postgres: PostgresServer, url: str, table: str, state: str, *, times: int) -> None:
    """Has the server take back the next transactions that write to a table. A sequence counts: it forgets nothing."""
    body = f"IF nextval('taken_back') <= {times} THEN RAISE EXCEPTION 'taken back' USING ERRCODE = '{state}'; END IF"
    for statement in (
        "CREATE SEQUENCE taken_back",
        "GRANT ALL ON SEQUENCE taken_back TO msc",
        f"CREATE FUNCTION trouble() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {body}; RETURN NULL; END$$",
        f"CREATE TRIGGER trouble AFTER INSERT OR UPDATE OR DELETE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION trouble()",
    ):
        postgres.sql(statement, make_url(url).database or "")
