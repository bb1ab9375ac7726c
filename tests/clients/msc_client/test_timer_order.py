"""The order of the timers: each rule at the very edge where it begins to hold, and what is no number at all."""

from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msc_client import ClientConfig, TlsFiles

# The field that is moved, the last value that is taken, the first that is refused, and the rule by name.
EDGES: list[tuple[str, float, float, str]] = [
    ("heartbeat_interval_s", 5.333, 16 / 3, "heartbeat_interval_s x 3 < watchdog_s"),
    ("watchdog_s", 19.999, 20.0, "watchdog_s [+] backoff_max_s [+] connect_s [+] 2 < stale_after_s"),
    ("watchdog_s", 15.001, 15.0, "heartbeat_interval_s x 3 < watchdog_s"),
    ("backoff_max_s", 8.999, 9.0, "watchdog_s [+] backoff_max_s [+] connect_s [+] 2 < stale_after_s"),
    ("backoff_max_s", 0.25, 0.249, "backoff_initial_s <= backoff_max_s"),
    ("connect_s", 6.999, 7.0, "watchdog_s [+] backoff_max_s [+] connect_s [+] 2 < stale_after_s"),
    ("stale_after_s", 26.001, 26.0, "watchdog_s [+] backoff_max_s [+] connect_s [+] 2 < stale_after_s"),
    ("stale_after_s", 299.999, 300.0, "stale_after_s < alert_after_s"),
    ("alert_after_s", 30.001, 30.0, "stale_after_s < alert_after_s"),
    ("alert_after_s", 899.999, 900.0, "alert_after_s < last_known_good_max_s"),
    ("last_known_good_max_s", 300.001, 300.0, "alert_after_s < last_known_good_max_s"),
    ("last_known_good_max_s", 3600.0, 3600.001, "last_known_good_max_s <= policy_ttl_s"),
    ("policy_ttl_s", 900.0, 899.999, "last_known_good_max_s <= policy_ttl_s"),
    ("backoff_floor_s", 0.25, 0.251, "backoff_floor_s <= backoff_initial_s"),
    ("backoff_initial_s", 0.05, 0.049, "backoff_floor_s <= backoff_initial_s"),
    ("backoff_initial_s", 5.0, 5.001, "backoff_initial_s <= backoff_max_s"),
    ("denied_retry_min_s", 60.0, 60.001, "denied_retry_min_s <= denied_retry_max_s"),
    ("denied_retry_max_s", 30.0, 29.999, "denied_retry_min_s <= denied_retry_max_s"),
]


def config_with(**values: object) -> ClientConfig:
    return ClientConfig(**values)  # type: ignore[arg-type]  # wrong types are what some tests pass


@pytest.mark.parametrize(("field", "taken", "refused", "rule"), EDGES, ids=str)
def test_a_rule_holds_up_to_its_edge_and_is_named_beyond_it(
    field: str, taken: float, refused: float, rule: str
) -> None:
    assert getattr(config_with(**{field: taken}), field) == taken
    with pytest.raises(ValueError, match=rule):
        config_with(**{field: refused})


def test_only_the_broken_rules_are_named() -> None:
    with pytest.raises(ValueError, match="timers contradict") as refused:
        config_with(alert_after_s=30.0)
    assert str(refused.value).count("<") == 1


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_the_window_of_safe_entries_may_be_any_number_but_must_be_one(value: float) -> None:
    with pytest.raises(ValueError, match="safe_entries_s"):
        config_with(safe_entries_s=value)


@pytest.mark.parametrize("value", [-1.0, 0.0, 1e9])
def test_the_window_of_safe_entries_may_be_none_or_without_end(value: float) -> None:
    assert config_with(safe_entries_s=value).safe_entries_s == value


CREDENTIALS = ("tls", "token", "token_file")


@pytest.mark.parametrize("value", ["5", None, True, [5], b"5"])
@pytest.mark.parametrize("name", [field.name for field in fields(ClientConfig) if field.name not in CREDENTIALS])
def test_what_is_no_number_is_refused_by_name_in_every_field(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"^{name}: "):
        config_with(**{name: value})


@pytest.mark.parametrize("value", ["root.pem", Path("root.pem"), 5, True, {}])
def test_certificates_are_given_as_such(value: object) -> None:
    with pytest.raises(ValueError, match=r"^tls: "):
        config_with(tls=value)


def test_certificates_are_taken() -> None:
    tls = TlsFiles(root_certificates=Path("root.pem"))
    assert config_with(tls=tls).tls is tls


@given(announced_s=st.floats(0.001, 30.0))
def test_a_stream_is_never_given_up_before_three_of_its_heartbeats_and_one_second(announced_s: float) -> None:
    config = ClientConfig()
    assert config.watchdog_for_s(announced_s) == pytest.approx(3 * announced_s + 1)
    assert config.watchdog_for_s(config.heartbeat_interval_s) == config.watchdog_s
