"""What is written before it is sent is there after a crash; what makes no sense stops the start."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from executor_time import START
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from msc_client.facts import Direction, Side
from msc_trading.executor import Purpose, StateUnusable, StateUnwritable
from msc_trading.executor.records import DayStart, FlatMark, OrderRecord, ShadowPosition, Stage, TradeResult
from msc_trading.executor.state_file import StateFile
from msc_trading.venue.port import OrderStatus, OrderType


def opened(path: Path, *, now: timedelta = timedelta()) -> StateFile:
    return StateFile(path, now=START + now, keep_orders_s=3600)


def a_record(name: str = "me-1", *, at: timedelta = timedelta(), stage: Stage = Stage.PREPARED) -> OrderRecord:
    return OrderRecord(
        client_order_id=name,
        purpose=Purpose.ENTRY,
        strategy_id="TRÄND",
        signal_id="s",
        symbol="BTCUSDT",
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        quantity=Decimal("0.10"),
        price=Decimal("1E+3"),
        stop_price=Decimal("900"),
        confidence=0.1 + 0.2,
        risk=Decimal("1.5"),
        policy_version=3,
        decision_json='{"a":"\\"b\\n"}',
        prepared_at=START + at,
        stage=stage,
    )


def test_everything_is_there_after_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "state"
    state = opened(path)
    state.prepare(a_record())
    changed = state.change("me-1", stage=Stage.ENDED, order_id="9", status=OrderStatus.FILLED, filled=Decimal("0.1"))
    state.mark_flat(FlatMark(symbol="BTCUSDT", since=START, seen=("1", "2")))
    state.add_result(TradeResult(trade_id="t", closed_at=START, net_pnl=Decimal("-1.5")))
    state.start_day(DayStart(day=START.date(), equity=Decimal("10.5")))
    shadow = ShadowPosition(
        trade_id="x",
        strategy_id="A",
        symbol="ETHUSDT",
        direction=Direction.SHORT,
        quantity=Decimal(1),
        entry_price=Decimal(2),
        stop_price=None,
        opened_at=START,
        policy_version=1,
        risk=None,
    )
    state.keep_shadow(shadow)
    state.keep_shadow(replace(shadow, strategy_id="B"))
    state.drop_shadow("B", "ETHUSDT")
    state.close()
    for epoch in (2, 3):
        state = opened(path)
        assert state.epoch == epoch
        assert state.orders == {"me-1": changed}
        assert state.flats == {"BTCUSDT": FlatMark(symbol="BTCUSDT", since=START, seen=("1", "2"))}
        assert state.losing_streak() == 1
        assert state.day == DayStart(day=START.date(), equity=Decimal("10.5"))
        assert state.shadows == {("A", "ETHUSDT"): shadow}
        state.close()


def test_two_executors_cannot_have_one_file(tmp_path: Path) -> None:
    state = opened(tmp_path / "state")
    with pytest.raises(StateUnusable, match="another executor has it"):
        opened(tmp_path / "state")
    state.close()
    state.close()
    opened(tmp_path / "state").close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cut=st.integers(0, 2000))
def test_a_line_that_a_crash_has_cut_short_is_dropped_and_the_rest_kept(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = tmp_path_factory.mktemp("cut") / "state"
    state = opened(path)
    for number in range(3):
        state.prepare(a_record(f"me-{number}"))
    state.close()
    whole = path.read_bytes()
    path.write_bytes(whole[: min(cut, len(whole))])
    complete = path.read_bytes().count(b"\n") - 1
    state = opened(path)
    assert len(state.orders) == max(0, complete)
    state.close()


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "{}",
        '{"kind":"order"}',
        '{"kind":"change","id":"who","to":{"stage":"ENDED"}}',
        '{"kind":"change","id":"me-1","to":{"stage":"LOST"}}',
        '{"kind":"change","id":"me-1","to":{"quantity":"5"}}',
        '{"kind":"day","day":"2026-01-01","equity":"much"}',
        '{"kind":"from the future"}',
        "[]",
    ],
)
def test_a_line_that_makes_no_sense_stops_the_start_and_says_which(tmp_path: Path, line: str) -> None:
    path = tmp_path / "state"
    state = opened(path)
    state.prepare(a_record())
    state.close()
    before = path.read_text() + line + "\n"
    path.write_text(before)
    with pytest.raises(StateUnusable, match="line 3 makes no sense"):
        opened(path)
    assert path.read_text() == before
    # The lock is not kept by the start that failed.
    path.write_text("")
    opened(path).close()


def test_orders_that_are_over_are_forgotten_after_a_while_and_others_never(tmp_path: Path) -> None:
    path = tmp_path / "state"
    state = opened(path)
    state.prepare(a_record("open"))
    state.prepare(a_record("over", stage=Stage.ENDED))
    state.prepare(a_record("refused", stage=Stage.REFUSED))
    state.prepare(a_record("late", stage=Stage.ENDED, at=timedelta(minutes=50)))
    state.close()
    state = opened(path, now=timedelta(minutes=90))
    assert set(state.orders) == {"open", "late"}
    state.close()
    assert "over" not in path.read_text()


def test_the_order_behind_an_old_position_is_not_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "state"
    state = opened(path)
    state.mark_flat(FlatMark(symbol="BTCUSDT", since=START - timedelta(minutes=1)))
    state.prepare(a_record("entry", stage=Stage.ENDED))
    state.close()
    state = opened(path, now=timedelta(days=30))
    assert set(state.orders) == {"entry"}
    state.close()


def test_a_streak_ends_with_a_win_and_counts_by_the_time_of_closing(tmp_path: Path) -> None:
    state = opened(tmp_path / "state")
    for number, net in enumerate(("-1", "-1", "2", "-3", "-4")):
        result = TradeResult(trade_id=f"t{number}", closed_at=START + timedelta(minutes=number), net_pnl=Decimal(net))
        state.add_result(result)
        state.add_result(result)
    assert state.losing_streak() == 2
    state.add_result(TradeResult(trade_id="t9", closed_at=START + timedelta(hours=1), net_pnl=Decimal(0)))
    assert state.losing_streak() == 0
    state.close()


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    state = opened(tmp_path / "state")
    state.close()
    with pytest.raises(StateUnwritable, match="state"):
        state.prepare(a_record())


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateUnusable, match="give the executor a file"):
        opened(tmp_path / "file" / "state")


def test_lines_are_json(tmp_path: Path) -> None:
    state = opened(tmp_path / "state")
    state.prepare(a_record())
    state.close()
    kinds = [json.loads(line)["kind"] for line in (tmp_path / "state").read_text().splitlines()]
    assert kinds == ["start", "order"]
