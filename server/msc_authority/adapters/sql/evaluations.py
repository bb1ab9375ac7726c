"""Where evaluations start from and end, on SQL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cache, partial

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from msc_authority.adapters.audit_lines import act_line, evaluation_line, expiry_lines
from msc_authority.adapters.commits import (
    REWIND_POINTS_KEPT,
    act_to_keep,
    decided_at,
    entry_to_keep,
    policy_of_act,
    policy_to_publish,
)
from msc_authority.adapters.instants import aware_utc
from msc_authority.adapters.sql.acts import insert_act
from msc_authority.adapters.sql.audit import AuditLine, write_audit
from msc_authority.adapters.sql.engine import Database, WriteLock
from msc_authority.adapters.sql.evaluation_log import insert_entry, insert_rankings
from msc_authority.adapters.sql.one_row import insert_one
from msc_authority.adapters.sql.policies import read_head, read_head_again, row_of
from msc_authority.adapters.sql.prepared import Prepared
from msc_authority.adapters.sql.replicas import refuse_fenced
from msc_authority.adapters.sql.tables import (
    msc_ledger_checkpoints,
    msc_policies,
    msc_state,
    msc_strategies,
    msc_strategy_transitions,
)
from msc_authority.core.evaluation import StrategyTransition
from msc_authority.ports.clock import Clock
from msc_authority.ports.evaluations import EvaluationCommit, EvaluationEntry, StoredState
from msc_authority.ports.journal import JournalCursor, LedgerCheckpoint
from msc_authority.ports.operator import OverrideCommit, StoredController
from msc_authority.ports.policies import Head
from msc_authority.ports.store import StaleState

_points = msc_ledger_checkpoints.c
# Made once: see `policies`.
_STATE = select(msc_state)
_MOVE_ON = update(msc_state).where(msc_state.c.generation == bindparam("expected_generation"))
_FORGET_STRATEGIES = Prepared(delete(msc_strategies))


class SqlEvaluationStore:
    """Where evaluations start from and end."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._tell: Callable[[Head], object] = lambda head: None

    def before_commit(self, tell: Callable[[Head], object]) -> None:
        """Has `tell` called with the head that a commit with a policy leads to, right before it is durable."""
        self._tell = tell

    def load(self) -> StoredState:
        """Returns the state of the last evaluation, and the head it belongs to."""
        with self._database.read() as connection:
            state = connection.execute(_STATE).one()
            return StoredState(
                generation=state.generation,
                head=read_head(connection),
                controller=state.controller,
                checkpoint=None if state.ledger is None else _checkpoint_from(state),
            )

    def rewind_point(self, before: datetime) -> LedgerCheckpoint | None:
        """Returns the newest kept checkpoint whose watermark is earlier than `before`, or None."""
        newest = select(msc_ledger_checkpoints).order_by(_points.watermark.desc()).limit(1)
        with self._database.read() as connection:
            row = connection.execute(newest.where(_points.watermark < aware_utc(before))).one_or_none()
        return None if row is None else _checkpoint_from(row)

    def commit(self, commit: EvaluationCommit, expected: StoredState) -> Head:
        """Writes it if `expected` still is the state, and returns the head afterwards.

        Raises:
            StaleState: another evaluation was committed in between. Nothing was written.
            Fenced: the commit's term is over. Nothing was written.
            ValueError: the commit is not one of an evaluation that succeeded, or holds a number that is not finite.
        """
        return self._database.transact(WriteLock.EVALUATIONS, partial(self._commit, commit, expected))

    def _commit(self, commit: EvaluationCommit, expected: StoredState, connection: Connection) -> Head:
        as_of = decided_at(commit)
        refuse_fenced(connection, commit.term)
        _advance(connection, commit, expected, as_of)
        before = read_head_again(connection, expected.head)
        policy = policy_to_publish(before, commit)
        entry = entry_to_keep(commit, before, policy)
        insert_entry(connection, entry)
        if policy is not None:
            insert_one(connection, msc_policies, row_of(policy, entry.changes, entry.evaluation_id))
        _write_strategies(connection, entry)
        if commit.keep_as_rewind_point:
            _keep_rewind_point(connection, commit.checkpoint)
        self._audit(connection, *expiry_lines(commit.expired), evaluation_line(entry, policy))
        return before if policy is None else self._told(Head(ref=policy.ref, policy=policy, evaluated_at=as_of))

    def _told(self, head: Head) -> Head:
        self._tell(head)
        return head

    def controller(self) -> StoredController:
        """Returns the controller's part of the state alone."""
        with self._database.read() as connection:
            row = connection.execute(select(msc_state.c.generation, msc_state.c.controller)).one()
        return StoredController(generation=row.generation, payload=row.controller)

    def commit_override(
        self, commit: OverrideCommit, expected: StoredState, last_look: Callable[[], None] = lambda: None
    ) -> Head:
        """Writes what a person did if `expected` still is the state, and returns the head afterwards.

        `last_look` comes last: what it raises takes everything back.

        Raises:
            StaleState: something was committed in between. Nothing was written.
            Fenced: the commit's term is over. Nothing was written.
            ValueError: it publishes a number that is not finite.
        """
        return self._database.transact(
            WriteLock.EVALUATIONS, partial(self._commit_override, commit, expected, last_look)
        )

    def _commit_override(
        self, commit: OverrideCommit, expected: StoredState, last_look: Callable[[], None], connection: Connection
    ) -> Head:
        refuse_fenced(connection, commit.term)
        _move_on(connection, expected, controller=commit.controller)
        before = read_head_again(connection, expected.head)
        policy = policy_of_act(before, commit)
        entry = act_to_keep(commit, before, policy)
        insert_act(connection, entry)
        if policy is not None:
            insert_one(connection, msc_policies, row_of(policy, entry.changes, None))
        write_transitions(connection, None, commit.transitions)
        self._audit(connection, *expiry_lines(commit.expired), act_line(entry, policy, commit.credential))
        head = before
        if policy is not None:
            head = self._told(Head(ref=policy.ref, policy=policy, evaluated_at=before.evaluated_at))
        last_look()
        return head

    def _audit(self, connection: Connection, *lines: AuditLine) -> None:
        now = self._clock.now()
        for line in lines:
            write_audit(connection, now, line)

    def record_failure(self, entry: EvaluationEntry, term: int | None = None) -> None:
        """Keeps a failed evaluation made under `term`. Changes neither policy nor state. Raises Fenced."""
        self._database.transact(WriteLock.EVALUATIONS, partial(self._record_failure, entry, term))

    def _record_failure(self, entry: EvaluationEntry, term: int | None, connection: Connection) -> None:
        refuse_fenced(connection, term)
        insert_entry(connection, entry)
        write_audit(connection, self._clock.now(), evaluation_line(entry, None))


def _checkpoint_from(row: Row[*tuple[object, ...]]) -> LedgerCheckpoint:
    return LedgerCheckpoint(
        watermark=row.watermark,
        cursor=JournalCursor(trades=row.trades_cursor, equity=row.equity_cursor),
        payload=row.ledger,
    )


def _checkpoint_columns(checkpoint: LedgerCheckpoint) -> dict[str, object]:
    return {
        "watermark": checkpoint.watermark,
        "trades_cursor": checkpoint.cursor.trades,
        "equity_cursor": checkpoint.cursor.equity,
        "ledger": checkpoint.payload,
    }


def _advance(connection: Connection, commit: EvaluationCommit, expected: StoredState, as_of: datetime) -> None:
    columns = _checkpoint_columns(commit.checkpoint)
    _move_on(connection, expected, evaluated_at=as_of, controller=commit.controller, **columns)


def _move_on(connection: Connection, expected: StoredState, **columns: object) -> None:
    # The first statement of the transaction: whoever is second waits here for the row, and then finds it moved.
    values = {"expected_generation": expected.generation, "generation": expected.generation + 1, **columns}
    if _move_on_of(tuple(columns)).run(connection, values) != 1:
        raise StaleState(
            f"generation {expected.generation} is over: another commit came in between; start again from the state as "
            "it is now"
        )


@cache
def _move_on_of(columns: tuple[str, ...]) -> Prepared:
    return Prepared(_MOVE_ON, "generation", *columns)


def _write_strategies(connection: Connection, entry: EvaluationEntry) -> None:
    verdict = entry.verdict
    if verdict is None:
        return
    _FORGET_STRATEGIES.run(connection)
    if verdict.strategies:
        insert_rankings(connection, verdict.strategies)
    write_transitions(connection, entry.evaluation_id, verdict.transitions)


def write_transitions(
    connection: Connection, evaluation_id: str | None, transitions: tuple[StrategyTransition, ...]
) -> None:
    """Writes steps of strategies; `evaluation_id` None: a person's."""
    if transitions:
        rows = [_transition_row(evaluation_id, transition) for transition in transitions]
        connection.execute(insert(msc_strategy_transitions), rows)


def _transition_row(evaluation_id: str | None, transition: StrategyTransition) -> dict[str, object]:
    return {
        "evaluation_id": evaluation_id,
        "strategy_id": transition.strategy_id,
        "before": transition.before,
        "after": transition.after,
        "at": transition.at,
        "reason_code": transition.reason.code,
        "reason_text": transition.reason.text,
    }


def _keep_rewind_point(connection: Connection, checkpoint: LedgerCheckpoint) -> None:
    connection.execute(delete(msc_ledger_checkpoints).where(_points.watermark == checkpoint.watermark))
    connection.execute(insert(msc_ledger_checkpoints), _checkpoint_columns(checkpoint))
    oldest_kept = select(_points.watermark).order_by(_points.watermark.desc()).offset(REWIND_POINTS_KEPT - 1).limit(1)
    surplus = _points.watermark < oldest_kept.scalar_subquery()
    connection.execute(delete(msc_ledger_checkpoints).where(surplus))
