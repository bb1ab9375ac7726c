"""A connection that gives up on a server that says nothing. Needs psycopg; import it where PostgreSQL is used only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from psycopg import Connection, OperationalError
from psycopg.abc import RV, PQGen
from psycopg.rows import TupleRow

from msc_authority.ports.store import StoreError

TICK_S = 0.1
_NOTHING_YET = 0


class PatientConnection(Connection[TupleRow]):
    """Waits for an answer as long as `silence_s` allows, then closes itself.

    The server's own timeouts bound a statement only while the server is awake, and TCP's only a network that is gone:
    a server that was frozen keeps its connections, and would hold a thread of ours for as long as it is.
    """

    silence_s: float

    @classmethod
    def to(cls, *words: str, silence_s: float, **named: object) -> Self:
        """Connects, with what psycopg's `connect` takes.

        Raises:
            StoreError: the database cannot hold every text.
        """
        connect: Callable[..., Self] = cls.connect
        connection = connect(*words, **named)
        connection.silence_s = silence_s
        name, encoding = connection.info.dbname, connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            connection.close()
            raise StoreError(
                f"the database {name} has the encoding {encoding}, which cannot hold every name: create it with "
                "ENCODING 'UTF8'"
            )
        return connection

    def wait(self, gen: PQGen[RV], interval: float = TICK_S, timeout: float | None = None) -> RV:
        """Returns what `gen` returns in the end.

        Raises:
            OperationalError: the server has been silent for too long. The connection is closed.
        """
        watched = self._until_silent(gen, interval)
        return super().wait(watched, interval) if timeout is None else super().wait(watched, interval, timeout)

    def _until_silent(self, gen: PQGen[RV], interval: float) -> PQGen[RV]:
        # Ticks are counted, no clock is read: a pause of this process is not the server's silence.
        ticks = 0
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                ticks = ticks + 1 if ready == _NOTHING_YET else 0
                if ticks * interval >= self.silence_s:
                    self.pgconn.finish()
                    raise OperationalError(f"the server has said nothing for {self.silence_s:g} s")
                wanted = gen.send(ready)
        except StopIteration as end:
            result: RV = end.value
            return result
