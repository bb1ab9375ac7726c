"""What a run left behind: the authority's database, read whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Table, select

import msc_client
from msc_authority.adapters.sql.engine import Database
from msc_authority.adapters.sql.policies import SqlPolicyStore
from msc_authority.adapters.sql.tables import equity_points, execution_journal, trade_logs
from msc_authority.core.facts import EquityPoint, Execution, Trade
from msc_loop.controller import as_client_sees

_PAGE = 500
F = TypeVar("F", Execution, Trade, EquityPoint)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunJournal:
    """Every revision of the policy, oldest first, and every fact, in the order of arrival."""

    revisions: tuple[msc_client.Policy, ...]
    executions: tuple[Execution, ...]
    trades: tuple[Trade, ...]
    equity: tuple[EquityPoint, ...]

    @property
    def fills(self) -> tuple[Execution, ...]:
        """The fills among the executions."""
        return tuple(fact for fact in self.executions if is_fill(fact))


def is_fill(fact: Execution) -> bool:
    """Tells whether an execution report is a fill. Only those have a price and are named by the venue's trade."""
    return fact.event_id.startswith("fill:") and fact.price is not None


def read_journal(url: str) -> RunJournal:
    """Returns everything that the database holds.

    Raises:
        StoreError: it cannot be read.
    """
    database = Database(url)
    try:
        return RunJournal(
            revisions=tuple(_revisions(SqlPolicyStore(database))),
            executions=tuple(_facts(database, Execution, execution_journal)),
            trades=tuple(_facts(database, Trade, trade_logs)),
            equity=tuple(_facts(database, EquityPoint, equity_points)),
        )
    finally:
        database.close()


def count_fills(url: str) -> int:
    """Returns how many fills the database holds by now."""
    database = Database(url)
    try:
        with database.read() as connection:
            found = connection.execute(
                select(execution_journal.c.event_id).where(execution_journal.c.event_id.startswith("fill:"))
            )
            return len(found.all())
    finally:
        database.close()


def _revisions(store: SqlPolicyStore) -> list[msc_client.Policy]:
    found: list[msc_client.Policy] = []
    before = None
    while page := store.revisions(before, _PAGE):
        found.extend(as_client_sees(revision.policy) for revision in page)
        before = page[-1].policy.ref
    return found[::-1]


def _facts(database: Database, kind: type[F], table: Table) -> list[F]:
    names = [column.name for column in table.columns if column.name != "sequence"]
    wanted = select(*(table.c[name] for name in names)).order_by(table.c.sequence)
    with database.read() as connection:
        return [kind(**row) for row in connection.execute(wanted).mappings()]
