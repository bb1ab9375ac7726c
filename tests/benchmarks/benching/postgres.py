"""A PostgreSQL for a benchmark: the one that tests start, as durable as one that is relied upon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benching.run import Run, Unavailable

if TYPE_CHECKING:
    from msc_postgres import PostgresServer

_AS_INSTALLED = {
    "autovacuum": "on",
    "fsync": "on",
    "full_page_writes": "on",
    "max_wal_size": "1GB",
    "shared_buffers": "128MB",
}


def start_postgres(run: Run) -> PostgresServer:
    """Starts a server that ends with the run.

    Raises:
        Unavailable: there is none here.
    """
    try:
        import msc_postgres
    except ImportError as missing:
        raise Unavailable(f"what starts it for tests cannot be imported ({missing})") from missing
    run.say("starting PostgreSQL")
    try:
        server = run.stack.enter_context(msc_postgres.PostgresServer(**_AS_INSTALLED))
        return server.start()
    except msc_postgres.Unavailable as missing:
        raise Unavailable(str(missing)) from missing
