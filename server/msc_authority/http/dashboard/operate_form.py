"""The form of what an operator does: its actions, their fields, and what was typed as something that can be done."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from pydantic import TypeAdapter, ValidationError

from msc_authority.app.acts import Act
from msc_authority.core.overrides import MAX_LASTING
from msc_authority.core.policy import RiskMode
from msc_authority.http.dashboard.text import plural
from msc_authority.http.dashboard.what_if import Refused, number_of
from msc_authority.http.models.operator import MAX_COUNT, ActRequest

LOOSENING = "allow_loosening"
_LIMITS = ("max_risk_per_trade", "global_min_confidence", "max_positions", "max_daily_trades")
_UNITS_S = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
_SPAN = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(min|s|m|h|d)\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One thing to type or to choose. `loosening_hint` takes the hint's place where it is meant to loosen.

    `kind` is text, number, offered (text, with words offered for it) or choice (one of what is offered).
    """

    name: str
    label: str
    hint: str = ""
    loosening_hint: str = ""
    kind: str = "text"


INPUTS = (
    Input(name="max_risk_per_trade", label="Risk per trade", hint="percent of equity, at most"),
    Input(name="global_min_confidence", label="Confidence", hint="percent, of a signal at least"),
    Input(name="max_positions", label="Open positions", hint="at most", kind="number"),
    Input(name="max_daily_trades", label="Trades a day", hint="at most", kind="number"),
    Input(name="risk_mode", label="Mode", hint="no more than it allows is allowed", kind="choice"),
    Input(name="strategy_id", label="Strategy", hint="its id", kind="offered"),
    Input(name="version", label="Version", hint="one of this epoch, such as 12", kind="offered"),
    Input(name="override_id", label="Override", hint="one that is in force", kind="choice"),
    Input(
        name="lasts",
        label="Lasts",
        hint="such as 30m, 1h30m or 2d; empty: until it is lifted",
        loosening_hint="such as 30m, at most 24h; empty: 1h",
    ),
)
_LABELS = {one.name: one.label for one in INPUTS} | {"reason": "Why", "actor": "Who you are", LOOSENING: "Loosening"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing an operator does. `inputs` are its fields, `needed` those that must not be empty.

    `grave`: it stops or lets go of trading as a whole. `loosens`: it may be meant to allow more than the controller
    does.
    """

    name: str
    label: str
    meaning: str
    inputs: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    grave: bool = False
    loosens: bool = False


EVALUATE = Action(name="evaluate", label="Evaluate now", meaning="Judge the journal now instead of on schedule.")
ACTIONS = (
    Action(
        name="halt",
        label="Halt",
        meaning="Stop trading: nothing may be opened until a person resumes it.",
        grave=True,
    ),
    Action(
        name="reduce",
        label="Reduce",
        meaning="Stop entries: open positions may be reduced and closed.",
        inputs=("lasts",),
    ),
    Action(
        name="resume",
        label="Resume",
        meaning="End a halt, and every reduction by a person. An evaluation follows at once and may allow entries.",
        grave=True,
    ),
    Action(
        name="pin_mode",
        label="Pin a mode",
        meaning="Allow no more than a mode does, whatever evaluations find.",
        inputs=("risk_mode", "lasts"),
        needed=("risk_mode",),
        loosens=True,
    ),
    Action(
        name="set_limits",
        label="Set limits",
        meaning="Set any of the four limits; one that stays empty is as the controller decides.",
        inputs=(*_LIMITS, "lasts"),
        loosens=True,
    ),
    Action(
        name="bench",
        label="Bench",
        meaning="Take a strategy off the list for a while.",
        inputs=("strategy_id", "lasts"),
        needed=("strategy_id",),
    ),
    Action(
        name="retire",
        label="Retire",
        meaning="Take a strategy out of service until it is reinstated.",
        inputs=("strategy_id",),
        needed=("strategy_id",),
    ),
    Action(
        name="reinstate",
        label="Reinstate",
        meaning="Bring a retired strategy back to the bench: it proves itself in the shadow before it trades.",
        inputs=("strategy_id",),
        needed=("strategy_id",),
    ),
    Action(
        name="rollback",
        label="Roll back",
        meaning="Allow no more than an earlier version did. It is published anew, under a higher version.",
        inputs=("version", "lasts"),
        needed=("version",),
        loosens=True,
    ),
    Action(
        name="lift",
        label="Lift",
        meaning="End an override before its time.",
        inputs=("override_id",),
        needed=("override_id",),
    ),
    EVALUATE,
)
_BY_NAME = {action.name: action for action in ACTIONS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What an operator wants, and why. `act` None: an evaluation. `note` is what they say of who they are."""

    action: Action
    act: Act | None
    reason: str
    note: str


_REQUEST: TypeAdapter[ActRequest] = TypeAdapter(ActRequest)


def asked_from(values: Mapping[str, object]) -> Asked | Refused:
    """Returns what was typed and chosen as something that can be done, by the same rules as over REST; or why not."""
    action = _BY_NAME.get(_text(values, "action"))
    if action is None:
        return Refused(errors={}, text="Choose what to do.")
    found = {name: _read(name, _text(values, name), needed=name in action.needed) for name in action.inputs}
    found["reason"] = _reason(_text(values, "reason"))
    errors = {name: one.text for name, one in found.items() if isinstance(one, _Wrong)}
    if action.name == "set_limits" and all(found[name] is None for name in _LIMITS):
        errors[_LIMITS[0]] = "Set at least one limit."
    if errors:
        return _refused(errors)
    return _validated(action, found, note=_text(values, "actor"), loosens=values.get(LOOSENING) is True)


def _validated(action: Action, found: Mapping[str, object], *, note: str, loosens: bool) -> Asked | Refused:
    # An evaluation is asked for as plainly as a halt.
    document = {"action": "halt" if action is EVALUATE else action.name, "reason": found["reason"], "actor": note}
    document |= _named(action, found)
    if action.loosens and loosens:
        document[LOOSENING] = True
    try:
        request = _REQUEST.validate_python(document)
    except ValidationError as error:
        return _refused({_place(item["loc"]): _sentence(item["msg"]) for item in error.errors()})
    act = None if action is EVALUATE else request.act()
    return Asked(action=action, act=act, reason=request.reason, note=request.actor)


def _named(action: Action, found: Mapping[str, object]) -> dict[str, object]:
    given = {name: found[name] for name in action.inputs if found[name] is not None}
    named = {"lasts_s" if name == "lasts" else name: value for name, value in given.items() if name not in _LIMITS}
    limits = {name: value for name, value in given.items() if name in _LIMITS}
    return {**named, **({"limits": limits} if limits else {})}


@dataclass(frozen=True, slots=True)
class _Wrong:
    text: str


def _text(values: Mapping[str, object], name: str) -> str:
    return str(values.get(name) or "").strip()


def _reason(text: str) -> str | _Wrong:
    return text or _Wrong("Say why: it stands in the policy, in the history and in the audit log.")


def _read(name: str, text: str, *, needed: bool) -> object:
    if not text:
        return _Wrong("Choose one." if name in ("risk_mode", "override_id") else "Is needed.") if needed else None
    return _READERS.get(name, str)(text)


def _percent(text: str) -> float | _Wrong:
    number = number_of(text.removesuffix("%").strip(), whole=False)
    if isinstance(number, str) or not 0 < number <= 100:
        return _Wrong("Must be a percentage above 0 and at most 100, such as 0.5.")
    # As a decimal, 0.3 percent is exactly what 0.003 is elsewhere.
    return float(Decimal(str(number)) / 100)


def _count(text: str) -> int | _Wrong:
    number = number_of(text, whole=True)
    if not isinstance(number, int) or not 1 <= number <= MAX_COUNT:
        return _Wrong(f"Must be a whole number from 1 to {MAX_COUNT:,}.")
    return number


def _version(text: str) -> int | _Wrong:
    number = number_of(text.removeprefix("v"), whole=True)
    return number if isinstance(number, int) and number >= 1 else _Wrong("Must be a version, such as 12.")


def _mode(text: str) -> str | _Wrong:
    return text if text in RiskMode.__members__ else _Wrong("Choose one.")


def _lasts(text: str) -> float | _Wrong:
    parts = _SPAN.findall(text.lower())
    total = sum(float(number) * _UNITS_S[unit] for number, unit in parts)
    if _SPAN.sub("", text.lower()) or total <= 0:
        return _Wrong("Must be a length of time above 0, such as 30m, 1h30m or 2d.")
    if total > MAX_LASTING.total_seconds():
        return _Wrong(f"Must be at most {MAX_LASTING.days}d.")
    return total


_READERS: Mapping[str, Callable[[str], object]] = {
    "max_risk_per_trade": _percent,
    "global_min_confidence": _percent,
    "max_positions": _count,
    "max_daily_trades": _count,
    "version": _version,
    "risk_mode": _mode,
    "lasts": _lasts,
}


def _refused(errors: Mapping[str, str]) -> Refused:
    wrong = [_LABELS.get(name, name) for name in errors]
    text = (
        f"{wrong[0]} has to be put right."
        if len(wrong) == 1
        else f"{plural(len(wrong), 'field')} have to be put right."
    )
    return Refused(errors=errors, text=text)


def _place(location: tuple[int | str, ...]) -> str:
    name = str(location[-1])
    return "lasts" if name == "lasts_s" else name


def _sentence(message: str) -> str:
    text = message.removeprefix("Value error, ").replace("String", "It").replace("Input", "It")
    return f"{text[:1].upper()}{text[1:]}."
