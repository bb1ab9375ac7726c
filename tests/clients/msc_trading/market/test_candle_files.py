from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest
from candle_files import (
    KLINE_HEADER,
    PLAIN_HEADER,
    START,
    candle,
    kline_row,
    minutes_of,
    plain_row,
    written,
)
from hypothesis import given
from hypothesis import strategies as st

from msc_trading.market import MINUTE, Candle, CandleFileError, Gap, read_candles

REAL_MONTH = Path(__file__).parents[5] / "shared" / "data" / "btc-perp-20211231-20220201_1m.csv.gz"


def read(path: Path) -> list[Candle]:
    return list(read_candles(path, symbol="BTCUSDT"))


def refusal(path: Path) -> str:
    with pytest.raises(CandleFileError) as caught:
        read(path)
    return str(caught.value)


@pytest.mark.parametrize("name", ["bars.csv", "bars.csv.gz"])
@pytest.mark.parametrize(
    "lines",
    [
        [kline_row(0), kline_row(1)],
        [KLINE_HEADER, kline_row(0), kline_row(1)],
        [kline_row(minute, unit=timedelta(microseconds=1)) for minute in (0, 1)],
        [PLAIN_HEADER, plain_row(0), plain_row(1)],
        ["\ufeff" + PLAIN_HEADER.upper(), plain_row(0), "", plain_row(1)],
    ],
    ids=["klines", "klines with a header", "klines in microseconds", "plain", "byte order mark and empty line"],
)
def test_every_layout_gives_the_same_candles(tmp_path: Path, name: str, lines: list[str]) -> None:
    assert read(written(tmp_path / name, lines)) == [candle(0), candle(1)]


@pytest.mark.parametrize(
    "stamp",
    ["2022-01-01T00:00:00Z", "2022-01-01 00:00", "2022-01-01T01:00:00+01:00", "1640995200", "1640995200000"],
)
def test_every_way_to_write_an_instant_is_read_as_utc(tmp_path: Path, stamp: str) -> None:
    path = written(tmp_path / "bars.csv", [PLAIN_HEADER, plain_row(0, timestamp=stamp)])
    assert [item.open_time for item in read(path)] == [START]


def test_columns_are_found_by_name_in_any_order(tmp_path: Path) -> None:
    path = written(
        tmp_path / "bars.csv", ["volume,close,low,high,open,note,timestamp", "5,101.0,99.0,102.0,100.0,x,2022-01-01"]
    )
    assert read(path) == [candle(0)]


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"open": "NaN"}, "open: 'NaN'"),
        ({"high": "Infinity"}, "high: 'Infinity'"),
        ({"low": "-1"}, "low: '-1'"),
        ({"close": ""}, "close: ''"),
        ({"volume": "many"}, "volume: 'many'"),
        ({"volume": "-0.1"}, "volume: '-0.1'"),
        ({"open": "0"}, "open: is 0"),
        ({"high": "1E+400"}, "high: '1E+400'"),
        ({"high": "100.5"}, "high, low: 100.5 and 99.0 do not hold open 100.0 and close 101.0"),
        ({"low": "100.5"}, "high, low: 102.0 and 100.5"),
        ({"open_time": "yesterday"}, "open_time: 'yesterday'"),
        ({"open_time": "9" * 40}, "open_time: '999"),
        ({"open_time": "1640995260500"}, "open_time: 2022-01-01T00:01:00.500000+00:00 is not a whole minute"),
        ({"close_time": "1640995559999"}, "close_time: the bar lasts 0:04:59.999000; give one-minute bars"),
    ],
)
def test_a_row_out_of_sense_is_refused_by_number_and_column(tmp_path: Path, cells: dict[str, str], said: str) -> None:
    message = refusal(written(tmp_path / "bars.csv", [KLINE_HEADER, kline_row(0), kline_row(1, cells)]))
    assert message.startswith(f"bars.csv: row 3: {said}")


@pytest.mark.parametrize("minute", [0, 1])
def test_a_row_that_does_not_come_later_is_refused(tmp_path: Path, minute: int) -> None:
    path = written(tmp_path / "bars.csv", [kline_row(1), kline_row(minute)])
    assert "bars.csv: row 2: open_time: 2022-01-01T00:0" in refusal(path)


def test_a_row_with_too_few_columns_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "bars.csv", [PLAIN_HEADER, plain_row(0), "2022-01-01,100.0"])
    assert refusal(path) == "bars.csv: row 3: has 2 columns, not 6"


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "bars.csv", ["timestamp,open,high,close", "2022-01-01,1,1,1"])
    assert refusal(path) == "bars.csv: row 1: there is no column low, volume"


def test_a_file_cut_off_while_it_was_fetched_is_refused_after_its_last_whole_row(tmp_path: Path) -> None:
    path = written(tmp_path / "bars.csv.gz", [PLAIN_HEADER, *(plain_row(minute) for minute in range(5000))])
    path.write_bytes(path.read_bytes()[:-100])
    seen: list[Candle] = []
    with pytest.raises(CandleFileError, match="is damaged"):
        seen.extend(read_candles(path, symbol="BTCUSDT"))


@pytest.mark.parametrize(("name", "content"), [("bars.csv.gz", b"plain text"), ("bars.csv", b"\xff\xfe\x00")])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert "is damaged" in refusal(path)


def test_an_empty_file_has_no_candles(tmp_path: Path) -> None:
    assert read(written(tmp_path / "bars.csv", [])) == []


def test_a_gap_is_told_before_the_candle_behind_it(tmp_path: Path) -> None:
    told: list[Gap | Candle] = []
    path = written(tmp_path / "bars.csv", [kline_row(0), kline_row(3), kline_row(4)])
    for item in read_candles(path, symbol="BTCUSDT", on_gap=told.append):
        told.append(item)
    assert told == [
        candle(0),
        Gap(symbol="BTCUSDT", start=START + MINUTE, end=START + 3 * MINUTE),
        candle(3),
        candle(4),
    ]
    assert [item.minutes for item in told if isinstance(item, Gap)] == [2]


def test_rows_are_read_as_they_are_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path / "bars.csv", [kline_row(0), kline_row(1), kline_row(2, {"open": "broken"})])
    assert list(islice(read_candles(path, symbol="BTCUSDT"), 2)) == [candle(0), candle(1)]


@given(minutes=st.lists(st.integers(0, 400), min_size=1, max_size=20, unique=True))
def test_gaps_and_candles_together_cover_every_minute(
    tmp_path_factory: pytest.TempPathFactory, minutes: list[int]
) -> None:
    path = written(tmp_path_factory.mktemp("bars") / "bars.csv", [kline_row(minute) for minute in sorted(minutes)])
    gaps: list[Gap] = []
    candles = list(read_candles(path, symbol="BTCUSDT", on_gap=gaps.append))
    assert minutes_of(candles) == sorted(minutes)
    assert len(candles) + sum(gap.minutes for gap in gaps) == max(minutes) - min(minutes) + 1


@pytest.mark.skipif(not REAL_MONTH.exists(), reason="the month of real bars is not beside the repository")
def test_a_real_month_is_read_whole() -> None:
    gaps: list[Gap] = []
    candles = list(read_candles(REAL_MONTH, symbol="BTCUSDT", on_gap=gaps.append))
    assert len(candles) == 45_031
    assert gaps == []
    assert candles[0].open_time == datetime(2021, 12, 31, 23, 1, tzinfo=UTC)
    assert candles[-1].open_time == datetime(2022, 2, 1, 5, 31, tzinfo=UTC)
