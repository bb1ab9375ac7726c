"""Whether a second stream is worth keeping in the place of the first. Pure."""

from __future__ import annotations

from typing import Final

from msc_client._messages import Garbled, Goodbye, Snapshot, WatchMessage
from msc_client.policy import Ref

SAME_REPLICA_RETRIES: Final = 4
"""Streams that may come out at the same aged replica in a row, until the next turn."""


def is_better(message: WatchMessage | Garbled, applied: Ref | None, replica_age_s: float) -> bool:
    """Whether its first message brings more than what is applied, from a replica that last knew it so long ago."""
    if isinstance(message, Garbled) or isinstance(message.event, Goodbye):
        return False
    event, freshness = message.event, message.freshness
    if isinstance(event, Snapshot) and (applied is None or event.document.ref > applied):
        return True
    return freshness is not None and freshness.replica_age_s < replica_age_s


def is_from(message: WatchMessage | Garbled, server_id: str) -> bool:
    """Whether that replica sent it."""
    return not isinstance(message, Garbled) and message.info is not None and message.info.server_id == server_id
