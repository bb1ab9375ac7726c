"""What takes alerts out of the authority, to people and programs: the port, and what is counted of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from msc_authority.app.alerts.values import Alert


class DeliveryFailed(Exception):
    """An alert was not taken. The text names no secret. `permanent`: trying again would not help."""

    def __init__(self, text: str, *, permanent: bool = False) -> None:
        """Takes a phrase that follows a colon."""
        super().__init__(text)
        self.permanent = permanent


class Notifier(Protocol):
    """One place that alerts are sent to."""

    @property
    def name(self) -> str:
        """What it is called in logs and metrics; no secret."""
        ...

    def send(self, alert: Alert) -> None:
        """Returns when the alert was taken. Blocking.

        Raises:
            DeliveryFailed: it was not.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkTally:
    """What became of the alerts for one notifier since this process started.

    `failed` were given up after all attempts, `dropped` found the queue full, `waiting` are queued.
    """

    name: str
    delivered: int = 0
    failed: int = 0
    dropped: int = 0
    waiting: int = 0
