"""Counts what happened to a session. Pure."""

from __future__ import annotations

from dataclasses import replace

from msc_client._messages import StreamEnd
from msc_client.status import Counters


def reconnected(counters: Counters, cause: str) -> Counters:
    """Returns the counters after one more stream was opened for this cause."""
    causes = {**counters.reconnect_causes, cause: counters.reconnect_causes.get(cause, 0) + 1}
    return replace(counters, reconnects=counters.reconnects + 1, reconnect_causes=causes)


def cause_of(end: StreamEnd) -> str:
    """Returns what the end of a stream is counted as: the name of its status, unless it was a clean one."""
    return "clean_end" if end.code == "OK" else end.code
