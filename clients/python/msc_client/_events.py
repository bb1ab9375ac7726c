"""What happens to a session, and what it wants done. Values only."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

from msc_client._held import Held
from msc_client._holding import Restored
from msc_client._messages import Garbled, StreamEnd, WatchMessage
from msc_client.policy import Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The source was started. `restored` is what the disk held."""

    restored: Restored | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message came."""

    stream: int
    message: WatchMessage | Garbled


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A stream ended, cleanly or not."""

    stream: int
    end: StreamEnd


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderDied:
    """The thread that read a stream is gone."""

    stream: int


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """This process stood still, so what it reads next may have waited as long."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Forked:
    """This is a child of the process that opened the streams."""


@dataclass(frozen=True, slots=True)
class Close:
    """The source was closed."""


Event = Start | Received | Ended | ReaderDied | Tick | Paused | Forked | Close


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenStream:
    """Open a watch. `known` None asks for a snapshot."""

    stream: int
    known: Ref | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelStream:
    """End a watch."""

    stream: int


@dataclass(frozen=True, slots=True)
class RenewChannel:
    """Read the certificates again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """Let readers see this. `changed`: it is another value, so tell the callbacks, the disk and the authority."""

    held: Held
    changed: bool


@dataclass(frozen=True, slots=True)
class Report:
    """Tell the authority soon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
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
