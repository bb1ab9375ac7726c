"""The status is put together anew when something in it is new, and what time moves is never from before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from msc_live import a_head
from msc_observed import StillInsight, an_alert, an_observation

from msc_authority.app.broker import Current, Freshness
from msc_authority.app.insight import Evaluations
from msc_authority.http.glance import Glance
from msc_authority.http.models.status import StatusAnswer, VersionsAnswer

VERSIONS = VersionsAnswer(msc="0", python="3", contract="msc_policy.v1")
KNOWN = Evaluations(latest=None, failure=None)


@dataclass
class Moving(StillInsight):
    """Its clock moves while everything else stands still."""

    age_s: float = 0.0
    served: Current = field(
        default_factory=lambda: Current(head=an_observation().head, changed_fields=(), confirmed_at=0.0)
    )

    @property
    def current(self) -> Current:
        return self.served

    def freshness(self) -> Freshness:
        return Freshness(replica_age_s=self.age_s, ttl_s=100.0 - self.age_s)

    def next_evaluation_in_s(self) -> float:
        return 50.0 - self.age_s


def observed_again(insight: Moving) -> None:
    insight.observation = replace(insight.observation, watchers=9)


def published(insight: Moving) -> None:
    insight.served = replace(insight.served, head=a_head(2))


def alarmed(insight: Moving) -> None:
    insight.alerts = (an_alert(),)


def test_what_time_moves_is_of_now_while_the_rest_is_kept() -> None:
    insight = Moving()
    glance = Glance(insight, VERSIONS)
    first, tag = glance.status(KNOWN)
    insight.age_s = 7.5
    second, same_tag = glance.status(KNOWN)

    assert (first.freshness.replica_age_s, second.freshness.replica_age_s) == (0.0, 7.5)
    assert (second.freshness.ttl_s, second.next_evaluation_in_s) == (92.5, 42.5)
    assert second.policy is first.policy
    assert same_tag == tag == second.etag


@pytest.mark.parametrize("happen", [observed_again, published, alarmed])
def test_whatever_is_new_is_in_the_next_answer(happen: Callable[[Moving], None]) -> None:
    insight = Moving()
    glance = Glance(insight, VERSIONS)
    _, before = glance.status(KNOWN)
    happen(insight)
    answer, after = glance.status(KNOWN)

    assert answer == StatusAnswer.of(insight, KNOWN, VERSIONS)
    assert after == answer.etag != before


def test_a_store_that_answers_no_more_is_said_at_once_and_its_return_too() -> None:
    glance = Glance(Moving(), VERSIONS)
    said = [glance.status(known)[0].store_unavailable for known in (KNOWN, None, None, KNOWN)]

    assert said == [False, True, True, False]
