"""How often a program reads its policy, how often it fell back, and for how long it has acted on a revision."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from msc_client_harness import NO_PAUSES, Host, until

from msc_client import AsyncPolicySource, LocalPolicySource, Ref, Role, Tier
from msc_client._wire.authority import snapshot_bytes
from msc_client.testing import Freshness, ManualClock, make_policy


@contextmanager
def following(state_dir: Path | None = None) -> Iterator[Host]:
    host = Host(state_dir=state_dir)
    with closing(host.source):
        yield host.follow()


def counted(host: Host) -> tuple[int, int]:
    counters = host.status().counters
    return counters.reads, counters.fallback_reads


def read(host: Host, times: int) -> None:
    for _ in range(times):
        host.source.current()


def test_reads_are_counted_and_those_that_are_not_fresh_a_second_time() -> None:
    with following() as host:
        before = counted(host)
        read(host, 10)
        assert counted(host) == (before[0] + 10, before[1])
        host.clock.advance(31)
        read(host, 5)
        host.clock.advance(900)
        assert host.tier() is Tier.SAFE_EXPIRED
        read(host, 2)
        assert counted(host) == (before[0] + 18, before[1] + 8)


def test_reads_before_there_is_any_policy_are_fallbacks() -> None:
    host = Host()
    with closing(host.source):
        read(host, 3)
        assert counted(host) == (3, 3)


def test_looking_at_the_status_is_no_read() -> None:
    with following() as host:
        before = counted(host)
        for _ in range(5):
            host.status()
        assert counted(host) == before


def test_threads_that_read_at_once_never_count_more_than_was_read() -> None:
    with following() as host:
        before = counted(host)
        threads = [threading.Thread(target=read, args=(host, 10_000)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert 10_000 <= counted(host)[0] - before[0] <= 40_000


class Feed:
    """A feed of this process that says one thing."""

    def subscribe(self, callback: Callable[[bytes], None]) -> Callable[[], None]:
        freshness = Freshness(replica_age_s=0.0, ttl_s=3600.0)
        callback(snapshot_bytes(make_policy(5), freshness=freshness, info=("s", 5.0)))
        return lambda: None


def test_a_source_beside_the_authority_counts_too() -> None:
    clock = ManualClock()
    source = LocalPolicySource(Feed(), role=Role.OTHER, name="local", config=NO_PAUSES, state_dir=None, clock=clock)
    with closing(source):
        source.start(wait_s=0)
        before = source.status().counters
        source.current()
        clock.advance(31)
        source.current()
        after = source.status()
        assert after.counters.reads - before.reads == 2
        assert after.counters.fallback_reads - before.fallback_reads == 1
        assert after.applied_for_s == pytest.approx(31.0)


def test_an_asynchronous_source_counts_as_its_blocking_one_does() -> None:
    async def main() -> None:
        source = AsyncPolicySource("127.0.0.1:1", role=Role.OTHER, name="async", state_dir=None)
        source.current()
        source.current()
        assert source.status().counters.reads == 2
        assert source.status().counters.fallback_reads == 2
        await source.close()

    asyncio.run(main())


# For how long


def test_the_time_since_a_revision_was_applied_is_monotonic_and_starts_anew_with_each() -> None:
    with following() as host:
        assert host.status().applied_for_s == 0.0
        host.clock.advance(12.5)
        host.script.heartbeat(make_policy(5).ref)
        assert host.status().applied_for_s == 12.5
        host.script.publish(make_policy(6))
        host.clock.advance(1.5)
        assert host.status().applied == Ref(1, 6)
        assert host.status().applied_for_s == 1.5


def test_a_client_without_a_policy_has_applied_none() -> None:
    host = Host()
    with closing(host.source):
        host.source.start(wait_s=0)
        assert host.status().applied_for_s is None


def test_a_policy_from_disk_counts_from_the_start_of_this_process(tmp_path: Path) -> None:
    with following(tmp_path) as host:
        kept = host.status().applied
    again = Host(state_dir=tmp_path)
    with closing(again.source):
        again.source.start(wait_s=0)
        again.clock.advance(3)
        assert again.status().applied == kept
        assert again.status().applied_for_s == 3.0


# When it is told


def test_a_policy_applied_just_after_a_report_is_told_a_second_later_and_not_after_thirty() -> None:
    with following() as host:
        until(lambda: len(host.script.reports) == 1)
        host.clock.advance(0.25)
        host.script.publish(make_policy(6))
        host.clock.advance(0.75)
        until(lambda: len(host.script.reports) == 2)
        assert [report.applied for report in host.script.reports] == [Ref(1, 5), Ref(1, 6)]


def test_another_tier_is_told_soon() -> None:
    with following() as host:
        until(lambda: len(host.script.reports) == 1)
        # Vouched for by a replica that is itself too old: STALE although connected.
        host.clock.advance(2)
        host.script.freshness = Freshness(replica_age_s=40.0, ttl_s=3600.0)
        host.script.heartbeat(make_policy(5).ref)
        until(lambda: len(host.script.reports) == 2)
        assert host.script.reports[1].tier == "STALE"
