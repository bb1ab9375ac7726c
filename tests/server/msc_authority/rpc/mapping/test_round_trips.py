"""What goes out and comes back is what it was: each test reads the wire by itself, not by the code that wrote it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from msc_authority.app.clients import ClientCounters, ClientInfo, ClientRole, ClientStatus, ClientTier, FleetEntry
from msc_authority.core.evaluation import HealthMetric, StrategyRanking
from msc_authority.core.facts import Direction, EquityPoint, Execution, Fact, Side, Trade, TradeSource
from msc_authority.core.policy import (
    Limits,
    Policy,
    PolicyContent,
    PolicyMetrics,
    PolicyRef,
    Reason,
    RiskMode,
    StrategyGrant,
    StrategyState,
    SystemHealth,
    TradingState,
)
from msc_authority.rpc.mapping.basics import duration_to_proto, instant_of, instant_to_proto, seconds_of
from msc_authority.rpc.mapping.fleet import client_of, entry_to_proto, status_of
from msc_authority.rpc.mapping.insight import metric_to_proto, ranking_to_proto
from msc_authority.rpc.mapping.journal import fact_of
from msc_authority.rpc.mapping.policies import policy_to_proto
from msc_policy import v1 as pb

NOW = datetime(2026, 1, 1, tzinfo=UTC)

COUNTS = st.integers(0, 2**32 - 1)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=20)
NAMES = st.text("ABCdef012_-", min_size=1, max_size=20)
INSTANTS = st.datetimes(datetime(2001, 1, 1), datetime(2025, 12, 31), timezones=st.just(UTC))
REFS = st.builds(PolicyRef, st.integers(0, 2**63 - 1), st.integers(1, 2**63 - 1))
REASONS = st.builds(
    Reason, code=NAMES, text=TEXTS, metric=TEXTS, value=st.none() | NUMBERS, threshold=st.none() | NUMBERS
)
CONTENTS = st.builds(
    PolicyContent,
    risk_mode=st.sampled_from(RiskMode),
    trading_state=st.sampled_from(TradingState),
    limits=st.builds(
        Limits,
        max_risk_per_trade=NUMBERS,
        global_min_confidence=NUMBERS,
        max_positions=COUNTS,
        max_daily_trades=COUNTS,
    ),
    grants=st.lists(
        st.builds(
            StrategyGrant,
            strategy_id=NAMES,
            state=st.sampled_from(StrategyState),
            risk_multiplier=NUMBERS,
            max_positions=COUNTS,
            max_daily_trades_fraction=NUMBERS,
        ),
        max_size=4,
    ).map(tuple),
    metrics=st.builds(
        PolicyMetrics,
        system_drawdown=st.none() | NUMBERS,
        global_winrate=st.none() | NUMBERS,
        equity_slope=st.none() | NUMBERS,
        system_health=st.sampled_from(SystemHealth),
        trades_n=st.none() | COUNTS,
        equity_source=TEXTS,
    ),
    reasons=st.lists(REASONS, max_size=3).map(tuple),
    author=NAMES,
    rollback_of=COUNTS,
)
POLICIES = st.builds(Policy, ref=REFS, created_at=INSTANTS, content=CONTENTS, valid_for_s=st.integers(0, 10**6))


def optional(message: Message, name: str) -> float | None:
    return getattr(message, name) if message.HasField(name) else None


def read_reason(message: pb.Reason) -> Reason:
    return Reason(
        code=message.code,
        text=message.text,
        metric=message.metric,
        value=optional(message, "value"),
        threshold=optional(message, "threshold"),
    )


def read_policy(message: pb.Policy) -> Policy:
    metrics = message.evaluation_metrics
    trades_n = optional(metrics, "trades_n")
    content = PolicyContent(
        risk_mode=RiskMode[pb.RiskMode.Name(message.risk_mode).removeprefix("RISK_MODE_")],
        trading_state=TradingState[pb.TradingState.Name(message.trading_state).removeprefix("TRADING_STATE_")],
        limits=Limits(
            max_risk_per_trade=message.max_risk_per_trade,
            global_min_confidence=message.global_min_confidence,
            max_positions=message.max_positions,
            max_daily_trades=message.max_daily_trades,
        ),
        grants=tuple(
            StrategyGrant(
                strategy_id=grant.strategy_id,
                state=StrategyState(pb.StrategyState.Name(grant.state).removeprefix("STRATEGY_STATE_")),
                risk_multiplier=grant.risk_multiplier,
                max_positions=grant.max_positions,
                max_daily_trades_fraction=grant.max_daily_trades_fraction,
            )
            for grant in message.strategy_grants
        ),
        metrics=PolicyMetrics(
            system_drawdown=optional(metrics, "system_drawdown"),
            global_winrate=optional(metrics, "global_winrate"),
            equity_slope=optional(metrics, "equity_slope"),
            system_health=SystemHealth(pb.SystemHealth.Name(metrics.system_health).removeprefix("SYSTEM_HEALTH_")),
            trades_n=None if trades_n is None else int(trades_n),
            equity_source=metrics.equity_source,
        ),
        reasons=tuple(map(read_reason, message.reasons)),
        author=message.author,
        rollback_of=message.rollback_of,
    )
    return Policy(
        ref=PolicyRef(message.ref.epoch, message.ref.version),
        created_at=message.created_at.ToDatetime(tzinfo=UTC),
        content=content,
        valid_for_s=message.valid_for.seconds,
    )


@given(policy=POLICIES)
def test_a_policy_comes_back_as_it_was(policy: Policy) -> None:
    message = pb.Policy.FromString(policy_to_proto(policy).SerializeToString())
    assert read_policy(message) == policy
    assert tuple(message.allowed_strategies) == policy.content.allowed_strategies
    assert message.ref.etag == policy.etag


def test_unknown_metrics_are_unset_and_not_zero() -> None:
    metric = metric_to_proto(HealthMetric(name="slope_pct_per_day", value=None))
    assert [field.name for field, _ in metric.ListFields()] == ["name"]


@given(
    metric=st.builds(
        HealthMetric,
        name=NAMES,
        value=st.none() | NUMBERS,
        threshold=st.none() | NUMBERS,
        margin=st.none() | NUMBERS,
        interval_low=st.none() | NUMBERS,
        interval_high=st.none() | NUMBERS,
        sample_size=COUNTS,
        window=TEXTS,
        source=TEXTS,
        age_s=st.none() | st.integers(0, 10**9).map(float),
        warning_points=st.integers(0, 9),
    )
)
def test_a_metric_comes_back_as_it_was(metric: HealthMetric) -> None:
    message = metric_to_proto(metric)
    read = HealthMetric(
        name=message.name,
        value=optional(message, "value"),
        threshold=optional(message, "threshold"),
        margin=optional(message, "margin"),
        interval_low=optional(message, "interval_low"),
        interval_high=optional(message, "interval_high"),
        sample_size=message.sample_size,
        window=message.window,
        source=message.source,
        age_s=message.age.seconds if message.HasField("age") else None,
        warning_points=message.warning_points,
    )
    assert read == metric


def test_every_part_of_a_ranking_is_sent() -> None:
    ranking = StrategyRanking(
        strategy_id="A",
        rank=1,
        state=StrategyState.PROBATION,
        state_since=NOW,
        allowed=True,
        score=0.01,
        posterior_lower_r=0.02,
        posterior_mean_r=0.03,
        drawdown_penalty_r=0.04,
        selection_penalty_r=0.05,
        probability_positive=0.06,
        prior_mean_r=0.07,
        effective_n=8.0,
        live_trades=9,
        shadow_trades=10,
        winrate_fraction=0.11,
        net_pnl=Decimal("1E+3"),
        drawdown_r=0.13,
        fallback_fraction=0.14,
        last_trade_at=NOW,
        reason=Reason(code="NEW", text="new"),
    )
    message = ranking_to_proto(ranking)
    assert {field.name for field, _ in message.ListFields()} == {field.name for field in message.DESCRIPTOR.fields}
    assert message.net_pnl == "1000"
    for name in ("score", "posterior_lower_r", "selection_penalty_r", "fallback_fraction", "winrate_fraction"):
        assert getattr(message, name) == getattr(ranking, name)


@given(seconds=st.floats(-1e9, 1e9))
def test_durations_of_either_sign_keep_their_microseconds(seconds: float) -> None:
    assert abs(seconds_of(duration_to_proto(seconds)) - seconds) <= 1e-6


@given(instant=INSTANTS)
def test_instants_come_back_as_they_were(instant: datetime) -> None:
    assert instant_of(instant_to_proto(instant)) == instant


SHORT = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=64)
CLIENTS = st.builds(
    ClientInfo,
    instance_id=NAMES,
    name=SHORT,
    role=st.sampled_from(ClientRole),
    sdk=SHORT,
    started_at=st.none() | INSTANTS,
)
STATUSES = st.builds(
    ClientStatus,
    tier=st.sampled_from(ClientTier),
    applied=st.none() | REFS,
    age_s=st.none() | st.integers(0, 10**6).map(float),
    last_error=SHORT,
    counters=st.builds(
        ClientCounters,
        applied=COUNTS,
        rejected=COUNTS,
        reconnects=COUNTS,
        watchdog_timeouts=COUNTS,
        gaps=COUNTS,
        callback_errors=COUNTS,
        reads=COUNTS,
        fallback_reads=COUNTS,
        reconnect_causes=st.dictionaries(st.from_regex(r"[A-Za-z0-9_]{1,40}", fullmatch=True), COUNTS, max_size=16),
    ),
    applied_for_s=st.none() | st.integers(0, 10**6).map(float),
)


@given(client=CLIENTS, status=STATUSES)
def test_a_client_and_its_status_come_back_as_they_were(client: ClientInfo, status: ClientStatus) -> None:
    entry = FleetEntry(client=client, status=status, reported_at=NOW, watches=1)
    message = entry_to_proto(entry, PolicyRef(1, 1))
    assert client_of(message.client) == client
    assert status_of(message.status) == status
    assert message.watching


def test_a_role_or_tier_from_a_newer_client_is_taken_as_other_and_unspecified() -> None:
    assert client_of(pb.ClientInfo(instance_id="one", role=99)).role is ClientRole.OTHER  # type: ignore[arg-type]
    assert status_of(pb.ClientStatus(tier=99)).tier is ClientTier.UNSPECIFIED  # type: ignore[arg-type]


AMOUNTS = st.decimals(-(10**9), 10**9, places=8)
POSITIVE = st.decimals(Decimal("0.00000001"), 10**9, places=8)
EXECUTIONS = st.builds(
    Execution,
    event_id=NAMES,
    account=NAMES,
    executor=NAMES,
    strategy_id=NAMES,
    symbol=NAMES,
    side=st.sampled_from(Side),
    order_id=NAMES,
    client_order_id=NAMES,
    status=st.sampled_from(["NEW", "FILLED", "BLOCKED"]),
    quantity=POSITIVE,
    price=st.none() | POSITIVE,
    fee=AMOUNTS,
    realized_pnl=AMOUNTS,
    reduce_only=st.booleans(),
    confidence=st.none() | st.floats(0, 1).map(lambda value: round(value, 6)),
    policy_version=st.integers(0, 2**63 - 1),
    at=INSTANTS,
    reason=NAMES,
    detail_json=st.just('{"checks": []}'),
)
POINTS = st.builds(
    EquityPoint,
    account=NAMES,
    at=INSTANTS,
    wallet_balance=AMOUNTS,
    unrealized_pnl=AMOUNTS,
    net_flow=AMOUNTS,
)


@st.composite
def trades(draw: st.DrawFn) -> Trade:
    gross, fees, funding, opened = draw(AMOUNTS), draw(AMOUNTS), draw(AMOUNTS), draw(INSTANTS)
    return Trade(
        trade_id=draw(NAMES),
        strategy_id=draw(NAMES),
        symbol=draw(NAMES),
        direction=draw(st.sampled_from(Direction)),
        quantity=draw(POSITIVE),
        entry_price=draw(POSITIVE),
        exit_price=draw(POSITIVE),
        opened_at=opened,
        closed_at=min(opened + timedelta(seconds=draw(st.integers(0, 10**6))), NOW),
        gross_pnl=gross,
        fees=fees,
        funding=funding,
        net_pnl=gross - fees + funding,
        risk_at_entry=draw(st.none() | POSITIVE),
        source=draw(st.sampled_from(TradeSource)),
        policy_version=draw(st.integers(0, 2**63 - 1)),
    )


def text(number: Decimal | None) -> str:
    return "" if number is None else format(number, "f")


def sent(fact: Fact) -> pb.JournalEntry:
    """A fact as a client sends it."""
    match fact:
        case Execution():
            execution = pb.Execution(
                event_id=fact.event_id,
                account=fact.account,
                executor=fact.executor,
                strategy_id=fact.strategy_id,
                symbol=fact.symbol,
                side=pb.Side.Value(f"SIDE_{fact.side}"),
                order_id=fact.order_id,
                client_order_id=fact.client_order_id,
                status=fact.status,
                quantity=text(fact.quantity),
                price=text(fact.price),
                fee=text(fact.fee),
                realized_pnl=text(fact.realized_pnl),
                reduce_only=fact.reduce_only,
                confidence=fact.confidence,
                policy_version=fact.policy_version,
                at=instant_to_proto(fact.at),
                reason=fact.reason,
                detail_json=fact.detail_json,
            )
            return pb.JournalEntry(execution=execution)
        case Trade():
            trade = pb.ClosedTrade(
                trade_id=fact.trade_id,
                strategy_id=fact.strategy_id,
                symbol=fact.symbol,
                direction=pb.Direction.Value(f"DIRECTION_{fact.direction}"),
                opened_at=instant_to_proto(fact.opened_at),
                closed_at=instant_to_proto(fact.closed_at),
                source=pb.TradeSource.Value(f"TRADE_SOURCE_{fact.source}"),
                policy_version=fact.policy_version,
                quantity=text(fact.quantity),
                entry_price=text(fact.entry_price),
                exit_price=text(fact.exit_price),
                gross_pnl=text(fact.gross_pnl),
                fees=text(fact.fees),
                funding=text(fact.funding),
                net_pnl=text(fact.net_pnl),
                risk_at_entry=text(fact.risk_at_entry),
            )
            return pb.JournalEntry(trade=trade)
        case EquityPoint():
            point = pb.EquityPoint(
                account=fact.account,
                at=instant_to_proto(fact.at),
                wallet_balance=text(fact.wallet_balance),
                unrealized_pnl=text(fact.unrealized_pnl),
                net_flow=text(fact.net_flow),
            )
            return pb.JournalEntry(equity=point)


@given(fact=EXECUTIONS | trades() | POINTS)
def test_a_fact_comes_in_as_it_was_sent(fact: Fact) -> None:
    assert fact_of(sent(fact), NOW) == fact
