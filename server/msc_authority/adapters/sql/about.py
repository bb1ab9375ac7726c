"""What a server of PostgreSQL says about itself."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from sqlalchemy import Connection

_ASK = """
    SELECT current_setting('server_version'), pg_is_in_recovery(), current_setting('default_transaction_read_only'),
        current_setting('max_connections'),
        (SELECT sum(numbackends) FROM pg_stat_database),
        COALESCE((SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()), ''), host(inet_server_addr())
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """The server as a session sees it. `tls` is the protocol, empty where there is none; `address` is empty on a
    socket.
    """

    version: str
    is_replica: bool
    is_read_only: bool
    max_connections: int
    connections: int
    tls: str
    address: str

    @property
    def takes_writes(self) -> bool:
        """Whether an authority can work on it."""
        return not (self.is_replica or self.is_read_only)

    @property
    def in_clear(self) -> bool:
        """Whether what is said goes over a network that others can listen to."""
        return bool(self.address) and not self.tls and not ip_address(self.address).is_loopback


def server_facts(connection: Connection) -> ServerFacts:
    """Asks the server of a session on PostgreSQL."""
    version, replica, read_only, most, now, tls, address = connection.exec_driver_sql(_ASK).one()
    return ServerFacts(
        version=version.partition(" ")[0],
        is_replica=replica,
        is_read_only=read_only == "on",
        max_connections=int(most),
        connections=int(now),
        tls=tls,
        address=address or "",
    )
