"""What a person asks for on the page, answered in words whatever happens."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msc_builders import a_content, a_verdict, an_entry
from msc_dashboard import AskedInsight, head_of

from msc_authority.app.access import Identity, Kind, Role, acting_as
from msc_authority.app.broker import Draining
from msc_authority.app.evaluate import EvaluationFailed, EvaluationOutcome, InvalidMetric
from msc_authority.app.scheduler import TooManyEvaluations
from msc_authority.core.evaluation import SuppliedMetrics
from msc_authority.core.policy import PolicyRef, RiskMode
from msc_authority.http.dashboard.asking import ask_what_if, evaluate_now
from msc_authority.http.dashboard.what_if import Refused, WhatIf
from msc_authority.ports.store import StoreUnavailable

TYPED = {"drawdown_pct": "9.5"}
ANNA = Identity(name="anna", kind=Kind.TOKEN, roles=frozenset({Role.EVALUATOR}))
RITA = Identity(name="rita", kind=Kind.TOKEN, roles=frozenset({Role.READER, Role.JOURNAL}))


@pytest.fixture(autouse=True)
def _asked_by_anna() -> Iterator[None]:
    with acting_as(ANNA):
        yield


def _insight(committed: PolicyRef | None = None, error: Exception | None = None) -> AskedInsight:
    candidate = a_content(RiskMode.DEFENSIVE)
    entry = an_entry(verdict=a_verdict(candidate), committed=committed)
    outcome = EvaluationOutcome(entry=entry, candidate=candidate, changes=(), head=head_of(a_content()))
    return AskedInsight(outcome=outcome, error=error)


async def test_an_evaluation_says_whether_it_published_something() -> None:
    assert await evaluate_now(_insight()) == "Evaluated in 4 ms: the policy stays."
    assert await evaluate_now(_insight(PolicyRef(7, 8))) == "Evaluated in 4 ms: v8 was published."


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TooManyEvaluations("16"), "Enough evaluations are waiting already. Try again in a moment."),
        (EvaluationFailed("evaluation e-1 failed: X"), "The evaluation e-1 failed: X. The policy was kept."),
        (Draining("the authority is stopping"), "Nothing was evaluated: the authority is stopping."),
        (StoreUnavailable("locked"), "The store does not answer. Nothing was changed; try again in a moment."),
        (RuntimeError("secret"), "Something unexpected went wrong. The authority's log says what."),
    ],
)
async def test_an_evaluation_that_is_not_made_says_why(error: Exception, said: str) -> None:
    assert await evaluate_now(_insight(error=error)) == said


async def test_a_what_if_is_judged_by_the_numbers_that_were_typed() -> None:
    insight = _insight()

    answer = await ask_what_if(insight, TYPED)

    assert isinstance(answer, WhatIf)
    assert answer.mode == "DEFENSIVE"
    assert insight.judged == [SuppliedMetrics(drawdown_pct=9.5)]


async def test_what_cannot_be_understood_is_not_asked() -> None:
    insight = _insight()

    answer = await ask_what_if(insight, {"drawdown_pct": "much"})

    assert isinstance(answer, Refused)
    assert insight.judged == []


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (InvalidMetric("drawdown_pct: must be from 0 to 100"), "Drawdown makes no sense."),
        (Draining("the authority is stopping"), "Nothing was judged: the authority is stopping."),
        (StoreUnavailable("locked"), "The store does not answer. Nothing was changed; try again in a moment."),
        (RuntimeError("secret"), "Something unexpected went wrong. The authority's log says what."),
    ],
)
async def test_a_what_if_that_is_not_judged_says_why(error: Exception, said: str) -> None:
    answer = await ask_what_if(_insight(error=error), TYPED)

    assert isinstance(answer, Refused)
    assert answer.text == said


async def test_what_went_wrong_unexpectedly_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    await evaluate_now(_insight(error=RuntimeError("what nobody thought of")))

    assert "what nobody thought of" in caplog.text


async def test_who_may_only_read_is_told_what_role_it_takes() -> None:
    insight = _insight(error=RuntimeError("nobody is to ask"))
    with acting_as(RITA):
        said = await evaluate_now(insight)
        answer = await ask_what_if(insight, TYPED)

    needed = "rita needs the role evaluator for this; it has: journal, reader."
    assert said == f"Nothing was evaluated: {needed}"
    assert isinstance(answer, Refused)
    assert answer.text == f"Nothing was judged: {needed}"
    assert insight.judged == []
