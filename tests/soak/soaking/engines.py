"""PostgreSQL and Valkey from their wheels, for an authority that is to stand on the real engines."""

from __future__ import annotations

from contextlib import ExitStack


def engines(stack: ExitStack, *, postgres: bool, redis: bool) -> dict[str, str]:
    """Starts what is wanted, and returns what an authority has to find in its environment.

    Raises:
        RuntimeError: an engine does not run here.
    """
    environment: dict[str, str] = {}
    if postgres:
        environment["MSC_DATABASE_URL"] = _postgres(stack)
    if redis:
        environment["MSC_REDIS_URL"] = _redis(stack)
    return environment


def _postgres(stack: ExitStack) -> str:
    from msc_postgres import PostgresServer, Unavailable

    try:
        server = stack.enter_context(PostgresServer(autovacuum="on")).start()
    except Unavailable as error:
        raise RuntimeError(f"there is no PostgreSQL: {error}") from error
    return server.new_database()


def _redis(stack: ExitStack) -> str:
    from msc_valkey import Unavailable, ValkeyServer

    try:
        return stack.enter_context(ValkeyServer()).start().url
    except Unavailable as error:
        raise RuntimeError(f"there is no Valkey: {error}") from error
