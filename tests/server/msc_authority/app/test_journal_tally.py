from __future__ import annotations

import threading

from msc_live import ManualTime

from msc_authority.app.journal_tally import MAX_CODES, RowCounter
from msc_authority.app.observation import JournalTally
from msc_authority.app.recent import RECENT_S


def test_a_new_process_has_counted_nothing() -> None:
    time = ManualTime()
    assert RowCounter(time).snapshot(time.monotonic()) == JournalTally()


def test_rows_are_counted_by_what_became_of_them() -> None:
    time = ManualTime()
    rows = RowCounter(time)

    rows.stored(accepted=3, duplicates=1)
    rows.stored(accepted=2, duplicates=0)
    rows.refused(code="NOT_POSITIVE", text="T-1: quantity is -1; it must be above 0 (NOT_POSITIVE)")
    rows.refused(code="MISSING", text="T-2: symbol must not be empty (MISSING)")
    rows.refused(code="MISSING", text="T-3: symbol must not be empty (MISSING)")

    assert rows.snapshot(time.monotonic()) == JournalTally(
        accepted=5,
        duplicates=1,
        refused={"NOT_POSITIVE": 1, "MISSING": 2},
        refused_recently=3,
        last_refusal="T-3: symbol must not be empty (MISSING)",
    )


def test_refusals_are_recent_for_five_minutes_and_counted_for_ever() -> None:
    time = ManualTime()
    rows = RowCounter(time)
    rows.refused(code="MISSING", text="first")
    time.leap(RECENT_S - 60)
    rows.refused(code="MISSING", text="second")
    assert rows.snapshot(time.monotonic()).refused_recently == 2

    time.leap(66)
    assert rows.snapshot(time.monotonic()).refused_recently == 1

    time.leap(RECENT_S)
    later = rows.snapshot(time.monotonic())
    assert (later.refused_recently, later.refused, later.last_refusal) == (0, {"MISSING": 2}, "second")


def test_a_refusal_of_just_now_still_counts_after_five_minutes_less_a_moment() -> None:
    time = ManualTime()
    rows = RowCounter(time)
    for _ in range(40):
        rows.refused(code="MISSING", text="again")
        time.leap(1.3)

    time.leap(RECENT_S - 52)

    assert rows.snapshot(time.monotonic()).refused_recently == 40


def test_codes_beyond_the_bound_are_counted_together() -> None:
    time = ManualTime()
    rows = RowCounter(time)
    for number in range(MAX_CODES + 50):
        rows.refused(code=f"CODE_{number}", text="")

    refused = rows.snapshot(time.monotonic()).refused

    assert len(refused) == MAX_CODES + 1
    assert refused["other"] == 50
    assert sum(refused.values()) == MAX_CODES + 50


def test_a_refusal_is_shown_on_one_short_line() -> None:
    time = ManualTime()
    rows = RowCounter(time)
    rows.refused(code="BAD_TEXT", text="evil\x1b[31m\nname" + "x" * 1000)

    shown = rows.snapshot(time.monotonic()).last_refusal

    assert shown.startswith("evil [31m name")
    assert len(shown) == 300


def test_threads_lose_no_row() -> None:
    time = ManualTime()
    rows = RowCounter(time)

    def count() -> None:
        for _ in range(2000):
            rows.stored(accepted=1, duplicates=2)
            rows.refused(code="MISSING", text="x")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    tally = rows.snapshot(time.monotonic())
    assert (tally.accepted, tally.duplicates, tally.refused, tally.refused_recently) == (
        8000,
        16_000,
        {"MISSING": 8000},
        8000,
    )
