"""What is in force, as the page says it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from msc_builders import START, a_content, a_reason, a_verdict, an_entry, at
from msc_dashboard import a_revision, facts, head_of, kept, no_head
from msc_observed import an_observation

from msc_authority.app.broker import Freshness
from msc_authority.app.insight import Evaluations
from msc_authority.app.observation import EvaluationTally
from msc_authority.core.policy import (
    FieldChange,
    Limits,
    PolicyRef,
    RiskMode,
    StrategyGrant,
    StrategyState,
    TradingState,
)
from msc_authority.http.dashboard.policy_view import (
    Diff,
    differences,
    headline,
    history,
    limits_of,
    schedule,
    steady,
)


def _grant(strategy_id: str, **caps: float) -> StrategyGrant:
    return StrategyGrant(
        strategy_id=strategy_id,
        state=StrategyState.ACTIVE,
        risk_multiplier=1.0,
        max_positions=int(caps.get("positions", 0)),
        max_daily_trades_fraction=caps.get("fraction", 1.0),
    )


def test_the_headline_says_mode_state_policy_and_why() -> None:
    content = a_content(RiskMode.DEFENSIVE, trading_state=TradingState.REDUCING, reasons=(a_reason(text="drawdown"),))

    shown = headline(facts(head_of(content, 3), kept=kept(an_entry(verdict=a_verdict(warning_points=2)))))

    assert (shown.mode, shown.trading_state, shown.policy, shown.author) == (
        "DEFENSIVE",
        "REDUCING",
        "v3",
        "evaluator",
    )
    assert shown.mode_for == "10 min"
    assert shown.reasons == ("drawdown",)
    assert shown.points == "2 warning points"
    assert shown.valid_until == 4600.0
    assert not shown.expired
    assert shown.announcement == "Risk mode DEFENSIVE, trading REDUCING, policy v3."


def test_without_a_policy_the_headline_says_so() -> None:
    shown = headline(facts(no_head()))

    assert shown.mode == ""
    assert shown.announcement == "No policy yet."


def test_time_in_mode_starts_anew_with_a_mode_that_is_not_observed_yet() -> None:
    observed = an_observation(head=head_of(a_content(RiskMode.NORMAL)), risk_mode_since=START - timedelta(days=3))
    newer = head_of(a_content(RiskMode.DEFENSIVE), 2)

    shown = headline(facts(newer, observation=observed))

    assert shown.mode_since is not None
    assert shown.mode_since.iso == "2025-11-30T10:30:00Z"
    assert shown.mode_for == "10 min"


def test_time_in_mode_goes_on_over_revisions_of_the_same_mode() -> None:
    observed = an_observation(head=head_of(a_content()), risk_mode_since=START - timedelta(days=3))

    shown = headline(facts(head_of(a_content(), 2), observation=observed))

    assert shown.mode_for == "3 d"


def test_a_policy_whose_time_is_over_is_called_expired() -> None:
    assert headline(facts(freshness=Freshness(replica_age_s=0.1, ttl_s=-1.0))).expired


@pytest.mark.parametrize(("age_s", "said"), [(15.0, ""), (75.0, "Not confirmed by the store for 1 min.")])
def test_a_head_that_the_store_does_not_confirm_is_told(age_s: float, said: str) -> None:
    assert headline(facts(freshness=Freshness(replica_age_s=age_s, ttl_s=100.0))).unconfirmed == said


def test_a_rollback_names_what_it_goes_back_to() -> None:
    content = a_content(rollback_of=2)

    assert headline(facts(head_of(content, 5))).rollback_of == "v2"
    assert history((a_revision(5, content),))[0].author == "rollback to v2"


@pytest.mark.parametrize(("new", "before", "kept_value"), [(10.3, 10.0, 10.0), (11.0, 10.0, 11.0), (5.004, None, 5.0)])
def test_instants_that_only_jitter_stay_as_they_were(new: float, before: float | None, kept_value: float) -> None:
    assert steady(new, before) == kept_value


def test_an_instant_that_is_not_known_any_more_is_none() -> None:
    assert steady(None, 3.0) is None


def test_limits_are_said_in_percent_and_counts() -> None:
    shown = limits_of(a_content())

    assert [row.value for row in shown.rows] == ["0.75 %", "60 %", "10", "30", "1"]
    assert shown.rows[-1].note == "TREND_001"
    assert shown.overruled == ""


def test_a_trading_state_that_is_not_active_overrules_the_limits() -> None:
    assert limits_of(a_content(trading_state=TradingState.HALTED)).overruled.startswith("HALTED: no new position")


def test_without_a_policy_there_are_no_limits_and_nobody_allowed_is_said() -> None:
    assert limits_of(None).rows == ()
    assert limits_of(a_content(grants=())).rows[-1].note == "none is allowed"


def test_the_schedule_says_when_and_how_the_last_one_went() -> None:
    entry = an_entry(trigger="schedule", started_at=at(5), committed=PolicyRef(7, 4))

    shown = schedule(facts(kept=kept(entry)))

    assert shown.due == 2800.0
    assert shown.last_trigger == "on schedule"
    assert shown.last_took == "4 ms"
    assert shown.last_outcome == "published v4"
    assert shown.overdue == ""


@pytest.mark.parametrize(
    ("trigger", "shown"),
    [
        ("start", "at start"),
        ("schedule", "on schedule"),
        ("request", "on request"),
        ("operator", "after an operator's act"),
        ("expiry", "when an override ended"),
        ("replay", "from the journal"),
        ("of tomorrow", "of tomorrow"),
    ],
)
def test_what_an_evaluation_was_made_for_is_said_in_words(trigger: str, shown: str) -> None:
    assert schedule(facts(kept=kept(an_entry(trigger=trigger)))).last_trigger == shown


def test_a_failure_an_overdue_evaluation_and_a_store_that_is_away_are_told() -> None:
    failed = an_entry(verdict=None, failure="StoreError: broken", started_at=at(7))
    observed = an_observation(evaluation_overdue_s=125.0)

    shown = schedule(
        facts(observation=observed, kept=kept(evaluations=Evaluations(latest=None, failure=failed), trouble="away"))
    )

    assert shown.failure == "StoreError: broken"
    assert shown.overdue == "Overdue by 2 min."
    assert shown.trouble == "away"
    assert shown.last_at is None


def test_a_failure_that_could_not_be_stored_is_told_all_the_same() -> None:
    observed = an_observation(evaluations=EvaluationTally(last_failure="the database is locked"))

    assert schedule(facts(observation=observed)).failure == "the database is locked"


def test_the_countdown_does_not_jitter() -> None:
    before = schedule(facts())
    later = facts(observation=an_observation(monotonic=1601.2, next_evaluation_in_s=1199.1))

    assert schedule(later, before).due == before.due


def test_differences_say_tighter_and_looser() -> None:
    before = a_content()
    after = replace(
        before,
        risk_mode=RiskMode.AGGRESSIVE,
        trading_state=TradingState.REDUCING,
        limits=Limits(max_risk_per_trade=0.015, global_min_confidence=0.7, max_positions=10, max_daily_trades=5),
    )

    shown = {diff.label: diff for diff in history((a_revision(2, after, before),))[0].diffs}

    assert {label: diff.direction for label, diff in shown.items()} == {
        "Risk mode": "looser",
        "Trading state": "tighter",
        "Risk per trade": "looser",
        "Confidence": "tighter",
        "Trades a day": "tighter",
    }
    assert (shown["Risk per trade"].before, shown["Risk per trade"].after) == ("0.75 %", "1.5 %")


def test_differences_of_lists_say_what_came_and_what_went() -> None:
    before = a_content(grants=(_grant("A"), _grant("B", positions=2, fraction=0.5)))
    after = a_content(grants=(_grant("B", positions=2, fraction=0.5), _grant("C")))

    strategies, grants = history((a_revision(2, after, before),))[0].diffs

    assert (strategies.added, strategies.removed) == (("C",), ("A",))
    assert (grants.added, grants.removed) == (("C=ACTIVEx1",), ("A=ACTIVEx1",))


def test_another_order_of_the_same_strategies_is_called_that() -> None:
    change = FieldChange(field="allowed_strategies", before="A, B", after="B, A")

    assert differences((change,)) == (Diff(label="Strategies", after="another order"),)


def test_the_first_revision_came_from_nothing() -> None:
    shown = history((a_revision(1, a_content()),))[0]

    assert all(diff.before == "" and diff.direction == "" for diff in shown.diffs)
    assert shown.summary == "the first policy"


def test_a_later_revision_that_first_allows_somebody_is_not_called_the_first() -> None:
    shown = history((a_revision(2, a_content(grants=(_grant("A"),)), a_content(grants=())),))[0]

    assert shown.summary == "strategies, grants"


def test_a_revision_without_changes_for_traders_says_so() -> None:
    assert history((a_revision(2, a_content(), a_content()),))[0].summary == "no field that traders act on"
