"""A real channel to a real small server on this machine."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msc_client_harness import QUICK, until

from msc_client import (
    ConnectionState,
    Policy,
    PolicySource,
    PolicyView,
    Ref,
    Role,
    Tier,
)
from msc_client._messages import StreamEnd
from msc_client._transport.policy import GrpcStreams
from msc_client._wire.watch import ClientRecord
from msc_client.testing import Freshness, InProcessAuthority, make_policy

PATIENCE_S = 20.0


@pytest.fixture
def authority() -> Iterator[InProcessAuthority]:
    with InProcessAuthority() as made:
        made.publish(make_policy(5))
        yield made


@pytest.fixture
def source(authority: InProcessAuthority) -> Iterator[PolicySource]:
    made = PolicySource(authority.target, role=Role.EXECUTOR, name="test", config=QUICK, state_dir=None)
    yield made
    made.close()


def connection(source: PolicySource) -> ConnectionState:
    return source.status().connection


def test_it_is_fresh_after_the_start(authority: InProcessAuthority, source: PolicySource) -> None:
    view = source.start(PATIENCE_S)
    assert (view.tier, view.policy) == (Tier.FRESH, make_policy(5))
    assert authority.opened[0].known is None
    assert authority.opened[0].heartbeat_interval_s == pytest.approx(0.2)


def test_a_new_policy_arrives(authority: InProcessAuthority, source: PolicySource) -> None:
    source.start(PATIENCE_S)
    authority.publish(make_policy(6))
    assert source.wait_for_ref(Ref(1, 6), PATIENCE_S).policy == make_policy(6)


def test_a_start_before_the_authority_finds_it_when_it_comes() -> None:
    authority = InProcessAuthority().start()
    authority.stop()
    with PolicySource(
        authority.target, role=Role.OTHER, name="early", config=replace(QUICK, start_wait_s=0.01), state_dir=None
    ) as source:
        assert source.current().tier is Tier.SAFE_NONE
        with authority:
            authority.publish(make_policy(5))
            assert source.wait_for_ref(Ref(1, 5), PATIENCE_S).tier is Tier.FRESH


def test_an_authority_that_died_and_returned_confirms_what_is_known(
    authority: InProcessAuthority, source: PolicySource
) -> None:
    source.start(PATIENCE_S)
    authority.stop()
    until(lambda: connection(source) is not ConnectionState.LIVE)
    assert source.current().tier is Tier.FRESH
    authority.start()
    until(lambda: connection(source) is ConnectionState.LIVE)
    assert authority.opened[-1].known == Ref(1, 5)
    assert source.status().counters.applied == 1


@pytest.mark.parametrize("how", ["drop", "goodbye"])
def test_every_end_is_followed_by_a_new_watch(authority: InProcessAuthority, source: PolicySource, how: str) -> None:
    source.start(PATIENCE_S)
    for count in range(2, 5):
        authority.drop() if how == "drop" else authority.goodbye()
        until(lambda: len(authority.opened) == count and connection(source) is ConnectionState.LIVE)  # noqa: B023
    assert source.current().tier is Tier.FRESH


def test_a_frozen_authority_is_noticed_by_the_watchdog_alone(source: PolicySource) -> None:
    with InProcessAuthority(heartbeat_interval_s=0.2) as authority:
        authority.publish(make_policy(5))
        frozen = PolicySource(authority.target, role=Role.OTHER, name="x", config=QUICK, state_dir=None)
        frozen.start(PATIENCE_S)
        authority.freeze()
        until(lambda: frozen.status().counters.watchdog_timeouts == 1)
        assert frozen.current().tier is Tier.FRESH
        frozen.close()


def test_a_refused_client_is_denied_and_let_in_when_it_may(
    authority: InProcessAuthority, source: PolicySource, caplog: pytest.LogCaptureFixture
) -> None:
    authority.refuse("PERMISSION_DENIED", "not this role", reason="ROLE_REMOVED")
    source.start(0)
    until(lambda: connection(source) is ConnectionState.DENIED)
    assert "ROLE_REMOVED" in source.status().last_error
    authority.accept()
    source.wait_for_ref(Ref(1, 5), PATIENCE_S)
    assert [record.levelno for record in caplog.records].count(logging.ERROR) == 1


def test_a_replica_that_is_behind_is_named_by_its_reason(authority: InProcessAuthority, source: PolicySource) -> None:
    source.start(PATIENCE_S)
    authority.refuse("UNAVAILABLE", "head is (1, 3)", reason="REPLICA_BEHIND", retry_after_s=0.01)
    authority.drop()
    until(lambda: "REPLICA_BEHIND" in source.status().last_error)
    assert source.current().ref == Ref(1, 5)
    authority.accept()
    until(lambda: connection(source) is ConnectionState.LIVE)


def test_a_missed_version_is_fetched_over_a_second_stream(authority: InProcessAuthority, source: PolicySource) -> None:
    source.start(PATIENCE_S)
    authority.freeze()
    authority.publish(make_policy(6))
    authority.thaw()
    authority.heartbeat()
    source.wait_for_ref(Ref(1, 6), PATIENCE_S)
    until(lambda: authority.watching == 1)
    assert source.status().counters.gaps == 1


def test_an_aged_replica_makes_the_value_stale_although_connected(
    authority: InProcessAuthority, source: PolicySource
) -> None:
    source.start(PATIENCE_S)
    authority.freshness = Freshness(replica_age_s=40.0, ttl_s=3600.0)
    authority.heartbeat()
    source.wait_for(lambda view: view.tier is Tier.STALE, PATIENCE_S)
    assert connection(source) is ConnectionState.LIVE


@pytest.mark.parametrize("raw", [b"\xff\xff\xff\xff", b"\x2a\x02\x0a\x00"], ids=["no message", "an empty policy"])
def test_what_makes_no_sense_is_refused_and_the_stream_lives_on(
    authority: InProcessAuthority, source: PolicySource, raw: bytes
) -> None:
    source.start(PATIENCE_S)
    authority.send(raw)
    until(lambda: source.status().counters.rejected == 1)
    authority.publish(make_policy(6))
    source.wait_for_ref(Ref(1, 6), PATIENCE_S)
    assert len(authority.opened) == 1


def test_a_message_of_10_mb_ends_the_stream_and_nothing_else(
    authority: InProcessAuthority, source: PolicySource
) -> None:
    source.start(PATIENCE_S)
    authority.send(bytes(10 * 1024 * 1024))
    until(lambda: len(authority.opened) == 2)
    assert source.current().ref == Ref(1, 5)


def test_the_authority_learns_what_is_applied(authority: InProcessAuthority, source: PolicySource) -> None:
    source.start(PATIENCE_S)
    authority.wait_for(lambda it: bool(it.reports), PATIENCE_S)
    report = authority.reports[0]
    assert (report.name, report.applied, report.instance_id) == ("test", Ref(1, 5), source.status().instance_id)


def test_the_second_address_serves_when_the_first_does_not(authority: InProcessAuthority) -> None:
    gone = InProcessAuthority().start()
    gone.stop()
    targets = f"{gone.target},{authority.target}"
    with PolicySource(targets, role=Role.OTHER, name="two", config=QUICK, state_dir=None) as source:
        assert source.wait_for_ref(Ref(1, 5), PATIENCE_S).tier is Tier.FRESH


# Fork

FORKING = """
import json, os, sys, threading
from msc_client import PolicySource, Role, Tier
from msc_client.testing import Ref

source = PolicySource(sys.argv[1], role=Role.EXECUTOR, name="forking", state_dir=None)
source.start(20)
mine = source.status().instance_id
child = os.fork()
if child == 0:
    inherited = source.current()
    source.wait_for(lambda view: source.status().connection.value == "LIVE", 20)
    status = source.status()
    print(json.dumps({
        "who": "child", "inherited": inherited.ref.version, "tier": status.tier.value,
        "new_id": status.instance_id != mine,
        "threads": sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("policy-")),
    }), flush=True)
    source.close()
    sys.exit(0)
_, code = os.waitpid(child, 0)
status = source.status()
seen = {"who": "parent", "child_exit": code, "connection": status.connection.value, "tier": status.tier.value}
print(json.dumps(seen))
source.close()
"""


def test_a_forked_child_keeps_the_value_and_opens_a_watch_of_its_own(authority: InProcessAuthority) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKING, authority.target], capture_output=True, text=True, timeout=60, check=False
    )
    child, parent = (json.loads(line) for line in done.stdout.splitlines())
    assert child == {
        "who": "child",
        "inherited": 5,
        "tier": "FRESH",
        "new_id": True,
        "threads": ["policy-callback", "policy-timer", "policy-watch"],
    }
    assert parent == {"who": "parent", "child_exit": 0, "connection": "LIVE", "tier": "FRESH"}
    assert len({opening.instance_id for opening in authority.opened}) == 2
    assert authority.opened[1].known == Ref(1, 5)
    assert done.stderr.count("opens a watch of its own") == 1


# Bugs


class BuggySink:
    """Fails at the first message, as a client with a bug would."""

    def __init__(self) -> None:
        self.deaths: list[BaseException] = []

    def message(self, stream: int, raw: bytes) -> None:
        raise RuntimeError("a bug")

    def ended(self, stream: int, end: StreamEnd) -> None:
        raise AssertionError(f"a reader that died must not say that the stream ended: {end}")

    def died(self, stream: int, error: BaseException) -> None:
        self.deaths.append(error)


def test_a_reader_that_dies_of_a_bug_says_so_and_leaves_no_stream_behind(authority: InProcessAuthority) -> None:
    sink, streams = BuggySink(), GrpcStreams(authority.target, QUICK)
    request = ClientRecord(
        instance_id="i", name="n", role=Role.OTHER, sdk="s", started_at=datetime(2026, 1, 1, tzinfo=UTC)
    ).report_request(PolicySource(role=Role.OTHER, name="n", state_dir=None).status())
    reader = streams.open(1, request, sink)
    until(lambda: sink.deaths)
    until(lambda: not reader.alive())
    authority.wait_for(lambda it: it.watching == 0, PATIENCE_S)
    assert "a bug" in str(sink.deaths[0])
    streams.close()


# Exit

LEAVING = """
import sys
from pathlib import Path
from msc_client import PolicySource, Role
source = PolicySource(sys.argv[1], role=Role.EXECUTOR, name="leaving", state_dir=Path(sys.argv[2]))
source.start(20)
"""


def test_a_host_that_forgets_to_close_ends_cleanly_and_keeps_its_value(
    authority: InProcessAuthority, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LEAVING, authority.target, str(tmp_path)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["policy-executor-leaving.json"]


# Many at once


def test_readers_never_see_half_a_policy(authority: InProcessAuthority, source: PolicySource) -> None:
    def whole(version: int) -> Policy:
        return make_policy(version, max_positions=version, max_daily_trades=version, author=str(version))

    authority.publish(whole(6))
    source.start(PATIENCE_S)
    source.wait_for_ref(Ref(1, 6), PATIENCE_S)
    stop, torn, versions = threading.Event(), list[PolicyView](), list[int]()

    def read() -> None:
        last = 0
        while not stop.is_set():
            view = source.current()
            version = view.policy.ref.version
            if (view.ref, view.policy) != (Ref(1, version), whole(version)) or version < last:
                torn.append(view)
            last = version
        versions.append(last)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for version in range(7, 37):
        authority.publish(whole(version))
    source.wait_for_ref(Ref(1, 36), PATIENCE_S)
    stop.set()
    for reader in readers:
        reader.join()
    assert torn == []
    assert len(versions) == 2
