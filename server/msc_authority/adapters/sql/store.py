"""The store as one object: opened, used through its ports, closed."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from sqlalchemy import Connection, insert, select, update

from msc_authority.adapters.sql.acts import SqlActLog
from msc_authority.adapters.sql.audit import AuditLine, SqlAuditLog, write_audit
from msc_authority.adapters.sql.engine import BUSY_TIMEOUT_S, Database, WriteLock
from msc_authority.adapters.sql.evaluation_log import SqlEvaluationLog
from msc_authority.adapters.sql.evaluations import SqlEvaluationStore
from msc_authority.adapters.sql.executions import SqlExecutionLog
from msc_authority.adapters.sql.journal import SqlJournal
from msc_authority.adapters.sql.policies import SqlPolicyStore, current_epoch
from msc_authority.adapters.sql.postgres import LIMITS, Limits
from msc_authority.adapters.sql.replicas import SqlEvaluationRequests, SqlLease, SqlReplicas
from msc_authority.adapters.sql.schema import bring_to_head
from msc_authority.adapters.sql.tables import msc_meta, msc_state
from msc_authority.adapters.sql.tokens import SqlTokenStore
from msc_authority.ports import Clock


class SqlStore:
    """Owns the connections to one database. Close it; `with` does."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self.journal = SqlJournal(database)
        self.executions = SqlExecutionLog(database)
        self.evaluations = SqlEvaluationStore(database, clock)
        self.policies = SqlPolicyStore(database)
        self.log = SqlEvaluationLog(database)
        self.acts = SqlActLog(database)
        self.audit = SqlAuditLog(database)
        self.lease = SqlLease(database)
        self.replicas = SqlReplicas(database)
        self.requests = SqlEvaluationRequests(database)
        self.tokens = SqlTokenStore(database, clock)

    @property
    def location(self) -> str:
        """The database's URL without its password."""
        return self._database.url.render_as_string(hide_password=True)

    @property
    def repeated(self) -> int:
        """How many transactions were done again because PostgreSQL had taken them back."""
        return self._database.repeated

    def bump_epoch(self, actor: str, reason: str) -> int:
        """Starts a new lineage, greater than any before, and returns its epoch. For a database restored from a backup.

        There is no policy in it until the next evaluation; history stays readable.
        """

        def bump(connection: Connection) -> int:
            epoch = self._allocate_epoch(connection, current_epoch(connection), actor, reason)
            # An evaluation that started before belongs to the old lineage: its commit finds the generation moved.
            connection.execute(update(msc_state).values(generation=msc_state.c.generation + 1, evaluated_at=None))
            return epoch

        return self._database.transact(WriteLock.EVALUATIONS, bump)

    def close(self) -> None:
        """Closes the connections; twice is fine."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def found(self) -> None:
        """Gives a new database its first epoch and its empty state; does nothing to one that has them."""
        with self._database.read() as connection:
            if _is_founded(connection):
                return
        with self._database.write(WriteLock.EVALUATIONS) as connection:
            if _is_founded(connection):
                return
            self._allocate_epoch(connection, 0, "authority", "database created")
            connection.execute(insert(msc_state), {"id": 1, "generation": 0, "trades_cursor": 0, "equity_cursor": 0})

    def _allocate_epoch(self, connection: Connection, previous: int, actor: str, reason: str) -> int:
        # Seconds since 1970: a database made after another one was lost is greater than that one was, too.
        now = self._clock.now()
        epoch = max(previous + 1, int(now.timestamp()))
        connection.execute(insert(msc_meta), {"epoch": epoch, "allocated_at": now, "reason": reason})
        line = AuditLine(actor=actor, action="allocate_epoch", target=f"epoch {epoch}", detail={"reason": reason})
        write_audit(connection, now, line)
        return epoch


def open_store(url: str, clock: Clock, *, busy_timeout_s: float = BUSY_TIMEOUT_S, limits: Limits = LIMITS) -> SqlStore:
    """Opens the database at `url`, makes it where there is none, and brings it to the schema of this program.

    `busy_timeout_s` is how long SQLite waits for another process that writes; `limits` are those of PostgreSQL, whose
    database has to be there.

    Raises:
        StoreUnavailable: it cannot be reached, or is locked.
        StoreError: the URL, the folder or the file cannot be used, or the schema is of a newer program.
    """
    database = Database(url, busy_timeout_s, limits)
    try:
        bring_to_head(database)
        store = SqlStore(database, clock)
        store.found()
    except BaseException:
        database.close()
        raise
    return store


def _is_founded(connection: Connection) -> bool:
    return connection.scalar(select(msc_state.c.id)) is not None
