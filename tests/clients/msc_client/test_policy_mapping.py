"""What comes over the wire becomes a value that needs no checks, or is refused with its field named."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msc_client import (
    EvaluationMetrics,
    FieldViolation,
    Policy,
    PolicyInvalid,
    Reason,
    Ref,
    RiskMode,
    StrategyGrant,
    StrategyState,
    SystemHealth,
    TradingState,
)
from msc_client._messages import Freshness, Garbled, Goodbye, Heartbeat, Snapshot, Unchanged, Unknown, WatchMessage
from msc_client._wire.authority import goodbye_bytes, heartbeat_bytes, policy_message, snapshot_bytes, unchanged_bytes
from msc_client._wire.calls import evaluate_answer
from msc_client._wire.details import details_from, details_to
from msc_client._wire.policy import document_from_bytes, duration_of, policy_from, seconds_from
from msc_client._wire.watch import watch_message_from
from msc_client.testing import make_policy
from msc_policy import v1 as pb

Change = Callable[[pb.Policy], object]
NAN, INF = math.nan, math.inf
FRESH = Freshness(replica_age_s=0.5, ttl_s=3500.0)

names = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=12)
fractions = st.floats(0, 1)
finite = st.none() | st.floats(-1e6, 1e6)


@st.composite
def any_policy(draw: st.DrawFn) -> Policy:
    ids = tuple(draw(st.lists(names, unique=True, max_size=5)))
    return Policy(
        ref=Ref(draw(st.integers(0, 2**64 - 1)), draw(st.integers(1, 2**64 - 1)), draw(names)),
        risk_mode=draw(st.sampled_from(RiskMode)),
        allowed_strategies=ids,
        strategy_grants=tuple(
            StrategyGrant(
                strategy_id=id_,
                state=draw(st.sampled_from(StrategyState)),
                risk_multiplier=draw(fractions),
                max_positions=draw(st.integers(0, 9)),
                max_daily_trades_fraction=draw(fractions),
            )
            for id_ in ids
        ),
        max_risk_per_trade=draw(fractions),
        global_min_confidence=draw(st.floats(0.001, 1)),
        max_positions=draw(st.integers(0, 2**32 - 1)),
        max_daily_trades=draw(st.integers(0, 2**32 - 1)),
        trading_state=draw(st.sampled_from(TradingState)),
        created_at=draw(st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))),
        metrics=EvaluationMetrics(
            system_drawdown=draw(finite),
            global_winrate=draw(finite),
            equity_slope=draw(finite),
            system_health=draw(st.sampled_from(SystemHealth)),
            trades_n=draw(st.none() | st.integers(0, 999)),
            equity_source=draw(names),
        ),
        reasons=(Reason(code="C", text="t", metric="m", value=draw(finite), threshold=draw(finite)),),
        author=draw(names),
        rollback_of=draw(st.integers(0, 99)),
        valid_for_s=draw(st.integers(1, 10**6)),
    )


@given(policy=any_policy())
def test_a_policy_survives_the_way_to_the_wire_and_back(policy: Policy) -> None:
    read = policy_from(policy_message(policy))
    assert read == policy
    assert read.ref.etag == policy.ref.etag


@given(seconds=st.floats(-1e6, 1e6))
def test_durations_survive_the_way_and_are_valid(seconds: float) -> None:
    duration = duration_of(seconds)
    assert seconds_from(duration) == pytest.approx(seconds, abs=1e-9)
    duration.ToTimedelta()


def grants(message: pb.Policy, **change: float) -> None:
    for name, value in change.items():
        setattr(message.strategy_grants[0], name, value)


REFUSED: list[tuple[str, str, Change]] = [
    ("ref.version", "missing", lambda m: m.ClearField("ref")),
    ("ref.version", "missing", lambda m: setattr(m.ref, "version", 0)),
    ("ref.etag", "missing", lambda m: setattr(m.ref, "etag", "")),
    ("risk_mode", "unknown value 0", lambda m: m.ClearField("risk_mode")),
    ("risk_mode", "unknown value 9; upgrade client", lambda m: setattr(m, "risk_mode", 9)),
    ("trading_state", "unknown value 0", lambda m: m.ClearField("trading_state")),
    ("trading_state", "unknown value 7; upgrade client", lambda m: setattr(m, "trading_state", 7)),
    ("max_risk_per_trade", "nan", lambda m: setattr(m, "max_risk_per_trade", NAN)),
    ("max_risk_per_trade", "inf", lambda m: setattr(m, "max_risk_per_trade", INF)),
    ("max_risk_per_trade", "fraction", lambda m: setattr(m, "max_risk_per_trade", 1.01)),
    ("max_risk_per_trade", "fraction", lambda m: setattr(m, "max_risk_per_trade", -0.01)),
    ("global_min_confidence", "nan", lambda m: setattr(m, "global_min_confidence", NAN)),
    ("global_min_confidence", "fraction", lambda m: setattr(m, "global_min_confidence", 1.5)),
    ("global_min_confidence", "missing", lambda m: m.ClearField("global_min_confidence")),
    ("allowed_strategies", "TREND_001 is listed twice", lambda m: m.allowed_strategies.append("TREND_001")),
    ("allowed_strategies[2]", "characters", lambda m: m.allowed_strategies.append(" ")),
    ("allowed_strategies[2]", "characters", lambda m: m.allowed_strategies.append("x" * 257)),
    ("strategy_grants", "allowed strategies", lambda m: m.strategy_grants.pop()),
    ("strategy_grants", "allowed strategies", lambda m: m.allowed_strategies.pop()),
    ("strategy_grants", "order", lambda m: m.allowed_strategies.reverse()),
    ("strategy_grants[0].state", "unknown value 0", lambda m: grants(m, state=0)),
    ("strategy_grants[0].state", "upgrade client", lambda m: grants(m, state=99)),
    ("strategy_grants[0].state", "may not be allowed", lambda m: grants(m, state=pb.STRATEGY_STATE_RETIRED)),
    ("strategy_grants[0].risk_multiplier", "nan", lambda m: grants(m, risk_multiplier=NAN)),
    ("strategy_grants[0].risk_multiplier", "fraction", lambda m: grants(m, risk_multiplier=1.1)),
    ("strategy_grants[0].max_daily_trades_fraction", "fraction", lambda m: grants(m, max_daily_trades_fraction=-1)),
    ("created_at", "missing", lambda m: m.ClearField("created_at")),
    ("created_at", "no instant", lambda m: setattr(m.created_at, "seconds", 10**15)),
    ("valid_for", "missing", lambda m: m.ClearField("valid_for")),
    ("valid_for", "positive", lambda m: setattr(m.valid_for, "seconds", -1)),
    ("evaluation_metrics.system_drawdown", "nan", lambda m: setattr(m.evaluation_metrics, "system_drawdown", NAN)),
    ("evaluation_metrics.equity_slope", "inf", lambda m: setattr(m.evaluation_metrics, "equity_slope", INF)),
    ("reasons[0].value", "nan", lambda m: m.reasons.add(code="C", value=NAN)),
    ("reasons[0].threshold", "inf", lambda m: m.reasons.add(code="C", threshold=-INF)),
]


@pytest.mark.parametrize(("field", "problem", "change"), REFUSED, ids=[f"{row[0]}-{row[1]}" for row in REFUSED])
def test_a_policy_that_cannot_be_acted_upon_is_refused_by_field(field: str, problem: str, change: Change) -> None:
    message = policy_message(make_policy())
    change(message)
    with pytest.raises(PolicyInvalid) as refused:
        policy_from(message)
    assert refused.value.field == field
    assert problem in str(refused.value)


def test_an_unknown_grade_is_read_as_unknown_for_nobody_acts_on_it() -> None:
    message = policy_message(make_policy())
    message.evaluation_metrics.system_health = 99  # type: ignore[assignment]  # a value of a newer contract
    assert policy_from(message).metrics.system_health is SystemHealth.UNKNOWN


def test_fields_of_a_newer_contract_change_nothing() -> None:
    raw = policy_message(make_policy()).SerializeToString() + b"\xfa\x3f\x03abc"
    assert document_from_bytes(raw).policy == make_policy()


def test_bytes_that_are_no_policy_are_refused() -> None:
    with pytest.raises(PolicyInvalid, match="cannot be parsed"):
        document_from_bytes(b"\xff\xff\xff")


def test_a_candidate_needs_neither_reference_nor_commit_time() -> None:
    candidate = policy_message(make_policy())
    candidate.ClearField("ref")
    candidate.ClearField("created_at")
    candidate.ClearField("valid_for")
    result = evaluate_answer(pb.EvaluateResponse(candidate=candidate).SerializeToString())
    assert result.candidate is not None
    assert result.candidate.ref == Ref(0, 0)
    assert result.head is None


# Messages


def read(raw: bytes) -> WatchMessage:
    message = watch_message_from(raw)
    assert isinstance(message, WatchMessage)
    return message


def test_a_snapshot_is_read_whole() -> None:
    raw = snapshot_bytes(make_policy(3), freshness=FRESH, info=("r1", 5.0))
    message = read(raw)
    assert isinstance(message.event, Snapshot)
    assert message.event.document.policy == make_policy(3)
    assert (message.head, message.freshness, message.size_bytes) == (Ref(1, 3), FRESH, len(raw))
    assert message.info is not None
    assert (message.info.server_id, message.info.heartbeat_interval_s) == ("r1", 5.0)


@pytest.mark.parametrize(
    ("raw", "event"),
    [
        (unchanged_bytes(Ref(1, 3, "e"), freshness=FRESH), Unchanged()),
        (heartbeat_bytes(Ref(1, 3, "e"), freshness=FRESH), Heartbeat()),
        (
            goodbye_bytes(Ref(1, 3, "e"), reason="DRAINING", reconnect_after_s=5.0, freshness=FRESH),
            Goodbye(reason="DRAINING", reconnect_after_s=5.0),
        ),
        (b"", Unknown()),
    ],
)
def test_each_event_is_read(raw: bytes, event: object) -> None:
    assert read(raw).event == event


def test_what_is_missing_stays_missing() -> None:
    message = read(b"")
    assert (message.head, message.freshness, message.info) == (None, None, None)


@pytest.mark.parametrize("missing", ["replica_age", "ttl"])
def test_half_a_freshness_is_none(missing: str) -> None:
    message = pb.WatchPolicyResponse.FromString(heartbeat_bytes(Ref(1, 3), freshness=FRESH))
    message.freshness.ClearField(missing)  # type: ignore[arg-type]  # the parameters are field names
    assert read(message.SerializeToString()).freshness is None


def test_a_replica_from_the_future_is_no_fresher_than_now() -> None:
    raw = heartbeat_bytes(Ref(1, 3), freshness=Freshness(replica_age_s=-100.0, ttl_s=10.0))
    assert read(raw).freshness == Freshness(replica_age_s=0.0, ttl_s=10.0)


@given(raw=st.binary(max_size=200))
def test_no_bytes_make_it_raise(raw: bytes) -> None:
    assert isinstance(watch_message_from(raw), WatchMessage | Garbled)


# Error details


def test_the_reason_and_the_hint_are_read() -> None:
    raw = details_to(code=14, message="behind", reason="REPLICA_BEHIND", retry_after_s=1.5)
    assert (details_from(raw).reason, details_from(raw).retry_after_s) == ("REPLICA_BEHIND", 1.5)


def test_google_s_own_encoding_is_read() -> None:
    # Status{code: 3, details: [ErrorInfo, BadRequest{field_violations: [{page_size, "too large"}]}]}, as the
    # reference implementation writes it.
    prefix = b"type.googleapis.com/google.rpc."
    info = b"\x0a\x07INVALID\x12\x0amsc_policy\x1a\x06\x0a\x01k\x12\x01v"
    bad = b"\x0a\x16\x0a\x09page_size\x12\x09too large"
    raw = b"\x08\x03\x12\x02no"
    for kind, value in ((b"ErrorInfo", info), (b"BadRequest", bad)):
        url = prefix + kind
        detail = b"\x0a" + bytes([len(url)]) + url + b"\x12" + bytes([len(value)]) + value
        raw += b"\x1a" + bytes([len(detail)]) + detail
    details = details_from(raw)
    assert details.reason == "INVALID"
    assert details.violations == (FieldViolation(field="page_size", description="too large"),)


@given(raw=st.binary(max_size=100))
def test_no_details_make_it_raise(raw: bytes) -> None:
    details_from(raw)


@given(cut=st.integers(0, 200))
def test_cut_details_say_less_but_never_raise(cut: int) -> None:
    raw = details_to(code=14, message="behind", reason="REPLICA_BEHIND", retry_after_s=1.5)
    assert details_from(raw[:cut]).reason in ("", "REPLICA_BEHIND")
