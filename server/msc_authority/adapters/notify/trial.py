"""Tries every address with an alert that is marked as a test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from msc_authority.adapters.notify.addresses import notifiers_for
from msc_authority.app.alerts.delivery import DeliveryFailed, Notifier
from msc_authority.app.alerts.links import Links
from msc_authority.app.alerts.values import Alert, AlertState, Severity

TEST_CODE = "TEST"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """How one notifier answered. `problem` is empty where it took the alert."""

    name: str
    problem: str


def alert_for_test(now: datetime) -> Alert:
    """An alert about nothing, to see whether alerts arrive."""
    return Alert(
        code=TEST_CODE,
        subject="",
        severity=Severity.WARNING,
        state=AlertState.FIRING,
        title="Test of the alert sinks",
        text="This is a test: nothing is wrong.",
        advice="Nothing needs to be done.",
        anchor="alert-test",
        value=None,
        pending_since=now,
        firing_since=now,
    )


def try_sinks(urls: Sequence[str], links: Links, now: datetime) -> Iterator[Trial]:
    """Sends a test alert to each address once, and yields how it went. Blocking.

    Raises:
        ValueError: there is something wrong with an address.
    """
    for notifier in notifiers_for(urls, links):
        yield Trial(name=notifier.name, problem=_problem(notifier, alert_for_test(now)))


def _problem(notifier: Notifier, alert: Alert) -> str:
    try:
        notifier.send(alert)
    except DeliveryFailed as error:
        return str(error)
    return ""
