"""What persons ask for, from the wire; what became of it, to the wire."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration

from msc_authority.app.acts import Act, Halt, Lift, Place, Reinstate, Resume, Retire, RollBack
from msc_authority.app.operate import ActOutcome
from msc_authority.core.overrides import Bench, Override, OverrideKind, PinMode, Reduce, Rollback, SetLimits
from msc_authority.core.policy import RiskMode
from msc_authority.rpc.errors import FieldProblem, InvalidRequest
from msc_authority.rpc.mapping.basics import instant_to_proto
from msc_authority.rpc.mapping.policies import (
    RISK_MODES,
    changes_to_proto,
    content_to_proto,
    policy_to_proto,
    ref_to_proto,
)
from msc_policy import v1 as pb

MAX_ID_CHARS = 128
_KINDS = {kind: pb.OverrideKind.Value(f"OVERRIDE_KIND_{kind.name}") for kind in OverrideKind}
_MODES = {number: mode for mode, number in RISK_MODES.items()}


def act_of(request: pb.ActRequest) -> Act:
    """Returns what is asked for.

    Raises:
        InvalidRequest: nothing is, or a field of it makes no sense.
    """
    asked = request.WhichOneof("action")
    if asked is None:
        raise InvalidRequest(FieldProblem(field="action", problem="is missing: say what to do"))
    return _READERS[asked](request)


def lift_of(request: pb.LiftOverrideRequest) -> Lift:
    """Returns the lifting that is asked for. Raises InvalidRequest."""
    return Lift(override_id=_id(request.override_id, "override_id"))


def outcome_to_proto(outcome: ActOutcome) -> pb.ActResponse:
    """Returns what became of an act."""
    policy = None
    if outcome.content is not None:
        head = outcome.head.policy
        same = head is not None and head.content == outcome.content
        policy = policy_to_proto(head) if head is not None and same else content_to_proto(outcome.content)
    return pb.ActResponse(
        act_id=outcome.entry.act_id,
        before=ref_to_proto(outcome.before) if outcome.before else None,
        head=ref_to_proto(outcome.head.ref, outcome.head.policy.etag if outcome.head.policy else ""),
        policy=policy,
        changes=changes_to_proto(outcome.entry.changes),
        override=override_to_proto(outcome.override) if outcome.override else None,
        overrides=map(override_to_proto, outcome.overrides),
        summary=outcome.summary,
    )


def override_to_proto(override: Override) -> pb.Override:
    """Returns an override."""
    message = pb.Override(
        override_id=override.override_id,
        kind=_KINDS[override.kind],
        actor=override.actor,
        reason=override.reason,
        created_at=instant_to_proto(override.created_at),
        expires_at=None if override.expires_at is None else instant_to_proto(override.expires_at),
        loosens=override.loosens,
    )
    match override.sets:
        case PinMode():
            message.risk_mode = RISK_MODES[override.sets.mode]
        case SetLimits():
            message.limits.CopyFrom(_limits_to_proto(override.sets))
        case Bench():
            message.strategy_id = override.sets.strategy_id
        case Rollback():
            message.version = override.sets.revision.version
        case Reduce():
            pass
    return message


def _limits_to_proto(sets: SetLimits) -> pb.LimitValues:
    return pb.LimitValues(
        max_risk_per_trade=sets.max_risk_per_trade,
        global_min_confidence=sets.global_min_confidence,
        max_positions=sets.max_positions,
        max_daily_trades=sets.max_daily_trades,
    )


def _pin(request: pb.ActRequest) -> Act:
    asked = request.pin_mode
    return Place(
        sets=PinMode(mode=_mode(asked.risk_mode)),
        lasts=_lasts(asked, "pin_mode"),
        loosens=asked.allow_loosening,
    )


def _set_limits(request: pb.ActRequest) -> Act:
    asked = request.set_limits
    return Place(sets=_limits(asked.limits), lasts=_lasts(asked, "set_limits"), loosens=asked.allow_loosening)


def _roll_back(request: pb.ActRequest) -> Act:
    asked = request.rollback
    # A version is a 64-bit number in any store; no store has a greater one.
    if not 0 < asked.version < 2**63:
        raise InvalidRequest(FieldProblem(field="rollback.version", problem="must be a version there was, from 1"))
    return RollBack(version=asked.version, lasts=_lasts(asked, "rollback"), loosens=asked.allow_loosening)


def _bench(request: pb.ActRequest) -> Act:
    strategy_id = _id(request.bench.strategy_id, "bench.strategy_id")
    return Place(sets=Bench(strategy_id=strategy_id), lasts=_lasts(request.bench, "bench"))


_READERS: dict[str, Callable[[pb.ActRequest], Act]] = {
    "halt": lambda _: Halt(),
    "reduce": lambda request: Place(sets=Reduce(), lasts=_lasts(request.reduce, "reduce")),
    "resume": lambda _: Resume(),
    "pin_mode": _pin,
    "set_limits": _set_limits,
    "bench": _bench,
    "retire": lambda request: Retire(strategy_id=_id(request.retire.strategy_id, "retire.strategy_id")),
    "reinstate": lambda request: Reinstate(strategy_id=_id(request.reinstate.strategy_id, "reinstate.strategy_id")),
    "rollback": _roll_back,
}

_Lasting = pb.ReduceAction | pb.PinModeAction | pb.SetLimitsAction | pb.BenchAction | pb.RollbackAction


def _lasts(asked: _Lasting, field: str) -> timedelta | None:
    if not asked.HasField("lasts"):
        return None
    lasts = _timedelta(asked.lasts)
    if lasts is None or lasts <= timedelta(0):
        raise InvalidRequest(FieldProblem(field=f"{field}.lasts", problem="must be a duration above 0"))
    return lasts


def _timedelta(duration: Duration) -> timedelta | None:
    try:
        return timedelta(seconds=duration.seconds, microseconds=duration.nanos / 1000)
    except OverflowError:
        return None


def _mode(number: pb.RiskMode.ValueType) -> RiskMode:
    if number not in _MODES:
        names = ", ".join(mode.name for mode in RiskMode)
        raise InvalidRequest(FieldProblem(field="pin_mode.risk_mode", problem=f"must be one of {names}"))
    return _MODES[number]


def _limits(values: pb.LimitValues) -> SetLimits:
    def given(name: str) -> bool:
        return values.HasField(name)  # type: ignore[arg-type]  # a name of the message

    try:
        return SetLimits(
            max_risk_per_trade=values.max_risk_per_trade if given("max_risk_per_trade") else None,
            global_min_confidence=values.global_min_confidence if given("global_min_confidence") else None,
            max_positions=values.max_positions if given("max_positions") else None,
            max_daily_trades=values.max_daily_trades if given("max_daily_trades") else None,
        )
    except ValueError as error:
        name, _, problem = str(error).partition(": ")
        field = "set_limits.limits" if name == "limits" else f"set_limits.limits.{name}"
        raise InvalidRequest(FieldProblem(field=field, problem=problem)) from error


def _id(text: str, field: str) -> str:
    if not text.strip() or len(text) > MAX_ID_CHARS or not text.isprintable():
        problem = f"must be 1 to {MAX_ID_CHARS} characters without control characters"
        raise InvalidRequest(FieldProblem(field=field, problem=problem))
    return text
