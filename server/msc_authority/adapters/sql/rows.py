"""Facts as rows and back. The columns of a fact's table are its fields, by name."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable
from datetime import datetime
from operator import attrgetter
from typing import Generic, TypeVar

from sqlalchemy import BindParameter, Connection, Select, Table, bindparam, func, select, tuple_

from msc_authority.adapters.sql.inserts import insert_new
from msc_authority.adapters.sql.tables import equity_points, execution_journal, trade_logs
from msc_authority.core.facts import EquityPoint, Execution, Trade

F = TypeVar("F", Execution, Trade, EquityPoint)

_Sequence = int | BindParameter[int]

_LOOKED_UP_AT_ONCE = 500


class FactTable(Generic[F]):
    """The table of one kind of fact."""

    def __init__(self, kind: type[F], table: Table, at: str, key: tuple[str, ...]) -> None:
        self.table = table
        self.sequence = table.c.sequence
        self.at = table.c[at]
        self._kind: type[F] = kind
        self._names = [column.name for column in table.columns if column is not self.sequence]
        self._values_of = attrgetter(*self._names)
        self._key_columns = [table.c[name] for name in key]
        self._key_of = attrgetter(*key)
        # Made once: see `policies`.
        arrived = self.sequence > bindparam("before")
        self._newest = select(func.max(self.sequence))
        self._arrivals = select(func.count()).where(arrived)
        self._keys_of_arrivals = select(*self._key_columns).where(arrived)

    def key_of(self, fact: F) -> Hashable:
        """What must be unique."""
        key: Hashable = self._key_of(fact)
        return key

    def firsts(self, facts: Iterable[F]) -> dict[Hashable, F]:
        """The facts by their keys; of those with one key, the first."""
        firsts: dict[Hashable, F] = {}
        for fact in facts:
            firsts.setdefault(self._key_of(fact), fact)
        return firsts

    def insert(self, connection: Connection, facts: dict[Hashable, F]) -> set[Hashable]:
        """Inserts the facts whose key is free; returns the keys that went in. Needs the writers' lock."""
        before = connection.scalar(self._newest) or 0
        insert_new(connection, self.table, self._names, map(self._values_of, facts.values()))
        if connection.scalar(self._arrivals, {"before": before}) == len(facts):
            return set(facts)
        return {self._key_in(row) for row in connection.execute(self._keys_of_arrivals, {"before": before})}

    def fetch(self, connection: Connection, keys: Collection[Hashable]) -> dict[Hashable, F]:
        """The stored facts with these keys."""
        wanted = list(keys)
        found = [
            self._kind(**row)
            for start in range(0, len(wanted), _LOOKED_UP_AT_ONCE)
            for row in connection.execute(self._with_keys(wanted[start : start + _LOOKED_UP_AT_ONCE])).mappings()
        ]
        return {self.key_of(fact): fact for fact in found}

    def earliest_between(self, after: _Sequence, upto: _Sequence) -> Select[datetime | None, int]:
        """Asks for the smallest instant that arrived later than `after` and no later than `upto`, and how many did.

        The count is there for the planner: for min() alone it walks the index on time from its start, through all
        history, until it meets the first row of the range.
        """
        return select(func.min(self.at), func.count()).where(self.sequence > after, self.sequence <= upto)

    def first_arrival_since(self, at: datetime) -> Select[int | None, int]:
        """Asks for the first to arrive of those with an instant of `at` or later, and how many there are.

        The count is there for the planner, as above: for min() alone it walks the table from its start.
        """
        return select(func.min(self.sequence), func.count()).where(self.at >= at)

    def _with_keys(self, keys: list[Hashable]) -> Select[*tuple[object, ...]]:
        columns = [self.table.c[name] for name in self._names]
        single = len(self._key_columns) == 1
        key = self._key_columns[0] if single else tuple_(*self._key_columns)
        return select(*columns).where(key.in_(keys))

    def _key_in(self, row: tuple[Hashable, ...]) -> Hashable:
        return row[0] if len(self._key_columns) == 1 else tuple(row)


EXECUTIONS = FactTable(Execution, execution_journal, at="at", key=("event_id",))
TRADES = FactTable(Trade, trade_logs, at="closed_at", key=("trade_id",))
EQUITY = FactTable(EquityPoint, equity_points, at="at", key=("at", "account"))
