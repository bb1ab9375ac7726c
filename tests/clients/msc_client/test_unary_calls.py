"""What is asked of the authority once: answers, refusals, and how often it is tried."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msc_client_harness import QUICK, until
from tenacity import RetryCallState, Retrying

from msc_client import AuthorityError, AuthorityUnavailable, Policy, PolicySource, Role, WhatIf
from msc_client.source import _wait_s
from msc_client.testing import InProcessAuthority, make_policy


@pytest.fixture
def authority() -> Iterator[InProcessAuthority]:
    with InProcessAuthority() as made:
        made.publish(make_policy(5))
        yield made


@pytest.fixture
def source(authority: InProcessAuthority) -> Iterator[PolicySource]:
    made = PolicySource(authority.target, role=Role.EXECUTOR, name="test", config=QUICK, state_dir=None)
    yield made
    made.close()


def test_a_policy_is_asked_for(source: PolicySource) -> None:
    assert source.get_policy() == make_policy(5)


def test_an_evaluation_is_asked_for_under_an_id(source: PolicySource) -> None:
    result = source.evaluate(what_if=WhatIf(drawdown_pct=2.0), reason="to see", request_id="r-1")
    assert (result.evaluation_id, result.reasons, result.committed) == ("r-1", ("to see",), False)
    assert result.candidate is not None
    assert result.candidate.risk_mode is make_policy(5).risk_mode


def test_a_refusal_carries_the_authoritys_reason_and_is_not_retried(
    authority: InProcessAuthority, source: PolicySource
) -> None:
    authority.refuse("NOT_FOUND", "there is no version 9", reason="POLICY_NOT_FOUND")
    with pytest.raises(AuthorityError) as refused:
        source.get_policy(9)
    assert (refused.value.code, refused.value.reason) == ("NOT_FOUND", "POLICY_NOT_FOUND")
    assert not isinstance(refused.value, AuthorityUnavailable)


def test_an_authority_that_is_away_is_said_to_be_and_answers_when_it_is_back() -> None:
    gone = InProcessAuthority().start()
    gone.stop()
    source = PolicySource(gone.target, role=Role.OTHER, name="unary", config=QUICK, state_dir=None)
    with pytest.raises(AuthorityUnavailable):
        source.get_policy()
    with gone:
        gone.publish(make_policy(5))
        until(lambda: answered(source) == make_policy(5))
    source.close()


def answered(source: PolicySource) -> Policy | None:
    """Returns the answer, or None while the channel waits before it connects again."""
    try:
        return source.get_policy()
    except AuthorityUnavailable:
        return None


def test_a_closed_source_is_unavailable(source: PolicySource) -> None:
    source.close()
    with pytest.raises(AuthorityUnavailable, match="closed"):
        source.get_policy()


@pytest.mark.parametrize(
    ("asked_s", "least_s", "most_s"), [(None, 0.0, 1.0), (0.5, 0.5, 1.5), (5.0, 5.0, 6.0), (1e9, 5.0, 6.0)]
)
def test_an_authority_cannot_make_the_caller_wait_for_long(
    asked_s: float | None, least_s: float, most_s: float
) -> None:
    state = RetryCallState(Retrying(), None, (), {})
    state.attempt_number = 9
    state.set_exception(failed(AuthorityUnavailable("UNAVAILABLE", "busy", retry_after_s=asked_s)))
    assert least_s <= _wait_s(state) <= most_s


def failed(error: Exception) -> tuple[type[Exception], Exception, None]:
    return type(error), error, None
