"""What an answer means."""

from __future__ import annotations

import pytest

from msc_trading.venue.errors import Answer, Asked, OrderNotTaken, Trouble, Verdict, error_of, judge
from msc_trading.venue.port import (
    OrderRefused,
    OutcomeUnknown,
    RateLimited,
    VenueError,
    VenueMisconfigured,
    VenueUnavailable,
)


def answer(status: int, code: int = 0, message: str = "") -> Answer:
    return Answer(status=status, code=code, message=message)


@pytest.mark.parametrize(
    "code",
    [-1013, -1102, -1111, -1116, -1121, -2011, -2013, -2019, -2021, -2022, -2025, -4003, -4164, -5022, -99999],
)
def test_a_code_with_a_client_error_is_a_refusal_also_one_that_is_new(code: int) -> None:
    assert judge(answer(400, code)) is Verdict.REFUSED


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (503, -1000, "Unknown error, please check your request or try again later."),
        (503, 0, "an answer that is not the venue's, HTTP 503"),
        (503, -1008, "Request throttled by system-level protection."),
        (400, -1008, "Server is currently overloaded with other requests."),
        (408, -1007, "Timeout waiting for response from backend server."),
        (408, -1102, "anything that timed out"),
        (400, -1006, "An unexpected response was received from the message bus."),
        (400, -1007, "Timeout"),
        (400, -1000, "An unknown error occurred"),
        (500, -1001, "Internal error; unable to process your request. Please try again."),
        (500, -2019, "Margin is insufficient."),
        (400, -4116, "ClientOrderId is duplicated."),
        (400, -4111, "Duplicated clientTranId."),
        (502, 0, ""),
        (504, 0, ""),
        (403, 0, ""),
        (302, 0, ""),
        (400, 0, ""),
        (400, 200, "a code that refuses nothing"),
        (0, 0, "no answer at all"),
    ],
)
def test_what_is_not_known_to_have_failed_is_unknown(status: int, code: int, message: str) -> None:
    assert judge(answer(status, code, message)) is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (-1000, "Service Unavailable."),
        (0, "service unavailable"),
        (-1001, "Internal error; unable to process your request. Please try again."),
    ],
)
def test_the_two_wordings_that_are_documented_as_failures_are_failures(code: int, message: str) -> None:
    assert judge(answer(503, code, message)) is Verdict.NOT_TAKEN


@pytest.mark.parametrize(
    ("status", "code"), [(429, -1003), (418, -1003), (429, 0), (418, 0), (400, -1015), (429, -1015)]
)
def test_too_many_requests_are_limited(status: int, code: int) -> None:
    assert judge(answer(status, code)) is Verdict.LIMITED


@pytest.mark.parametrize("code", [-1021, -5028])
def test_a_date_out_of_the_window_is_about_the_clock(code: int) -> None:
    assert judge(answer(400, code)) is Verdict.CLOCK


@pytest.mark.parametrize(("status", "code"), [(401, -2014), (401, -2015), (400, -1022), (401, -1002), (400, -4061)])
def test_keys_and_modes_are_for_a_person(status: int, code: int) -> None:
    assert judge(answer(status, code)) is Verdict.MISCONFIGURED


@pytest.mark.parametrize(
    ("asked", "verdict", "expected"),
    [
        (Asked.ORDER, Verdict.REFUSED, OrderRefused),
        (Asked.ORDER, Verdict.NOT_TAKEN, OrderNotTaken),
        (Asked.ORDER, Verdict.CLOCK, OrderNotTaken),
        (Asked.ORDER, Verdict.UNKNOWN, OutcomeUnknown),
        (Asked.ORDER, Verdict.MISCONFIGURED, VenueMisconfigured),
        (Asked.ORDER, Verdict.LIMITED, RateLimited),
        (Asked.CHANGE, Verdict.REFUSED, VenueError),
        (Asked.CHANGE, Verdict.NOT_TAKEN, VenueUnavailable),
        (Asked.CHANGE, Verdict.CLOCK, VenueUnavailable),
        (Asked.CHANGE, Verdict.UNKNOWN, OutcomeUnknown),
        (Asked.CHANGE, Verdict.MISCONFIGURED, VenueMisconfigured),
        (Asked.CHANGE, Verdict.LIMITED, RateLimited),
        (Asked.QUERY, Verdict.REFUSED, VenueError),
        (Asked.QUERY, Verdict.NOT_TAKEN, VenueUnavailable),
        (Asked.QUERY, Verdict.CLOCK, VenueUnavailable),
        (Asked.QUERY, Verdict.UNKNOWN, VenueUnavailable),
        (Asked.QUERY, Verdict.MISCONFIGURED, VenueMisconfigured),
        (Asked.QUERY, Verdict.LIMITED, RateLimited),
    ],
)
def test_the_same_answer_means_another_thing_to_another_question(
    asked: Asked, verdict: Verdict, expected: type[VenueError]
) -> None:
    error = error_of(asked, Trouble(verdict, answer(400, -7, "words")), retry_after_s=3.0)

    assert type(error) is expected
    assert error.code == -7
    assert "words" in str(error)


def test_a_limit_says_how_long_to_hold_back() -> None:
    error = error_of(Asked.QUERY, Trouble(Verdict.LIMITED, answer(429, -1003)), retry_after_s=3.0)

    assert isinstance(error, RateLimited)
    assert error.retry_after_s == 3.0


def test_an_order_that_was_not_taken_counts_as_refused_for_those_who_do_not_ask_why() -> None:
    assert issubclass(OrderNotTaken, OrderRefused)
