"""What became of entry signals is counted, for good and for an hour, whatever executors write."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_builders import START, an_execution, at

from msc_authority.app.signal_window import (
    MAX_CODES,
    MAX_PAIRS,
    MAX_RECENT,
    MAX_SENTENCES,
    MAX_STRATEGIES,
    SignalWindow,
    digest,
)
from msc_authority.app.signals import BlockedSignal, SignalActivity, SignalTally
from msc_authority.core.facts import Execution, Side
from msc_authority.ports.journal import JournalledExecution


def arrived(*executions: Execution, first: int = 1) -> list[JournalledExecution]:
    return [JournalledExecution(sequence=first + n, execution=execution) for n, execution in enumerate(executions)]


def a_block(number: int = 1, **overrides: object) -> Execution:
    blocked = an_execution(f"b-{number}", status="BLOCKED", reason="STRATEGY_NOT_ALLOWED", price=None)
    return an_execution(**{**{name: getattr(blocked, name) for name in blocked.__slots__}, **overrides})


def an_entry_order(number: int = 1, **overrides: object) -> Execution:
    return an_execution(f"n-{number}", **{"status": "NEW", **overrides})


def seen(*executions: Execution, now: datetime = START, since_start: bool = True) -> SignalActivity:
    window = SignalWindow()
    window.take(digest(arrived(*executions)), now, since_start=since_start)
    return window.snapshot(now)


def test_without_reports_there_is_nothing() -> None:
    assert seen() == SignalActivity()
    assert seen().last_hour.blocked_fraction is None


def test_signals_that_came_through_and_those_that_were_blocked_are_counted_by_strategy() -> None:
    activity = seen(
        an_entry_order(1),
        an_entry_order(2, strategy_id="RANGE_002", status="REJECTED"),
        a_block(1),
        a_block(2, reason="CONFIDENCE_TOO_LOW"),
        a_block(3),
    )

    expected = SignalTally(
        seen={"TREND_001": 4, "RANGE_002": 1},
        blocked={("TREND_001", "STRATEGY_NOT_ALLOWED"): 2, ("TREND_001", "CONFIDENCE_TOO_LOW"): 1},
    )
    assert (activity.since_start, activity.last_hour) == (expected, expected)
    assert activity.last_hour.blocked_fraction == 0.6


@pytest.mark.parametrize("status", ["FILLED", "PARTIALLY_FILLED", "CANCELED", "EXPIRED", "LIQUIDATED"])
def test_what_becomes_of_an_order_later_is_no_further_signal(status: str) -> None:
    assert seen(an_entry_order(status=status)) == SignalActivity()


@pytest.mark.parametrize("status", ["NEW", "REJECTED", "BLOCKED"])
def test_what_only_reduces_is_no_entry_signal(status: str) -> None:
    assert seen(an_entry_order(status=status, reduce_only=True)) == SignalActivity()


def test_a_block_is_shown_with_the_sentence_of_its_executor() -> None:
    detail = json.dumps({"decision_id": "d-1", "text": "TREND_001 is not\nallowed: grants are RANGE_002", "checks": []})
    block = a_block(side=Side.SELL, symbol="ETHUSDT", detail_json=detail, policy_version=12, at=at(3))

    (shown,) = seen(block, now=at(3)).recent

    assert shown == BlockedSignal(
        at=at(3),
        strategy_id="TREND_001",
        symbol="ETHUSDT",
        side="SELL",
        reason="STRATEGY_NOT_ALLOWED",
        text="TREND_001 is not allowed: grants are RANGE_002",
        executor="executor-1",
        policy_version=12,
    )


@pytest.mark.parametrize(
    "detail",
    ["", "{", "[]", "null", '"text"', '{"text": 5}', '{"text": null}', '{"other": "x"}', "[" * 10_000, "9" * 5000],
)
def test_a_block_without_a_sentence_is_shown_without_one(detail: str) -> None:
    (shown,) = seen(a_block(detail_json=detail)).recent

    assert shown.text == ""


def test_text_that_others_wrote_is_cleaned_and_bounded() -> None:
    detail = json.dumps({"text": "\ud800 \x1b[2J" + "long " * 1000})
    block = a_block(strategy_id="\u202eS\n1", symbol="", reason="too\tfar " + "x" * 300, detail_json=detail)

    activity = seen(block)

    (shown,) = activity.recent
    assert (shown.strategy_id, shown.symbol) == ("S 1", "(none)")
    assert shown.reason.startswith("too far x")
    assert len(shown.reason) == 64
    assert shown.text.startswith("[2Jlong")
    assert len(shown.text) <= 300
    assert list(activity.since_start.blocked) == [("S 1", shown.reason)]


def test_a_block_without_strategy_or_reason_is_counted_as_such() -> None:
    assert seen(a_block(strategy_id="", reason="")).last_hour.blocked == {("(none)", "(none)"): 1}


def test_signals_leave_the_last_hour_and_stay_in_the_count_since_the_start() -> None:
    window = SignalWindow()
    window.take(digest(arrived(a_block(), an_entry_order(at=at(30)))), at(30), since_start=True)

    assert window.snapshot(at(60)).last_hour.seen_total == 2
    assert window.snapshot(at(61)).last_hour == SignalTally(seen={"TREND_001": 1})
    after = window.snapshot(at(91))
    assert after.last_hour == SignalTally()
    assert (after.since_start.seen_total, after.since_start.blocked_total) == (2, 1)


@pytest.mark.parametrize("minutes", [0.1, 20, 59.9])
def test_an_hour_is_no_shorter_than_an_hour(minutes: float) -> None:
    window = SignalWindow()
    window.take(digest(arrived(a_block(at=at(minutes)))), at(minutes), since_start=True)

    assert window.snapshot(at(minutes + 60)).last_hour.seen_total == 1
    assert window.snapshot(at(minutes + 60.51)).last_hour.seen_total == 0


def test_a_late_report_counts_since_the_start_and_in_the_hour_it_belongs_to() -> None:
    window = SignalWindow()
    news = window.take(digest(arrived(a_block(1, at=at(-20)), a_block(2, at=at(-90)))), at(0), since_start=True)

    activity = window.snapshot(at(0))

    assert activity.since_start.blocked_total == 2
    assert activity.last_hour.blocked_total == 1
    assert [block.at for block in news] == [at(-20)]
    assert window.snapshot(at(41)).last_hour == SignalTally()


def test_reports_from_before_this_process_count_in_the_last_hour_only_and_are_no_news() -> None:
    window = SignalWindow()
    earlier = digest(arrived(a_block(1, at=at(-5)), a_block(2, at=at(-90)), an_entry_order(at=at(-1))))

    news = window.take(earlier, at(0), since_start=False)

    activity = window.snapshot(at(0))
    assert news == ()
    assert activity.since_start == SignalTally()
    assert activity.last_hour.blocked_fraction == 0.5
    assert [block.at for block in activity.recent] == [at(-5)]


def test_a_report_of_a_clock_that_is_a_little_ahead_counts_and_one_of_tomorrow_does_not() -> None:
    activity = seen(a_block(1, at=at(4)), a_block(2, at=at(24 * 60)))

    assert activity.last_hour.blocked_total == 1
    assert activity.since_start.blocked_total == 2
    assert [block.at for block in activity.recent] == [at(4)]


def test_the_newest_blocks_are_kept_newest_first_however_they_arrive() -> None:
    window = SignalWindow()
    minutes = [(n * 37) % (MAX_RECENT * 2) / 10 for n in range(MAX_RECENT * 2)]
    for number, minute in enumerate(minutes):
        page = arrived(a_block(number, at=at(minute - 30)), first=number + 1)
        window.take(digest(page), at(0), since_start=True)

    shown = window.snapshot(at(0)).recent

    assert [block.at for block in shown] == [at(minute - 30) for minute in sorted(minutes, reverse=True)[:MAX_RECENT]]


def test_of_blocks_of_one_instant_the_last_to_arrive_is_first() -> None:
    activity = seen(a_block(1, symbol="A"), a_block(2, symbol="B"), a_block(3, symbol="C"))

    assert [block.symbol for block in activity.recent] == ["C", "B", "A"]


def test_of_a_page_full_of_blocks_the_newest_are_news_in_order_of_arrival() -> None:
    blocks = [a_block(number, at=at(-number / 10)) for number in range(MAX_RECENT + 50)]

    news = SignalWindow().take(digest(arrived(*blocks)), at(0), since_start=True)

    assert [block.at for block in news] == [at(-number / 10) for number in range(MAX_RECENT)]


def test_strategies_beyond_the_bound_are_counted_together() -> None:
    activity = seen(*[an_entry_order(n, strategy_id=f"S-{n:04}") for n in range(MAX_STRATEGIES + 30)])

    assert len(activity.since_start.seen) == MAX_STRATEGIES + 1
    assert activity.since_start.seen["other"] == 30
    assert activity.last_hour == activity.since_start


def test_reasons_that_are_new_each_time_do_not_crowd_out_codes() -> None:
    sentences = [a_block(n, reason=f"confidence 0.{n:03} is too low") for n in range(500)]
    activity = seen(*sentences, a_block(reason="TRADING_HALTED"))

    blocked = activity.since_start.blocked
    assert len(blocked) == MAX_SENTENCES + 2
    assert blocked["TREND_001", "other"] == 500 - MAX_SENTENCES
    assert blocked["TREND_001", "TRADING_HALTED"] == 1


def test_codes_beyond_the_bound_are_counted_together() -> None:
    blocked = seen(*[a_block(n, reason=f"CODE_{n}") for n in range(MAX_CODES + 7)]).since_start.blocked

    assert blocked["TREND_001", "other"] == 7


def test_pairs_beyond_the_bound_are_counted_by_strategy() -> None:
    page = [a_block(reason=f"CODE_{c}", strategy_id=f"S-{s}") for c in range(30) for s in range(100)]

    blocked = seen(*page).since_start.blocked

    assert len(blocked) == MAX_PAIRS + 100
    assert sum(blocked.values()) == 3000
    assert sum(count for (_, reason), count in blocked.items() if reason == "other") == 3000 - MAX_PAIRS


def test_what_was_said_before_does_not_change_any_more() -> None:
    window = SignalWindow()
    window.take(digest(arrived(a_block())), START, since_start=True)
    before = window.snapshot(START)

    window.take(digest(arrived(a_block(2), first=2)), START, since_start=True)

    assert (before.since_start.seen_total, len(before.recent)) == (1, 1)


REPORTS = st.lists(
    st.tuples(st.integers(-180, 0), st.sampled_from(["NEW", "BLOCKED", "FILLED"]), st.sampled_from("AB")), max_size=40
)


@given(reports=REPORTS, cuts=st.lists(st.integers(0, 40), max_size=4), later=st.integers(0, 90))
def test_however_reports_are_cut_into_pages_the_last_hour_is_theirs(
    reports: list[tuple[int, str, str]], cuts: list[int], later: int
) -> None:
    executions = [
        an_entry_order(n, at=at(minute), status=status, strategy_id=strategy)
        for n, (minute, status, strategy) in enumerate(reports)
    ]
    edges = [0, *sorted(cuts), len(executions)]
    window = SignalWindow()
    for start, end in pairwise(edges):
        window.take(digest(arrived(*executions[start:end], first=start + 1)), at(0), since_start=True)

    tally = window.snapshot(at(later)).last_hour

    timely = [each for each in executions if each.at >= at(later) - timedelta(hours=1) and each.status != "FILLED"]
    assert tally.seen == Counter(each.strategy_id for each in timely)
    assert tally.blocked_total == sum(each.status == "BLOCKED" for each in timely)
