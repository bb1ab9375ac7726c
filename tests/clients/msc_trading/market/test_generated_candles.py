from __future__ import annotations

import math
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice, pairwise
from statistics import correlation, pstdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msc_trading.market import MINUTE, MODELS, Candle, Regime, SymbolModel, generated_candles, regimes

START = datetime(2026, 3, 1, tzinfo=UTC)
DAY = 1440


def made(
    symbol: str = "BTCUSDT", *, seed: int = 1, minutes: int = DAY, model: SymbolModel | None = None
) -> list[Candle]:
    return list(islice(generated_candles(symbol, seed=seed, start=START, model=model), minutes))


def returns(candles: list[Candle]) -> list[float]:
    return [math.log(later.close / earlier.close) for earlier, later in pairwise(candles)]


def test_the_same_seed_gives_the_same_candles_and_another_seed_others() -> None:
    assert made(seed=5) == made(seed=5)
    assert [item.close for item in made(seed=5)] != [item.close for item in made(seed=6)]


def test_a_symbol_does_not_depend_on_who_else_is_made() -> None:
    alone = made("ETHUSDT", minutes=100)
    both = zip(
        generated_candles("BTCUSDT", seed=1, start=START),
        generated_candles("ETHUSDT", seed=1, start=START),
        strict=True,
    )
    assert [second for _, second in islice(both, 100)] == alone


@settings(max_examples=20)
@given(seed=st.integers(0, 2**64), symbol=st.sampled_from(sorted(MODELS)))
def test_candles_are_whole_minutes_on_the_tick_that_hold_together(seed: int, symbol: str) -> None:
    candles = made(symbol, seed=seed, minutes=300)
    tick = MODELS[symbol].tick_size
    assert [item.open_time for item in candles] == [START + minute * MINUTE for minute in range(300)]
    for before, item in pairwise(candles):
        assert item.open == before.close
        assert 0 < item.low <= min(item.open, item.close) <= max(item.open, item.close) <= item.high
        assert all(price % tick == 0 for price in (item.open, item.high, item.low, item.close))
        assert item.volume > 0
        assert item.symbol == symbol


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32))
def test_every_seed_goes_through_all_regimes_in_the_same_order_at_its_own_pace(seed: int) -> None:
    schedule = list(islice(regimes(seed), 8))
    assert [regime for regime, _ in schedule] == [*Regime, *Regime]
    assert [minutes for _, minutes in schedule[:4]] != [minutes for _, minutes in schedule[4:]]
    assert sum(minutes for _, minutes in schedule[:4]) < 6 * DAY


def test_a_crash_falls_and_the_trend_before_it_rises_on_average() -> None:
    moves: dict[Regime, list[float]] = {regime: [] for regime in Regime}
    for seed in range(12):
        position, candles = 0, made(seed=seed, minutes=6 * DAY)
        for regime, minutes in islice(regimes(seed), 4):
            part = candles[position : position + minutes]
            moves[regime].append(math.log(part[-1].close / part[0].open))
            position += minutes
    mean = {regime: sum(values) / len(values) for regime, values in moves.items()}
    assert mean[Regime.CRASH] < -0.03
    assert mean[Regime.TREND_UP] > 0.01
    assert mean[Regime.RECOVERY] > 0.01
    assert all(value < 0 for value in moves[Regime.CRASH])


def test_the_first_candle_opens_at_the_symbols_level() -> None:
    assert made("BTCUSDT", minutes=1)[0].open == Decimal(91500)
    assert made("ETHUSDT", minutes=1)[0].open == Decimal(3050)


def test_a_day_moves_by_a_few_percent_as_bitcoin_does() -> None:
    for seed in range(3):
        daily = pstdev(returns(made(seed=seed, minutes=20 * DAY))) * math.sqrt(DAY)
        assert 0.02 < daily < 0.06


def test_symbols_of_one_seed_move_together() -> None:
    quarters = [made(symbol, seed=3, minutes=5 * DAY)[::15] for symbol in ("BTCUSDT", "ETHUSDT")]
    assert 0.6 < correlation(*(returns(candles) for candles in quarters)) < 0.999


def test_levels_stay_believable_for_half_a_year() -> None:
    half_a_year = islice(generated_candles("BTCUSDT", seed=2, start=START), 0, 180 * DAY, 60)
    assert all(Decimal(18_000) < item.close < Decimal(450_000) for item in half_a_year)


def test_a_symbol_of_ones_own_is_made_from_its_model() -> None:
    model = SymbolModel(first_price=Decimal("0.0712"), tick_size=Decimal("0.00001"))
    candles = made("DOGEUSDT", model=model, minutes=50)
    assert candles[0].open == Decimal("0.07120")
    assert {item.close.as_tuple().exponent for item in candles} == {-5}


def test_an_unknown_symbol_asks_for_a_model() -> None:
    with pytest.raises(ValueError, match=r"^symbol: no model of DOGEUSDT"):
        generated_candles("DOGEUSDT", seed=1, start=START)


@pytest.mark.parametrize("start", [datetime(2026, 1, 1), START.replace(second=1), START.replace(microsecond=1)])
def test_a_start_that_is_no_whole_minute_of_a_known_zone_is_refused(start: datetime) -> None:
    with pytest.raises(ValueError, match=r"^start: "):
        generated_candles("BTCUSDT", seed=1, start=start)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("first_price", Decimal(0)),
        ("tick_size", Decimal("NaN")),
        ("share", -0.1),
        ("own_volatility", math.inf),
        ("volume_per_minute", 0.0),
    ],
)
def test_a_model_out_of_sense_names_the_field(field: str, value: object) -> None:
    fields: dict[str, object] = {"first_price": Decimal(1), "tick_size": Decimal("0.1"), field: value}
    with pytest.raises(ValueError, match=f"^{field}: "):
        SymbolModel(**fields)  # type: ignore[arg-type] # wrong values are the point
