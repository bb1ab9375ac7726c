"""The policy as a document: what names it, what changed, and what a new revision is made for."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from datetime import timedelta

import pytest
from msc_builders import START, a_content, a_ranking, a_reason
from msc_core_builders import CONFIG, changed

from msc_authority.core.document import content_of, rankings_as_granted
from msc_authority.core.effective import Effective
from msc_authority.core.grade import GradeInputs, Grading
from msc_authority.core.limits import limits_for
from msc_authority.core.policy import (
    FieldChange,
    Limits,
    Policy,
    PolicyContent,
    PolicyRef,
    RiskMode,
    StrategyGrant,
    StrategyState,
    SystemHealth,
    TradingState,
    changes_between,
    effective_part,
)

BASE = a_content()
GRANT = BASE.grants[0]
OTHER = replace(GRANT, strategy_id="RANGE_002", state=StrategyState.PROBATION, risk_multiplier=0.25, max_positions=1)


def a_policy(content: PolicyContent = BASE) -> Policy:
    return Policy(ref=PolicyRef(7, 3), created_at=START, content=content, valid_for_s=3600.0)


OTHER_CONTENTS = [
    replace(BASE, risk_mode=RiskMode.DEFENSIVE),
    replace(BASE, trading_state=TradingState.REDUCING),
    replace(BASE, limits=replace(BASE.limits, max_risk_per_trade=0.0074)),
    replace(BASE, limits=replace(BASE.limits, global_min_confidence=0.61)),
    replace(BASE, limits=replace(BASE.limits, max_positions=9)),
    replace(BASE, limits=replace(BASE.limits, max_daily_trades=29)),
    replace(BASE, grants=()),
    replace(BASE, grants=(GRANT, OTHER)),
    replace(BASE, grants=(replace(GRANT, risk_multiplier=0.5),)),
    replace(BASE, grants=(replace(GRANT, state=StrategyState.PROBATION),)),
    replace(BASE, grants=(replace(GRANT, max_positions=1),)),
    replace(BASE, grants=(replace(GRANT, max_daily_trades_fraction=0.1),)),
]
OTHER_WORDS = [
    replace(BASE, metrics=replace(BASE.metrics, system_drawdown=0.6)),
    replace(BASE, metrics=replace(BASE.metrics, equity_slope=0.0)),
    replace(BASE, reasons=()),
    replace(BASE, reasons=(a_reason(value=0.6),)),
    replace(BASE, author="ada"),
    replace(BASE, rollback_of=2),
]


def test_equal_policies_have_equal_etags_in_quotes() -> None:
    assert a_policy().etag == a_policy(replace(BASE)).etag
    assert a_policy().etag[0] == a_policy().etag[-1] == '"'
    assert len(a_policy().etag) == 34


@pytest.mark.parametrize("content", OTHER_CONTENTS + OTHER_WORDS)
def test_another_content_in_any_field_has_another_etag(content: PolicyContent) -> None:
    assert a_policy(content).etag != a_policy().etag


@pytest.mark.parametrize(
    "overrides",
    [
        {"ref": PolicyRef(7, 4)},
        {"ref": PolicyRef(8, 3)},
        {"created_at": START + timedelta(microseconds=1)},
        {"valid_for_s": 3601.0},
    ],
)
def test_another_reference_instant_or_validity_has_another_etag(overrides: dict[str, object]) -> None:
    assert changed(a_policy(), overrides).etag != a_policy().etag


@pytest.mark.parametrize("content", OTHER_CONTENTS)
def test_what_traders_act_on_makes_a_new_revision_and_is_told_as_a_change(content: PolicyContent) -> None:
    assert effective_part(content) != effective_part(BASE)
    assert changes_between(BASE, content) != ()
    assert changes_between(BASE, content) != ()


@pytest.mark.parametrize("content", OTHER_WORDS)
def test_other_metrics_and_words_alone_make_no_revision_and_no_change(content: PolicyContent) -> None:
    assert effective_part(content) == effective_part(BASE)
    assert changes_between(BASE, content) == ()


def test_the_first_policy_changes_every_field_from_nothing_in_the_contracts_order() -> None:
    assert changes_between(None, BASE) == (
        FieldChange(field="risk_mode", before="", after="NORMAL"),
        FieldChange(field="trading_state", before="", after="ACTIVE"),
        FieldChange(field="max_risk_per_trade", before="", after="0.0075"),
        FieldChange(field="global_min_confidence", before="", after="0.6"),
        FieldChange(field="max_positions", before="", after="10"),
        FieldChange(field="max_daily_trades", before="", after="30"),
        FieldChange(field="allowed_strategies", before="", after="TREND_001"),
        FieldChange(field="strategy_grants", before="", after="TREND_001=ACTIVEx1"),
    )


def test_a_change_of_mode_tells_each_limit_that_changed_with_it() -> None:
    calm = replace(
        BASE, risk_mode=RiskMode.DEFENSIVE, limits=limits_for(RiskMode.DEFENSIVE, CONFIG.modes), grants=(OTHER, GRANT)
    )

    assert {change.field: (change.before, change.after) for change in changes_between(BASE, calm)} == {
        "risk_mode": ("NORMAL", "DEFENSIVE"),
        "max_risk_per_trade": ("0.0075", "0.003"),
        "global_min_confidence": ("0.6", "0.7"),
        "max_positions": ("10", "8"),
        "max_daily_trades": ("30", "10"),
        "allowed_strategies": ("TREND_001", "RANGE_002, TREND_001"),
        "strategy_grants": ("TREND_001=ACTIVEx1", "RANGE_002=PROBATIONx0.25 (positions 1), TREND_001=ACTIVEx1"),
    }


def test_references_are_ordered_by_epoch_first() -> None:
    refs = [PolicyRef(8, 0), PolicyRef(7, 10), PolicyRef(7, 9), PolicyRef(9, 1)]

    assert sorted(refs) == [PolicyRef(7, 9), PolicyRef(7, 10), PolicyRef(8, 0), PolicyRef(9, 1)]


@pytest.mark.parametrize(
    ("mode", "risk", "others"),
    [
        (RiskMode.DEFENSIVE, 0.0030, (0.70, 8, 10)),
        (RiskMode.NORMAL, 0.0075, (0.60, 10, 30)),
        (RiskMode.AGGRESSIVE, 0.0150, (0.50, 15, 50)),
    ],
)
@pytest.mark.parametrize("multiplier", [1.0, 0.5, 0.25])
def test_a_reduction_touches_the_risk_alone(
    mode: RiskMode, risk: float, others: tuple[float, int, int], multiplier: float
) -> None:
    confidence, positions, trades = others
    assert limits_for(mode, CONFIG.modes, risk_multiplier=multiplier) == Limits(
        max_risk_per_trade=risk * multiplier,
        global_min_confidence=confidence,
        max_positions=positions,
        max_daily_trades=trades,
    )


def an_effective(*grants: StrategyGrant) -> Effective:
    return Effective(mode=BASE.risk_mode, trading_state=BASE.trading_state, limits=BASE.limits, grants=grants)


def test_the_document_says_what_was_permitted_and_what_it_was_decided_from() -> None:
    inputs = GradeInputs(
        drawdown_pct=1.5, full_drawdown_pct=6.0, winrate_fraction=0.58, trades_n=119.6, slope_pct_per_day=-0.25
    )
    grading = Grading(health=SystemHealth.GOOD, points={}, reasons=())

    content = content_of(an_effective(OTHER, GRANT), inputs, grading, "equity_points", (a_reason(),))

    assert content.allowed_strategies == ("RANGE_002", "TREND_001")
    assert (content.author, content.rollback_of, content.reasons) == ("evaluator", 0, (a_reason(),))
    # The drawdown that was judged, not the full one; a faded number of trades, rounded.
    assert (content.metrics.system_drawdown, content.metrics.trades_n) == (1.5, 120)
    assert (content.metrics.global_winrate, content.metrics.equity_slope) == (0.58, -0.25)
    assert (content.metrics.system_health, content.metrics.equity_source) == (SystemHealth.GOOD, "equity_points")


def test_what_is_not_known_stays_unknown_in_the_document() -> None:
    grading = Grading(health=SystemHealth.UNKNOWN, points={}, reasons=())

    metrics = content_of(an_effective(), GradeInputs(), grading, "none", ()).metrics

    assert (metrics.system_drawdown, metrics.global_winrate, metrics.equity_slope, metrics.trades_n) == (None,) * 4


def test_rankings_say_who_is_really_allowed_and_change_nothing_else() -> None:
    rankings = (
        a_ranking("TREND_001", allowed=True),
        a_ranking("RANGE_002", allowed=True, rank=2),
        a_ranking("NEWS_003", allowed=False, rank=3),
    )

    told = rankings_as_granted(rankings, an_effective(GRANT))

    assert [one.allowed for one in told] == [True, False, False]
    assert told == (rankings[0], replace(rankings[1], allowed=False), rankings[2])


def test_the_etag_is_the_hash_of_the_document_that_asdict_makes() -> None:
    policy = a_policy()
    document = json.dumps(asdict(policy), sort_keys=True, default=str)
    assert policy.etag == f'"{hashlib.sha256(document.encode()).hexdigest()[:32]}"'
