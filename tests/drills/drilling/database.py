"""What the database says, asked past the authorities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from msc_postgres import PostgresServer
from sqlalchemy import make_url

from drilling.verdict import Ref


@dataclass(frozen=True, slots=True)
class Led:
    """Who leads."""

    term: int
    address: str


class DrillDatabase:
    """The authorities' database."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self.name = str(make_url(server.new_database()).database)

    def url(self, host: str, port: int) -> str:
        """Where it is, through a line."""
        return self._server.url(self.name, host=host, port=str(port))

    def leader(self) -> Led | None:
        """Who has the lease, if somebody has."""
        rows = self._server.sql(
            "SELECT term, address FROM msc_lease WHERE holder <> '' AND clock_timestamp() < expires_at", self.name
        )
        return Led(*cast("tuple[int, str]", rows[0])) if rows else None

    def term(self) -> int:
        """The newest term, also of a lease that has run out; 0: nobody has led."""
        rows = self._server.sql("SELECT term FROM msc_lease", self.name)
        return cast("int", rows[0][0]) if rows else 0

    def etags(self) -> dict[Ref, str]:
        """What was committed under each revision."""
        rows = self._server.sql("SELECT epoch, version, etag FROM msc_policies", self.name)
        return {(epoch, version): etag for epoch, version, etag in cast("list[tuple[int, int, str]]", rows)}

    def head(self) -> Ref:
        """The newest revision."""
        rows = self._server.sql(
            "SELECT epoch, version FROM msc_policies ORDER BY epoch DESC, version DESC LIMIT 1", self.name
        )
        return cast("Ref", rows[0]) if rows else (0, 0)

    def replicas(self) -> dict[str, str]:
        """The id of each authority that was there lately, by address."""
        rows = self._server.sql("SELECT address, server_id FROM msc_replicas ORDER BY started_at", self.name)
        return dict(cast("list[tuple[str, str]]", rows))
