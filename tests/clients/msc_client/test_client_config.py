"""Timers that cannot work together are refused when they are set, not when they fail."""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path

import pytest

from msc_client import ClientConfig, JournalWriter, PolicySource, Role
from msc_client._paths import default_state_dir, state_directory, state_file
from msc_client._wire.authority import snapshot_bytes
from msc_client.config import chosen_target, default_target
from msc_client.testing import Freshness, ManualClock, ScriptedSource, ScriptedStream, make_policy


def test_the_defaults_are_those_of_the_contract() -> None:
    config = ClientConfig()
    assert (config.heartbeat_interval_s, config.watchdog_s, config.first_message_s) == (5, 16, 10)
    assert (config.backoff_floor_s, config.backoff_initial_s, config.backoff_max_s, config.connect_s) == (
        0.05,
        0.25,
        5,
        3,
    )
    assert (config.stale_after_s, config.alert_after_s, config.last_known_good_max_s) == (30, 300, 900)
    assert (config.policy_ttl_s, config.report_interval_s, config.disk_debounce_s) == (3600, 30, 1)
    assert (config.start_wait_s, config.unary_deadline_s, config.safe_entries_s) == (2, 1, 300)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"heartbeat_interval_s": 6.0}, "heartbeat_interval_s x 3 < watchdog_s"),
        ({"watchdog_s": 21.0}, "stale_after_s"),
        ({"connect_s": 8.0}, "connect_s"),
        ({"stale_after_s": 300.0}, "stale_after_s < alert_after_s"),
        ({"alert_after_s": 900.0}, "alert_after_s < last_known_good_max_s"),
        ({"last_known_good_max_s": 3601.0}, "last_known_good_max_s <= policy_ttl_s"),
        ({"backoff_floor_s": 0.3}, "backoff_floor_s <= backoff_initial_s"),
        ({"denied_retry_min_s": 61.0}, "denied_retry_min_s <= denied_retry_max_s"),
    ],
)
def test_a_contradiction_names_the_fields(change: dict[str, float], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        ClientConfig(**change)  # type: ignore[arg-type]  # only numbers are changed here


def test_several_contradictions_are_told_at_once() -> None:
    with pytest.raises(ValueError, match=r"heartbeat_interval_s .* last_known_good_max_s"):
        ClientConfig(heartbeat_interval_s=6.0, last_known_good_max_s=5000.0)


NO_NUMBERS = ("tls", "token", "token_file", "safe_entries_s")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, -1.0])
@pytest.mark.parametrize("name", [field.name for field in fields(ClientConfig) if field.name not in NO_NUMBERS])
def test_no_number_may_be_out_of_sense(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        ClientConfig(**{name: value})  # type: ignore[arg-type]  # only numbers are changed here


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="watchdog_s"):
        ClientConfig(watchdog_s="16")  # type: ignore[arg-type]  # what mypy would refuse is refused at run time too


@pytest.mark.parametrize(("announced_s", "watchdog_s"), [(5.0, 16.0), (1.0, 4.0), (30.0, 91.0)])
def test_the_watchdog_is_three_announced_intervals_and_a_second(announced_s: float, watchdog_s: float) -> None:
    assert ClientConfig().watchdog_for_s(announced_s) == watchdog_s


@pytest.mark.parametrize(
    ("environment", "target"),
    [({}, "127.0.0.1:7443"), ({"MSC_TARGET": ""}, "127.0.0.1:7443"), ({"MSC_TARGET": " a:1 "}, "a:1")],
)
def test_the_target_comes_from_the_environment(environment: dict[str, str], target: str) -> None:
    assert default_target(environment) == target


@pytest.mark.parametrize("nowhere", [" ", ",", " , ,"])
def test_a_target_that_names_no_address_is_refused_by_both_clients(nowhere: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="target"):
        PolicySource(nowhere, role=Role.OTHER, name="n", state_dir=None)
    with pytest.raises(ValueError, match="target"):
        JournalWriter(nowhere, spool_dir=tmp_path, name="n")


@pytest.mark.parametrize(("given", "target"), [(None, "127.0.0.1:7443"), ("", "127.0.0.1:7443"), ("a:1", "a:1")])
def test_a_blank_environment_is_the_default_for_both_clients(
    monkeypatch: pytest.MonkeyPatch, given: str | None, target: str
) -> None:
    monkeypatch.setenv("MSC_TARGET", "  ")
    assert chosen_target(given) == target


def test_the_state_lives_under_msc_home() -> None:
    assert default_state_dir({"MSC_HOME": "/srv/msc"}) == Path("/srv/msc/client")


def test_names_become_file_names_without_meeting() -> None:
    names = ["executor-1", "a/b", "a_b", "../x", "ex é"]
    files = {state_file(Path("/s"), Role.EXECUTOR, name) for name in names}
    assert len(files) == len(names)
    assert all(file.parent == Path("/s") for file in files)
    assert Path("/s/policy-executor-executor-1.json") in files


@pytest.mark.parametrize("as_given", [str, Path])
def test_a_state_directory_may_be_named_as_text(tmp_path: Path, as_given: type[str] | type[Path]) -> None:
    source = ScriptedSource(ScriptedStream(), ManualClock(), state_dir=as_given(tmp_path / "state"))
    source.start(wait_s=0)
    source._engine.message(1, snapshot_bytes(make_policy(5), freshness=Freshness(replica_age_s=0.0, ttl_s=3600.0)))
    source.close()
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["policy-other-scripted.json"]


def test_default_names_the_platforms_own_directory_and_none_names_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSC_HOME", "/srv/msc")
    assert state_directory("default") == Path("/srv/msc/client")
    assert state_directory("./default") == Path("default")
    assert state_directory(None) is None


@pytest.mark.parametrize("nothing", ["", "  "])
def test_an_empty_state_directory_is_refused_rather_than_taken_for_the_working_directory(nothing: str) -> None:
    with pytest.raises(ValueError, match="state_dir"):
        state_directory(nothing)


@pytest.mark.parametrize(
    ("platform", "environment", "directory"),
    [
        ("linux", {"XDG_DATA_HOME": "/data"}, Path("/data/msc/client")),
        ("linux", {}, Path.home() / ".local/share/msc/client"),
        ("linux", {"MSC_HOME": "  "}, Path.home() / ".local/share/msc/client"),
        ("linux", {"MSC_HOME": "~/here"}, Path.home() / "here/client"),
        ("darwin", {"XDG_DATA_HOME": "/data"}, Path.home() / "Library/Application Support/msc/client"),
        ("win32", {"LOCALAPPDATA": "/local"}, Path("/local/msc/client")),
        ("win32", {}, Path.home() / "AppData/Local/msc/client"),
    ],
)
def test_each_platform_has_its_own_data_directory(
    monkeypatch: pytest.MonkeyPatch, platform: str, environment: dict[str, str], directory: Path
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    assert default_state_dir(environment) == directory
