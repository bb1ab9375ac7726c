"""Several authorities on one database: who leads, who is there, and what one is asked to have the leader do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import cast

from sqlalchemy import Connection, Delete, Row, delete, func, insert, select, update

from msc_authority.adapters.leases import Claim, LeaseRow, check_term, given_back, granted, state_of
from msc_authority.adapters.sql.engine import Database, WriteLock
from msc_authority.adapters.sql.prepared import Prepared
from msc_authority.adapters.sql.tables import msc_evaluation_requests, msc_lease, msc_replicas
from msc_authority.ports.replicas import EvaluationRequest, LeaseState, Replica

_SQLITE_NOW = "%Y-%m-%dT%H:%M:%f"
_requests = msc_evaluation_requests.c
_TERM = Prepared(select(msc_lease.c.term))


class SqlLease:
    """Says which replica leads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def acquire_or_renew(self, holder: str, address: str, ttl_s: float) -> LeaseState:
        """Gives `holder` the lease for `ttl_s` from now if it has it or nobody has, and says who has it."""
        if (held := self._held_by_another(holder, address)) is not None:
            return held

        def acquire(connection: Connection) -> LeaseState:
            row, now = _lease_in(connection), database_now(connection)
            claim = Claim(holder=holder, address=address, ttl_s=ttl_s, one_machine=_is_sqlite(connection))
            mine = granted(row, claim, now)
            if mine is not None:
                _keep(connection, mine, new=row is None)
            found = mine or row
            if found is None:
                raise AssertionError("unreachable: a lease that nobody ever had is granted")
            return state_of(found, holder, now)

        return self._database.transact(WriteLock.LEASE, acquire)

    def release(self, term: int) -> None:
        """Gives the lease back if `term` is still its term, so that another may have it at once."""

        def release(connection: Connection) -> None:
            row = _lease_in(connection)
            if row is not None and row.term == term:
                _keep(connection, given_back(row, database_now(connection)), new=False)

        self._database.transact(WriteLock.LEASE, release)

    def _held_by_another(self, holder: str, address: str) -> LeaseState | None:
        # Those who follow ask every few seconds, and need not queue with those who write.
        with self._database.read() as connection:
            row, now = _lease_in(connection), database_now(connection)
            claim = Claim(holder=holder, address=address, ttl_s=0.0, one_machine=_is_sqlite(connection))
            taken = row is not None and granted(row, claim, now) is None
            return state_of(row, holder, now) if row is not None and taken else None


class SqlReplicas:
    """Knows which authorities share the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def beat(self, replica: Replica, forget_after_s: float) -> list[Replica]:
        """Keeps that `replica` is alive, forgets those silent for longer, and returns the others and it, by address."""
        columns = msc_replicas.c

        def beat(connection: Connection) -> list[Replica]:
            now = database_now(connection)
            silent = columns.seen_at < now - timedelta(seconds=forget_after_s)
            connection.execute(delete(msc_replicas).where((columns.server_id == replica.server_id) | silent))
            connection.execute(insert(msc_replicas), _replica_row(replica, now))
            rows = connection.execute(select(msc_replicas).order_by(columns.address, columns.server_id)).all()
            return [_replica_from(row, now) for row in rows]

        return self._database.transact(WriteLock.REPLICAS, beat)

    def leave(self, server_id: str) -> None:
        """Forgets a replica."""
        _delete(self._database, delete(msc_replicas).where(msc_replicas.c.server_id == server_id))


class SqlEvaluationRequests:
    """Carries requests for evaluations from any replica to the leader."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ask(self, request: EvaluationRequest) -> None:
        """Keeps the request. One with the same id that waits already stays as it is."""
        waits = select(_requests.request_id).where(_requests.request_id == request.request_id)

        def ask(connection: Connection) -> None:
            if connection.execute(waits).first() is None:
                row = {
                    "request_id": request.request_id,
                    "requested_by": request.requested_by,
                    "reason": request.reason,
                    "asked_at": database_now(connection),
                }
                connection.execute(insert(msc_evaluation_requests), row)

        self._database.transact(WriteLock.REPLICAS, ask)

    def waiting(self, forget_after_s: float) -> list[EvaluationRequest]:
        """Returns the requests that wait, the oldest first, and forgets those that have waited longer than that."""
        oldest_first = select(msc_evaluation_requests).order_by(_requests.asked_at, _requests.request_id)
        with self._database.read() as connection:
            since = database_now(connection) - timedelta(seconds=forget_after_s)
            rows = connection.execute(oldest_first).all()
        if any(row.asked_at < since for row in rows):
            _delete(self._database, delete(msc_evaluation_requests).where(_requests.asked_at < since))
        return [
            EvaluationRequest(request_id=row.request_id, requested_by=row.requested_by, reason=row.reason)
            for row in rows
            if row.asked_at >= since
        ]

    def forget(self, request_id: str) -> None:
        """Ends the waiting of a request."""
        _delete(self._database, delete(msc_evaluation_requests).where(_requests.request_id == request_id))


def database_now(connection: Connection) -> datetime:
    """The instant of the database's own clock, to the millisecond at least."""
    if _is_sqlite(connection):
        text = str(connection.scalar(select(func.strftime(_SQLITE_NOW, "now"))))
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    now: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return now.astimezone(UTC)


def refuse_fenced(connection: Connection, term: int | None) -> None:
    """Looks, inside a transaction that writes, whether the writer's term is still that of the lease.

    A replica that takes the lease after this look and before the commit is as one that takes it after the commit:
    writers follow each other, and it starts from what was committed.

    Raises:
        Fenced: it is not.
    """
    if term is not None:
        check_term(_present_term(connection), term)


def _present_term(connection: Connection) -> int | None:
    rows = _TERM.rows(connection)
    return cast("int", rows[0][0]) if rows else None


def _delete(database: Database, rows: Delete) -> None:
    def delete_them(connection: Connection) -> None:
        connection.execute(rows)

    database.transact(WriteLock.REPLICAS, delete_them)


def _is_sqlite(connection: Connection) -> bool:
    return connection.dialect.name == "sqlite"


def _lease_in(connection: Connection) -> LeaseRow | None:
    row = connection.execute(select(msc_lease)).one_or_none()
    if row is None:
        return None
    return LeaseRow(
        term=row.term, holder=row.holder, address=row.address, renewed_at=row.renewed_at, expires_at=row.expires_at
    )


def _keep(connection: Connection, lease: LeaseRow, *, new: bool) -> None:
    values = {
        "term": lease.term,
        "holder": lease.holder,
        "address": lease.address,
        "renewed_at": lease.renewed_at,
        "expires_at": lease.expires_at,
    }
    connection.execute(insert(msc_lease).values(id=1, **values) if new else update(msc_lease).values(**values))


def _replica_row(replica: Replica, now: datetime) -> dict[str, object]:
    return {
        "server_id": replica.server_id,
        "address": replica.address,
        "watchers": replica.watchers,
        "started_at": replica.started_at,
        "seen_at": now,
    }


def _replica_from(row: Row[*tuple[object, ...]], now: datetime) -> Replica:
    return Replica(
        server_id=row.server_id,
        address=row.address,
        watchers=row.watchers,
        started_at=row.started_at,
        seen_ago_s=max(0.0, (now - row.seen_at).total_seconds()),
    )
