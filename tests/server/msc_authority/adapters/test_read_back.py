"""A policy is published as the one that will be read back: the etag of each is that of the other."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from msc_builders import START, a_commit, a_content, a_verdict

from msc_authority.adapters.commits import policy_to_publish
from msc_authority.adapters.documents import Fields, content_from, document_of
from msc_authority.core.policy import Policy, PolicyContent, PolicyRef, StrategyGrant, StrategyState
from msc_authority.ports.policies import Head

NOTHING = Head(ref=PolicyRef(1, 0), policy=None, evaluated_at=START)
GRANT = StrategyGrant(
    strategy_id="TREND_002",
    state=StrategyState.PROBATION,
    risk_multiplier=0.25,
    max_positions=1,
    max_daily_trades_fraction=0.5,
)


def published(content: PolicyContent) -> Policy:
    commit = a_commit(publish=content, entry=replace(a_commit().entry, verdict=a_verdict(content)))
    policy = policy_to_publish(NOTHING, commit)
    assert policy is not None
    return policy


def read_back(policy: Policy) -> Policy:
    document = json.loads(json.dumps(document_of(policy.content)))
    return replace(policy, content=content_from(Fields(document)))


@pytest.mark.parametrize(
    "grant",
    [
        GRANT,
        replace(GRANT, risk_multiplier=1),
        replace(GRANT, max_daily_trades_fraction=1),
        replace(GRANT, risk_multiplier=0.0),
        replace(GRANT, risk_multiplier=-0.0, max_daily_trades_fraction=-0.0),
    ],
    ids=lambda grant: f"{grant.risk_multiplier}-{grant.max_daily_trades_fraction}",
)
def test_it_has_the_etag_of_what_is_read_back(grant: StrategyGrant) -> None:
    first = a_content().grants[0]
    policy = published(a_content(grants=(first, grant)))

    assert policy.etag == read_back(policy).etag
    assert policy.content.grants == (first, grant)


def test_what_reads_back_as_it_is_stays_the_same_object() -> None:
    assert published(a_content(grants=(GRANT,))).content.grants[0] is GRANT


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_refused_wherever_it_stands(number: float) -> None:
    with pytest.raises(ValueError, match="is no number to keep"):
        published(a_content(grants=(replace(GRANT, risk_multiplier=number),)))
    with pytest.raises(ValueError, match="is no number to keep"):
        published(a_content(grants=(replace(GRANT, max_daily_trades_fraction=number),)))
