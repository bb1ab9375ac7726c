"""Policy reads of the last five minutes, out of counters that clients claim."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_live import ManualTime, a_fleet

from msc_authority.app.clients import ClientCounters, ClientInfo, ClientStatus
from msc_authority.app.fleet import Fleet
from msc_authority.app.observation import ReadTally
from msc_authority.app.read_window import MAX_READS_BETWEEN_REPORTS, ReadWindow, reads_between

NOTHING = ReadTally()


def counters(reads: int, fallback_reads: int = 0) -> ClientCounters:
    return ClientCounters(reads=reads, fallback_reads=fallback_reads)


def says(fleet: Fleet, reads: int, fallback_reads: int = 0, name: str = "one") -> None:
    fleet.report(ClientInfo(instance_id=name), ClientStatus(counters=counters(reads, fallback_reads)))


@pytest.mark.parametrize(
    ("before", "after", "elapsed_s", "between"),
    [
        (counters(10, 1), counters(110, 21), 30.0, ReadTally(reads=100, failed=20)),
        (counters(10), counters(10), 30.0, NOTHING),
        # It started again under the same name: what it counts says nothing about the time between.
        (counters(1000, 500), counters(7, 7), 30.0, NOTHING),
        # More fell back than were read at all.
        (counters(0), counters(5, 900), 30.0, ReadTally(reads=5, failed=5)),
        (counters(0, 900), counters(5, 3), 30.0, ReadTally(reads=5, failed=0)),
        (counters(0), counters(MAX_READS_BETWEEN_REPORTS), 30.0, ReadTally(reads=MAX_READS_BETWEEN_REPORTS)),
        (counters(0), counters(MAX_READS_BETWEEN_REPORTS + 1, 5), 30.0, NOTHING),
        (counters(0), counters(2**64 - 1, 2**64 - 1), 30.0, NOTHING),
        # Silent for an hour: a twelfth of it was within the last five minutes.
        (counters(0), counters(1200, 600), 3600.0, ReadTally(reads=100, failed=50)),
        (counters(0), counters(3, 1), 0.0, ReadTally(reads=3, failed=1)),
    ],
)
def test_between_two_reports_lie_the_reads_that_can_have_been_made(
    before: ClientCounters, after: ClientCounters, elapsed_s: float, between: ReadTally
) -> None:
    assert reads_between(before, after, elapsed_s) == between


COUNTS = st.integers(0, 2**64 - 1)


@given(st.builds(counters, COUNTS, COUNTS), st.builds(counters, COUNTS, COUNTS), st.floats(0, 1e9))
def test_no_claim_makes_a_tally_negative_boundless_or_more_failed_than_read(
    before: ClientCounters, after: ClientCounters, elapsed_s: float
) -> None:
    tally = reads_between(before, after, elapsed_s)
    assert 0 <= tally.failed <= tally.reads <= MAX_READS_BETWEEN_REPORTS


def test_reads_leave_the_window_after_five_minutes() -> None:
    window = ReadWindow()
    window.note(1000.0, ReadTally(reads=10, failed=1))
    window.note(1005.0, ReadTally(reads=10))
    window.note(1100.0, ReadTally(reads=1))
    assert window.tally(1289.0) == ReadTally(reads=21, failed=1)
    assert window.tally(1300.0) == ReadTally(reads=1)
    assert window.tally(1400.0) == NOTHING


def test_the_window_does_not_grow_with_time_or_reads() -> None:
    window = ReadWindow()
    for second in range(10_000):
        window.note(float(second), ReadTally(reads=1))
    assert window.tally(9_999.0).reads == 300


def test_the_first_word_of_a_client_is_where_its_reads_are_counted_from() -> None:
    time = ManualTime()
    fleet = a_fleet(time)
    says(fleet, 1_000_000, 900_000)
    assert fleet.reads(time.monotonic()) == NOTHING
    time.leap(30)
    says(fleet, 1_000_060, 900_006)
    says(fleet, 5, name="two")
    time.leap(30)
    says(fleet, 45, 4, name="two")
    assert fleet.reads(time.monotonic()) == ReadTally(reads=100, failed=10)
    assert fleet.reads(time.monotonic()).failed_fraction == pytest.approx(0.1)


def test_a_new_start_of_a_client_is_counted_anew() -> None:
    time = ManualTime()
    fleet = a_fleet(time)
    says(fleet, 50)
    says(fleet, 0)
    says(fleet, 20, 20)
    assert fleet.reads(time.monotonic()) == ReadTally(reads=20, failed=20)


def test_calls_for_the_policy_count_beside_what_clients_report() -> None:
    time = ManualTime()
    fleet = a_fleet(time)
    assert fleet.reads(time.monotonic()).failed_fraction is None
    fleet.policy_read(time.monotonic(), failed=False)
    fleet.policy_read(time.monotonic(), failed=True)
    says(fleet, 0)
    says(fleet, 2)
    assert fleet.reads(time.monotonic()) == ReadTally(reads=4, failed=1)
    time.leap(300)
    assert fleet.reads(time.monotonic()) == NOTHING
