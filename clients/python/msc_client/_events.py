"""What happens to a session, and what it wants done. Values only.

Named tuples here and in the other private rooms: a dataclass costs eight times as much to define, and every host
process pays for each definition when it imports the client.
"""

from __future__ import annotations

import logging
from typing import Final, NamedTuple

from msc_client._held import Held
from msc_client._holding import Restored
from msc_client._messages import Garbled, StreamEnd, WatchMessage
from msc_client.policy import Ref


class Start(NamedTuple):
    """The source was started. `restored` is what the disk held."""

    restored: Restored | None = None


class Received(NamedTuple):
    """A message came."""

    stream: int
    message: WatchMessage | Garbled


class Ended(NamedTuple):
    """A stream ended, cleanly or not."""

    stream: int
    end: StreamEnd


class ReaderDied(NamedTuple):
    """The thread that read a stream is gone."""

    stream: int


class Tick(NamedTuple):
    """Time passed."""


class CredentialsChanged(NamedTuple):
    """What the client shows of itself is no longer what it showed last."""


class Paused(NamedTuple):
    """This process stood still, so what it reads next may have waited as long."""

    seconds: float


class Forked(NamedTuple):
    """This is a child of the process that opened the streams."""


class Close(NamedTuple):
    """The source was closed."""


Event = Start | Received | Ended | ReaderDied | Tick | CredentialsChanged | Paused | Forked | Close


class OpenStream(NamedTuple):
    """Open a watch. `known` None asks for a snapshot."""

    stream: int
    known: Ref | None


class CancelStream(NamedTuple):
    """End a watch."""

    stream: int


class RenewChannel(NamedTuple):
    """Read the certificates again."""


class Swap(NamedTuple):
    """Let readers see this. `changed`: it is another value, so tell the callbacks, the disk and the authority."""

    held: Held
    changed: bool


class Report(NamedTuple):
    """Tell the authority soon."""


class Log(NamedTuple):
    """Write a line. `event` names it for programs."""

    level: int
    event: str
    text: str


Effect = OpenStream | CancelStream | RenewChannel | Swap | Report | Log

DEBUG: Final = logging.DEBUG
INFO: Final = logging.INFO
WARNING: Final = logging.WARNING
ERROR: Final = logging.ERROR
CRITICAL: Final = logging.CRITICAL
