"""What a person asks a running authority to do, as a message; what became of it, as a plain dictionary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import ParseDict, ParseError

from msc_authority.rpc.plain import Plain, plain
from msc_policy.v1 import ActRequest, ActResponse, LiftOverrideRequest, ListOverridesResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One thing to be done. `action` and `fields` are those of ActRequest, apart from how long it lasts.

    With a `request_id` it may be sent again without being done twice.
    """

    action: str
    reason: str
    actor: str = ""
    request_id: str = ""
    dry_run: bool = False
    fields: Mapping[str, object] = field(default_factory=dict)
    lasts_s: float | None = None


def act_request(asked: Asked) -> ActRequest:
    """Returns the message.

    Raises:
        ValueError: a field has a value that its kind does not hold.
    """
    fields = dict(asked.fields)
    if asked.lasts_s is not None:
        fields["lasts"] = _json_of(asked.lasts_s)
    try:
        request: ActRequest = ParseDict({asked.action: fields}, ActRequest())
    except ParseError as error:
        raise ValueError(f"{asked.action}: {error}") from error
    request.reason, request.actor = asked.reason, asked.actor
    request.request_id, request.validate_only = asked.request_id, asked.dry_run
    return request


def lift_request(override_id: str, asked: Asked) -> LiftOverrideRequest:
    """Returns the message that ends an override."""
    return LiftOverrideRequest(
        override_id=override_id,
        reason=asked.reason,
        actor=asked.actor,
        request_id=asked.request_id,
        validate_only=asked.dry_run,
    )


def outcome_of(answer: ActResponse) -> Plain:
    """Returns what became of an act; its overrides as `overrides_of` has them."""
    document = plain(answer)
    return {
        **document,
        "override": _set(document["override"]),
        "overrides": _all_set(document["overrides"]),
    }


def overrides_of(answer: ListOverridesResponse) -> Plain:
    """Returns the overrides in force; each with `setting`, which is what it sets and nothing else."""
    document = plain(answer)
    return {**document, "overrides": _all_set(document["overrides"])}


_SETTINGS = {
    "REDUCE": (),
    "PIN_MODE": ("risk_mode",),
    "SET_LIMITS": ("limits",),
    "BENCH": ("strategy_id",),
    "ROLLBACK": ("version",),
}


def _all_set(overrides: object) -> list[Plain]:
    found = [_set(one) for one in overrides] if isinstance(overrides, list) else []
    return [one for one in found if one is not None]


def _set(override: object) -> Plain | None:
    if not isinstance(override, dict):
        return None
    alternatives = {name for names in _SETTINGS.values() for name in names}
    named = _SETTINGS.get(str(override["kind"]), ())
    setting = {name: _given(override[name]) for name in named}
    return {**{name: value for name, value in override.items() if name not in alternatives}, "setting": setting}


def _given(value: object) -> object:
    # Limits that are not set are left as they are.
    return {name: part for name, part in value.items() if part is not None} if isinstance(value, dict) else value


def _json_of(seconds: float) -> str:
    duration = Duration()
    duration.FromNanoseconds(round(seconds * 1_000_000) * 1000)
    return duration.ToJsonString()
