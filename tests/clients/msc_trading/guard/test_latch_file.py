"""A latch outlives the process that threw it, until a person clears it."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from guard_builders import ACCOUNT, AT, Desk, config

from msc_trading.guard import Latch, LatchesUnreadable, LatchFile, ReasonCode, RiskGuard

STREAK = Latch(ReasonCode.LOSS_STREAK)
REPEAT = Latch(ReasonCode.REPEAT_THROTTLE, "TREND_001")


def test_a_file_that_is_not_there_holds_no_latch(tmp_path: Path) -> None:
    assert LatchFile(tmp_path / "latches.json").read() == frozenset()


def test_what_was_written_is_read_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "latches.json"
    LatchFile(path).write({STREAK, REPEAT})

    assert LatchFile(path).read() == {STREAK, REPEAT}
    assert [item.name for item in tmp_path.iterdir()] == ["latches.json"]


def test_clearing_the_last_latch_leaves_none(tmp_path: Path) -> None:
    file = LatchFile(tmp_path / "latches.json")
    file.write({STREAK})
    file.write(())

    assert file.read() == frozenset()


@pytest.mark.parametrize(
    "text",
    ["", "{", "7", "[7]", '[{"code": "LOSS_STREAK"}]', '[{"code": "NO_SUCH", "strategy_id": ""}]', '{"code": 1}'],
)
def test_a_file_that_makes_no_sense_stops_the_start_and_says_what_to_do(tmp_path: Path, text: str) -> None:
    path = tmp_path / "latches.json"
    path.write_text(text)

    with pytest.raises(LatchesUnreadable, match="Find out in the journal what was stopped"):
        LatchFile(path).read()


def test_a_file_in_another_encoding_stops_the_start(tmp_path: Path) -> None:
    path = tmp_path / "latches.json"
    path.write_bytes(b"\xff\xfe[")

    with pytest.raises(LatchesUnreadable):
        LatchFile(path).read()


def test_a_disk_that_refuses_is_said_with_what_would_be_lost(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    LatchFile(tmp_path / "gone" / "latches.json").write({REPEAT})

    (record,) = caplog.records
    assert record.levelno == logging.CRITICAL
    assert "TREND_001" in record.getMessage()


def a_guard(desk: Desk, file: LatchFile) -> RiskGuard:
    guard = RiskGuard(
        account_id=ACCOUNT,
        config=config(repeat_max=2),
        policies=desk.bench,
        instance_id="g",
        latched=file.read(),
        on_latch=file.write,
    )
    guard.rebuild_day(AT, fills=(), executions=())
    return guard


def test_a_latch_that_is_cleared_is_gone_after_a_restart_and_the_others_are_not(tmp_path: Path) -> None:
    desk, file = Desk(), LatchFile(tmp_path / "latches.json")
    file.write({STREAK, REPEAT})

    a_guard(desk, file).clear_latch(STREAK)

    assert a_guard(desk, file).latches == {REPEAT}


def test_a_latch_that_is_thrown_stops_the_next_life_too(tmp_path: Path) -> None:
    desk, file = Desk(), LatchFile(tmp_path / "latches.json")
    desk.guard = a_guard(desk, file)
    desk.granted()
    desk.granted()
    thrown = desk.ask()

    desk.guard = a_guard(desk, file)

    assert thrown.reason_code is ReasonCode.REPEAT_THROTTLE
    assert file.read() == {REPEAT}
    assert "until a person clears it" in desk.ask().text
