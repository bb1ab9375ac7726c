"""The file: whole or nothing, for nobody else, and never trusted blindly."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msc_client_harness import kept_value

from msc_client import ClientConfig, Ref
from msc_client._holding import Restored
from msc_client._keeper import Keeper
from msc_client._lkg import LastKnownGood
from msc_client._messages import Freshness
from msc_client._wire.authority import policy_message
from msc_client._wire.policy import document_from
from msc_client.testing import ManualClock, make_policy


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def file(tmp_path: Path, clock: ManualClock) -> LastKnownGood:
    return LastKnownGood(tmp_path / "state" / "policy.json", clock)


def test_what_was_saved_is_loaded_with_the_age_it_has_by_then(file: LastKnownGood, clock: ManualClock) -> None:
    value = kept_value(make_policy(5), clock, replica_age_s=2.0, ttl_s=3000.0)
    clock.advance(10)
    file.save(value)
    clock.advance(20)
    loaded = file.load().restored
    assert loaded is not None
    assert loaded.policy == make_policy(5)
    assert loaded.policy.ref.etag == '"1-5"'
    assert clock.monotonic_ns() - loaded.confirmation.at_ns == pytest.approx(30e9, abs=1e3)
    assert loaded.confirmation.freshness == Freshness(replica_age_s=2.0, ttl_s=3000.0)


def test_it_is_for_its_owner_alone(file: LastKnownGood, clock: ManualClock) -> None:
    file.save(kept_value(make_policy(5), clock))
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert file.path.parent.stat().st_mode & 0o077 == 0


def test_nothing_is_left_beside_it(file: LastKnownGood, clock: ManualClock) -> None:
    for version in (5, 6):
        file.save(kept_value(make_policy(version), clock))
    assert os.listdir(file.path.parent) == ["policy.json"]


def test_no_file_is_no_value_and_no_problem(file: LastKnownGood) -> None:
    assert (file.load().restored, file.load().problem) == (None, "")


def test_an_older_revision_does_not_replace_a_newer_one(file: LastKnownGood, clock: ManualClock) -> None:
    file.save(kept_value(make_policy(6), clock))
    file.save(kept_value(make_policy(5), clock))
    loaded = file.load().restored
    assert loaded is not None
    assert loaded.policy.ref == Ref(1, 6)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def flip(path: Path) -> None:
    content = json.loads(path.read_text())
    content["version"] += 1
    path.write_text(json.dumps(content))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def other_format(path: Path) -> None:
    path.write_text('{"format": 99}')


def no_object(path: Path) -> None:
    path.write_text("[1]")


def binary(path: Path) -> None:
    path.write_bytes(bytes(range(256)))


def open_to_others(path: Path) -> None:
    path.chmod(0o644)


@pytest.mark.parametrize("damage", [cut, flip, empty, other_format, no_object, binary, open_to_others])
def test_a_file_that_cannot_be_trusted_is_put_aside(
    file: LastKnownGood, clock: ManualClock, damage: Callable[[Path], None]
) -> None:
    file.save(kept_value(make_policy(5), clock))
    damage(file.path)
    loaded = file.load()
    assert loaded.restored is None
    assert str(file.path) in loaded.problem
    assert not file.path.exists()
    assert file.path.with_name("policy.json.bad").exists()


def test_a_file_from_the_future_is_put_aside(file: LastKnownGood, clock: ManualClock) -> None:
    file.save(kept_value(make_policy(5), clock))
    clock.set_wall(datetime(2025, 12, 31, tzinfo=UTC))
    loaded = file.load()
    assert loaded.restored is None
    assert "in the future" in loaded.problem


def test_a_document_that_is_no_longer_acceptable_is_put_aside(file: LastKnownGood, clock: ManualClock) -> None:
    message = policy_message(make_policy(5))
    message.risk_mode = 9  # type: ignore[assignment]  # a value of a newer contract
    value = kept_value(make_policy(5), clock)
    file.save(Restored(document=document_from(message), policy=value.policy, confirmation=value.confirmation))
    assert "risk_mode" in file.load().problem


def test_a_write_that_fails_leaves_the_old_file(file: LastKnownGood, clock: ManualClock, tmp_path: Path) -> None:
    file.save(kept_value(make_policy(5), clock))
    target = file.path
    blocked = LastKnownGood(tmp_path / "a-file" / "policy.json", clock)
    (tmp_path / "a-file").write_text("not a directory")
    with pytest.raises(OSError, match="a-file"):
        blocked.save(kept_value(make_policy(6), clock))
    assert LastKnownGood(target, clock).load().restored is not None


# When it is written


@pytest.fixture
def keeper(tmp_path: Path, clock: ManualClock) -> Keeper:
    return Keeper(tmp_path / "policy.json", config=ClientConfig(), clock=clock)


def due_in_s(keeper: Keeper, value: Restored, clock: ManualClock) -> float:
    due_ns = keeper.due_ns(value)
    assert due_ns is not None
    return max(0.0, (due_ns - clock.monotonic_ns()) / 1e9)


def test_a_first_value_is_written_at_once_a_new_revision_after_a_second(keeper: Keeper, clock: ManualClock) -> None:
    first, second = kept_value(make_policy(5), clock), kept_value(make_policy(6), clock)
    assert due_in_s(keeper, first, clock) == 0.0
    keeper.save(first, clock.monotonic_ns())
    assert due_in_s(keeper, second, clock) == 1.0


def test_a_confirmation_alone_is_written_once_a_minute(keeper: Keeper, clock: ManualClock) -> None:
    keeper.save(kept_value(make_policy(5), clock), clock.monotonic_ns())
    clock.advance(5)
    assert due_in_s(keeper, kept_value(make_policy(5), clock), clock) == 55.0


def test_without_a_file_nothing_is_due(clock: ManualClock) -> None:
    keeper = Keeper(None, config=ClientConfig(), clock=clock)
    assert keeper.load() is None
    assert keeper.due_ns(kept_value(make_policy(5), clock)) is None


def test_a_disk_that_refuses_is_said_once_an_hour(
    tmp_path: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "full").write_text("not a directory")
    keeper = Keeper(tmp_path / "full" / "policy.json", config=ClientConfig(), clock=clock)
    for version in range(5, 12):
        keeper.save(kept_value(make_policy(version), clock), clock.monotonic_ns())
        clock.advance(600)
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.WARNING]
    assert "full" in caplog.text
