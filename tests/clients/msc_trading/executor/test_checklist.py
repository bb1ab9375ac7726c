"""The commission's checklist for the executor, box by box, on an executor with the real guard and orchestrator."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest
from executor_world import World, run

from msc_client.facts import Direction
from msc_client.policy import RiskMode
from msc_client.testing import make_policy
from msc_client.tier import Tier

LOGGER = "msc_trading.executor"


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == LOGGER]


def test_the_policy_source_is_read_from_the_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOGGER)

    async def story() -> None:
        world = World(tmp_path)
        world.policies.set(
            make_policy(strategies=("A", "B", "C"), risk_mode=RiskMode.DEFENSIVE, max_risk_per_trade=0.005)
        )
        await world.ready()
        world.send(world.entry(strategy_id="A"))
        await world.until(lambda: bool(world.venue.stops))
        await world.finish()

    run(story)
    assert lines(caplog).count("[MSC AI] Policy loaded: risk_mode=DEFENSIVE, strategies=3, max_risk=0.50%") == 1


def test_the_policy_is_read_at_the_start_of_each_decision_and_said_only_when_it_changed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, LOGGER)

    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        for _ in range(3):
            world.send(world.entry(confidence=0.1))
        await world.until(lambda: world.blocks("CONFIDENCE_TOO_LOW") == 3)
        world.policies.set(make_policy(2, max_risk_per_trade=0.003, risk_mode=RiskMode.DEFENSIVE))
        await world.quiet()
        world.send(world.entry(confidence=0.1))
        await world.until(lambda: world.blocks("CONFIDENCE_TOO_LOW") == 4)
        versions = [fact.policy_version for fact in world.journal.blocked()]
        assert versions == [1, 1, 1, 2]
        await world.finish()

    run(story)
    said = [line for line in lines(caplog) if "Policy loaded" in line]
    assert said == [
        "[MSC AI] Policy loaded: risk_mode=NORMAL, strategies=2, max_risk=0.75%",
        "[MSC AI] Policy loaded: risk_mode=DEFENSIVE, strategies=2, max_risk=0.30%",
    ]


def test_the_confidence_threshold_comes_from_the_policy(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOGGER)

    async def story() -> None:
        world = World(tmp_path)
        world.policies.set(make_policy(global_min_confidence=0.65))
        await world.ready()
        world.send(world.entry(confidence=0.6499999))
        await world.until(lambda: world.blocks("CONFIDENCE_TOO_LOW") == 1)
        assert world.venue.asked == []
        world.send(world.entry(confidence=0.65))
        await world.until(lambda: len(world.venue.entries_of()) == 1)
        await world.finish()

    run(story)
    assert lines(caplog).count("[MSC AI] Confidence threshold set by MSC AI: 0.65") == 1


def test_signals_are_filtered_by_the_allowed_strategies(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOGGER)

    async def story() -> None:
        world = World(tmp_path)
        world.policies.set(make_policy(strategies=("MOMENTUM_002",)))
        await world.ready()
        world.send(world.entry(strategy_id="TREND_001"))
        world.send(world.entry(strategy_id="RANGE_003", symbol="ETHUSDT", direction=Direction.SHORT))
        await world.until(lambda: world.blocks("STRATEGY_NOT_ALLOWED") == 2)
        assert world.venue.asked == []
        await world.finish()

    run(story)
    assert "[MSC AI] BLOCKED: BTCUSDT LONG - Strategy TREND_001 not in MSC AI allowed list" in lines(caplog)
    assert "[MSC AI] BLOCKED: ETHUSDT SHORT - Strategy RANGE_003 not in MSC AI allowed list" in lines(caplog)


def test_blocks_are_logged_counted_and_journalled_with_their_reason(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        world.send(world.entry(strategy_id="NOBODY"))
        world.send(world.entry(confidence=None))
        world.send(world.entry(stop=None))
        await world.until(lambda: len(world.journal.blocked()) == 3)
        assert world.executor.status().blocks == {
            ("NOBODY", "STRATEGY_NOT_ALLOWED"): 1,
            ("TREND_001", "CONFIDENCE_TOO_LOW"): 1,
            ("TREND_001", "NO_STOP"): 1,
        }
        reasons = [(fact.reason, fact.policy_version) for fact in world.journal.blocked()]
        assert reasons == [("STRATEGY_NOT_ALLOWED", 1), ("CONFIDENCE_TOO_LOW", 1), ("NO_STOP", 1)]
        assert all('"checks":[{"name":"policy"' in fact.detail_json for fact in world.journal.blocked())
        assert len({fact.event_id for fact in world.journal.blocked()}) == 3
        await world.finish()

    run(story)


def test_what_the_policy_did_not_cause_is_not_said_to_be_blocked_by_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, LOGGER)

    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        world.send(world.entry(strategy_id="NOBODY"))
        world.send(world.exit(world.entry()))
        await world.until(lambda: len(world.journal.blocked()) == 2)
        assert {fact.reason for fact in world.journal.blocked()} == {"STRATEGY_NOT_ALLOWED", "NOTHING_TO_EXIT"}
        assert world.blocks("NOTHING_TO_EXIT") == 1
        await world.finish()

    run(story)
    said = {record.getMessage(): record.levelno for record in caplog.records if record.name == LOGGER}
    blocked = {text: level for text, level in said.items() if "[MSC AI] BLOCKED" in text}
    assert blocked == {"[MSC AI] BLOCKED: BTCUSDT LONG - Strategy NOBODY not in MSC AI allowed list": logging.WARNING}
    (level,) = (level for text, level in said.items() if text.startswith("[EXECUTOR] Not done: BTCUSDT LONG - "))
    assert level == logging.INFO


def test_without_an_authority_the_safe_policy_bounds_what_is_entered(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        world.policies.set(make_policy(), Tier.SAFE_EXPIRED)
        await world.ready()
        signal = await world.opened()
        (order,) = world.venue.entries_of()
        # What the view says holds, not what the authority once said.
        assert order.quantity * world.venue.mark["BTCUSDT"] <= 10_000
        world.policies.set(make_policy(), Tier.SAFE_EXPIRED, entries_until_ns=0)
        world.send(world.entry(symbol="ETHUSDT"))
        await world.until(lambda: world.blocks("POLICY_EXPIRED") == 1)
        world.send(world.exit(signal))
        await world.until(lambda: not world.venue.held)
        await world.finish()

    run(story)


def test_without_any_policy_nothing_is_entered_and_the_executor_lives_on(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        world.policies.set(None, Tier.SAFE_NONE)
        await world.ready()
        world.send(world.entry())
        await world.until(lambda: world.blocks("STRATEGY_NOT_ALLOWED") == 1)
        world.policies.set(make_policy())
        await world.opened()
        await world.finish()

    run(story)


def test_an_empty_allow_list_blocks_everything(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        world.policies.set(make_policy(strategies=()))
        await world.ready()
        for strategy in ("TREND_001", "MOMENTUM_002", ""):
            world.send(world.entry(strategy_id=strategy))
        await world.until(lambda: world.blocks("STRATEGY_NOT_ALLOWED") == 3)
        assert world.venue.asked == []
        await world.finish()

    run(story)


def test_a_signal_without_an_id_is_blocked(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        world.send(world.entry(strategy_id=""))
        await world.until(lambda: world.blocks("STRATEGY_NOT_ALLOWED") == 1)
        world.send(replace(world.entry(), signal_id=""))
        await world.until(lambda: world.blocks("INVALID_SIGNAL") == 1)
        assert world.venue.asked == []
        await world.finish()

    run(story)


def test_the_risk_of_an_entry_stays_within_the_policy_and_close_to_it(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.ready()
        await world.opened()
        (trip,) = world.executor.status().positions.values()
        assert trip.risk is not None
        # One step of 0.001 BTC is 1.04 of risk here.
        assert 75 - 1.04 < trip.risk <= 75
        await world.finish()

    run(story)
