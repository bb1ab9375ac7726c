"""Policies on SQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import cast

from sqlalchemy import Connection, RowMapping, func, select, tuple_

from msc_authority.adapters.documents import Fields, change_from, document_of, grant_from, reason_from
from msc_authority.adapters.sql.engine import Database
from msc_authority.adapters.sql.prepared import Prepared
from msc_authority.adapters.sql.tables import msc_meta, msc_policies, msc_state
from msc_authority.core.policy import FieldChange, Limits, Policy, PolicyContent, PolicyMetrics, PolicyRef
from msc_authority.ports.policies import Head, Revision
from msc_authority.ports.store import StoreError

_NEWEST_FIRST = select(msc_policies).order_by(msc_policies.c.epoch.desc(), msc_policies.c.version.desc())
# Made once: to make a statement, and to find out that it was compiled before, takes longer than to run it.
_EPOCH = select(func.max(msc_meta.c.epoch))
_EVALUATED_AT = select(msc_state.c.evaluated_at)
_NEWEST = (
    _NEWEST_FIRST.add_columns(_EVALUATED_AT.scalar_subquery().label("evaluated_at"))
    .where(msc_policies.c.epoch == _EPOCH.scalar_subquery())
    .limit(1)
)
_NEWEST_ETAG = Prepared(
    _NEWEST.with_only_columns(
        msc_policies.c.epoch,
        msc_policies.c.version,
        msc_policies.c.etag,
        _EVALUATED_AT.scalar_subquery().label("evaluated_at"),
    )
)


class SqlPolicyStore:
    """Reads policies."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def head(self) -> Head:
        """Returns the newest policy, from the database itself."""
        with self._database.read() as connection:
            return read_head(connection)

    def revision(self, version: int) -> Policy | None:
        """Returns one revision of the current epoch, or None."""
        columns = msc_policies.c
        with self._database.read() as connection:
            wanted = select(msc_policies).where(columns.epoch == current_epoch(connection), columns.version == version)
            row = connection.execute(wanted).mappings().one_or_none()
        return None if row is None else policy_from(row)

    def revisions(self, before: PolicyRef | None, limit: int) -> list[Revision]:
        """Returns up to `limit` revisions older than `before` (None: from the newest), newest first."""
        wanted = _NEWEST_FIRST.limit(limit)
        if before is not None:
            ref = tuple_(msc_policies.c.epoch, msc_policies.c.version)
            wanted = wanted.where(ref < (before.epoch, before.version))
        with self._database.read() as connection:
            rows = connection.execute(wanted).mappings().all()
        return [Revision(policy=policy_from(row), changes=_changes_in(row)) for row in rows]


def current_epoch(connection: Connection) -> int:
    """The lineage the database is in now."""
    epoch = connection.scalar(_EPOCH)
    if epoch is None:
        raise StoreError("the database has no epoch yet: msc serve gives it one")
    return int(epoch)


def read_head(connection: Connection) -> Head:
    """The newest policy of the current epoch; version 0 when it has none."""
    row = connection.execute(_NEWEST).mappings().one_or_none()
    if row is None:
        none = PolicyRef(current_epoch(connection), 0)
        return Head(ref=none, policy=None, evaluated_at=connection.scalar(_EVALUATED_AT))
    policy = policy_from(row)
    return Head(ref=policy.ref, policy=policy, evaluated_at=row["evaluated_at"])


def read_head_again(connection: Connection, known: Head) -> Head:
    """What `read_head` returns. A policy that is `known` already is not read again."""
    rows, policy = _NEWEST_ETAG.rows(connection), known.policy
    if not rows or policy is None or rows[0][:3] != (policy.ref.epoch, policy.ref.version, policy.etag):
        return read_head(connection)
    return replace(known, evaluated_at=cast("datetime | None", rows[0][3]))


def row_of(policy: Policy, changes: tuple[FieldChange, ...], evaluation_id: str | None) -> dict[str, object]:
    """The row of a policy that differs so from the one before; `evaluation_id` None: a person's act made it."""
    content, limits, metrics = policy.content, policy.content.limits, policy.content.metrics
    return {
        "epoch": policy.ref.epoch,
        "version": policy.ref.version,
        "created_at": policy.created_at,
        "risk_mode": content.risk_mode,
        "trading_state": content.trading_state,
        "allowed_strategies": list(content.allowed_strategies),
        "max_risk_per_trade": limits.max_risk_per_trade,
        "global_min_confidence": limits.global_min_confidence,
        "max_positions": limits.max_positions,
        "max_daily_trades": limits.max_daily_trades,
        "system_drawdown": metrics.system_drawdown,
        "global_winrate": metrics.global_winrate,
        "equity_slope": metrics.equity_slope,
        "system_health": metrics.system_health,
        "trades_n": metrics.trades_n,
        "equity_source": metrics.equity_source,
        "grants": document_of(content.grants),
        "reasons": document_of(content.reasons),
        "changes": document_of(changes),
        "author": content.author,
        "rollback_of": content.rollback_of,
        "valid_for_s": policy.valid_for_s,
        "etag": policy.etag,
        "evaluation_id": evaluation_id,
    }


def policy_from(row: RowMapping) -> Policy:
    """The policy in a row.

    Raises:
        StoreError: the row is not what was written.
    """
    policy = Policy(
        ref=PolicyRef(row["epoch"], row["version"]),
        created_at=row["created_at"],
        content=_content_from(row),
        valid_for_s=row["valid_for_s"],
    )
    if policy.etag != row["etag"]:
        raise StoreError(
            f"policy {policy.ref.epoch}:{policy.ref.version} is not the one that was written (its etag differs): the "
            "row was changed behind the program's back; restore the database from a backup"
        )
    return policy


def _content_from(row: RowMapping) -> PolicyContent:
    fields = Fields(row)
    return PolicyContent(
        risk_mode=row["risk_mode"],
        trading_state=row["trading_state"],
        limits=Limits(
            max_risk_per_trade=row["max_risk_per_trade"],
            global_min_confidence=row["global_min_confidence"],
            max_positions=row["max_positions"],
            max_daily_trades=row["max_daily_trades"],
        ),
        grants=tuple(map(grant_from, fields.parts("grants"))),
        metrics=PolicyMetrics(
            system_drawdown=row["system_drawdown"],
            global_winrate=row["global_winrate"],
            equity_slope=row["equity_slope"],
            system_health=row["system_health"],
            trades_n=row["trades_n"],
            equity_source=row["equity_source"],
        ),
        reasons=tuple(map(reason_from, fields.parts("reasons"))),
        author=row["author"],
        rollback_of=row["rollback_of"],
    )


def _changes_in(row: RowMapping) -> tuple[FieldChange, ...]:
    return tuple(map(change_from, Fields(row).parts("changes")))
