"""What an answer of the venue, or none, means: one table, asked once for each request."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from msc_trading.venue.port import (
    OrderRefused,
    OutcomeUnknown,
    RateLimited,
    VenueError,
    VenueMisconfigured,
    VenueUnavailable,
)

TOO_MANY_ORDERS = -1015
UNKNOWN_ORDER_ON_CANCEL = -2011
NO_SUCH_ORDER = -2013
NO_SUCH_LISTEN_KEY = -1125
CLOCK_CODES = frozenset({-1021, -5028})
DUPLICATE_ID_CODES = frozenset({-4111, -4116})


class OrderNotTaken(OrderRefused):
    """The order was never looked at, for no fault of its own: it does not exist, and may be placed again, same id."""


class Asked(Enum):
    """What kind of request it was, as the same silence means different things."""

    ORDER = auto()
    """Something new was to be placed."""
    CHANGE = auto()
    """Something was to be changed that may be asked for twice, such as a cancel."""
    QUERY = auto()
    """Nothing was to change."""


class Verdict(Enum):
    """What an answer means."""

    REFUSED = auto()
    """The venue looked at it and will not do it."""
    NOT_TAKEN = auto()
    """It was not looked at; it may be sent again."""
    CLOCK = auto()
    """It came too early or too late, and was not looked at."""
    UNKNOWN = auto()
    """It may have been done."""
    LIMITED = auto()
    """Too many requests; it was not looked at."""
    MISCONFIGURED = auto()
    """Keys, permissions or the account's mode are wrong; it was not done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A refusal as it came. `status` is HTTP's, 0 when none came; `code` is the venue's, 0 without one.

    `message` holds no secrets; `retry_after_s` is in the venue's seconds, None when it does not say.
    """

    status: int
    code: int
    message: str
    retry_after_s: float | None = None


class Trouble(Exception):
    """A request did not end in an answer that can be used. Never leaves this package."""

    def __init__(self, verdict: Verdict, answer: Answer) -> None:
        """Takes what it means and what came."""
        super().__init__(answer.message)
        self.verdict = verdict
        self.answer = answer


# Codes decide before the HTTP status does.
_BY_CODE: dict[int, Verdict] = {
    # The order may have reached the matching engine. The English text of -1008 reads as a refusal, the Chinese one
    # as an unknown state: the careful reading wins. -1001 is a failure only in the wording of HTTP 503 below.
    **dict.fromkeys((-1000, -1001, -1006, -1007, -1008), Verdict.UNKNOWN),
    # An open order has this id already. It may be this one, from an attempt whose answer was another.
    **dict.fromkeys(DUPLICATE_ID_CODES, Verdict.UNKNOWN),
    # The clock is judged before the order is.
    **dict.fromkeys(CLOCK_CODES, Verdict.CLOCK),
    **dict.fromkeys((-1003, TOO_MANY_ORDERS), Verdict.LIMITED),
    # Unauthorised, bad signature, bad key, no permission; the last two are hedge mode.
    **dict.fromkeys((-1002, -1022, -2014, -2015, -4061, -4062), Verdict.MISCONFIGURED),
}

# The wordings of HTTP 503 that the venue documents as failures; its third, "Unknown error", and any other is not one.
_FAILED_503 = ("service unavailable", "internal error; unable to process")

_CLIENT_ERRORS = range(400, 500)
_REQUEST_TIMEOUT = 408
_LIMITED_STATUSES = (418, 429)
_UNAVAILABLE = 503


def judge(answer: Answer) -> Verdict:
    """Returns what a refusal means. Whatever is not known to be harmless is UNKNOWN."""
    if answer.status in _LIMITED_STATUSES:
        return Verdict.LIMITED
    if answer.status == _UNAVAILABLE and answer.message.lower().startswith(_FAILED_503):
        return Verdict.NOT_TAKEN
    if answer.code in _BY_CODE:
        return _BY_CODE[answer.code]
    # A refusal is the venue's own only when it carries a code: pages of proxies do not.
    if answer.code < 0 and answer.status in _CLIENT_ERRORS and answer.status != _REQUEST_TIMEOUT:
        return Verdict.REFUSED
    return Verdict.UNKNOWN


def error_of(asked: Asked, trouble: Trouble, *, retry_after_s: float) -> VenueError:
    """Returns what to raise. `retry_after_s` is in local seconds and used when the venue has limited us."""
    answer, verdict = trouble.answer, trouble.verdict
    message = f"{answer.message} (code {answer.code}, HTTP {answer.status})"
    if verdict is Verdict.LIMITED:
        return RateLimited(message, code=answer.code, retry_after_s=retry_after_s)
    if verdict is Verdict.MISCONFIGURED:
        return VenueMisconfigured(message, code=answer.code)
    return _MEANINGS[asked].get(verdict, VenueUnavailable)(message, code=answer.code)


_MEANINGS: dict[Asked, dict[Verdict, type[VenueError]]] = {
    Asked.ORDER: {
        Verdict.REFUSED: OrderRefused,
        Verdict.NOT_TAKEN: OrderNotTaken,
        Verdict.CLOCK: OrderNotTaken,
        Verdict.UNKNOWN: OutcomeUnknown,
    },
    Asked.CHANGE: {Verdict.REFUSED: VenueError, Verdict.UNKNOWN: OutcomeUnknown},
    Asked.QUERY: {Verdict.REFUSED: VenueError},
}
