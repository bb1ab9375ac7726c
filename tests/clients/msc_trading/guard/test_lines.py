"""What operators search the logs for, byte for byte."""

from __future__ import annotations

import logging

import pytest
from guard_builders import Desk, facts, intent, others, position, positions, reduce_intent

from msc_client.testing import make_policy
from msc_client.tier import Tier


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="msc_trading.guard")
    return caplog


def test_the_limits_are_said_when_they_are_first_read(said: pytest.LogCaptureFixture) -> None:
    Desk(make_policy(max_positions=8, max_daily_trades=30, max_risk_per_trade=0.0075)).ask()

    assert said.messages == [
        "[MSC AI] Max positions limit: 8",
        "[MSC AI] Max daily trades: 30",
        "[MSC AI] Max risk per trade: 0.75%",
    ]


def test_a_limit_is_said_again_only_when_it_changes(said: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    desk.ask()
    desk.bench.set(make_policy(2))
    desk.ask()
    said.clear()
    desk.bench.set(make_policy(3, max_risk_per_trade=0.003))
    desk.ask(intent(quantity=intent().quantity / 2))

    assert said.messages == ["[MSC AI] Max risk per trade: 0.30%"]


def test_a_limit_that_tightens_because_nobody_vouches_is_said(said: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    desk.ask()
    said.clear()
    desk.bench.set(make_policy(1, max_positions=8), Tier.SAFE_EXPIRED)
    desk.ask()

    assert said.messages == ["[MSC AI] Max positions limit: 8"]


def test_a_block_at_the_position_limit_is_said_as_operators_know_it(said: pytest.LogCaptureFixture) -> None:
    desk = Desk(make_policy(max_positions=8))
    desk.ask(known=facts(positions=others(8)))

    blocked = [record for record in said.records if record.levelno == logging.WARNING]
    assert [record.getMessage() for record in blocked] == ["[RISK GUARD] Trade blocked: MSC AI position limit exceeded"]
    assert said.messages[-1] == (
        "[RISK GUARD] g-1 MAX_POSITIONS BTCUSDT BUY TREND_001: positions current=8 limit=8 (policy (1, 1) FRESH)"
    )


@pytest.mark.parametrize(
    ("policy", "line"),
    [
        ({"max_daily_trades": 0}, "[RISK GUARD] Trade blocked: MSC AI daily trade limit exceeded"),
        ({"max_risk_per_trade": 0.001}, "[RISK GUARD] Trade blocked: MSC AI risk per trade limit exceeded"),
        ({"strategies": ()}, "[RISK GUARD] Trade blocked: strategy TREND_001 not in MSC AI allowed list"),
    ],
)
def test_other_blocks_say_why(said: pytest.LogCaptureFixture, policy: dict[str, object], line: str) -> None:
    Desk(make_policy(**policy)).ask()  # type: ignore[arg-type]  # what the case says

    assert line in said.messages


def test_a_grant_is_not_a_block(said: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    desk.ask()
    desk.ask(reduce_intent(), facts(positions=positions(position())))

    assert not [message for message in said.messages if "RISK GUARD" in message]


def test_a_signal_without_an_owner_is_told_apart(said: pytest.LogCaptureFixture) -> None:
    Desk().ask(intent(strategy_id=""))

    assert "(no strategy)" in said.messages[-1]
