"""The tables. What people query has a column; what is read whole is JSON."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

from msc_authority.adapters.sql.audit_guard import guard_audit
from msc_authority.adapters.sql.types import Document, Exact, Finite, Identifier, Named, Sequence, UtcTime
from msc_authority.core.facts import Direction, Side, TradeSource
from msc_authority.core.policy import RiskMode, StrategyState, SystemHealth, TradingState

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Facts: `sequence` is the order of arrival, the id is the sender's and makes sending again harmless.

execution_journal = Table(
    "execution_journal",
    metadata,
    Column("sequence", Sequence, primary_key=True, autoincrement=True),
    Column("event_id", Identifier, nullable=False),
    Column("account", Identifier, nullable=False),
    Column("executor", Identifier, nullable=False),
    Column("strategy_id", Identifier, nullable=False),
    Column("symbol", Identifier, nullable=False),
    Column("side", Named(Side), nullable=False),
    Column("order_id", Identifier, nullable=False),
    Column("client_order_id", Identifier, nullable=False),
    Column("status", Text, nullable=False),
    Column("quantity", Exact, nullable=False),
    Column("price", Exact),
    Column("fee", Exact, nullable=False),
    Column("realized_pnl", Exact, nullable=False),
    Column("reduce_only", Boolean, nullable=False),
    Column("confidence", Finite),
    Column("policy_version", BigInteger, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail_json", Text, nullable=False),
    Index(None, "event_id", unique=True),
    Index(None, "at"),
    sqlite_autoincrement=True,
)

trade_logs = Table(
    "trade_logs",
    metadata,
    Column("sequence", Sequence, primary_key=True, autoincrement=True),
    Column("trade_id", Identifier, nullable=False),
    Column("strategy_id", Identifier, nullable=False),
    Column("symbol", Identifier, nullable=False),
    Column("direction", Named(Direction), nullable=False),
    Column("quantity", Exact, nullable=False),
    Column("entry_price", Exact, nullable=False),
    Column("exit_price", Exact, nullable=False),
    Column("opened_at", UtcTime, nullable=False),
    Column("closed_at", UtcTime, nullable=False),
    Column("gross_pnl", Exact, nullable=False),
    Column("fees", Exact, nullable=False),
    Column("funding", Exact, nullable=False),
    Column("net_pnl", Exact, nullable=False),
    Column("risk_at_entry", Exact),
    Column("source", Named(TradeSource), nullable=False),
    Column("policy_version", BigInteger, nullable=False),
    Index(None, "trade_id", unique=True),
    Index(None, "closed_at", "trade_id"),
    sqlite_autoincrement=True,
)

equity_points = Table(
    "equity_points",
    metadata,
    Column("sequence", Sequence, primary_key=True, autoincrement=True),
    Column("account", Identifier, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("wallet_balance", Exact, nullable=False),
    Column("unrealized_pnl", Exact, nullable=False),
    Column("net_flow", Exact, nullable=False),
    Index(None, "at", "account", unique=True),
    sqlite_autoincrement=True,
)

# Decisions.

msc_meta = Table(
    "msc_meta",
    metadata,
    Column("epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("allocated_at", UtcTime, nullable=False),
    Column("reason", Text, nullable=False),
)

msc_evaluations = Table(
    "msc_evaluations",
    metadata,
    Column("sequence", Sequence, primary_key=True, autoincrement=True),
    Column("evaluation_id", Identifier, nullable=False, unique=True),
    Column("trigger", Text, nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("as_of", UtcTime),
    Column("duration_s", Finite, nullable=False),
    Column("grade", Named(SystemHealth)),
    Column("warning_points", Integer),
    Column("mode_before", Named(RiskMode)),
    Column("mode_target", Named(RiskMode)),
    Column("mode_after", Named(RiskMode)),
    Column("reasons", Document),
    Column("committed_epoch", BigInteger),
    Column("committed_version", BigInteger),
    Column("changes", Document, nullable=False),
    Column("failure", Text, nullable=False),
    Column("request_id", Identifier, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("verdict", Document),
    Index(None, "request_id"),
    Index(None, "started_at"),
    sqlite_autoincrement=True,
)

msc_policies = Table(
    "msc_policies",
    metadata,
    Column("epoch", BigInteger, ForeignKey("msc_meta.epoch"), primary_key=True, autoincrement=False),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("created_at", UtcTime, nullable=False, index=True),
    Column("risk_mode", Named(RiskMode), nullable=False),
    Column("trading_state", Named(TradingState), nullable=False),
    Column("allowed_strategies", Document, nullable=False),
    Column("max_risk_per_trade", Finite, nullable=False),
    Column("global_min_confidence", Finite, nullable=False),
    Column("max_positions", Integer, nullable=False),
    Column("max_daily_trades", Integer, nullable=False),
    Column("system_drawdown", Finite),
    Column("global_winrate", Finite),
    Column("equity_slope", Finite),
    Column("system_health", Named(SystemHealth), nullable=False),
    Column("trades_n", BigInteger),
    Column("equity_source", Text, nullable=False),
    Column("grants", Document, nullable=False),
    Column("reasons", Document, nullable=False),
    Column("changes", Document, nullable=False),
    Column("author", Text, nullable=False),
    Column("rollback_of", BigInteger, nullable=False),
    Column("valid_for_s", Finite, nullable=False),
    Column("etag", Text, nullable=False),
    # None: a person's act made it.
    Column("evaluation_id", Identifier, ForeignKey("msc_evaluations.evaluation_id")),
)

msc_strategies = Table(
    "msc_strategies",
    metadata,
    Column("strategy_id", Identifier, primary_key=True),
    Column("rank", Integer, nullable=False),
    Column("state", Named(StrategyState), nullable=False),
    Column("state_since", UtcTime, nullable=False),
    Column("allowed", Boolean, nullable=False),
    Column("score", Finite, nullable=False),
    Column("posterior_lower_r", Finite, nullable=False),
    Column("posterior_mean_r", Finite, nullable=False),
    Column("drawdown_penalty_r", Finite, nullable=False),
    Column("selection_penalty_r", Finite, nullable=False),
    Column("probability_positive", Finite, nullable=False),
    Column("prior_mean_r", Finite, nullable=False),
    Column("effective_n", Finite, nullable=False),
    Column("live_trades", BigInteger, nullable=False),
    Column("shadow_trades", BigInteger, nullable=False),
    Column("winrate_fraction", Finite),
    Column("net_pnl", Exact, nullable=False),
    Column("drawdown_r", Finite, nullable=False),
    Column("fallback_fraction", Finite, nullable=False),
    Column("last_trade_at", UtcTime),
    Column("reason", Document, nullable=False),
)

msc_strategy_transitions = Table(
    "msc_strategy_transitions",
    metadata,
    Column("sequence", Sequence, primary_key=True, autoincrement=True),
    Column("evaluation_id", Identifier),
    Column("strategy_id", Identifier, nullable=False),
    Column("before", Named(StrategyState)),
    Column("after", Named(StrategyState), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("reason_code", Text, nullable=False),
    Column("reason_text", Text, nullable=False),
    ForeignKeyConstraint(["evaluation_id"], ["msc_evaluations.evaluation_id"]),
    Index(None, "strategy_id", "at"),
    sqlite_autoincrement=True,
)

# Written to, never changed: each row names the hash of the one before it, and triggers refuse all but the next row.
msc_audit = Table(
    "msc_audit",
    metadata,
    Column("sequence", Sequence, primary_key=True, autoincrement=True),
    Column("at", UtcTime, nullable=False, index=True),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("object", Text, nullable=False),
    Column("detail", Document, nullable=False),
    Column("previous_hash", Text, nullable=False),
    Column("hash", Text, nullable=False),
    sqlite_autoincrement=True,
)
guard_audit(msc_audit)

msc_operator_acts = Table(
    "msc_operator_acts",
    metadata,
    Column("sequence", Sequence, primary_key=True, autoincrement=True),
    Column("act_id", Identifier, nullable=False),
    Column("act", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("request_id", Identifier, nullable=False),
    Column("detail", Document, nullable=False),
    Column("override_id", Identifier, nullable=False),
    Column("committed_epoch", BigInteger),
    Column("committed_version", BigInteger),
    Column("changes", Document, nullable=False),
    Index(None, "act_id", unique=True),
    Index(None, "request_id"),
    sqlite_autoincrement=True,
)

# One row. `generation` counts commits: whoever commits names the one it started from.
msc_state = Table(
    "msc_state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("generation", BigInteger, nullable=False),
    Column("evaluated_at", UtcTime),
    Column("controller", LargeBinary),
    Column("watermark", UtcTime),
    Column("trades_cursor", BigInteger, nullable=False),
    Column("equity_cursor", BigInteger, nullable=False),
    Column("ledger", LargeBinary),
    CheckConstraint("id = 1", name="one_row"),
)

msc_ledger_checkpoints = Table(
    "msc_ledger_checkpoints",
    metadata,
    Column("watermark", UtcTime, primary_key=True),
    Column("trades_cursor", BigInteger, nullable=False),
    Column("equity_cursor", BigInteger, nullable=False),
    Column("ledger", LargeBinary, nullable=False),
)

# One row. Programs whose newest schema is `works_with` or later work on this one: what came behind it only added.
msc_schema = Table(
    "msc_schema",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("revision", Text, nullable=False),
    Column("works_with", Text, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

# One row, once evidence was pruned: the ledger with all of it that has at <= `watermark`, which may be gone from the
# journal. Nothing that old is taken any more.
msc_journal_floor = Table(
    "msc_journal_floor",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("watermark", UtcTime, nullable=False),
    Column("trades_cursor", BigInteger, nullable=False),
    Column("equity_cursor", BigInteger, nullable=False),
    Column("ledger", LargeBinary, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

# Of each kind that was pruned: rows later than that are all there.
msc_retention = Table(
    "msc_retention",
    metadata,
    Column("kind", Identifier, primary_key=True),
    Column("complete_after", UtcTime, nullable=False),
)

# Several authorities on one database. Instants of these tables are the database's own.

# One row, once somebody has led.
msc_lease = Table(
    "msc_lease",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("term", BigInteger, nullable=False),
    Column("holder", Identifier, nullable=False),
    Column("address", Text, nullable=False),
    Column("renewed_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

msc_replicas = Table(
    "msc_replicas",
    metadata,
    Column("server_id", Identifier, primary_key=True),
    Column("address", Text, nullable=False),
    Column("watchers", BigInteger, nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("seen_at", UtcTime, nullable=False),
)

msc_evaluation_requests = Table(
    "msc_evaluation_requests",
    metadata,
    Column("request_id", Identifier, primary_key=True),
    Column("requested_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("asked_at", UtcTime, nullable=False),
)

# Who may come in. Of a secret, only the hash.
msc_tokens = Table(
    "msc_tokens",
    metadata,
    Column("token_id", Identifier, primary_key=True),
    Column("name", Identifier, nullable=False),
    Column("roles", Document, nullable=False),
    Column("scope", Document, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires_at", UtcTime),
    Column("revoked_at", UtcTime),
    Column("last_used_at", UtcTime),
)
