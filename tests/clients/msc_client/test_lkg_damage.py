"""Each way in which the file of the last known good policy can be damaged, and what is left then."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msc_client_harness import Host, kept_value, until

from msc_client import ClientConfig, Policy, Ref, Tier, TradingState
from msc_client._keeper import Keeper
from msc_client._lkg import LastKnownGood
from msc_client.testing import ManualClock, make_policy

NAME = "policy-other-scripted.json"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def file(tmp_path: Path, clock: ManualClock) -> LastKnownGood:
    made = LastKnownGood(tmp_path / "policy.json", clock)
    made.save(kept_value(make_policy(5), clock))
    return made


def signed(path: Path, **changes: object) -> None:
    """Writes another content with the right checksum, as a faulty client might."""
    content = json.loads(path.read_text()) | changes
    content.pop("sha256")
    for field in [field for field, value in content.items() if value is None]:
        del content[field]
    content["sha256"] = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    path.write_text(json.dumps(content))


def test_a_file_torn_at_any_byte_is_put_aside(file: LastKnownGood) -> None:
    whole = file.path.read_bytes()
    for size in range(len(whole)):
        file.path.write_bytes(whole[:size])
        loaded = file.load()
        assert loaded.restored is None, size
        assert "renamed to policy.json.bad" in loaded.problem, size


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"format": 2}, "format"),
        ({"format": None}, "format"),
        ({"confirmed_at_s": None}, "confirmed_at_s"),
        ({"confirmed_at_s": "2026-01-01"}, "confirmed_at_s"),
        ({"confirmed_at_s": True}, "confirmed_at_s"),
        ({"confirmed_at_s": float("nan")}, "confirmed_at_s"),
        ({"confirmed_at_s": float("-inf")}, "confirmed_at_s"),
        ({"confirmed_at_s": -(10**400)}, "confirmed_at_s"),
        ({"confirmed_at_s": -1e300}, "confirmed_at_s"),
        ({"replica_age_s": 1e300}, "replica_age_s"),
        ({"replica_age_s": [0]}, "replica_age_s"),
        ({"ttl_s": float("inf")}, "ttl_s"),
        ({"ttl_s": None}, "ttl_s"),
        ({"policy": None}, "ref.version"),
        ({"policy": "&&&"}, "policy"),
        ({"policy": "\u00e9"}, "policy"),
        ({"policy": "//8="}, "policy: cannot be parsed"),
    ],
    ids=str,
)
def test_a_field_that_makes_no_sense_is_named_even_under_a_right_checksum(
    file: LastKnownGood, changes: dict[str, object], named: str
) -> None:
    signed(file.path, **changes)
    loaded = file.load()
    assert loaded.restored is None
    assert named in loaded.problem
    assert not file.path.exists()


@pytest.mark.parametrize("raw", [b"[" * 200_000, b'{"format":' * 100_000, b"\xff\xfe", b"9" * 5_000, b"null"])
def test_no_content_makes_loading_or_saving_raise(file: LastKnownGood, clock: ManualClock, raw: bytes) -> None:
    file.path.write_bytes(raw)
    file.save(kept_value(make_policy(6), clock))
    replaced = file.load().restored
    assert replaced is not None
    assert replaced.policy.ref == Ref(1, 6)
    file.path.write_bytes(raw)
    assert file.load().restored is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602, 0o601, 0o666, 0o777])
def test_any_right_for_others_makes_the_file_untrusted(file: LastKnownGood, mode: int) -> None:
    file.path.chmod(mode)
    problem = file.load().problem
    assert f"mode {mode:o}" in problem
    assert "600" in problem


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_rights_of_the_owner_alone_do_not_matter(file: LastKnownGood, mode: int) -> None:
    file.path.chmod(mode)
    assert file.load().restored is not None


def test_a_file_that_cannot_even_be_renamed_is_said_so(file: LastKnownGood) -> None:
    file.path.write_text("{")
    (file.path.parent / "policy.json.bad").mkdir()
    (file.path.parent / "policy.json.bad" / "something").write_text("")
    loaded = file.load()
    assert loaded.restored is None
    assert "could not be renamed" in loaded.problem


def test_a_folder_in_the_place_of_the_file_is_put_aside(tmp_path: Path, clock: ManualClock) -> None:
    file = LastKnownGood(tmp_path / "policy.json", clock)
    file.path.mkdir()
    assert file.load().restored is None
    file.save(kept_value(make_policy(5), clock))
    assert file.load().restored is not None


@pytest.mark.parametrize(("back_s", "trusted"), [(0.0, True), (0.5, False), (3600.0, False)])
def test_a_wall_clock_that_went_back_makes_the_file_untrusted(
    file: LastKnownGood, clock: ManualClock, back_s: float, trusted: bool
) -> None:
    clock.set_wall(datetime.fromtimestamp(clock.wall_s() - back_s, UTC))
    assert (file.load().restored is not None) is trusted


@pytest.mark.parametrize(
    ("other", "mine", "left"),
    [
        (Ref(1, 6), Ref(1, 5), Ref(1, 6)),
        (Ref(2, 1), Ref(1, 99), Ref(2, 1)),
        (Ref(1, 5), Ref(1, 6), Ref(1, 6)),
        (Ref(1, 99), Ref(2, 1), Ref(2, 1)),
    ],
)
def test_of_two_processes_that_share_a_file_the_newer_revision_stays(
    tmp_path: Path, clock: ManualClock, other: Ref, mine: Ref, left: Ref
) -> None:
    for ref in (other, mine):
        process = LastKnownGood(tmp_path / "policy.json", clock)
        process.save(kept_value(make_policy(ref.version, epoch=ref.epoch), clock))
    value = LastKnownGood(tmp_path / "policy.json", clock).load().restored
    assert value is not None
    assert value.policy.ref == left


# Disk full


class FullDisk:
    """Fails one of the steps in which a file is replaced."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
        real: Callable[..., object] = getattr(os, step)
        self.failed = 0

        def fails(*args: object, **options: object) -> object:
            if self.failed >= 0:
                self.failed += 1
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(*args, **options)

        monkeypatch.setattr(os, step, fails)

    def relieve(self) -> None:
        self.failed = -1


@pytest.mark.parametrize("step", ["open", "fsync", "replace"])
def test_a_disk_that_is_full_at_any_step_leaves_the_old_file_and_nothing_else(
    file: LastKnownGood, clock: ManualClock, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        FullDisk(patch, step)
        with pytest.raises(OSError, match="No space left"):
            file.save(kept_value(make_policy(6), clock))
    assert [path.name for path in file.path.parent.iterdir()] == ["policy.json"]
    value = file.load().restored
    assert value is not None
    assert value.policy.ref == Ref(1, 5)


def test_a_full_disk_is_said_once_an_hour_and_its_value_is_written_when_there_is_room(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    keeper = Keeper(tmp_path / "policy.json", config=ClientConfig(), clock=clock)
    disk = FullDisk(monkeypatch, "fsync")
    value = kept_value(make_policy(5), clock)
    tries = 0
    while not disk.failed or clock.wall_s() < datetime(2026, 1, 1, 1, 59, tzinfo=UTC).timestamp():
        due_ns = keeper.due_ns(value)
        assert due_ns is not None
        clock.advance(max(60.0, (due_ns - clock.monotonic_ns()) / 1e9))
        keeper.save(value, clock.monotonic_ns())
        tries += 1
    assert tries > 100
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "No space left" in caplog.text
    disk.relieve()
    clock.advance(1)
    keeper.save(value, clock.monotonic_ns())
    assert keeper.load() is not None


# What a client that starts makes of it


def restarted(folder: Path, damage: Callable[[Path], object], policy: Policy) -> Host:
    Host(state_dir=folder).follow(policy).source.close()
    damage(folder / NAME)
    host = Host(state_dir=folder)
    host.source.start(wait_s=0)
    return host


DAMAGES: dict[str, Callable[[Path], object]] = {
    "torn": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "wrong mode": lambda path: path.chmod(0o644),
    "future date": lambda path: signed(path, confirmed_at_s=datetime(2027, 1, 1, tzinfo=UTC).timestamp()),
    "nested": lambda path: path.write_bytes(b"[" * 200_000),
}


@pytest.mark.parametrize("how", DAMAGES)
def test_a_cold_start_on_a_damaged_file_is_safe_none_and_an_error_with_the_path(
    tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    host = restarted(tmp_path, DAMAGES[how], make_policy(5))
    assert (host.tier(), host.source.current().policy.allowed_strategies) == (Tier.SAFE_NONE, ())
    assert host.script.opened[0].known is None
    [error] = [record for record in caplog.records if getattr(record, "msc_event", "") == "lkg_bad"]
    assert (error.levelno, str(tmp_path / NAME) in error.getMessage()) == (logging.ERROR, True)
    host.script.publish(make_policy(2))
    assert host.source.current().ref == Ref(1, 2)
    host.source.close()


def test_an_intact_file_keeps_a_kill_and_a_confirmed_policy_replaces_it_at_once(tmp_path: Path) -> None:
    halted = make_policy(5, trading_state=TradingState.HALTED)
    host = restarted(tmp_path, lambda path: None, halted)
    assert host.source.current().entry_denial(host.source.now_ns()) == "TRADING_HALTED"
    host.script.publish(make_policy(6))
    assert host.source.current().entries_allowed(host.source.now_ns())
    until(lambda: json.loads((tmp_path / NAME).read_text())["version"] == 6)
    host.source.close()
