"""Journal files: good rows are read, bad rows are refused by number, and unusable files are named."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from msc_authority.adapters.journal_files import FileError, Row, load, read_facts
from msc_authority.core.facts import EquityPoint, Execution, Trade
from msc_authority.core.intake import Refusal

NOW = datetime(2022, 2, 1, tzinfo=UTC)
TRADE_HEADER = (
    "trade_id,strategy_id,symbol,direction,quantity,entry_price,exit_price,opened_at,closed_at,"
    "gross_pnl,fees,funding,net_pnl,risk_at_entry,source"
)
TRADE_ROW = "T-{n},S1,BTCUSDT,LONG,2,100,101,2022-01-01T00:00:00Z,2022-01-01T01:00:00Z,2,0.5,0,1.5,,LIVE"
EQUITY_HEADER = "account,at,wallet_balance,unrealized_pnl,net_flow"
EQUITY_ROW = "main,2022-01-01T00:{n:02d}:00Z,1000.50,0,0"
EQUITY = {"account": "main", "at": "2022-01-01T00:00:00Z", "wallet_balance": "1000.5", "unrealized_pnl": "0"}
EXECUTION = {
    "event_id": "E-1",
    "account": "main",
    "executor": "x",
    "symbol": "BTCUSDT",
    "side": "SELL",
    "status": "FILLED",
    "quantity": 0.5,
    "reduce_only": True,
    "at": "2022-01-01T00:00:00Z",
}


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def trades_csv(rows: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in (TRADE_HEADER, *rows))


def rows_of(path: Path) -> list[Row]:
    return list(read_facts(path, NOW))


def refusals_of(path: Path) -> list[tuple[int, str, str]]:
    return [
        (row.number, row.outcome.field, row.outcome.code) for row in rows_of(path) if isinstance(row.outcome, Refusal)
    ]


def test_a_csv_of_trades_is_read_with_the_line_number_of_each_row(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", trades_csv(TRADE_ROW.format(n=n) for n in range(3)))

    rows = rows_of(path)

    assert [(row.number, type(row.outcome)) for row in rows] == [(2, Trade), (3, Trade), (4, Trade)]
    assert rows[-1].bytes_read == path.stat().st_size


def test_a_csv_of_equity_is_recognised_by_its_header_in_any_order(tmp_path: Path) -> None:
    path = written(tmp_path / "e", "net_flow,at,unrealized_pnl,wallet_balance,account\n0,2022-01-01T00:00:00Z,1,2,a\n")

    [row] = rows_of(path)

    assert isinstance(row.outcome, EquityPoint)
    assert (row.outcome.wallet_balance, row.outcome.unrealized_pnl) == (Decimal(2), Decimal(1))


def test_json_lines_may_mix_all_three_kinds(tmp_path: Path) -> None:
    trade = dict(zip(TRADE_HEADER.split(","), TRADE_ROW.format(n=1).split(","), strict=True))
    path = written(tmp_path / "j", "\n".join(json.dumps(row) for row in (trade, EQUITY, EXECUTION)))

    assert [type(row.outcome) for row in rows_of(path)] == [Trade, EquityPoint, Execution]


def test_a_number_in_json_keeps_its_digits(tmp_path: Path) -> None:
    path = written(tmp_path / "j", json.dumps(EQUITY).replace('"1000.5"', "1000.1000000000000001"))

    [row] = rows_of(path)

    assert isinstance(row.outcome, EquityPoint)
    assert row.outcome.wallet_balance == Decimal("1000.1000000000000001")


@pytest.mark.parametrize("encode", [str.encode, lambda text: gzip.compress(text.encode())], ids=["plain", "gzip"])
def test_a_byte_order_mark_and_blank_lines_and_windows_line_ends_do_no_harm(tmp_path: Path, encode: object) -> None:
    assert callable(encode)
    text = "\ufeff" + "\r\n".join([EQUITY_HEADER, EQUITY_ROW.format(n=1), "", EQUITY_ROW.format(n=2), ""])

    path = written(tmp_path / "e", encode(text))

    assert [(row.number, type(row.outcome)) for row in rows_of(path)] == [(2, EquityPoint), (4, EquityPoint)]


@pytest.mark.parametrize(
    ("bad", "field", "code"),
    [
        (b"T-9,S1,BTCUSDT", "direction", "WRONG_COLUMNS"),
        (TRADE_ROW.format(n=9).encode() + b",more", "row", "WRONG_COLUMNS"),
        (TRADE_ROW.format(n="\x00").encode(), "row", "NUL_BYTE"),
        (TRADE_ROW.format(n="ä").encode("latin-1"), "row", "NOT_UTF8"),
        (b'"' + TRADE_ROW.format(n=9).encode(), "row", "BAD_QUOTES"),
        (TRADE_ROW.format(n="x" * 70_000).encode(), "row", "ROW_TOO_LONG"),
        (TRADE_ROW.format(n="x" * 300_000).encode(), "row", "ROW_TOO_LONG"),
        (TRADE_ROW.format(n=9).replace("1.5,", "NaN,").encode(), "net_pnl", "NOT_FINITE"),
    ],
)
def test_a_bad_row_is_refused_by_number_and_the_rows_around_it_are_kept(
    tmp_path: Path, bad: bytes, field: str, code: str
) -> None:
    lines = [TRADE_HEADER.encode(), TRADE_ROW.format(n=1).encode(), bad, TRADE_ROW.format(n=2).encode(), b""]
    path = written(tmp_path / "t", b"\n".join(lines))

    assert refusals_of(path) == [(3, field, code)]
    assert sum(isinstance(row.outcome, Trade) for row in rows_of(path)) == 2


def test_a_quote_inside_a_value_belongs_to_the_value(tmp_path: Path) -> None:
    path = written(tmp_path / "t", trades_csv([TRADE_ROW.format(n='"')]))

    [row] = rows_of(path)

    assert isinstance(row.outcome, Trade)
    assert row.outcome.trade_id == 'T-"'


@pytest.mark.parametrize(("cut", "field"), [(1, "source"), (7, "risk_at_entry"), (70, "entry_price")])
def test_a_last_row_that_was_cut_off_is_refused(tmp_path: Path, cut: int, field: str) -> None:
    whole = trades_csv(TRADE_ROW.format(n=n) for n in range(2))
    path = written(tmp_path / "t", whole[:-cut])

    assert refusals_of(path) == [(3, field, "TRUNCATED")]


def test_a_cut_off_compressed_file_keeps_its_rows_and_says_where_it_ends(tmp_path: Path) -> None:
    whole = gzip.compress(trades_csv(TRADE_ROW.format(n=n) for n in range(50)).encode())
    path = written(tmp_path / "t.gz", whole[:-12])

    *good, last = rows_of(path)

    assert all(isinstance(row.outcome, Trade) for row in good)
    assert isinstance(last.outcome, Refusal)
    assert (last.outcome.code, last.number) == ("TRUNCATED", len(good) + 2)


@pytest.mark.parametrize(
    ("line", "field", "code"),
    [
        ('{"account": "a"', "row", "NOT_JSON"),
        ("[]", "row", "NOT_JSON"),
        ("{}", "row", "UNKNOWN_KIND"),
        ("[" * 60_000, "row", "NOT_JSON"),
        (json.dumps(EQUITY).replace('"0"', '"0", "at": "x"'), "row", "NOT_JSON"),
        (json.dumps(EQUITY | {"colour": 1}), "colour", "UNKNOWN_FIELD"),
        (json.dumps(EQUITY).replace('"1000.5"', "NaN"), "wallet_balance", "NOT_FINITE"),
        (json.dumps(EQUITY).replace('"1000.5"', "1e400"), "wallet_balance", "OUT_OF_RANGE"),
        (json.dumps(EQUITY).replace('"1000.5"', "1e99999999999999999999"), "wallet_balance", "OUT_OF_RANGE"),
        (json.dumps(EQUITY).replace('"1000.5"', "9" * 5000), "wallet_balance", "OUT_OF_RANGE"),
        (json.dumps(EQUITY).replace('"1000.5"', "null"), "wallet_balance", "MISSING"),
    ],
)
def test_a_bad_json_line_is_refused_by_number(tmp_path: Path, line: str, field: str, code: str) -> None:
    good = json.dumps(EQUITY)
    path = written(tmp_path / "j", f"{good}\n{line}\n{good}\n")

    assert refusals_of(path) == [(2, field, code)]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (gzip.compress(b"", mtime=0), "is empty"),
        (b"\n \n", "blank lines"),
        (b"a,b,c\n1,2,3\n", "neither CSV nor JSON lines"),
        (f"{EQUITY_HEADER},colour\n".encode(), "'colour' is not a column"),
        (EQUITY_HEADER.replace("account,", "").encode(), "'account' is missing"),
        (f"{EQUITY_HEADER},at\n".encode(), "'at' comes twice"),
        (EQUITY_HEADER.encode("utf-16"), "UTF-16"),
        (b'[{"account": "a"}]', "JSON array"),
        (b"\xe4,b\n", "not UTF-8"),
        (b"\x1f\x8b not gzip after all", "gzip"),
        (b"\0" * 4096, "NUL"),
    ],
)
def test_an_unusable_file_is_an_error_that_says_why(tmp_path: Path, content: bytes, problem: str) -> None:
    path = written(tmp_path / "f", content)

    with pytest.raises(FileError, match=problem) as caught:
        rows_of(path)

    assert str(path) in str(caught.value)


def test_a_missing_file_and_a_folder_are_errors(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(FileError, match="cannot be read"):
            rows_of(path)


def test_two_files_are_loaded_as_one_journal_with_refusals_by_file_and_line(tmp_path: Path) -> None:
    trades = written(tmp_path / "t.csv", trades_csv([TRADE_ROW.format(n=1), "bad"]))
    equity = written(tmp_path / "e.csv", f"{EQUITY_HEADER}\n{EQUITY_ROW.format(n=1)}\n")

    content = load([trades, equity], NOW)

    assert [type(fact) for fact in content.facts] == [Trade, EquityPoint]
    assert [(row.path, row.number, row.refusal.code) for row in content.refused] == [(trades, 3, "WRONG_COLUMNS")]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(
    tail=st.lists(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace"))),
    header=st.sampled_from([TRADE_HEADER.encode(), EQUITY_HEADER.encode(), json.dumps(EQUITY).encode(), b""]),
)
def test_whatever_follows_in_a_file_every_row_has_an_outcome(tmp_path: Path, header: bytes, tail: list[bytes]) -> None:
    path = written(tmp_path / "f", b"\n".join([header, *tail]))

    try:
        rows = rows_of(path)
    except FileError as error:
        assert header != json.dumps(EQUITY).encode(), error
    else:
        numbers = [row.number for row in rows]
        assert numbers == sorted(set(numbers))
