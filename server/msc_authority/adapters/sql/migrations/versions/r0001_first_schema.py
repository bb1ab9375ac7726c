"""The first schema: facts, decisions, state."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from msc_authority.adapters.sql.types import Exact, UtcTime

revision = "0001"
down_revision = None

_IDENTIFIER = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Makes all tables."""
    _create_equity_points()
    _create_execution_journal()
    _create_msc_audit()
    _create_msc_evaluations()
    _create_msc_ledger_checkpoints()
    _create_msc_meta()
    _create_msc_state()
    _create_msc_strategies()
    _create_trade_logs()
    _create_msc_policies()
    _create_msc_strategy_transitions()


def _create_equity_points() -> None:
    op.create_table(
        "equity_points",
        sa.Column("sequence", _SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("account", _IDENTIFIER, nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("wallet_balance", Exact(), nullable=False),
        sa.Column("unrealized_pnl", Exact(), nullable=False),
        sa.Column("net_flow", Exact(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_equity_points")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_equity_points_at_account"), "equity_points", ["at", "account"], unique=True)


def _create_execution_journal() -> None:
    op.create_table(
        "execution_journal",
        sa.Column("sequence", _SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("event_id", _IDENTIFIER, nullable=False),
        sa.Column("account", _IDENTIFIER, nullable=False),
        sa.Column("executor", _IDENTIFIER, nullable=False),
        sa.Column("strategy_id", _IDENTIFIER, nullable=False),
        sa.Column("symbol", _IDENTIFIER, nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("order_id", _IDENTIFIER, nullable=False),
        sa.Column("client_order_id", _IDENTIFIER, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("quantity", Exact(), nullable=False),
        sa.Column("price", Exact(), nullable=True),
        sa.Column("fee", Exact(), nullable=False),
        sa.Column("realized_pnl", Exact(), nullable=False),
        sa.Column("reduce_only", sa.Boolean(), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=True),
        sa.Column("policy_version", sa.BigInteger(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail_json", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_execution_journal")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_execution_journal_at"), "execution_journal", ["at"], unique=False)
    op.create_index(op.f("ix_execution_journal_event_id"), "execution_journal", ["event_id"], unique=True)


def _create_msc_audit() -> None:
    op.create_table(
        "msc_audit",
        sa.Column("sequence", _SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_msc_audit")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_msc_audit_at"), "msc_audit", ["at"], unique=False)


def _create_msc_evaluations() -> None:
    op.create_table(
        "msc_evaluations",
        sa.Column("sequence", _SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("evaluation_id", _IDENTIFIER, nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("started_at", UtcTime(), nullable=False),
        sa.Column("as_of", UtcTime(), nullable=True),
        sa.Column("duration_s", sa.Double(), nullable=False),
        sa.Column("grade", sa.Text(), nullable=True),
        sa.Column("warning_points", sa.Integer(), nullable=True),
        sa.Column("mode_before", sa.Text(), nullable=True),
        sa.Column("mode_target", sa.Text(), nullable=True),
        sa.Column("mode_after", sa.Text(), nullable=True),
        sa.Column("reasons", sa.JSON(), nullable=True),
        sa.Column("committed_epoch", sa.BigInteger(), nullable=True),
        sa.Column("committed_version", sa.BigInteger(), nullable=True),
        sa.Column("changes", sa.JSON(), nullable=False),
        sa.Column("failure", sa.Text(), nullable=False),
        sa.Column("request_id", _IDENTIFIER, nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("verdict", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_msc_evaluations")),
        sa.UniqueConstraint("evaluation_id", name=op.f("uq_msc_evaluations_evaluation_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_msc_evaluations_request_id"), "msc_evaluations", ["request_id"], unique=False)
    op.create_index(op.f("ix_msc_evaluations_started_at"), "msc_evaluations", ["started_at"], unique=False)


def _create_msc_ledger_checkpoints() -> None:
    op.create_table(
        "msc_ledger_checkpoints",
        sa.Column("watermark", UtcTime(), nullable=False),
        sa.Column("trades_cursor", sa.BigInteger(), nullable=False),
        sa.Column("equity_cursor", sa.BigInteger(), nullable=False),
        sa.Column("ledger", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("watermark", name=op.f("pk_msc_ledger_checkpoints")),
    )


def _create_msc_meta() -> None:
    op.create_table(
        "msc_meta",
        sa.Column("epoch", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("allocated_at", UtcTime(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("epoch", name=op.f("pk_msc_meta")),
    )


def _create_msc_state() -> None:
    op.create_table(
        "msc_state",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("evaluated_at", UtcTime(), nullable=True),
        sa.Column("controller", sa.LargeBinary(), nullable=True),
        sa.Column("watermark", UtcTime(), nullable=True),
        sa.Column("trades_cursor", sa.BigInteger(), nullable=False),
        sa.Column("equity_cursor", sa.BigInteger(), nullable=False),
        sa.Column("ledger", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_msc_state_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_msc_state")),
    )


def _create_msc_strategies() -> None:
    op.create_table(
        "msc_strategies",
        sa.Column("strategy_id", _IDENTIFIER, nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_since", UtcTime(), nullable=False),
        sa.Column("allowed", sa.Boolean(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("posterior_lower_r", sa.Double(), nullable=False),
        sa.Column("posterior_mean_r", sa.Double(), nullable=False),
        sa.Column("drawdown_penalty_r", sa.Double(), nullable=False),
        sa.Column("selection_penalty_r", sa.Double(), nullable=False),
        sa.Column("probability_positive", sa.Double(), nullable=False),
        sa.Column("prior_mean_r", sa.Double(), nullable=False),
        sa.Column("effective_n", sa.Double(), nullable=False),
        sa.Column("live_trades", sa.BigInteger(), nullable=False),
        sa.Column("shadow_trades", sa.BigInteger(), nullable=False),
        sa.Column("winrate_fraction", sa.Double(), nullable=True),
        sa.Column("net_pnl", Exact(), nullable=False),
        sa.Column("drawdown_r", sa.Double(), nullable=False),
        sa.Column("fallback_fraction", sa.Double(), nullable=False),
        sa.Column("last_trade_at", UtcTime(), nullable=True),
        sa.Column("reason", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("strategy_id", name=op.f("pk_msc_strategies")),
    )


def _create_trade_logs() -> None:
    op.create_table(
        "trade_logs",
        sa.Column("sequence", _SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("trade_id", _IDENTIFIER, nullable=False),
        sa.Column("strategy_id", _IDENTIFIER, nullable=False),
        sa.Column("symbol", _IDENTIFIER, nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("quantity", Exact(), nullable=False),
        sa.Column("entry_price", Exact(), nullable=False),
        sa.Column("exit_price", Exact(), nullable=False),
        sa.Column("opened_at", UtcTime(), nullable=False),
        sa.Column("closed_at", UtcTime(), nullable=False),
        sa.Column("gross_pnl", Exact(), nullable=False),
        sa.Column("fees", Exact(), nullable=False),
        sa.Column("funding", Exact(), nullable=False),
        sa.Column("net_pnl", Exact(), nullable=False),
        sa.Column("risk_at_entry", Exact(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("policy_version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_trade_logs")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_trade_logs_closed_at_trade_id"), "trade_logs", ["closed_at", "trade_id"], unique=False)
    op.create_index(op.f("ix_trade_logs_trade_id"), "trade_logs", ["trade_id"], unique=True)


def _create_msc_policies() -> None:
    op.create_table(
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
        sa.Column("evaluation_id", _IDENTIFIER, nullable=False),
        sa.ForeignKeyConstraint(["epoch"], ["msc_meta.epoch"], name=op.f("fk_msc_policies_epoch")),
        sa.ForeignKeyConstraint(
            ["evaluation_id"], ["msc_evaluations.evaluation_id"], name=op.f("fk_msc_policies_evaluation_id")
        ),
        sa.PrimaryKeyConstraint("epoch", "version", name=op.f("pk_msc_policies")),
    )
    op.create_index(op.f("ix_msc_policies_created_at"), "msc_policies", ["created_at"], unique=False)


def _create_msc_strategy_transitions() -> None:
    op.create_table(
        "msc_strategy_transitions",
        sa.Column("sequence", _SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("evaluation_id", _IDENTIFIER, nullable=False),
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
