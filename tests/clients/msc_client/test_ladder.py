"""The lines about the tier: once for each step, and once for the way back."""

from __future__ import annotations

import logging

import pytest

from msc_client import ClientConfig, Policy, SafeDefaults, Tier
from msc_client._held import Bounds, Confirmation, Held, bounds_of, held_value, held_without_value, ns
from msc_client._ladder import Ladder
from msc_client._messages import Freshness
from msc_client.testing import make_policy

CONFIG = ClientConfig()
T0_S = 10_000.0


class Stairs:
    """A value that was confirmed at 0 s, looked at later."""

    def __init__(self, policy: Policy | None = None, *, ttl_s: float = 3600.0, quiet_s: float = 2.0) -> None:
        self.ladder = Ladder(CONFIG, now_ns=ns(T0_S), quiet_until_ns=ns(T0_S + quiet_s))
        self.policy = policy
        self.held: Held = held_without_value(SafeDefaults(), CONFIG, since_ns=ns(T0_S))
        self.bounds: Bounds | None = None
        self.lines: list[tuple[int, str]] = []
        if policy is not None:
            self.confirm(0.0, ttl_s=ttl_s)

    def confirm(self, at_s: float, *, ttl_s: float = 3600.0) -> None:
        assert self.policy is not None
        freshness = Freshness(replica_age_s=0.0, ttl_s=ttl_s)
        self.bounds = bounds_of(Confirmation(at_ns=ns(T0_S + at_s), freshness=freshness), CONFIG)
        self.held = held_value(self.policy, self.bounds, safe=SafeDefaults(), config=CONFIG, confirmed=True)

    def look(self, *at_s: float) -> list[int]:
        """Looks at these instants, and returns the levels of what was said at them."""
        levels = []
        for at in at_s:
            now_ns = ns(T0_S + at)
            said = self.ladder.observe(self.held.at(now_ns), self.bounds, "UNAVAILABLE", now_ns)
            self.lines += [(line.level, line.text) for line in said]
            levels += [line.level for line in said]
        return levels


def test_each_step_down_is_said_once() -> None:
    stairs = Stairs(make_policy(5))
    assert stairs.look(1, 29, 30) == []
    assert stairs.look(30.5, 31, 200) == [logging.WARNING]
    assert stairs.look(300, 300.5, 301, 899) == [logging.ERROR]
    assert stairs.look(901, 2000) == [logging.CRITICAL]


def test_the_lines_say_what_holds_and_why() -> None:
    stairs = Stairs(make_policy(5))
    stairs.look(1, 31, 301, 901)
    assert [text for _, text in stairs.lines] == [
        "[MSC AI] Policy STALE: last known good (1, 5) stays in force, 31.0 s old (UNAVAILABLE)",
        "[MSC AI] Policy unavailable > 5 min: 301 s (UNAVAILABLE)",
        "[MSC AI] Policy SAFE: the tighter of last known good (1, 5) and safe defaults is in force (UNAVAILABLE)",
    ]


def test_the_way_back_is_said_with_the_length_of_the_outage() -> None:
    stairs = Stairs(make_policy(5))
    stairs.look(1, 31, 901)
    stairs.confirm(950)
    assert stairs.look(950, 951) == [logging.INFO]
    assert stairs.lines[-1][1] == "[MSC AI] Policy FRESH again after 950.0 s"


def test_a_second_outage_is_said_again() -> None:
    stairs = Stairs(make_policy(5))
    stairs.look(1, 31, 301)
    stairs.confirm(310)
    stairs.look(310)
    assert stairs.look(341, 611) == [logging.WARNING, logging.ERROR]


def test_a_long_pause_falls_to_safe_in_one_step() -> None:
    stairs = Stairs(make_policy(5))
    assert stairs.look(1, 1000) == [logging.CRITICAL, logging.ERROR]


def test_a_start_that_gets_a_policy_in_time_says_nothing() -> None:
    stairs = Stairs()
    assert stairs.look(0, 1.9) == []
    stairs.policy = make_policy(5)
    stairs.confirm(1.95)
    assert stairs.look(1.96, 3) == []


def test_a_cold_start_without_a_policy_is_critical_once_and_an_alert_after_five_minutes() -> None:
    stairs = Stairs()
    assert stairs.look(2.0, 100) == [logging.CRITICAL]
    assert stairs.look(301, 1000) == [logging.ERROR]
    assert stairs.lines[0][1].startswith("[MSC AI] Policy SAFE: none was received")


def test_a_validity_that_runs_down_is_an_error_once_and_critical_at_its_end() -> None:
    stairs = Stairs(make_policy(5), ttl_s=3600)
    for at_s in range(0, 3600, 5):
        stairs.confirm(at_s, ttl_s=3600 - at_s)
        stairs.look(at_s + 1)
    assert [level for level, _ in stairs.lines] == [logging.ERROR]
    assert "the authority stopped evaluating?" in stairs.lines[0][1]
    assert stairs.look(3600) == [logging.CRITICAL]
    assert stairs.ladder.rung is Tier.SAFE_EXPIRED


def test_a_renewed_validity_may_be_said_again() -> None:
    stairs = Stairs(make_policy(5), ttl_s=500)
    assert stairs.look(1) == [logging.ERROR]
    stairs.confirm(2, ttl_s=3600)
    assert stairs.look(3) == []
    stairs.confirm(4, ttl_s=500)
    assert stairs.look(5) == [logging.ERROR]


@pytest.mark.parametrize(("left_s", "said"), [(60.0, []), (14.0, [logging.ERROR])])
def test_a_short_validity_is_no_alarm_by_itself(left_s: float, said: list[int]) -> None:
    stairs = Stairs(make_policy(5, valid_for_s=60.0), ttl_s=left_s)
    assert stairs.look(0.0) == said


@pytest.mark.parametrize(("left_s", "said"), [(599.0, "599 s"), (10.0, "10 s"), (9.94, "9.9 s"), (0.25, "0.2 s")])
def test_little_that_is_left_of_a_validity_is_said_with_a_decimal(left_s: float, said: str) -> None:
    stairs = Stairs(make_policy(5), ttl_s=left_s)
    stairs.look(0.0)
    assert f"is valid for {said} more: the authority stopped evaluating?" in stairs.lines[0][1]
