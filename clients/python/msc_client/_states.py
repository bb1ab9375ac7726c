"""Every change of connection state there is, as a table."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from msc_client.role import ConnectionState

_S = ConnectionState


class Cause(Enum):
    """Why a connection state is left."""

    STARTED = auto()
    MESSAGE = auto()
    SILENCE = auto()
    ENDED = auto()
    GOODBYE = auto()
    REFUSED = auto()
    PAUSED = auto()
    PROMOTED = auto()
    DUE = auto()
    FORKED = auto()
    CLOSED = auto()


TRANSITIONS: Final[dict[tuple[ConnectionState, Cause], ConnectionState]] = {
    (_S.NEW, Cause.STARTED): _S.CONNECTING,
    (_S.CONNECTING, Cause.MESSAGE): _S.LIVE,
    (_S.CONNECTING, Cause.SILENCE): _S.BACKOFF,
    (_S.CONNECTING, Cause.ENDED): _S.BACKOFF,
    (_S.CONNECTING, Cause.PAUSED): _S.BACKOFF,
    (_S.CONNECTING, Cause.REFUSED): _S.DENIED,
    (_S.LIVE, Cause.SILENCE): _S.BACKOFF,
    (_S.LIVE, Cause.ENDED): _S.BACKOFF,
    (_S.LIVE, Cause.GOODBYE): _S.BACKOFF,
    (_S.LIVE, Cause.PAUSED): _S.BACKOFF,
    (_S.LIVE, Cause.REFUSED): _S.DENIED,
    (_S.LIVE, Cause.PROMOTED): _S.CONNECTING,
    (_S.BACKOFF, Cause.DUE): _S.CONNECTING,
    (_S.DENIED, Cause.DUE): _S.CONNECTING,
    (_S.CONNECTING, Cause.FORKED): _S.FORKED,
    (_S.LIVE, Cause.FORKED): _S.FORKED,
    (_S.BACKOFF, Cause.FORKED): _S.FORKED,
    (_S.DENIED, Cause.FORKED): _S.FORKED,
    (_S.FORKED, Cause.STARTED): _S.CONNECTING,
    **{(state, Cause.CLOSED): _S.CLOSED for state in ConnectionState if state is not _S.CLOSED},
}
"""Every change of connection state there is. A pair that is not listed changes nothing."""
