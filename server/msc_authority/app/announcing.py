"""Tells the other processes on the store of each new head, so that their watchers need not wait for the next second."""

from __future__ import annotations

from typing import Protocol

from msc_authority.app.events import Event, Listener, PolicyPublished
from msc_authority.core.policy import PolicyRef


class Announces(Protocol):
    """Tells others. See `msc_authority.ports.announcements.Announcements`."""

    def announce(self, ref: PolicyRef) -> None:
        """Tells them that `ref` was committed."""
        ...


def announcer(announcements: Announces) -> Listener:
    """Returns what announces every head that is served here for the first time.

    Also one that was committed elsewhere: whoever hears of a head it serves does nothing, and when the process that
    committed it died before it could tell, the first to find it tells the rest.
    """

    def tell(event: Event) -> None:
        if isinstance(event, PolicyPublished):
            announcements.announce(event.after.ref)

    return tell
