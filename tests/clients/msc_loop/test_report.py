"""What a run was, counted from its journal."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

from loop_builders import T0, accepted, at, blocked, equity, fill, policy, trade

from msc_authority.core.facts import TradeSource
from msc_client import RiskMode
from msc_loop.audit import audit
from msc_loop.completeness import Completeness
from msc_loop.journal import RunJournal
from msc_loop.report import (
    RunFacts,
    RunReport,
    StrategyOutcome,
    Without,
    blocks_by_reason,
    max_drawdown_pct,
    minutes_in_mode,
    report_of,
    strategy_outcomes,
)
from msc_loop.report_text import report_document, report_text

FACTS = RunFacts(
    began_at=T0,
    ended_at=at(60),
    real_s=2.5,
    why="enough",
    symbols=("BTCUSDT", "ETHUSDT"),
    starting_equity=Decimal(1000),
    final_equity=Decimal(1010),
    restarts=0,
    undelivered=0,
)
WITHOUT = Without(trades=5, net_pnl=Decimal(-20), fees=Decimal(3), max_drawdown_pct=4.5)
EQUAL = Completeness(at_exchange=1, in_journal=1, missing=(), unexplained=(), different=())
JOURNAL = RunJournal(
    revisions=(policy(1, since=-5, risk_mode=RiskMode.DEFENSIVE), policy(2, since=15)),
    executions=(
        accepted(at=T0),
        fill(),
        blocked(number=1),
        blocked("TREND_002", "STRATEGY_NOT_ALLOWED", number=2),
        blocked("TREND_002", "STRATEGY_NOT_ALLOWED", number=3),
    ),
    trades=(trade("12"), trade("-2"), trade("50", source=TradeSource.SHADOW, strategy_id="TREND_002")),
    equity=(equity(0, "1000"), equity(1, "1010"), equity(2, "1010", "-101")),
)


def report(facts: RunFacts = FACTS, journal: RunJournal = JOURNAL, found: Completeness = EQUAL) -> RunReport:
    judged = audit(journal.executions, journal.revisions, grace_s=3600)
    return report_of(facts, journal, without=WITHOUT, audit=judged, completeness=found)


class TestTimeInMode:
    def test_is_counted_within_the_run_alone(self) -> None:
        minutes = minutes_in_mode(JOURNAL.revisions, T0, at(60))

        assert minutes == {RiskMode.DEFENSIVE: 15, RiskMode.NORMAL: 45, RiskMode.AGGRESSIVE: 0}

    def test_leaves_out_what_came_after_the_end(self) -> None:
        assert minutes_in_mode(JOURNAL.revisions, T0, at(10))[RiskMode.NORMAL] == 0

    def test_is_nothing_without_a_policy(self) -> None:
        assert sum(minutes_in_mode((), T0, at(60)).values()) == 0

    def test_adds_up_what_a_mode_had_several_times(self) -> None:
        revisions = [policy(1), policy(2, since=20, risk_mode=RiskMode.DEFENSIVE), policy(3, since=30)]

        assert minutes_in_mode(revisions, T0, at(60))[RiskMode.NORMAL] == 50


class TestDrawdown:
    def test_is_the_deepest_fall_from_the_peak_open_positions_included(self) -> None:
        assert max_drawdown_pct(JOURNAL.equity) == 10

    def test_goes_by_time_not_by_arrival(self) -> None:
        assert max_drawdown_pct([equity(2, "1000"), equity(1, "900")]) == 0

    def test_is_unknown_without_readings(self) -> None:
        assert max_drawdown_pct([]) is None


def test_blocks_are_counted_by_reason_the_most_frequent_first() -> None:
    assert list(blocks_by_reason(JOURNAL).items()) == [("STRATEGY_NOT_ALLOWED", 2), ("SYMBOL_HELD", 1)]


def test_what_a_strategy_made_on_paper_is_no_money() -> None:
    outcomes = strategy_outcomes(JOURNAL)

    assert outcomes["TREND_001"].net_pnl == 10
    assert outcomes["TREND_002"] == StrategyOutcome(trades=0, net_pnl=Decimal(0), shadow_trades=1, blocked=2)


def test_a_run_is_summed_up() -> None:
    made = report()

    assert (made.trades, made.wins, made.shadow_trades, made.net_pnl) == (2, 1, 1, Decimal(10))
    assert (made.revisions, made.fees, made.max_drawdown_pct) == (2, Decimal("0.4002"), 10)
    assert made.speed == 1440


class TestGood:
    def test_a_clean_and_complete_run_is_good(self) -> None:
        assert report().is_good

    def test_a_violation_makes_it_bad(self) -> None:
        unknown = replace(JOURNAL, revisions=())

        assert not report(journal=unknown).is_good

    def test_a_missing_fill_makes_it_bad(self) -> None:
        assert not report(found=replace(EQUAL, missing=("BTCUSDT:2",))).is_good

    def test_facts_that_never_arrived_make_it_bad(self) -> None:
        assert not report(replace(FACTS, undelivered=1)).is_good


class TestText:
    def test_holds_both_sides_and_both_proofs(self) -> None:
        text = report_text(report())

        assert "0.04 days in 2 s, 1440 times real time" in text
        assert "final equity                            1,010.00            980.00" in text
        assert "time in DEFENSIVE                          25.0%              0.0%" in text
        assert "  STRATEGY_NOT_ALLOWED                         2" in text
        assert "Audit: no violation; 1 entries and 0 reductions sent, 3 refused, 2 revisions" in text
        assert "Fills: 1 at the exchange, 1 in the journal: equal" in text

    def test_names_what_is_wrong(self) -> None:
        found = replace(EQUAL, missing=("BTCUSDT:2",))

        text = report_text(report(replace(FACTS, restarts=2, undelivered=3), replace(JOURNAL, revisions=()), found))

        assert "Audit: 1 VIOLATIONS" in text
        assert "REVISION_UNKNOWN 01-02 12:00:00 me1-entry: policy" in text
        assert "in the journal: DIFFERENT\n  missing: BTCUSDT:2" in text
        assert "started again: 2" in text
        assert "did not reach the authority: 3" in text

    def test_cuts_long_lists_of_violations_and_says_so(self) -> None:
        orders = tuple(accepted(event_id=f"e{n}", client_order_id=f"o{n}", detail_json="") for n in range(25))

        text = report_text(report(journal=replace(JOURNAL, executions=orders)))

        assert text.count("NO_DECISION") == 20
        assert "and 5 more; --json lists them all" in text


def test_the_document_is_json_with_every_violation() -> None:
    document = json.loads(json.dumps(report_document(report(journal=replace(JOURNAL, revisions=())))))

    assert document["good"] is False
    assert [one["rule"] for one in document["audit"]["violations"]] == ["REVISION_UNKNOWN"]
    assert document["net_pnl"] == "10"
    assert document["minutes_in_mode"]["NORMAL"] == 0
