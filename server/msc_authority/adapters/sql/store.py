"""The store as one object: opened, used through its ports, closed."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from sqlalchemy import Connection, insert, select

from msc_authority.adapters.sql.acts import SqlActLog
from msc_authority.adapters.sql.audit import SqlAuditLog
from msc_authority.adapters.sql.engine import BUSY_TIMEOUT_S, Database, WriteLock
from msc_authority.adapters.sql.errors import shown
from msc_authority.adapters.sql.evaluation_log import SqlEvaluationLog
from msc_authority.adapters.sql.evaluations import SqlEvaluationStore
from msc_authority.adapters.sql.executions import SqlExecutionLog
from msc_authority.adapters.sql.journal import SqlJournal
from msc_authority.adapters.sql.lineage import allocate_epoch, start_lineage
from msc_authority.adapters.sql.policies import SqlPolicyStore
from msc_authority.adapters.sql.postgres import LIMITS, Limits
from msc_authority.adapters.sql.replicas import SqlEvaluationRequests, SqlLease, SqlReplicas
from msc_authority.adapters.sql.retention import SqlRetention
from msc_authority.adapters.sql.schema import Migrant, bring_to_head, check_current, is_empty
from msc_authority.adapters.sql.tables import msc_state
from msc_authority.adapters.sql.tokens import SqlTokenStore
from msc_authority.ports.clock import Clock
from msc_authority.ports.store import StoreTally


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
        self.retention = SqlRetention(database)
        self.lease = SqlLease(database)
        self.replicas = SqlReplicas(database)
        self.requests = SqlEvaluationRequests(database)
        self.tokens = SqlTokenStore(database, clock)

    @property
    def location(self) -> str:
        """The database's URL without its password."""
        return shown(self._database.url)

    @property
    def repeated(self) -> int:
        """How many transactions were done again because PostgreSQL had taken them back."""
        return self._database.repeated

    def tally(self) -> StoreTally:
        """Returns what went wrong with the database since this was opened."""
        database = self._database
        return StoreTally(lost=database.lost, unavailable=database.unavailable, repeated=database.repeated)

    def bump_epoch(self, actor: str, reason: str) -> int:
        """Starts a new lineage, greater than any before, and returns its epoch. For a database restored from a backup.

        There is no policy in it until the next evaluation; history stays readable.
        """

        def bump(connection: Connection) -> int:
            return start_lineage(connection, self._clock.now(), actor=actor, reason=reason)

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

        def found(connection: Connection) -> None:
            if _is_founded(connection):
                return
            allocate_epoch(connection, self._clock.now(), above=0, actor="authority", reason="database created")
            connection.execute(insert(msc_state), {"id": 1, "generation": 0, "trades_cursor": 0, "equity_cursor": 0})

        self._database.transact(WriteLock.EVALUATIONS, found)


def open_store(
    url: str,
    clock: Clock,
    *,
    migrate: bool | None = None,
    busy_timeout_s: float = BUSY_TIMEOUT_S,
    limits: Limits = LIMITS,
    later: bool = False,
) -> SqlStore:
    """Opens the database at `url`, makes it where there is none, and brings it to the schema of this program.

    `migrate` is whether an older schema is changed, too; None: that of SQLite, which one program at a time works on.
    `busy_timeout_s` is how long SQLite waits for another process that writes; `limits` are those of PostgreSQL, whose
    database has to be there. `later`: nothing of this is done now, but before the first transaction, which it may fail.

    Raises:
        StoreUnavailable: it cannot be reached, or is locked.
        StoreError: the URL, the folder or the file cannot be used, or the schema is of a newer program.
    """
    database = Database(url, busy_timeout_s, limits)
    store = SqlStore(database, clock)

    def make_ready() -> None:
        migrates = database.is_sqlite if migrate is None else migrate
        if migrates or is_empty(database):
            bring_to_head(database, Migrant(actor="authority", now=clock.now()))
        else:
            check_current(database)
        store.found()

    if later:
        database.open_later(make_ready)
        return store
    try:
        make_ready()
    except BaseException:
        database.close()
        raise
    return store


def _is_founded(connection: Connection) -> bool:
    return connection.scalar(select(msc_state.c.id)) is not None
