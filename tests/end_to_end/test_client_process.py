"""A client in another process follows the policy, loses the authority, and behaves."""

from __future__ import annotations

import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from google.protobuf.timestamp_pb2 import Timestamp
from process_harness import AuthorityProcess, WatchingClient

from msc_policy import v1 as pb

# The shortest timers that keep their order: the documented ones, scaled down.
QUICK = {
    "heartbeat_interval_s": 1.0,
    "watchdog_s": 4.0,
    "first_message_s": 3.0,
    "backoff_max_s": 0.5,
    "connect_s": 0.5,
    "stale_after_s": 8.0,
    "alert_after_s": 9.0,
    "last_known_good_max_s": 12.0,
}

Watching = Callable[..., WatchingClient]


def test_it_is_fresh_within_a_second_of_its_start(authority: AuthorityProcess, watching: Watching) -> None:
    client = watching(authority.target)

    client.until(lambda seen: True)

    assert client.seen[0].tier == "FRESH", "start() returned with a confirmed policy"
    assert client.seen[0].version == 1


def test_it_sees_the_policy_that_an_evaluation_brings(authority: AuthorityProcess, watching: Watching) -> None:
    client = watching(authority.target)
    client.until(lambda seen: seen.version == 1)
    record_disaster(authority)

    with authority.stub() as stub:
        answer = stub.Evaluate(pb.EvaluateRequest(reason="test"), timeout=10)

    assert answer.committed
    seen = client.until(lambda seen: seen.version == answer.head.version, deadline_s=5)
    assert seen.tier == "FRESH"


def test_killed_authority_leaves_last_known_good_then_stale_then_safe_until_it_returns(
    authority: AuthorityProcess, watching: Watching
) -> None:
    client = watching(authority.target, **QUICK)
    before = client.until(lambda seen: seen.tier == "FRESH")

    authority.kill()

    stale = client.until(lambda seen: seen.tier == "STALE")
    assert (stale.epoch, stale.version) == (before.epoch, before.version)
    safe = client.until(lambda seen: seen.tier == "SAFE_EXPIRED")
    assert safe.max_risk_per_trade <= before.max_risk_per_trade

    authority.start()
    client.until(lambda seen: seen.tier == "FRESH")
    never_backwards(client)


def test_stopped_authority_is_noticed_by_the_watchdog(authority: AuthorityProcess, watching: Watching) -> None:
    client = watching(authority.target, **QUICK)
    client.until(lambda seen: seen.tier == "FRESH")

    authority.signal(signal.SIGSTOP)
    try:
        client.until(lambda seen: seen.watchdog_timeouts >= 1)
    finally:
        authority.signal(signal.SIGCONT)

    client.until(lambda seen: seen.tier == "FRESH" and seen.state == "LIVE")


def test_restart_in_the_middle_of_an_outage_starts_from_the_file(
    authority: AuthorityProcess, watching: Watching, tmp_path: Path
) -> None:
    home = tmp_path / "host"
    first = watching(authority.target, home=home)
    known = first.until(lambda seen: seen.tier == "FRESH")
    first.until(lambda _: any((home / "client").rglob("[!.]*.json")), what="the last known good is on disk")
    first.close()
    authority.kill()

    second = watching(authority.target, home=home)

    seen = second.until(lambda seen: True)
    assert seen.tier == "STALE"
    assert (seen.epoch, seen.version) == (known.epoch, known.version)
    authority.start()
    second.until(lambda seen: seen.tier == "FRESH")
    never_backwards(second)


def test_client_without_file_and_authority_is_safe(watching: Watching) -> None:
    client = watching("127.0.0.1:9")

    seen = client.until(lambda seen: True)

    assert seen.tier == "SAFE_NONE"
    assert seen.risk_mode == "DEFENSIVE"


def test_graceful_stop_says_goodbye_and_ends_within_two_seconds(
    authority: AuthorityProcess, watching: Watching
) -> None:
    client = watching(authority.target)
    client.until(lambda seen: seen.tier == "FRESH")

    authority.signal(signal.SIGINT)

    assert authority.wait(timeout_s=2.0) == 0, authority.printed()
    assert client.until(lambda seen: seen.state != "LIVE").tier == "FRESH"


def never_backwards(client: WatchingClient) -> None:
    """Fails if the client ever applied a lower version."""
    refs = [(seen.epoch, seen.version) for seen in client.seen]
    assert refs == sorted(refs)


def record_disaster(authority: AuthorityProcess) -> None:
    """Journals an account that has lost a fifth: the next evaluation halts entries."""
    now = datetime.now(UTC)
    points = [
        pb.EquityPoint(account="main", at=_stamp(now - timedelta(minutes=2)), wallet_balance="1000"),
        pb.EquityPoint(account="main", at=_stamp(now - timedelta(minutes=1)), wallet_balance="800"),
    ]
    for point in points:
        point.unrealized_pnl = "0"
    entries = [pb.JournalEntry(seq=seq, equity=point) for seq, point in enumerate(points, start=1)]
    with authority.channel() as channel:
        answer = pb.JournalServiceStub(channel).Record(iter([pb.RecordRequest(entries=entries)]), timeout=10)
    assert answer.accepted == len(points), answer


def _stamp(instant: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(instant)
    return stamp
