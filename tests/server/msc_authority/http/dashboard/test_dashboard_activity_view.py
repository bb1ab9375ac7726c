"""Blocked signals by reason and by strategy."""

from __future__ import annotations

from msc_builders import START

from msc_authority.app.signals import BlockedSignal, SignalActivity, SignalTally
from msc_authority.http.dashboard.activity_view import BARS_SHOWN, RECENT_SHOWN, activity, bars


def _blocked(number: int = 1) -> BlockedSignal:
    return BlockedSignal(
        at=START,
        strategy_id="TREND_001",
        symbol="BTCUSDT",
        side="BUY",
        reason="CONFIDENCE_TOO_LOW",
        text="0.55 is below 0.60",
        executor=f"executor-{number}",
        policy_version=number - 1,
    )


def test_blocks_are_counted_by_reason_and_by_strategy() -> None:
    hour = SignalTally(
        seen={"A": 10, "B": 30},
        blocked={("A", "RISK_LIMIT"): 2, ("B", "RISK_LIMIT"): 6, ("B", "CONFIDENCE_TOO_LOW"): 2},
    )

    shown = activity(SignalActivity(last_hour=hour, since_start=SignalTally(seen={"A": 99})))

    assert (shown.seen, shown.blocked, shown.share, shown.total_seen) == (40, 10, "25 %", 99)
    assert [(bar.label, bar.count, bar.fraction) for bar in shown.by_reason] == [
        ("risk limit", 8, 1.0),
        ("confidence too low", 2, 0.25),
    ]
    assert [(bar.label, bar.count, bar.note) for bar in shown.by_strategy] == [("B", 8, "of 30"), ("A", 2, "of 10")]


def test_without_signals_there_is_no_share_yet() -> None:
    shown = activity(SignalActivity())

    assert shown.share == "none yet"
    assert (shown.by_reason, shown.by_strategy, shown.recent) == ((), (), ())


def test_the_newest_blocks_are_shown_in_their_own_words() -> None:
    shown = activity(SignalActivity(recent=tuple(_blocked(number) for number in range(1, 20))))

    assert len(shown.recent) == RECENT_SHOWN
    first = shown.recent[0]
    assert (first.at.text, first.reason, first.policy) == ("30 Nov 10:30:00", "confidence too low", "none")
    assert shown.recent[1].policy == "v1"


def test_many_bars_end_in_one_for_the_rest() -> None:
    shown = bars({f"S{number:02}": 100 - number for number in range(BARS_SHOWN + 3)})

    assert len(shown) == BARS_SHOWN + 1
    assert shown[-1].label == "3 others"
    assert shown[-1].count == sum(100 - number for number in range(BARS_SHOWN, BARS_SHOWN + 3))
    assert max(bar.fraction for bar in shown) == 1.0
