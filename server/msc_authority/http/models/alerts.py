"""What a person should look at."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field

from msc_authority.app.alerts.links import Links
from msc_authority.app.alerts.values import Alert
from msc_authority.http.models.basics import Answer, Instant


class AlertAnswer(Answer):
    """One condition at one subject; (code, subject) names it. Instants are of the authority's clock."""

    code: str
    subject: Annotated[str, Field(description="Whom it is about; empty: the whole system.")]
    severity: Literal["critical", "warning"]
    state: Annotated[Literal["pending", "firing", "resolved"], Field(description="pending: not yet for long enough.")]
    title: str
    text: Annotated[str, Field(description="The condition with its numbers.")]
    advice: Annotated[str, Field(description="What to do.")]
    anchor: Annotated[str, Field(description="Heading of the page that says more.")]
    value: float | None
    pending_since: Instant
    firing_since: Instant | None
    resolved_at: Instant | None
    link: Annotated[str | None, Field(description="Address of the page that says more; null: nobody serves it.")]

    @classmethod
    def of(cls, alert: Alert, links: Links) -> Self:
        """Returns the answer for an alert."""
        return cls(
            code=alert.code,
            subject=alert.subject,
            severity=alert.severity.value,
            state=alert.state.value,
            title=alert.title,
            text=alert.text,
            advice=alert.advice,
            anchor=alert.anchor,
            value=alert.value,
            pending_since=alert.pending_since,
            firing_since=alert.firing_since,
            resolved_at=alert.resolved_at,
            link=links.to(alert.anchor),
        )


class AlertsAnswer(Answer):
    """Alerts: firing first, critical before warning, then pending, then resolved lately."""

    alerts: list[AlertAnswer]
