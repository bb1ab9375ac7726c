"""Counts what happened to a session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msc_client._messages import StreamEnd

if TYPE_CHECKING:
    from msc_client.status import Counters


class Tally:
    """What happened to one session since its start."""

    __slots__ = ("applied", "gaps", "reconnect_causes", "reconnects", "rejected", "watchdog_timeouts")

    def __init__(self) -> None:
        self.applied = self.rejected = self.reconnects = self.watchdog_timeouts = self.gaps = 0
        self.reconnect_causes: dict[str, int] = {}

    def reconnected(self, cause: str) -> None:
        """Counts one more stream that was opened for this cause."""
        self.reconnects += 1
        # Replaced, not changed: a status that was shown keeps what it said.
        self.reconnect_causes = {**self.reconnect_causes, cause: self.reconnect_causes.get(cause, 0) + 1}

    def shown(self, *, callback_errors: int, reads: int, fallback_reads: int) -> Counters:
        """Returns the counters as people read them, with those that others keep."""
        from msc_client.status import Counters

        return Counters(
            applied=self.applied,
            rejected=self.rejected,
            reconnects=self.reconnects,
            watchdog_timeouts=self.watchdog_timeouts,
            gaps=self.gaps,
            callback_errors=callback_errors,
            reads=reads,
            fallback_reads=fallback_reads,
            reconnect_causes=self.reconnect_causes,
        )


def cause_of(end: StreamEnd) -> str:
    """Returns what the end of a stream is counted as: the name of its status, unless it was a clean one."""
    return "clean_end" if end.code == "OK" else end.code
