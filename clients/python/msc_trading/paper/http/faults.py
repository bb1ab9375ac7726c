"""Faults on purpose: what can go wrong between a client and the exchange."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

HTML_502 = (
    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n"
    "<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n"
)
REDUCES = ("reduceonly=true", "closeposition=true")


class RequestFault(StrEnum):
    """What happens to a request."""

    DELAY = "delay"
    DROP_RESPONSE = "drop_response"
    TIMEOUT = "timeout"
    UNKNOWN_ERROR = "unknown_error"
    SERVICE_UNAVAILABLE = "service_unavailable"
    INTERNAL_ERROR = "internal_error"
    THROTTLED = "throttled"
    HTML_502 = "html_502"


class EventFault(StrEnum):
    """What happens to a message of the private stream."""

    DUPLICATE = "duplicate"
    REORDER = "reorder"
    OMIT = "omit"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that stands in for the real one; a body of None closes the connection without any."""

    status: int
    body: str | None
    is_json: bool = True


def _error(status: int, code: int, message: str) -> Reply:
    return Reply(status, f'{{"code":{code},"msg":"{message}"}}')


# Whether the request is carried out before the reply stands in for the answer.
EXECUTED: dict[RequestFault, Reply] = {
    RequestFault.DROP_RESPONSE: Reply(0, None),
    RequestFault.TIMEOUT: _error(
        408, -1007, "Timeout waiting for response from backend server. Send status unknown; execution status unknown."
    ),
    RequestFault.UNKNOWN_ERROR: _error(503, -1000, "Unknown error, please check your request or try again later."),
}
NOT_EXECUTED: dict[RequestFault, Reply] = {
    RequestFault.SERVICE_UNAVAILABLE: _error(503, -1000, "Service Unavailable."),
    RequestFault.INTERNAL_ERROR: _error(
        503, -1001, "Internal error; unable to process your request. Please try again."
    ),
    RequestFault.THROTTLED: _error(
        503,
        -1008,
        "Request throttled by system-level protection. Reduce-only/close-position orders are exempt. Please try again.",
    ),
    RequestFault.HTML_502: Reply(502, HTML_502, is_json=False),
}


@dataclass(slots=True, kw_only=True)
class ArmedRequestFault:
    """A fault that waits for requests. Method and path "" match all; `count` None stays until it is cleared.

    `executes` has the request carried out before its answer is replaced; None takes what is usual for the fault.
    """

    kind: RequestFault
    method: str = ""
    path: str = ""
    count: int | None = 1
    delay_s: float = 0.0
    executes: bool | None = None

    def matches(self, method: str, path: str, text: str = "") -> bool:
        """Returns whether the fault is meant for this request; throttling lets reducing orders through."""
        if self.kind is RequestFault.THROTTLED and any(flag in text.lower() for flag in REDUCES):
            return False
        return self.method.upper() in {"", method} and self.path in {"", path, path.rpartition("/")[2]}

    @property
    def is_executed(self) -> bool:
        """Whether the request is carried out."""
        return self.kind in EXECUTED if self.executes is None else self.executes

    @property
    def reply(self) -> Reply:
        """What stands in for the answer."""
        return EXECUTED[self.kind] if self.kind in EXECUTED else NOT_EXECUTED[self.kind]


@dataclass(slots=True, kw_only=True)
class ArmedEventFault:
    """A fault that waits for messages of one type, "" for every type."""

    kind: EventFault
    event: str = ""
    count: int | None = 1


@dataclass(slots=True)
class Faults:
    """The faults that are armed."""

    requests: list[ArmedRequestFault] = field(default_factory=list)
    events: list[ArmedEventFault] = field(default_factory=list)
    _held: deque[str] = field(default_factory=deque)

    def take(self, method: str, path: str, text: str = "") -> list[ArmedRequestFault]:
        """Returns the faults of this request: delays, and at most one that replaces the answer."""
        meant = [fault for fault in self.requests if fault.matches(method, path, text)]
        delays = [fault for fault in meant if fault.kind is RequestFault.DELAY]
        others = [fault for fault in meant if fault.kind is not RequestFault.DELAY]
        taken = delays + others[:1]
        for fault in taken:
            fault.count = _one_less(fault.count)
        self.requests = [fault for fault in self.requests if fault.count != 0]
        return taken

    def mangle(self, kind: str, text: str, send: Callable[[str], None]) -> None:
        """Sends a message of the private stream, as the armed faults have it."""
        fault = next((armed for armed in self.events if armed.event in {"", kind}), None)
        if fault is None:
            send(text)
            self._release(send)
            return
        fault.count = _one_less(fault.count)
        self.events = [armed for armed in self.events if armed.count != 0]
        if fault.kind is EventFault.DUPLICATE:
            send(text)
            send(text)
        elif fault.kind is EventFault.REORDER:
            # It goes out after the next message that is not held itself.
            self._held.append(text)

    def _release(self, send: Callable[[str], None]) -> None:
        while self._held:
            send(self._held.popleft())

    def clear(self) -> None:
        """Disarms everything; a message that is held stays held until the next one."""
        self.requests.clear()
        self.events.clear()


def _one_less(count: int | None) -> int | None:
    return None if count is None else count - 1
