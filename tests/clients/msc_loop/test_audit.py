"""What an audit finds: nothing where all is well, and each kind of violation by its name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from loop_builders import ENTRY, Made, accepted, at, blocked, fill, on_probation, policy

from msc_authority.core.facts import Execution
from msc_client import Policy, Ref, TradingState
from msc_loop.audit import AuditResult, Rule, audit


def found(
    executions: Sequence[Execution], revisions: Sequence[Policy] | None = None, *, grace_s: float = 1.0
) -> list[Rule]:
    return [one.rule for one in judged(executions, revisions, grace_s=grace_s).violations]


def judged(
    executions: Sequence[Execution], revisions: Sequence[Policy] | None = None, *, grace_s: float = 1.0
) -> AuditResult:
    return audit(executions, [policy()] if revisions is None else revisions, grace_s=grace_s)


def test_an_order_within_the_policy_is_clean() -> None:
    result = judged([accepted(), fill()])

    assert result.is_clean
    assert (result.entries, result.reductions, result.refusals, result.revisions) == (1, 0, 0, 1)


def test_an_empty_journal_is_clean() -> None:
    assert judged([], []).is_clean


def test_equal_to_every_limit_is_within_it() -> None:
    made = Made(confidence=0.6, stop_price="992.5", risk_fraction="0.0075", positions=(9, 1), daily=30)

    assert found([accepted(made)]) == []


@pytest.mark.parametrize(
    ("made", "rule"),
    [
        (Made(allowed=False), Rule.NOT_GRANTED),
        (Made(ref=Ref(7, 99, "etag-99")), Rule.REVISION_UNKNOWN),
        (Made(ref=Ref(6, 1, "etag-1")), Rule.REVISION_UNKNOWN),
        (Made(ref=Ref(7, 1, "another content")), Rule.REVISION_UNKNOWN),
        (Made(tier="SAFE_NONE", ref=None), Rule.REVISION_UNKNOWN),
        (Made(strategy_id="TREND_002"), Rule.STRATEGY),
        (Made(strategy_id=""), Rule.STRATEGY),
        (Made(confidence=0.599), Rule.CONFIDENCE),
        (Made(confidence=None), Rule.CONFIDENCE),
        (Made(risk_fraction="0.00751"), Rule.RISK),
        (Made(risk_fraction=None), Rule.RISK),
        (Made(risk_fraction="NaN"), Rule.RISK),
        (Made(risk_fraction="-0.001"), Rule.RISK),
        (Made(stop_price="990"), Rule.RISK),
        (Made(stop_price=None), Rule.RISK),
        (Made(equity=None), Rule.RISK),
        (Made(equity="0"), Rule.RISK),
        (Made(notional=None), Rule.RISK),
        (Made(positions=(9, 2)), Rule.POSITIONS),
        (Made(daily=31), Rule.DAILY_TRADES),
        (Made(daily=None), Rule.DAILY_TRADES),
    ],
)
def test_a_decision_beyond_the_policy_is_found(made: Made, rule: Rule) -> None:
    assert found([accepted(made)]) == [rule]


def test_a_decision_without_counts_is_found_twice() -> None:
    assert found([accepted(Made(positions=None))]) == [Rule.DAILY_TRADES, Rule.POSITIONS]


@pytest.mark.parametrize("state", [TradingState.REDUCING, TradingState.HALTED])
def test_an_entry_while_trading_is_not_active_is_found(state: TradingState) -> None:
    assert found([accepted()], [policy(trading_state=state)]) == [Rule.TRADING_STATE]


def test_an_entry_while_nobody_is_allowed_is_found() -> None:
    assert found([accepted()], [policy(allowed=())]) == [Rule.STRATEGY]


@pytest.mark.parametrize("detail", ["", "{}", "[]", "not JSON", '{"intent": 3}'])
def test_an_order_without_a_decision_is_found(detail: str) -> None:
    assert found([accepted(detail_json=detail)]) == [Rule.NO_DECISION]


def test_a_fill_of_an_order_that_nobody_recorded_is_found_once() -> None:
    orphans = [fill("1", client_order_id="stranger"), fill("2", client_order_id="stranger")]

    result = judged([accepted(), *orphans])

    assert [(one.rule, one.client_order_id) for one in result.violations] == [(Rule.NO_DECISION, "stranger")]


@pytest.mark.parametrize(
    "changes",
    [{"strategy_id": "TREND_009"}, {"symbol": "ETHUSDT"}, {"quantity": Decimal(2)}, {"client_order_id": "other"}],
)
def test_a_decision_about_another_order_is_found(changes: dict[str, object]) -> None:
    revisions = [policy(allowed=("TREND_001", "TREND_009"))]

    assert found([accepted(**changes)], revisions) == [Rule.OTHER_ORDER]


def test_an_order_that_the_venue_refused_is_judged_too() -> None:
    refused = accepted(Made(confidence=0.1), status="REJECTED")

    assert found([refused]) == [Rule.CONFIDENCE]


def test_a_block_violates_nothing() -> None:
    result = judged([blocked(), blocked(number=2)], [])

    assert (result.is_clean, result.refusals) == (True, 2)


def test_reductions_are_exempt_whatever_they_say() -> None:
    exit_ = accepted(Made(ref=Ref(7, 99, "")), reduce_only=True, detail_json="")
    closing = fill("2", reduce_only=True)

    result = judged([exit_, closing], [policy(trading_state=TradingState.HALTED)])

    assert (result.is_clean, result.reductions) == (True, 1)


class TestARevisionInTime:
    def test_one_that_was_replaced_is_found(self) -> None:
        result = judged([accepted()], [policy(1), policy(2, since=-1)])

        assert [one.rule for one in result.violations] == [Rule.REVISION_SUPERSEDED]
        assert "(7, 2) was in force" in result.violations[0].text

    def test_the_grace_is_included_and_reported(self) -> None:
        revisions = [policy(1), policy(2, since=-1)]

        assert judged([accepted()], revisions, grace_s=60).is_clean
        assert judged([accepted()], revisions, grace_s=60).latest_s == 60
        assert not judged([accepted()], revisions, grace_s=59.9).is_clean

    def test_one_from_the_future_is_found(self) -> None:
        assert found([accepted()], [policy(since=1)]) == [Rule.REVISION_NOT_YET]

    def test_clocks_may_differ_by_the_grace(self) -> None:
        assert found([accepted()], [policy(since=1)], grace_s=60) == []

    def test_the_newest_of_many_is_clean(self) -> None:
        made = Made(ref=policy(3).ref)
        revisions = [policy(3, since=-1), policy(1, since=-9), policy(4, since=1), policy(2, since=-5)]

        assert found([accepted(made)], revisions) == []

    def test_a_new_epoch_replaces_the_old_one(self) -> None:
        newer = replace(policy(1, since=-5), ref=Ref(8, 1, "etag"))

        assert found([accepted()], [policy(9, since=-60), policy(1, since=-90), newer]) == [Rule.REVISION_SUPERSEDED]

    def test_a_degraded_decision_may_go_by_what_it_knew(self) -> None:
        made = Made(tier="STALE")

        result = judged([accepted(made)], [policy(1), policy(2, since=-10)])

        assert (result.is_clean, result.degraded, result.latest_s) == (True, 1, 0)

    def test_a_degraded_decision_is_never_looser_than_what_it_knew(self) -> None:
        made = Made(tier="SAFE_EXPIRED", risk_fraction="0.0076")

        assert found([accepted(made)], [policy(1), policy(2, since=-10)]) == [Rule.RISK]

    def test_the_instant_is_the_decision_s_not_that_of_the_report(self) -> None:
        late_report = accepted(at=at(30))

        assert found([late_report], [policy(1), policy(2, since=10)]) == []


class TestProbation:
    ROWS = (("strategy_positions", 0, 1), ("strategy_daily_trades", 2, 3))

    def test_within_its_caps_is_clean(self) -> None:
        made = Made(stop_price="999", risk_fraction="0.001", checks=self.ROWS)

        assert found([accepted(made)], [on_probation()]) == []

    def test_the_full_risk_is_found(self) -> None:
        assert found([accepted(Made(checks=self.ROWS))], [on_probation()]) == [Rule.RISK]

    @pytest.mark.parametrize(
        "rows",
        [
            (("strategy_positions", 2, 1), ("strategy_daily_trades", 0, 3)),
            (("strategy_positions", 0, 1), ("strategy_daily_trades", 3, 3)),
            (("strategy_positions", 0, 1),),
        ],
    )
    def test_more_than_its_caps_or_an_unknown_count_is_found(self, rows: tuple[tuple[str, int, int], ...]) -> None:
        made = Made(stop_price="999", risk_fraction="0.001", checks=rows)

        assert found([accepted(made)], [on_probation()]) == [Rule.STRATEGY_CAP]


class TestOverAllOrders:
    def test_two_orders_for_one_signal_are_found(self) -> None:
        second = Made(client_order_id="me1-again")

        assert found([accepted(), accepted(second)]) == [Rule.SIGNAL_TWICE]

    def test_the_same_order_told_twice_is_one(self) -> None:
        assert found([accepted(), accepted(event_id="order:paper:again")]) == []

    def test_the_account_s_day_counts_all_executors(self) -> None:
        orders = [
            accepted(Made(client_order_id=f"o{n}", signal_id=f"s{n}", executor_id=f"executor-{n % 2}"))
            for n in range(4)
        ]

        result = judged(orders, [policy(max_daily_trades=3)])

        assert [one.rule for one in result.violations] == [Rule.DAILY_TRADES]
        assert "trade 4 of the account's day, at most 3" in result.violations[0].text

    def test_a_new_day_begins_at_midnight_utc(self) -> None:
        today = Made(client_order_id="a", signal_id="a", at=at(719))
        tomorrow = Made(client_order_id="b", signal_id="b", at=at(720))

        assert found([accepted(today), accepted(tomorrow)], [policy(max_daily_trades=1)]) == []

    def test_what_the_venue_refused_takes_nothing_of_the_day(self) -> None:
        refused = accepted(Made(client_order_id="a", signal_id="a"), status="REJECTED")

        assert found([refused, accepted()], [policy(max_daily_trades=1)]) == []


def test_violations_name_order_event_and_instant_in_the_order_of_time() -> None:
    early = accepted(Made(confidence=0.1, client_order_id="early", signal_id="e", at=at(-5)))
    late = accepted(Made(confidence=0.2))

    violations = judged([late, early]).violations

    assert [(one.client_order_id, one.at) for one in violations] == [("early", at(-5)), (ENTRY, at(0))]
    assert violations[1].event_id == f"order:paper:{ENTRY}:NEW"
