"""Events in words: one line each, with the instant first where the event has one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from msc_authority.cli.output import UNKNOWN, clean, duration, instant, percent

if TYPE_CHECKING:
    from msc_authority.cli.tailing import Told
    from msc_authority.cli.web import Document

_NO_INSTANT = " " * len("2026-01-02 03:04:05Z")


def line_of(told: Told) -> str:
    """Returns the event as people read it. A kind that is not known here is named, with its data."""
    if told["event"] == "disconnected":
        again = duration(told["retry_in_s"])
        return clean(f"disconnected ({told['reason']}): {told['message']}; trying again in {again}")
    kind, data = str(told["event"]), told["data"]
    line = _LINES.get(kind)
    return clean(line(data) if line and isinstance(data, Mapping) else f"{kind} {data}")


def _policy(data: Document) -> str:
    policy = _part(data, "policy")
    changes = data.get("changes")
    fields = ", ".join(str(one.get("field")) for one in _rows(changes))
    limits = f"risk {percent(policy.get('max_risk_per_trade'))}, confidence {policy.get('global_min_confidence')}"
    return (
        f"{instant(policy.get('created_at'))}  policy      version {_part(policy, 'ref').get('version', UNKNOWN)}: "
        f"{policy.get('risk_mode')} {policy.get('trading_state')}, {limits}{f'; changed: {fields}' if fields else ''}"
    )


def _evaluation(data: Document) -> str:
    failure = _part(data, "failure")
    if failure:
        return f"{_NO_INSTANT}  evaluation  {failure.get('trigger')}: FAILED: {failure.get('failure')}"
    made = _part(data, "evaluation")
    version = made.get("committed_version")
    outcome = f"committed version {version}" if version else "the policy stays"
    graded = _part(data, "health").get("system_health", UNKNOWN)
    return (
        f"{instant(made.get('started_at'))}  evaluation  {made.get('trigger')}: "
        f"health {graded}, {outcome}, took {duration(made.get('duration_s'))}"
    )


def _alert(data: Document) -> str:
    firing = data.get("state") == "firing"
    when = data.get("firing_since") if firing else data.get("resolved_at") or data.get("pending_since")
    subject = f" {data['subject']}" if data.get("subject") else ""
    named = f"{str(data.get('severity')).upper()} {data.get('code')}{subject}"
    rest = f"{data.get('text')}. {data.get('advice')}" if firing else f"{data.get('state')}: {data.get('title')}"
    return f"{instant(when)}  alert       {named}: {rest}"


def _client(data: Document) -> str:
    name = data.get("name") or data.get("instance_id")
    version = _part(data, "applied").get("version", "none")
    return (
        f"{instant(data.get('reported_at'))}  client      {name} ({data.get('role')}) {data.get('change')}: "
        f"{data.get('tier')}, applies version {version}"
    )


def _block(data: Document) -> str:
    return (
        f"{instant(data.get('at'))}  block       {data.get('symbol')} {data.get('side')} of {data.get('strategy_id')} "
        f"[{data.get('reason')}]: {data.get('text')}"
    )


def _act(data: Document) -> str:
    version = _part(data, "committed").get("version")
    outcome = f"committed version {version}" if version else "the policy stays"
    return (
        f"{instant(data.get('at'))}  act         {data.get('act')} of {data.get('target')} by {data.get('actor')}: "
        f"{data.get('reason')}; {outcome}"
    )


def _gap(data: Document) -> str:
    return f"{_NO_INSTANT}  gap         events are missing here ({data.get('reason')}): {data.get('detail')}"


def _end(data: Document) -> str:
    return f"{_NO_INSTANT}  end         the authority ends the stream ({data.get('reason')}): {data.get('detail')}"


def _part(document: Document, name: str) -> Document:
    found = document.get(name)
    return found if isinstance(found, Mapping) else {}


def _rows(found: object) -> list[Document]:
    return [row for row in found if isinstance(row, Mapping)] if isinstance(found, list) else []


_LINES: Mapping[str, Callable[[Document], str]] = {
    "policy": _policy,
    "evaluation": _evaluation,
    "alert": _alert,
    "client": _client,
    "block": _block,
    "act": _act,
    "gap": _gap,
    "end": _end,
}
