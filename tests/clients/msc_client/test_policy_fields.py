"""The wire, field by field: each value arrives as what it is, and each wrong one is refused under its own name."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from msc_client_harness import Host

from msc_client import (
    EvaluationMetrics,
    Policy,
    PolicyInvalid,
    Reason,
    Ref,
    RiskMode,
    StrategyGrant,
    StrategyState,
    SystemHealth,
    Tier,
    TradingState,
)
from msc_client._messages import Freshness, Goodbye, Snapshot, SnapshotReason, WatchMessage
from msc_client._wire.authority import heartbeat_bytes, policy_message, snapshot_bytes
from msc_client._wire.policy import policy_from
from msc_client._wire.watch import watch_message_from
from msc_client.testing import make_policy
from msc_policy import v1 as pb

FRESH = Freshness(replica_age_s=0.0, ttl_s=3600.0)
MAX_U32, MAX_U64 = 2**32 - 1, 2**64 - 1

VALUES: dict[str, list[object]] = {
    "ref": [Ref(0, 1, '"x"'), Ref(MAX_U64, MAX_U64, '"' + "y" * 200 + '"'), Ref(3, 7, "no quotes")],
    "risk_mode": list(RiskMode),
    "trading_state": list(TradingState),
    "max_risk_per_trade": [0.0, 1e-300, 0.0075, 1.0],
    "global_min_confidence": [1e-9, 0.6, 1.0],
    "max_positions": [0, 1, MAX_U32],
    "max_daily_trades": [0, 1, MAX_U32],
    "created_at": [
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2026, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))),
        datetime(9999, 12, 31, tzinfo=UTC),
    ],
    "author": ["", "evaluator", "operator \u00e9 \u4e2d"],
    "rollback_of": [0, 1, MAX_U64],
    "valid_for_s": [1e-9, 0.5, 3600.0, 10.0**9],
    "metrics": [
        EvaluationMetrics(),
        EvaluationMetrics(system_drawdown=0.0, global_winrate=0.0, equity_slope=0.0, trades_n=0),
        EvaluationMetrics(system_drawdown=99.5, global_winrate=1.0, equity_slope=-7.25, trades_n=MAX_U32),
        *(EvaluationMetrics(system_health=grade) for grade in SystemHealth),
        EvaluationMetrics(equity_source="wallet"),
    ],
    "reasons": [
        (),
        (Reason(code="A", text=""), Reason(code="B", text="b", metric="m", value=0.0, threshold=0.0)),
        (Reason(code="C", text="c", value=-1.5), Reason(code="D", text="d", threshold=1e308)),
    ],
}
GRANT_VALUES: dict[str, list[object]] = {
    "state": list(StrategyState),
    "risk_multiplier": [0.0, 0.25, 1.0],
    "max_positions": [0, 1, MAX_U32],
    "max_daily_trades_fraction": [0.0, 0.5, 1.0],
}


def rows(table: dict[str, list[object]]) -> list[tuple[str, object]]:
    return [(name, value) for name, values in table.items() for value in values]


def over_the_wire(policy: Policy) -> Policy:
    return policy_from(pb.Policy.FromString(policy_message(policy).SerializeToString()))


def differing(policy: Policy, **changes: object) -> Policy:
    return replace(policy, **changes)  # type: ignore[arg-type]  # the table holds values of each field's own type


def test_the_tables_leave_no_field_out() -> None:
    of_lists = {"allowed_strategies", "strategy_grants", "allowed"}
    assert set(VALUES) | of_lists == {field.name for field in fields(Policy)}
    assert set(GRANT_VALUES) | {"strategy_id"} == {field.name for field in fields(StrategyGrant)}


@pytest.mark.parametrize(("name", "value"), rows(VALUES), ids=repr)
def test_each_value_of_each_field_arrives_and_changes_no_other(name: str, value: object) -> None:
    sent = differing(make_policy(5), **{name: value})
    read = over_the_wire(sent)
    assert read == sent
    assert read.ref.etag == sent.ref.etag
    changed = {
        field.name for field in fields(Policy) if getattr(read, field.name) != getattr(make_policy(5), field.name)
    }
    assert changed <= {name}


@pytest.mark.parametrize(("name", "value"), rows(GRANT_VALUES), ids=repr)
def test_each_value_of_a_grant_arrives_at_its_own_strategy(name: str, value: object) -> None:
    values: dict[str, object] = {"strategy_id": "B", name: value}
    grant = StrategyGrant(**values)  # type: ignore[arg-type]  # the table holds values of each field's own type
    sent = make_policy(5, strategies=("A", "B"), strategy_grants=(StrategyGrant(strategy_id="A"), grant))
    assert over_the_wire(sent).strategy_grants == (StrategyGrant(strategy_id="A"), grant)


@pytest.mark.parametrize(
    "ids", [(), ("A",), ("z", "a", "M"), tuple(f"S{number}" for number in range(500)), ("x" * 256,)]
)
def test_the_allow_list_keeps_its_order_and_its_length(ids: tuple[str, ...]) -> None:
    read = over_the_wire(make_policy(5, strategies=ids))
    assert (read.allowed_strategies, read.allowed) == (ids, frozenset(ids))


NOT_FRACTIONS = [math.nan, math.inf, -math.inf, -1e-12, 1.0 + 1e-12, 1e308]
Change = Callable[[pb.Policy], object]


def setting(path: str, value: object) -> Change:
    """Sets a field below the second grant, the metrics or the policy itself."""
    *parents, name = path.split(".")

    def change(message: pb.Policy) -> None:
        place: object = message
        for parent in parents:
            place = message.strategy_grants[1] if parent == "strategy_grants[1]" else getattr(place, parent)
        setattr(place, name, value)

    return change


NEVER_GRANTED = [0, pb.STRATEGY_STATE_BENCHED, pb.STRATEGY_STATE_SHADOW, pb.STRATEGY_STATE_RETIRED, 99, -1]

BAD: list[tuple[str, object]] = [
    *(
        (field, value)
        for field in (
            "max_risk_per_trade",
            "global_min_confidence",
            "strategy_grants[1].risk_multiplier",
            "strategy_grants[1].max_daily_trades_fraction",
        )
        for value in NOT_FRACTIONS
    ),
    *(
        (f"evaluation_metrics.{name}", value)
        for name in ("system_drawdown", "global_winrate", "equity_slope")
        for value in (math.nan, math.inf, -math.inf)
    ),
    *((field, value) for field in ("risk_mode", "trading_state") for value in (0, 4, 99, -1, 2**31 - 1)),
    *(("strategy_grants[1].state", value) for value in NEVER_GRANTED),
    ("global_min_confidence", 0.0),
    ("global_min_confidence", -0.0),
    ("created_at.seconds", -(10**12)),
    ("created_at.seconds", 2**63 - 1),
    ("created_at.nanos", -1),
    ("created_at.nanos", 2**31 - 1),
    ("valid_for.seconds", -(2**62)),
]


@pytest.mark.parametrize(("field", "value"), BAD, ids=repr)
def test_a_value_out_of_sense_is_refused_under_its_own_name(field: str, value: object) -> None:
    message = policy_message(make_policy(5))
    setting(field, value)(message)
    with pytest.raises(PolicyInvalid) as refused:
        policy_from(pb.Policy.FromString(message.SerializeToString()))
    assert refused.value.field == field.removesuffix(".seconds").removesuffix(".nanos")


@pytest.mark.parametrize("field", ["risk_mode", "trading_state", "strategy_grants[1].state"])
@pytest.mark.parametrize(("value", "upgrade"), [(0, False), (77, True)])
def test_only_a_value_of_a_newer_contract_asks_for_a_newer_client(field: str, value: int, upgrade: bool) -> None:
    message = policy_message(make_policy(5))
    setting(field, value)(message)
    with pytest.raises(PolicyInvalid) as refused:
        policy_from(message)
    assert refused.value.upgrade is upgrade
    assert ("upgrade client" in str(refused.value)) is upgrade


@pytest.mark.parametrize(
    ("ids", "field"),
    [
        (["A", "B", "A"], "allowed_strategies"),
        (["A", "A"], "allowed_strategies"),
        (["A", ""], "allowed_strategies[1]"),
        (["\t"], "allowed_strategies[0]"),
        (["A", "B", "y" * 257], "allowed_strategies[2]"),
    ],
)
def test_an_allow_list_with_a_doubtful_entry_is_refused_whole(ids: list[str], field: str) -> None:
    message = policy_message(make_policy(5, strategies=()))
    for id_ in ids:
        message.allowed_strategies.append(id_)
        message.strategy_grants.add(strategy_id=id_, state=pb.STRATEGY_STATE_ACTIVE, risk_multiplier=1.0)
    with pytest.raises(PolicyInvalid) as refused:
        policy_from(message)
    assert refused.value.field == field


# Messages


def read(message: pb.WatchPolicyResponse) -> WatchMessage:
    result = watch_message_from(message.SerializeToString())
    assert isinstance(result, WatchMessage)
    return result


def a_message() -> pb.WatchPolicyResponse:
    return pb.WatchPolicyResponse.FromString(snapshot_bytes(make_policy(5), freshness=FRESH, info=("r1", 5.0)))


@pytest.mark.parametrize("reason", [reason for reason in SnapshotReason if reason is not SnapshotReason.UNKNOWN])
def test_each_reason_of_a_snapshot_is_known(reason: SnapshotReason) -> None:
    result = watch_message_from(snapshot_bytes(make_policy(5), reason=reason, freshness=FRESH))
    assert isinstance(result, WatchMessage)
    assert isinstance(result.event, Snapshot)
    assert result.event.reason is reason


def test_a_reason_of_a_newer_contract_hides_no_policy() -> None:
    message = a_message()
    message.snapshot.reason = 99  # type: ignore[assignment]  # a value of a newer contract
    message.snapshot.skipped_versions = 4
    event = read(message).event
    assert isinstance(event, Snapshot)
    assert (event.reason, event.skipped_versions, event.document.policy) == (SnapshotReason.UNKNOWN, 4, make_policy(5))


@pytest.mark.parametrize("word", ["DRAINING", "MAX_AGE", "REBALANCE", "SLOW_CONSUMER", "AUTH_EXPIRED"])
def test_each_reason_of_a_goodbye_is_said_in_the_contracts_words(word: str) -> None:
    message = pb.WatchPolicyResponse(goodbye=pb.Goodbye(reason=pb.GoodbyeReason.Value(f"GOODBYE_REASON_{word}")))
    assert read(message).event == Goodbye(reason=word, reconnect_after_s=0.0)


@pytest.mark.parametrize(("seconds", "delay_s"), [(-5, 0.0), (0, 0.0), (7, 7.0)])
def test_a_goodbye_of_a_newer_contract_still_says_when_to_come_back(seconds: int, delay_s: float) -> None:
    message = pb.WatchPolicyResponse(goodbye=pb.Goodbye(reason=99))  # type: ignore[arg-type]  # of a newer contract
    message.goodbye.reconnect_after.seconds = seconds
    assert read(message).event == Goodbye(reason="UNKNOWN", reconnect_after_s=delay_s)


@pytest.mark.parametrize(("interval_s", "told_s"), [(-1.0, None), (0.0, None), (0.5, 0.5), (30.0, 30.0)])
def test_an_interval_that_is_none_counts_as_not_announced(interval_s: float, told_s: float | None) -> None:
    raw = heartbeat_bytes(Ref(1, 5, "e"), freshness=FRESH, info=("r1", interval_s))
    result = watch_message_from(raw)
    assert isinstance(result, WatchMessage)
    assert result.info is not None
    assert result.info.heartbeat_interval_s == told_s


def test_an_age_that_is_no_duration_is_very_old_and_does_not_keep_the_client_from_asking_another_replica() -> None:
    message = pb.WatchPolicyResponse.FromString(heartbeat_bytes(make_policy(5).ref, freshness=FRESH))
    message.freshness.replica_age.seconds = 2**63 - 1
    host = Host().follow()
    host.script.send(message.SerializeToString())
    assert host.tier() is Tier.SAFE_EXPIRED
    assert host.script.latest == 2
    host.script.unchanged(make_policy(5).ref)
    assert host.tier() is Tier.FRESH
    host.source.close()
