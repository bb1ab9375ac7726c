"""The evaluations' log on SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from typing import cast

from sqlalchemy import Connection, RowMapping, Select, select

from msc_authority.adapters.documents import Fields, change_from, document_of, reason_from, verdict_from
from msc_authority.adapters.instants import aware_utc
from msc_authority.adapters.sql.engine import Database
from msc_authority.adapters.sql.inserts import insert_all
from msc_authority.adapters.sql.one_row import insert_one
from msc_authority.adapters.sql.tables import msc_evaluations, msc_strategies
from msc_authority.core.evaluation import StrategyRanking, Verdict
from msc_authority.core.policy import PolicyRef
from msc_authority.ports.evaluations import EvaluationEntry
from msc_authority.ports.store import StoreError

_columns = msc_evaluations.c
_NEWEST_FIRST = select(msc_evaluations).order_by(_columns.sequence.desc())
_RANKED = tuple(column.name for column in msc_strategies.columns if column.name != "reason")
_ranked = attrgetter(*_RANKED)
_SUCCEEDED = _columns.failure == ""


class SqlEvaluationLog:
    """Reads evaluations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def latest(self) -> EvaluationEntry | None:
        """Returns the newest evaluation that succeeded, or None."""
        return self._first(_NEWEST_FIRST.where(_SUCCEEDED))

    def latest_failure(self) -> EvaluationEntry | None:
        """Returns the newest evaluation if it failed, or None."""
        newest = self._first(_NEWEST_FIRST)
        return newest if newest is not None and newest.failure else None

    def by_request(self, request_id: str, since: datetime) -> EvaluationEntry | None:
        """Returns the evaluation that `request_id` led to, if it started at `since` or later."""
        if not request_id:
            return None
        asked = _columns.request_id == request_id
        return self._first(_NEWEST_FIRST.where(asked, _columns.started_at >= aware_utc(since)))

    def page(self, before: int | None, limit: int) -> list[EvaluationEntry]:
        """Returns up to `limit` evaluations with sequence < `before` (None: from the newest), newest first."""
        wanted = _NEWEST_FIRST if before is None else _NEWEST_FIRST.where(_columns.sequence < before)
        return self._entries(wanted.limit(limit))

    def strategies(self) -> tuple[list[StrategyRanking], datetime | None]:
        """Returns the ranking of the newest successful evaluation and its as_of."""
        ranked = select(msc_strategies).order_by(msc_strategies.c.rank, msc_strategies.c.strategy_id)
        newest = select(_columns.as_of).where(_SUCCEEDED).order_by(_columns.sequence.desc()).limit(1)
        with self._database.read() as connection:
            rankings = [_ranking_from(row) for row in connection.execute(ranked).mappings()]
            return rankings, connection.scalar(newest)

    def _first(self, wanted: Select[*tuple[object, ...]]) -> EvaluationEntry | None:
        return next(iter(self._entries(wanted.limit(1))), None)

    def _entries(self, wanted: Select[*tuple[object, ...]]) -> list[EvaluationEntry]:
        with self._database.read() as connection:
            rows = connection.execute(wanted).mappings().all()
        return [_entry_from(row) for row in rows]


def insert_entry(connection: Connection, entry: EvaluationEntry) -> None:
    """Writes one evaluation: what people query in columns, the verdict whole."""
    committed = entry.committed
    row = {
        "evaluation_id": entry.evaluation_id,
        "trigger": entry.trigger,
        "started_at": entry.started_at,
        "duration_s": entry.duration_s,
        "committed_epoch": committed.epoch if committed else None,
        "committed_version": committed.version if committed else None,
        "changes": document_of(entry.changes),
        "failure": entry.failure,
        "request_id": entry.request_id,
        "requested_by": entry.requested_by,
        "reason": entry.reason,
        **_verdict_columns(entry.verdict),
    }
    insert_one(connection, msc_evaluations, row)


def _verdict_columns(verdict: Verdict | None) -> dict[str, object]:
    if verdict is None:
        return {}
    document = cast("dict[str, object]", document_of(verdict))
    return {
        "as_of": verdict.as_of,
        "grade": verdict.system_health,
        "warning_points": verdict.warning_points,
        "mode_before": verdict.mode_before,
        "mode_target": verdict.mode_target,
        "mode_after": verdict.mode_after,
        "reasons": document["reasons"],
        "verdict": document,
    }


def _entry_from(row: RowMapping) -> EvaluationEntry:
    fields = Fields(row)
    return EvaluationEntry(
        evaluation_id=row["evaluation_id"],
        trigger=row["trigger"],
        started_at=row["started_at"],
        duration_s=row["duration_s"],
        verdict=_verdict_in(row),
        failure=row["failure"],
        request_id=row["request_id"],
        requested_by=row["requested_by"],
        reason=row["reason"],
        committed=PolicyRef(row["committed_epoch"], row["committed_version"]) if row["committed_version"] else None,
        changes=tuple(map(change_from, fields.parts("changes"))),
        sequence=row["sequence"],
    )


def _verdict_in(row: RowMapping) -> Verdict | None:
    if row["verdict"] is None:
        return None
    try:
        return verdict_from(Fields(row["verdict"]))
    except (ValueError, KeyError) as error:
        raise StoreError(f"the verdict of evaluation {row['evaluation_id']} cannot be read: {error}") from error


def insert_rankings(connection: Connection, rankings: Sequence[StrategyRanking]) -> None:
    """Writes the ranking of an evaluation. The table has to be empty."""
    rows = ((*_ranked(ranking), document_of(ranking.reason)) for ranking in rankings)
    insert_all(connection, msc_strategies, (*_RANKED, "reason"), rows)


def _ranking_from(row: RowMapping) -> StrategyRanking:
    return StrategyRanking(**{**row, "reason": reason_from(Fields(row["reason"]))})
