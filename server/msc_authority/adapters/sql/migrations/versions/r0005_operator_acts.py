"""What persons do: a history of acts, and policies and transitions that no evaluation made."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from alembic import op

from msc_authority.adapters.sql.types import UtcTime

revision = "0005"
down_revision = "0004"

_IDENTIFIER = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Makes the table of acts, and lets a policy and a transition be of no evaluation."""
    _create_msc_operator_acts()
    if op.get_context().dialect.name != "sqlite":
        op.alter_column("msc_policies", "evaluation_id", nullable=True)
        op.alter_column("msc_strategy_transitions", "evaluation_id", nullable=True)
        return
    op.drop_index(op.f("ix_msc_policies_created_at"), table_name="msc_policies")
    _made_anew("msc_policies", _create_msc_policies)
    op.drop_index(op.f("ix_msc_strategy_transitions_strategy_id_at"), table_name="msc_strategy_transitions")
    _made_anew("msc_strategy_transitions", _create_msc_strategy_transitions)


def _made_anew(name: str, create: Callable[[], sa.Table]) -> None:
    # SQLite changes no column of a table that is there.
    op.rename_table(name, f"{name}_before")
    columns = ", ".join(f'"{column.name}"' for column in create().columns)
    op.execute(f"INSERT INTO {name} ({columns}) SELECT {columns} FROM {name}_before")  # noqa: S608 -- names of ours
    op.drop_table(f"{name}_before")


def _create_msc_operator_acts() -> None:
    op.create_table(
        "msc_operator_acts",
        sa.Column("sequence", _SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("act_id", _IDENTIFIER, nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("request_id", _IDENTIFIER, nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("override_id", _IDENTIFIER, nullable=False),
        sa.Column("committed_epoch", sa.BigInteger(), nullable=True),
        sa.Column("committed_version", sa.BigInteger(), nullable=True),
        sa.Column("changes", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_msc_operator_acts")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_msc_operator_acts_act_id"), "msc_operator_acts", ["act_id"], unique=True)
    op.create_index(op.f("ix_msc_operator_acts_request_id"), "msc_operator_acts", ["request_id"], unique=False)


def _create_msc_policies() -> sa.Table:
    table = op.create_table(
        "msc_policies",
        sa.Column("epoch", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("risk_mode", sa.Text(), nullable=False),
        sa.Column("trading_state", sa.Text(), nullable=False),
        sa.Column("allowed_strategies", sa.JSON(), nullable=False),
        sa.Column("max_risk_per_trade", sa.Double(), nullable=False),
        sa.Column("global_min_confidence", sa.Double(), nullable=False),
        sa.Column("max_positions", sa.Integer(), nullable=False),
        sa.Column("max_daily_trades", sa.Integer(), nullable=False),
        sa.Column("system_drawdown", sa.Double(), nullable=True),
        sa.Column("global_winrate", sa.Double(), nullable=True),
        sa.Column("equity_slope", sa.Double(), nullable=True),
        sa.Column("system_health", sa.Text(), nullable=False),
        sa.Column("trades_n", sa.BigInteger(), nullable=True),
        sa.Column("equity_source", sa.Text(), nullable=False),
        sa.Column("grants", sa.JSON(), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("changes", sa.JSON(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("rollback_of", sa.BigInteger(), nullable=False),
        sa.Column("valid_for_s", sa.Double(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("evaluation_id", _IDENTIFIER, nullable=True),
        sa.ForeignKeyConstraint(["epoch"], ["msc_meta.epoch"], name=op.f("fk_msc_policies_epoch")),
        sa.ForeignKeyConstraint(
            ["evaluation_id"], ["msc_evaluations.evaluation_id"], name=op.f("fk_msc_policies_evaluation_id")
        ),
        sa.PrimaryKeyConstraint("epoch", "version", name=op.f("pk_msc_policies")),
    )
    op.create_index(op.f("ix_msc_policies_created_at"), "msc_policies", ["created_at"], unique=False)
    return table


def _create_msc_strategy_transitions() -> sa.Table:
    table = op.create_table(
        "msc_strategy_transitions",
        sa.Column("sequence", _SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("evaluation_id", _IDENTIFIER, nullable=True),
        sa.Column("strategy_id", _IDENTIFIER, nullable=False),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("reason_code", sa.Text(), nullable=False),
        sa.Column("reason_text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["evaluation_id"], ["msc_evaluations.evaluation_id"], name=op.f("fk_msc_strategy_transitions_evaluation_id")
        ),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_msc_strategy_transitions")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_msc_strategy_transitions_strategy_id_at"),
        "msc_strategy_transitions",
        ["strategy_id", "at"],
        unique=False,
    )
    return table
