"""Tells the other processes on the store of each new head, so that their watchers need not wait for the next second."""

from __future__ import annotations

from msc_authority.app.events import Event, Listener, PolicyPublished
from msc_authority.ports import Announcements


def announcer(announcements: Announcements) -> Listener:
    """Returns what announces every head that is served here for the first time.

    Also one that was committed elsewhere: whoever hears of a head it serves does nothing, and when the process that
    committed it died before it could tell, the first to find it tells the rest.
    """

    def tell(event: Event) -> None:
        if isinstance(event, PolicyPublished):
            announcements.announce(event.after.ref)

    return tell
