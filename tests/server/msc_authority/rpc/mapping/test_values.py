"""Every word of the contract and of ours: each has exactly one partner on the other side."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.timestamp_pb2 import Timestamp
from msc_builders import START, a_content, a_ranking, a_reason, a_transition, a_verdict, an_entry
from msc_live import a_policy

from msc_authority.app.broker import Freshness
from msc_authority.app.clients import ClientInfo, ClientRole, ClientStatus, ClientTier, FleetEntry
from msc_authority.core.evaluation import SuppliedMetrics
from msc_authority.core.facts import Direction, Execution, Side, Trade, TradeSource
from msc_authority.core.intake import Refusal
from msc_authority.core.policy import (
    FieldChange,
    PolicyRef,
    RiskMode,
    StrategyState,
    SystemHealth,
    TradingState,
)
from msc_authority.ports.policies import Revision
from msc_authority.rpc.errors import InvalidRequest
from msc_authority.rpc.mapping.basics import duration_to_proto, instant_of, instant_to_proto, seconds_of
from msc_authority.rpc.mapping.fleet import ROLES, TIERS, client_of, entry_to_proto, status_of
from msc_authority.rpc.mapping.insight import evaluation_to_proto, ranking_to_proto, supplied_of
from msc_authority.rpc.mapping.journal import fact_of
from msc_authority.rpc.mapping.policies import (
    RISK_MODES,
    STRATEGY_STATES,
    SYSTEM_HEALTHS,
    TRADING_STATES,
    freshness_to_proto,
    revision_to_proto,
)
from msc_policy import v1 as pb

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ours", "wire", "prefix", "table"),
    [
        (RiskMode, pb.RiskMode, "RISK_MODE_", RISK_MODES),
        (TradingState, pb.TradingState, "TRADING_STATE_", TRADING_STATES),
        (SystemHealth, pb.SystemHealth, "SYSTEM_HEALTH_", SYSTEM_HEALTHS),
        (StrategyState, pb.StrategyState, "STRATEGY_STATE_", STRATEGY_STATES),
        (ClientRole, pb.ClientRole, "CLIENT_ROLE_", ROLES),
        (ClientTier, pb.ClientTier, "CLIENT_TIER_", TIERS),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_word_of_ours_is_the_contracts_word_of_the_same_name_and_none_is_left_over(
    ours: type[Enum], wire: EnumTypeWrapper, prefix: str, table: dict[Enum, int]
) -> None:
    named = {member.name: wire.Value(prefix + member.name) for member in ours}

    assert {member.name: number for member, number in table.items()} == named
    assert set(wire.keys()) - {prefix + name for name in named} <= {f"{prefix}UNSPECIFIED"}


@pytest.mark.parametrize(("word", "number"), [(Side.BUY, pb.SIDE_BUY), (Side.SELL, pb.SIDE_SELL)])
def test_each_side_is_read(word: Side, number: pb.Side.ValueType) -> None:
    fact = fact_of(pb.JournalEntry(execution=an_execution(side=number)), NOW)
    assert isinstance(fact, Execution)
    assert fact.side is word


@pytest.mark.parametrize(
    ("word", "number"), [(Direction.LONG, pb.DIRECTION_LONG), (Direction.SHORT, pb.DIRECTION_SHORT)]
)
@pytest.mark.parametrize(
    ("source", "source_number"),
    [(TradeSource.LIVE, pb.TRADE_SOURCE_LIVE), (TradeSource.SHADOW, pb.TRADE_SOURCE_SHADOW)],
)
def test_each_direction_and_source_is_read(
    word: Direction,
    number: pb.Direction.ValueType,
    source: TradeSource,
    source_number: pb.TradeSource.ValueType,
) -> None:
    fact = fact_of(pb.JournalEntry(trade=a_trade(direction=number, source=source_number)), NOW)
    assert isinstance(fact, Trade)
    assert (fact.direction, fact.source) == (word, source)


@pytest.mark.parametrize(
    ("entry", "field", "code"),
    [
        (pb.JournalEntry(), "fact", "MISSING"),
        (pb.JournalEntry(execution=pb.Execution()), "event_id", "MISSING"),
        (pb.JournalEntry(trade=pb.ClosedTrade()), "trade_id", "MISSING"),
        (pb.JournalEntry(equity=pb.EquityPoint()), "account", "MISSING"),
        (pb.JournalEntry(equity=pb.EquityPoint(account="main")), "at", "MISSING"),
    ],
)
def test_what_is_not_set_is_missing_by_its_name(entry: pb.JournalEntry, field: str, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        fact_of(entry, NOW)
    assert (refused.value.field, refused.value.code) == (field, code)


@pytest.mark.parametrize("seconds", [253_402_300_800, -62_135_596_801, 2**62])
def test_an_instant_outside_the_calendar_is_refused_by_its_name(seconds: int) -> None:
    trade = a_trade(closed_at=Timestamp(seconds=seconds))
    with pytest.raises(Refusal) as refused:
        fact_of(pb.JournalEntry(trade=trade), NOW)
    assert (refused.value.field, refused.value.code) == ("closed_at", "BAD_TIMESTAMP")
    assert instant_of(Timestamp(seconds=seconds)) is None


@pytest.mark.parametrize("field", ["side", "direction", "source"])
def test_a_word_of_a_newer_sender_is_unknown_and_not_taken_for_another(field: str) -> None:
    message: pb.Execution | pb.ClosedTrade = an_execution() if field == "side" else a_trade()
    setattr(message, field, 9)
    entry = pb.JournalEntry(execution=message) if isinstance(message, pb.Execution) else pb.JournalEntry(trade=message)

    with pytest.raises(Refusal) as refused:
        fact_of(entry, NOW)

    assert (refused.value.field, refused.value.code) == (field, "UNKNOWN_VALUE")


def test_a_word_that_is_not_set_is_missing() -> None:
    with pytest.raises(Refusal) as refused:
        fact_of(pb.JournalEntry(trade=a_trade(direction=pb.DIRECTION_UNSPECIFIED)), NOW)

    assert (refused.value.field, refused.value.code) == ("direction", "MISSING")


def instant(at: datetime) -> Timestamp:
    return instant_to_proto(at)


def an_execution(side: pb.Side.ValueType = pb.SIDE_BUY) -> pb.Execution:
    return pb.Execution(
        event_id="E-1",
        account="main",
        executor="exec-1",
        symbol="BTCUSDT",
        side=side,
        status="FILLED",
        quantity="0.5",
        at=instant(NOW - timedelta(minutes=1)),
    )


def a_trade(
    direction: pb.Direction.ValueType = pb.DIRECTION_LONG,
    source: pb.TradeSource.ValueType = pb.TRADE_SOURCE_LIVE,
    closed_at: Timestamp | None = None,
) -> pb.ClosedTrade:
    return pb.ClosedTrade(
        trade_id="T-1",
        strategy_id="TREND",
        symbol="BTCUSDT",
        direction=direction,
        quantity="1",
        entry_price="10",
        exit_price="11",
        opened_at=instant(NOW - timedelta(hours=2)),
        closed_at=closed_at or instant(NOW - timedelta(hours=1)),
        gross_pnl="1",
        fees="0",
        funding="0",
        net_pnl="1",
        source=source,
    )


@pytest.mark.parametrize(
    ("seconds", "whole", "nanos"),
    [
        (0.0, 0, 0),
        (1.5, 1, 500_000_000),
        (-1.5, -1, -500_000_000),
        (1e-6, 0, 1_000),
        (4e-7, 0, 0),
        (86_400.0, 86_400, 0),
    ],
)
def test_a_duration_is_whole_microseconds_of_one_sign(seconds: float, whole: int, nanos: int) -> None:
    found = duration_to_proto(seconds)
    assert (found.seconds, found.nanos) == (whole, nanos)
    assert seconds_of(Duration(seconds=whole, nanos=nanos)) == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize("ttl_s", [None, 0.0, -12.5, 3600.0])
def test_freshness_without_a_policy_has_no_ttl_rather_than_zero(ttl_s: float | None) -> None:
    message = freshness_to_proto(Freshness(replica_age_s=0.25, ttl_s=ttl_s))

    assert seconds_of(message.replica_age) == 0.25
    assert (seconds_of(message.ttl) if message.HasField("ttl") else None) == ttl_s


def test_supplied_metrics_that_are_zero_are_supplied_and_those_not_set_are_not() -> None:
    zeros = pb.SuppliedMetrics(
        drawdown_pct=0.0,
        winrate_fraction=0.0,
        trades_n=0,
        slope_pct_per_day=0.0,
        loss_streak=0,
        days_without_profit=0.0,
        expectancy=0.0,
        volatility_ratio=0.0,
    )

    assert supplied_of(pb.SuppliedMetrics()) == SuppliedMetrics()
    assert supplied_of(zeros) == SuppliedMetrics(
        drawdown_pct=0.0,
        winrate_fraction=0.0,
        trades_n=0,
        slope_pct_per_day=0.0,
        loss_streak=0,
        days_without_profit=0.0,
        expectancy=0.0,
        volatility_ratio=0.0,
    )


def test_an_evaluation_that_failed_has_its_failure_and_no_verdict() -> None:
    message = evaluation_to_proto(an_entry("eval-9", verdict=None, failure="ValueError: no NAV", duration_s=0.25))

    assert (message.evaluation_id, message.failure, message.trigger) == ("eval-9", "ValueError: no NAV", "SCHEDULE")
    assert message.as_of.ToDatetime(tzinfo=UTC) == START
    assert message.system_health == pb.SYSTEM_HEALTH_UNSPECIFIED
    assert (message.mode_before, message.mode_after) == (pb.RISK_MODE_UNSPECIFIED, pb.RISK_MODE_UNSPECIFIED)
    assert not message.metrics
    assert seconds_of(message.duration) == 0.25


def test_the_first_evaluation_ever_comes_from_no_mode() -> None:
    verdict = a_verdict(mode_before=None, transitions=(a_transition(),))

    message = evaluation_to_proto(an_entry(verdict=verdict, committed=PolicyRef(7, 12)))

    assert message.mode_before == pb.RISK_MODE_UNSPECIFIED
    assert (message.mode_target, message.mode_after) == (pb.RISK_MODE_NORMAL, pb.RISK_MODE_NORMAL)
    assert message.committed_version == 12


@pytest.mark.parametrize(
    ("amount", "text"),
    [("812.5000", "812.5000"), ("1E+3", "1000"), ("-1E-9", "-0.000000001"), ("0", "0")],
)
def test_money_is_text_without_an_exponent(amount: str, text: str) -> None:
    assert ranking_to_proto(a_ranking(net_pnl=Decimal(amount))).net_pnl == text


def test_a_strategy_that_never_traded_has_neither_a_rate_nor_a_last_trade() -> None:
    message = ranking_to_proto(a_ranking(winrate_fraction=None, last_trade_at=None))

    assert not message.HasField("winrate_fraction")
    assert not message.HasField("last_trade_at")


def test_a_revision_is_a_policy_and_what_it_changed() -> None:
    policy = a_policy(5, content=a_content(author="ada", rollback_of=2, reasons=(a_reason(value=None),)))
    change = FieldChange(field="risk_mode", before="NORMAL", after="DEFENSIVE")

    message = revision_to_proto(Revision(policy=policy, changes=(change,)))

    assert (message.policy.ref.version, message.policy.author, message.policy.rollback_of) == (5, "ada", 2)
    assert message.policy.ref.etag == policy.etag
    assert not message.policy.reasons[0].HasField("value")
    assert [(one.field, one.before, one.after) for one in message.changes] == [("risk_mode", "NORMAL", "DEFENSIVE")]


CLIENT = ClientInfo(instance_id="one", name="exec-1", role=ClientRole.EXECUTOR)


@pytest.mark.parametrize(
    ("applied", "behind"),
    [(PolicyRef(7, 9), 0), (PolicyRef(7, 7), 2), (PolicyRef(6, 1), 10), (PolicyRef(8, 1), 0), (None, 9)],
)
@pytest.mark.parametrize("watches", [0, 1, 2])
def test_a_client_is_shown_with_how_far_it_is_behind_and_whether_it_watches(
    applied: PolicyRef | None, behind: int, watches: int
) -> None:
    entry = FleetEntry(client=CLIENT, status=ClientStatus(applied=applied), reported_at=START, watches=watches)

    message = entry_to_proto(entry, PolicyRef(7, 9))

    assert (message.versions_behind, message.watching) == (behind, watches > 0)
    assert message.status.HasField("applied") == (applied is not None)
    assert not message.status.HasField("age")


@pytest.mark.parametrize(
    ("client", "fields"),
    [
        (pb.ClientInfo(), ["client.instance_id"]),
        (pb.ClientInfo(instance_id="x" * 65), ["client.instance_id"]),
        (pb.ClientInfo(instance_id="x", name="n" * 129), ["client.name"]),
        (pb.ClientInfo(instance_id="x", sdk="s" * 129), ["client.sdk"]),
        (pb.ClientInfo(instance_id="a\nb", name="\x1b[31m"), ["client.instance_id", "client.name"]),
    ],
)
def test_a_client_that_names_itself_wrongly_is_told_every_field(client: pb.ClientInfo, fields: list[str]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        client_of(client)
    assert [problem.field for problem in refused.value.problems] == fields


def test_names_at_their_longest_are_taken() -> None:
    client = client_of(pb.ClientInfo(instance_id="i" * 64, name="n" * 128, sdk="s" * 128))
    assert (len(client.instance_id), len(client.name), len(client.sdk)) == (64, 128, 128)


def test_an_error_text_is_cut_and_put_on_one_line_rather_than_refused() -> None:
    status = status_of(pb.ClientStatus(last_error="boom\n\x1b[31m" + "x" * 1_000))
    assert len(status.last_error) == 512
    assert status.last_error.startswith("boom  [31m")
