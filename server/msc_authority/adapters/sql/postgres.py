"""PostgreSQL: how its connections are made, and how long each thing may take."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine import Dialect, ExceptionContext
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from msc_authority.ports.store import StoreError

if TYPE_CHECKING:
    from msc_authority.adapters.sql.patient import PatientConnection

READ_ONLY = "25006"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long things may take, in seconds, and how many connections there may be.

    What the URL says about the same thing comes first, as in `?connect_timeout=2&options=-c%20lock_timeout%3D500`.
    """

    connect_s: int = 3
    """Until a server has let us in; then the next host is tried, if the URL has several."""
    statement_s: float = 10.0
    """One statement. Migrations take as long as they take."""
    lock_s: float = 6.0
    """Waiting for another writer. Longer than `idle_in_transaction_s`, so that one outwaits a paused process."""
    idle_in_transaction_s: float = 4.0
    """Between two statements of a transaction: what a process that was paused had locked is free after that."""
    silence_s: float = 12.0
    """Until a server that says nothing at all is given up. Longer than `statement_s`, which an awake server keeps."""
    pool_s: float = 5.0
    """Waiting for a free connection of ours."""
    keepalive_s: int = 10
    """Silence on an idle connection until the network is asked whether the server is still there."""
    recycle_s: int = 1800
    """Age at which a connection is replaced by a new one, which follows changed addresses."""
    connections: int = 15
    """At most so many at once; a third of them stay open."""


LIMITS = Limits()
UNHURRIED = Limits(statement_s=0, lock_s=60.0, idle_in_transaction_s=0, silence_s=3600.0)
"""For a person who waits for all of a database: 0 is without end."""


def engine_for(url: URL, limits: Limits, options: Mapping[str, object]) -> Engine:
    """An engine whose connections keep to `limits`. Nothing is connected yet.

    Raises:
        StoreError: the driver is not installed.
    """
    connection_kind = _connection_kind()
    kept = max(1, limits.connections // 3)
    engine = create_engine(
        url,
        connect_args=dict(connect_arguments(url, limits)),
        pool_pre_ping=True,
        pool_size=kept,
        max_overflow=limits.connections - kept,
        pool_timeout=limits.pool_s,
        pool_recycle=limits.recycle_s,
        **options,
    )

    def connect(
        _dialect: Dialect, _record: ConnectionPoolEntry, words: list[str], named: dict[str, object]
    ) -> PatientConnection:
        return connection_kind.to(*words, silence_s=limits.silence_s, **named)

    event.listen(engine, "do_connect", connect)
    event.listen(engine, "connect", _keep_what_is_acknowledged)
    event.listen(engine, "checkout", _forget_mode)
    event.listen(engine, "handle_error", _leave_replica)
    return engine


@contextmanager
def unhurried(connection: Connection) -> Iterator[None]:
    """Lets each statement of a transaction on PostgreSQL take as long as it takes."""
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    driver = cast("PatientConnection", connection.connection.driver_connection)
    bound, driver.silence_s = driver.silence_s, math.inf
    try:
        yield
    finally:
        driver.silence_s = bound


def connect_directly(url: URL, limits: Limits) -> PatientConnection:
    """A connection outside of any pool, each statement a transaction of its own.

    Raises:
        StoreError: the driver is not installed.
        psycopg.Error: the server cannot be reached, or does not let us in.
    """
    kind = _connection_kind()
    words, named = url.get_dialect()().create_connect_args(url)
    named.update(connect_arguments(url, limits))
    return kind.to(*words, silence_s=limits.silence_s, autocommit=True, **named)


def _connection_kind() -> type[PatientConnection]:
    try:
        from msc_authority.adapters.sql.patient import PatientConnection
    except ImportError as error:
        raise StoreError(
            f"PostgreSQL needs psycopg, which is not installed ({error}): "
            "pip install 'meta-strategy-controller[authority,postgres]'"
        ) from error
    return PatientConnection


def connect_arguments(url: URL, limits: Limits) -> dict[str, str | int]:
    """What to tell libpq beside the URL, which comes first wherever it says something itself."""
    arguments: dict[str, str | int] = {
        "application_name": "msc_authority",
        "connect_timeout": limits.connect_s,
        # A hot standby would answer with a head of some time ago, and we would take that for a confirmation.
        "target_session_attrs": "primary",
        "keepalives_idle": limits.keepalive_s,
        "keepalives_interval": 3,
        "keepalives_count": 3,
        "tcp_user_timeout": round(limits.silence_s * 1000),
        "client_encoding": "utf8",
    }
    ours = {name: value for name, value in arguments.items() if name not in url.query}
    return ours | {"options": f"{_session_settings(limits)} {_text(url.query.get('options', ''))}".strip()}


def _session_settings(limits: Limits) -> str:
    settings = {
        "statement_timeout": round(limits.statement_s * 1000),
        "lock_timeout": round(limits.lock_s * 1000),
        "idle_in_transaction_session_timeout": round(limits.idle_in_transaction_s * 1000),
        "timezone": "UTC",
    }
    return " ".join(f"-c {name}={value}" for name, value in settings.items())


def _text(value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) else " ".join(value)


def _keep_what_is_acknowledged(connection: PatientConnection, _record: ConnectionPoolEntry) -> None:
    # Whoever is told that a fact is stored forgets it. Settings stronger than `on` stay.
    connection.execute(
        "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
    )
    connection.commit()


def _forget_mode(connection: PatientConnection, _record: ConnectionPoolEntry, _proxy: PoolProxiedConnection) -> None:
    # The pool hands back what was a reader as READ WRITE, which would talk over a server that was made read-only.
    connection.read_only = None


def _leave_replica(context: ExceptionContext) -> None:
    # The primary may be elsewhere by now: the next connection looks for it anew.
    if getattr(context.original_exception, "sqlstate", None) == READ_ONLY:
        context.is_disconnect = True
