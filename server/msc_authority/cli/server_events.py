"""Server-sent events, from bytes to values. What comes in pieces is put together; nothing here reads or waits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

MAX_LINE_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerEvent:
    """One event. `id` is what to send as Last-Event-ID; "" when the sender has given none yet."""

    id: str
    kind: str
    data: str


@dataclass(frozen=True, slots=True)
class Life:
    """The sender lives, and has nothing to tell."""


Frame = ServerEvent | Life


class BrokenStream(ValueError):
    """What comes in cannot be a stream of events."""


def frames(chunks: Iterable[bytes]) -> Iterator[Frame]:
    """Yields the events in a stream of bytes as soon as each is complete, and a Life for each comment.

    An event that is cut off by the end of the stream is none.

    Raises:
        BrokenStream: a line is longer than 4 MiB.
    """
    parser = _Parser()
    for line in _lines(chunks):
        frame = parser.take(line)
        if frame is not None:
            yield frame


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    # Not str.splitlines: JSON may hold characters that end a line there, and do not here.
    rest = b""
    for chunk in chunks:
        *complete, rest = (rest + chunk).split(b"\n")
        if len(rest) > MAX_LINE_BYTES:
            raise BrokenStream(f"a line is longer than {MAX_LINE_BYTES} bytes")
        for line in complete:
            yield line.removesuffix(b"\r").decode("utf-8", errors="replace")


@dataclass(slots=True)
class _Parser:
    _id: str = ""
    _kind: str = ""
    _data: list[str] = field(default_factory=list)

    def take(self, line: str) -> Frame | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "":
                return Life()
            case "id" if "\0" not in value:
                self._id = value
            case "event":
                self._kind = value
            case "data":
                self._data.append(value)
        return None

    def _dispatch(self) -> ServerEvent | None:
        kind, data = self._kind or "message", self._data
        self._kind, self._data = "", []
        return ServerEvent(id=self._id, kind=kind, data="\n".join(data)) if data else None
