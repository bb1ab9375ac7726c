"""What a source needs of the outside: a stream of message bytes, and a way to report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msc_client._messages import StreamEnd


class StreamSink(Protocol):
    """Where a stream delivers. Its methods may be called from any thread."""

    def message(self, stream: int, raw: bytes) -> None:
        """Takes one message."""
        ...

    def ended(self, stream: int, end: StreamEnd) -> None:
        """Takes the end, clean or not. Nothing follows it."""
        ...

    def died(self, stream: int, error: BaseException) -> None:
        """Takes the end of a reader by a bug. Nothing follows it."""
        ...


class OpenedStream(Protocol):
    """A stream that was asked for."""

    def cancel(self) -> None:
        """Ends it; what it still delivers does not matter."""
        ...

    def alive(self) -> bool:
        """Tells whether something still reads it."""
        ...


class Streams(Protocol):
    """Opens streams. No method blocks, and none raises for network reasons."""

    def open(self, stream: int, request: bytes, sink: StreamSink) -> OpenedStream:
        """Starts to watch; whatever comes of it goes to `sink`."""
        ...

    def report(self, request: bytes, answered: Callable[[bytes], None]) -> None:
        """Sends a status report; `answered` is called with the answer, if one comes."""
        ...

    def credentials_changed(self) -> bool:
        """Tells whether a stream opened now would show other credentials than the last one did."""
        ...

    def renew(self) -> None:
        """Reads credentials again for the streams to come."""
        ...

    def after_fork(self) -> None:
        """Forgets, in a forked child, everything that is open, without touching it."""
        ...

    def close(self) -> None:
        """Releases what it opened."""
        ...
