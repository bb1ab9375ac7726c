"""Execution reports on SQL, in the order of arrival."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select

from msc_authority.adapters.instants import aware_utc
from msc_authority.adapters.sql.engine import Database
from msc_authority.adapters.sql.rows import EXECUTIONS
from msc_authority.adapters.sql.tables import execution_journal
from msc_authority.core.facts import Execution
from msc_authority.ports.journal import JournalledExecution

_NEXT = select(execution_journal).order_by(EXECUTIONS.sequence)


class SqlExecutionLog:
    """Reads execution reports."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def end(self) -> int:
        """Returns the sequence of the report that arrived last; 0: there is none."""
        with self._database.read() as connection:
            return connection.scalar(select(func.max(EXECUTIONS.sequence))) or 0

    def executions_after(self, sequence: int, limit: int) -> list[JournalledExecution]:
        """Returns up to `limit` reports that arrived later than `sequence`, the earliest arrival first."""
        wanted = _NEXT.where(EXECUTIONS.sequence > sequence).limit(limit)
        with self._database.read() as connection:
            rows = [dict(row) for row in connection.execute(wanted).mappings()]
        return [JournalledExecution(sequence=row.pop("sequence"), execution=Execution(**row)) for row in rows]

    def last_sequence_before(self, at: datetime) -> int:
        """Returns the sequence just before the first report to arrive with an instant of `at` or later."""
        with self._database.read() as connection:
            first = connection.execute(EXECUTIONS.first_arrival_since(aware_utc(at))).one()[0]
            newest = connection.scalar(select(func.max(EXECUTIONS.sequence))) or 0
        return newest if first is None else first - 1
