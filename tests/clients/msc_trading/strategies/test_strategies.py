from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msc_client.facts import MAX_DECIMAL_PLACES, Direction
from msc_trading.market import MINUTE, Candle, generated_candles
from msc_trading.signals import Signal, SignalKind
from msc_trading.strategies import RuleStrategy, Strategy, Wish, signal_id, strategy_set
from msc_trading.strategies.rule import FLAT

START = datetime(2026, 1, 1, tzinfo=UTC)
IDS = [strategy.strategy_id for strategy in strategy_set()]


@cache
def market(symbol: str = "BTCUSDT", *, minutes: int = 5 * 1440, seed: int = 3) -> tuple[Candle, ...]:
    return tuple(islice(generated_candles(symbol, seed=seed, start=START), minutes))


def signals_of(strategy: Strategy, candles: Iterable[Candle]) -> list[Signal]:
    return [signal for candle in candles for signal in strategy.on_candle(candle)]


def named(strategy_id: str) -> Strategy:
    return next(strategy for strategy in strategy_set() if strategy.strategy_id == strategy_id)


class Scripted:
    """A rule that wishes what it is told, one bar after the other."""

    warmup_bars = 1

    def __init__(self, *script: Wish | None) -> None:
        self._script = iter(script)

    def on_bar(self, bar: Candle, held: Direction | None) -> Wish | None:
        return next(self._script, None)


LONG = Wish(Direction.LONG, 0.7, 500_000_000)
SHORT = Wish(Direction.SHORT, 0.6, 500_000_000)


def scripted(*script: Wish | None, bar_minutes: int = 1) -> RuleStrategy:
    return RuleStrategy("TEST_001", bar_minutes=bar_minutes, rule=lambda: Scripted(*script))


def kinds(signals: list[Signal]) -> list[str]:
    return [f"{signal.kind} {signal.direction}" for signal in signals]


def test_the_set_has_two_of_each_idea() -> None:
    assert IDS == [
        "TREND_001",
        "TREND_002",
        "MOMENTUM_001",
        "MOMENTUM_002",
        "REVERSION_001",
        "REVERSION_002",
        "BREAKOUT_001",
        "BREAKOUT_002",
    ]


def test_the_set_is_warm_within_a_day() -> None:
    assert all(0 < strategy.warmup_minutes <= 1440 for strategy in strategy_set())


@pytest.mark.parametrize("strategy_id", IDS)
def test_signals_on_a_made_up_market_make_sense(strategy_id: str) -> None:
    candles = market()
    closes = {candle.open_time + MINUTE: candle.close for candle in candles}
    signals = signals_of(named(strategy_id), candles)
    held: Direction | None = None
    assert len(signals) > 4
    for signal in signals:
        assert signal.strategy_id == strategy_id
        assert signal.reference_price == closes[signal.at]
        if signal.kind is SignalKind.EXIT:
            assert held is signal.direction
            assert (signal.confidence, signal.stop_price) == (None, None)
            held = None
            continue
        assert held is None
        held = signal.direction
        assert signal.confidence is not None
        assert 0.4 <= signal.confidence <= 1.0
        assert signal.stop_price is not None
        behind = signal.reference_price - signal.stop_price
        assert (behind if held is Direction.LONG else -behind) >= signal.reference_price * Decimal("0.0029")


def test_confidence_falls_on_both_sides_of_every_modes_threshold() -> None:
    found = [
        signal.confidence
        for strategy in strategy_set()
        for signal in signals_of(strategy, market())
        if signal.confidence is not None
    ]
    for threshold in (0.6, 0.7):
        assert 0.1 < sum(value >= threshold for value in found) / len(found) < 0.95


def test_ids_are_unique_and_fit_into_an_orders_id() -> None:
    signals = [
        signal
        for strategy in strategy_set()
        for symbol in ("BTCUSDT", "ETHUSDT")
        for signal in signals_of(strategy, market(symbol))
    ]
    ids = [signal.signal_id for signal in signals]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,36}", id_) for id_ in ids)


@pytest.mark.parametrize("strategy_id", IDS)
def test_the_same_candles_give_the_same_signals(strategy_id: str) -> None:
    assert signals_of(named(strategy_id), market()) == signals_of(named(strategy_id), market())


@pytest.mark.parametrize("strategy_id", IDS)
def test_what_comes_later_changes_nothing_that_was_said(strategy_id: str) -> None:
    candles = market()
    early = signals_of(named(strategy_id), candles[:3000])
    assert signals_of(named(strategy_id), candles)[: len(early)] == early


@pytest.mark.parametrize("strategy_id", IDS)
def test_symbols_do_not_disturb_each_other(strategy_id: str) -> None:
    both, alone = named(strategy_id), named(strategy_id)
    mixed = [candle for pair in zip(market(), market("ETHUSDT"), strict=True) for candle in pair]
    of_eth = [signal for signal in signals_of(both, mixed) if signal.symbol == "ETHUSDT"]
    assert of_eth == signals_of(alone, market("ETHUSDT"))


@pytest.mark.parametrize("strategy_id", IDS)
def test_a_restarted_strategy_agrees_from_the_next_entry_on(strategy_id: str) -> None:
    candles, stop_at = market(minutes=8 * 1440), 3 * 1440 + 77
    whole, restarted = named(strategy_id), named(strategy_id)
    expected = [signal for signal in signals_of(whole, candles) if signal.at > candles[stop_at].open_time]
    signals_of(restarted, candles[stop_at - restarted.warmup_minutes : stop_at])
    found = signals_of(restarted, candles[stop_at:])
    entry_at = next(signal.at for signal in expected if signal.kind is SignalKind.ENTRY)
    after = [signal for signal in expected if signal.at > entry_at]
    assert [signal for signal in found if signal.at > entry_at] == after
    assert len(after) > 1


def test_an_entry_carries_the_wish_and_an_exit_only_closes() -> None:
    (entry, exit_) = signals_of(scripted(LONG, FLAT), market(minutes=2))
    first, second = market(minutes=2)
    assert entry == Signal(
        signal_id=signal_id("TEST_001", "BTCUSDT", START, SignalKind.ENTRY, Direction.LONG),
        strategy_id="TEST_001",
        symbol="BTCUSDT",
        direction=Direction.LONG,
        kind=SignalKind.ENTRY,
        confidence=0.7,
        reference_price=first.close,
        stop_price=first.close - 5,
        at=START + MINUTE,
    )
    assert exit_.kind is SignalKind.EXIT
    assert (exit_.direction, exit_.at) == (Direction.LONG, START + 2 * MINUTE)
    assert exit_.reference_price == second.close


def test_the_stop_of_a_short_is_above_the_price() -> None:
    (entry,) = signals_of(scripted(SHORT), market(minutes=1))
    assert entry.stop_price == entry.reference_price + 5


def test_a_reversal_exits_before_it_enters() -> None:
    signals = signals_of(scripted(LONG, SHORT), market(minutes=2))
    assert kinds(signals) == ["ENTRY LONG", "EXIT LONG", "ENTRY SHORT"]
    assert signals[1].at == signals[2].at
    assert signals[1].signal_id != signals[2].signal_id


def test_a_wish_that_is_fulfilled_is_not_said_again() -> None:
    assert kinds(signals_of(scripted(LONG, LONG, None, LONG, FLAT, FLAT), market(minutes=6))) == [
        "ENTRY LONG",
        "EXIT LONG",
    ]


def test_a_rule_sees_bars_and_not_minutes() -> None:
    signals = signals_of(scripted(LONG, FLAT, bar_minutes=5), market(minutes=12))
    assert [signal.at for signal in signals] == [START + 5 * MINUTE, START + 10 * MINUTE]


def test_a_candle_that_comes_again_is_ignored() -> None:
    first, second = market(minutes=2)
    strategy = scripted(LONG, FLAT)
    assert kinds(signals_of(strategy, [first, first, second, first, second])) == ["ENTRY LONG", "EXIT LONG"]


def test_two_bars_that_a_gap_closes_at_once_give_one_answer() -> None:
    candles = market(minutes=20)
    strategy = scripted(LONG, FLAT, bar_minutes=5)
    assert signals_of(strategy, [candles[0], candles[9]]) == []
    strategy = scripted(LONG, SHORT, bar_minutes=5)
    (entry,) = signals_of(strategy, [candles[0], candles[9]])
    assert (entry.direction, entry.reference_price) == (Direction.SHORT, candles[9].close)


@given(minutes=st.integers(0, 40_000_000), exit_=st.booleans(), long=st.booleans())
def test_an_id_says_bar_kind_and_direction(minutes: int, exit_: bool, long: bool) -> None:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    kind = SignalKind.EXIT if exit_ else SignalKind.ENTRY
    direction = Direction.LONG if long else Direction.SHORT
    id_ = signal_id("TREND_001", "BTCUSDT", at, kind, direction)
    name, symbol, stamp, mark = id_.split("-")
    assert (name, symbol, int(stamp, 36)) == ("TREND_001", "BTCUSDT", minutes)
    assert mark == ("X" if exit_ else "E") + ("L" if long else "S")


@pytest.mark.parametrize("price", ["46377.0", "0.0712345", "2350"])
def test_a_stop_is_short_enough_for_every_field(price: str) -> None:
    (candle,) = market(minutes=1)
    level = Decimal(price)
    candle = replace(candle, open=level, high=level, low=level, close=level)
    wish = Wish(Direction.LONG, 0.7, round(float(price) * 1e8 * 0.0123456789))
    (entry,) = signals_of(scripted(wish), [candle])
    assert entry.stop_price is not None
    exponent = entry.stop_price.as_tuple().exponent
    assert isinstance(exponent, int)
    assert exponent >= -MAX_DECIMAL_PLACES
    assert len(entry.stop_price.as_tuple().digits) <= 7
    assert float(entry.stop_price) == pytest.approx(float(price) * (1 - 0.0123456789), rel=1e-6)
