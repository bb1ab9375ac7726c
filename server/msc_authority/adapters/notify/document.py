"""An alert as others read it: a JSON document for programs, a title and a text for people."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

from msc_authority.app.alerts.values import Alert, AlertState


def document_of(alert: Alert, link: str | None) -> dict[str, object]:
    """Every field by its name, instants in RFC 3339 with Z, and `link`: where more is said; None: nowhere."""
    fields = {name: _plain(value) for name, value in asdict(alert).items()}
    return {**fields, "link": link}


def title_of(alert: Alert) -> str:
    """One line: how it stands, how urgent it is, what and who it is about."""
    state = str(alert.severity).upper() if alert.state is AlertState.FIRING else str(alert.state).upper()
    return f"[{state}] {alert.title}" + (f" ({alert.subject})" if alert.subject else "")


def text_of(alert: Alert, link: str | None) -> str:
    """What is the matter and what to do; for a resolved one, since when it was the matter."""
    lines = [alert.text]
    if alert.state is AlertState.FIRING:
        lines += [alert.advice, f"More: {link}" if link else ""]
    if alert.firing_since:
        lines.append(f"Firing since {_plain(alert.firing_since)}")
    if alert.resolved_at:
        lines.append(f"Resolved at {_plain(alert.resolved_at)}")
    return "\n".join(line for line in (*lines, alert.code) if line)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value
