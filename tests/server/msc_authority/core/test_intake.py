"""Facts at the edge: every input is a valid fact or a refusal that names the field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msc_authority.core.facts import Direction, EquityPoint, Execution, Fact, Side, Trade, TradeSource
from msc_authority.core.intake import (
    EQUITY_FIELDS,
    EXECUTION_FIELDS,
    TRADE_FIELDS,
    Fields,
    Refusal,
    parse_equity,
    parse_execution,
    parse_trade,
)

NOW = datetime(2022, 2, 1, 12, tzinfo=UTC)
Raw = dict[str, object]
Parse = Callable[[Mapping[str, object], datetime], Fact]


def raw_trade(**overrides: object) -> Raw:
    return {
        "trade_id": "T-1",
        "strategy_id": "TREND_001",
        "symbol": "BTCUSDT",
        "direction": "SHORT",
        "quantity": "2",
        "entry_price": "46356.0",
        "exit_price": "46465.0",
        "opened_at": "2021-12-31T23:35:00+00:00",
        "closed_at": "2021-12-31T23:50:00Z",
        "gross_pnl": "-218.0",
        "fees": "74.2568",
        "funding": "0",
        "net_pnl": "-292.2568",
        "risk_at_entry": "",
        "source": "LIVE",
    } | overrides


def raw_equity(**overrides: object) -> Raw:
    return {
        "account": "main",
        "at": "2022-01-01T00:00:00Z",
        "wallet_balance": "1000.5",
        "unrealized_pnl": "-1",
        "net_flow": "0",
    } | overrides


def raw_execution(**overrides: object) -> Raw:
    return {
        "event_id": "E-1",
        "account": "main",
        "executor": "exec-1",
        "strategy_id": "TREND_001",
        "symbol": "BTCUSDT",
        "side": "BUY",
        "order_id": "77",
        "client_order_id": "c-77",
        "status": "FILLED",
        "quantity": "0.5",
        "price": "46000",
        "fee": "0.1",
        "realized_pnl": "",
        "reduce_only": "false",
        "confidence": "0.65",
        "policy_version": "3",
        "at": "2022-01-01T00:00:00.250Z",
        "reason": "",
        "detail_json": '{"check": 1}',
    } | overrides


def refusal_of(parse: Parse, raw: Mapping[str, object]) -> Refusal:
    with pytest.raises(Refusal) as caught:
        parse(raw, NOW)
    return caught.value


def test_a_whole_trade_is_read_with_exact_decimals_and_utc_instants() -> None:
    trade = parse_trade(raw_trade(), NOW)

    assert trade == Trade(
        trade_id="T-1",
        strategy_id="TREND_001",
        symbol="BTCUSDT",
        direction=Direction.SHORT,
        quantity=Decimal(2),
        entry_price=Decimal("46356.0"),
        exit_price=Decimal("46465.0"),
        opened_at=datetime(2021, 12, 31, 23, 35, tzinfo=UTC),
        closed_at=datetime(2021, 12, 31, 23, 50, tzinfo=UTC),
        gross_pnl=Decimal("-218.0"),
        fees=Decimal("74.2568"),
        funding=Decimal(0),
        net_pnl=Decimal("-292.2568"),
        risk_at_entry=None,
        source=TradeSource.LIVE,
        policy_version=0,
    )


def test_a_whole_execution_is_read() -> None:
    execution = parse_execution(raw_execution(), NOW)

    assert (execution.side, execution.price, execution.confidence) == (Side.BUY, Decimal(46000), 0.65)
    assert (execution.realized_pnl, execution.reduce_only, execution.policy_version) == (Decimal(0), False, 3)
    assert execution.at == datetime(2022, 1, 1, 0, 0, 0, 250_000, tzinfo=UTC)
    assert execution.detail_json == '{"check": 1}'


def test_an_execution_without_its_optional_fields_is_read() -> None:
    raw: Raw = {name: value for name, value in raw_execution().items() if name in EXECUTION_FIELDS.required}

    execution = parse_execution(raw, NOW)

    assert (execution.strategy_id, execution.price, execution.confidence) == ("", None, None)


def test_a_negative_wallet_is_a_fact() -> None:
    assert parse_equity(raw_equity(wallet_balance="-0.01"), NOW).wallet_balance == Decimal("-0.01")


@pytest.mark.parametrize("value", ["1000.5", 1000.5, Decimal("1000.5"), Decimal("10005E-1")])
def test_a_number_means_the_same_in_every_type(value: object) -> None:
    point = parse_equity(raw_equity(wallet_balance=value), NOW)

    assert str(point.wallet_balance) == "1000.5"


def test_a_number_given_with_an_exponent_by_value_is_written_out() -> None:
    assert str(parse_equity(raw_equity(wallet_balance=Decimal("1E+3")), NOW).wallet_balance) == "1000"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("", "MISSING"),
        (None, "MISSING"),
        ("twelve", "NOT_A_NUMBER"),
        (" 1", "NOT_A_NUMBER"),
        ("1_000", "NOT_A_NUMBER"),
        ("1,5", "NOT_A_NUMBER"),
        ("٣", "NOT_A_NUMBER"),
        (True, "NOT_A_NUMBER"),
        ([1], "NOT_A_NUMBER"),
        ("NaN", "NOT_FINITE"),
        ("-Infinity", "NOT_FINITE"),
        (float("nan"), "NOT_FINITE"),
        (Decimal("sNaN"), "NOT_FINITE"),
        ("1e5", "EXPONENT_FORM"),
        ("1e400", "OUT_OF_RANGE"),
        (Decimal("1e400"), "OUT_OF_RANGE"),
        (float("1e400"), "NOT_FINITE"),
        pytest.param(10**5000, "OUT_OF_RANGE", id="thousands of digits"),
        ("9" * 16, "OUT_OF_RANGE"),
        ("9" * 5000, "OUT_OF_RANGE"),
        ("0." + "0" * 18 + "1", "OUT_OF_RANGE"),
        ("0", "NOT_POSITIVE"),
        ("-0.5", "NOT_POSITIVE"),
    ],
)
def test_a_quantity_outside_sense_is_refused_with_its_code(value: object, code: str) -> None:
    refusal = refusal_of(parse_trade, raw_trade(quantity=value))

    assert (refusal.id, refusal.field, refusal.code) == ("T-1", "quantity", code)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("yesterday", "BAD_TIMESTAMP"),
        ("2022-02-30T00:00:00Z", "BAD_TIMESTAMP"),
        ("2022-01-01T00:00:00.1234567Z", "BAD_TIMESTAMP"),
        (1_640_995_200, "BAD_TIMESTAMP"),
        ("0001-01-01T00:00:00+10:00", "BAD_TIMESTAMP"),
        ("2022-01-01T00:00:00", "NAIVE_TIMESTAMP"),
        (datetime(2022, 1, 1), "NAIVE_TIMESTAMP"),
        ("1970-01-01T00:00:00Z", "OUT_OF_RANGE"),
        ("2022-02-01T12:05:00.000001Z", "FROM_THE_FUTURE"),
    ],
)
def test_an_instant_outside_sense_is_refused_with_its_code(value: object, code: str) -> None:
    refusal = refusal_of(parse_equity, raw_equity(at=value))

    assert (refusal.field, refusal.code) == ("at", code)


def test_five_minutes_ahead_of_our_clock_is_still_taken() -> None:
    assert parse_equity(raw_equity(at=NOW + timedelta(minutes=5)), NOW).at == NOW + timedelta(minutes=5)


def test_an_instant_in_another_zone_is_turned_into_utc() -> None:
    at = datetime(2022, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))

    assert parse_equity(raw_equity(at=at), NOW).at.isoformat() == "2022-01-01T00:00:00+00:00"


def test_nanoseconds_that_are_zero_lose_nothing_and_are_taken() -> None:
    assert parse_equity(raw_equity(at="2022-01-01 00:00:00.250000000Z"), NOW).at.microsecond == 250_000


@pytest.mark.parametrize(
    ("override", "field", "code"),
    [
        ({"direction": "UP"}, "direction", "UNKNOWN_VALUE"),
        ({"direction": "long"}, "direction", "UNKNOWN_VALUE"),
        ({"source": ""}, "source", "MISSING"),
        ({"colour": "red"}, "colour", "UNKNOWN_FIELD"),
        ({"trade_id": "x" * 129}, "trade_id", "TOO_LONG"),
        ({"trade_id": "a\x00b"}, "trade_id", "BAD_TEXT"),
        ({"symbol": "BTC\nUSDT"}, "symbol", "BAD_TEXT"),
        ({"symbol": "\ud800"}, "symbol", "BAD_TEXT"),
        ({"strategy_id": " TREND_001"}, "strategy_id", "BAD_TEXT"),
        ({"strategy_id": 7}, "strategy_id", "BAD_TEXT"),
        ({"risk_at_entry": "0"}, "risk_at_entry", "NOT_POSITIVE"),
        ({"policy_version": -1}, "policy_version", "NEGATIVE"),
        ({"policy_version": "1.5"}, "policy_version", "NOT_A_NUMBER"),
        ({"policy_version": 2**63}, "policy_version", "OUT_OF_RANGE"),
        ({"closed_at": "2021-12-31T23:34:59Z"}, "closed_at", "CLOSED_BEFORE_OPENED"),
        ({"net_pnl": "-292.28"}, "net_pnl", "INCONSISTENT"),
        ({"funding": None}, "funding", "MISSING"),
    ],
)
def test_a_trade_outside_sense_is_refused_with_field_and_code(override: Raw, field: str, code: str) -> None:
    refusal = refusal_of(parse_trade, raw_trade(**override))

    assert (refusal.field, refusal.code) == (field, code)


@pytest.mark.parametrize(
    ("override", "field", "code"),
    [
        ({"side": "HOLD"}, "side", "UNKNOWN_VALUE"),
        ({"status": "half filled"}, "status", "UNKNOWN_VALUE"),
        ({"reduce_only": "maybe"}, "reduce_only", "UNKNOWN_VALUE"),
        ({"reduce_only": None}, "reduce_only", "MISSING"),
        ({"confidence": 1.01}, "confidence", "OUT_OF_RANGE"),
        ({"price": "0"}, "price", "NOT_POSITIVE"),
        ({"detail_json": "[1]"}, "detail_json", "BAD_TEXT"),
        ({"detail_json": "[" * 16_000}, "detail_json", "BAD_TEXT"),
        ({"detail_json": "x" * 16_385}, "detail_json", "TOO_LONG"),
        ({"reason": "x" * 257}, "reason", "TOO_LONG"),
    ],
)
def test_an_execution_outside_sense_is_refused_with_field_and_code(override: Raw, field: str, code: str) -> None:
    refusal = refusal_of(parse_execution, raw_execution(**override))

    assert (refusal.field, refusal.code) == (field, code)


def test_an_unheard_of_status_of_a_venue_is_kept() -> None:
    assert parse_execution(raw_execution(status="NEW_ADL"), NOW).status == "NEW_ADL"


def test_the_id_in_a_refusal_is_short_and_printable_whatever_was_sent() -> None:
    refusal = refusal_of(parse_trade, raw_trade(trade_id="\x1b[31m" + "x" * 10_000))

    assert len(refusal.id) <= 128
    assert refusal.id.isprintable()


def test_a_net_pnl_off_by_rounded_cents_is_taken() -> None:
    trade = parse_trade(raw_trade(gross_pnl="-218.00", fees="74.26", net_pnl="-292.24"), NOW)

    assert trade.net_pnl == Decimal("-292.24")


@pytest.mark.parametrize(
    ("kind", "columns"), [(Execution, EXECUTION_FIELDS), (Trade, TRADE_FIELDS), (EquityPoint, EQUITY_FIELDS)]
)
def test_the_columns_are_the_fields_of_the_fact(kind: type[Fact], columns: Fields) -> None:
    assert columns.names == {field.name for field in fields(kind)}


_ODD_TEXT = st.text(st.characters(), max_size=40) | st.sampled_from(
    ["NaN", "-inf", "1e400", "1E5", "0", "-1", "1.0", "LIVE", "SHORT", "2022-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]
)
_RAW_VALUE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.datetimes(),
    _ODD_TEXT,
    st.binary(max_size=3),
) | st.datetimes(timezones=st.timezones())


@given(
    data=st.data(),
    case=st.sampled_from([(parse_trade, raw_trade), (parse_equity, raw_equity), (parse_execution, raw_execution)]),
)
def test_any_row_gives_a_fact_or_a_refusal_that_names_a_field(
    data: st.DataObject, case: tuple[Parse, Callable[[], Raw]]
) -> None:
    parse, build = case
    raw = build()
    names = st.sampled_from(sorted(raw))
    raw |= data.draw(st.dictionaries(names | st.text(max_size=5), _RAW_VALUE, max_size=6))

    try:
        fact = parse(raw, NOW)
    except Refusal as refusal:
        assert refusal.code
        assert refusal.field.isprintable()
        assert refusal.field in raw or refusal.code == "UNKNOWN_FIELD"
    else:
        for field in fields(fact):
            value = getattr(fact, field.name)
            assert not isinstance(value, Decimal) or value.is_finite()
            assert not isinstance(value, datetime) or value.utcoffset() == timedelta(0)


@given(number=st.decimals(min_value=-(10**14), max_value=10**14, places=8, allow_nan=False))
def test_a_number_within_bounds_keeps_its_value_exactly(number: Decimal) -> None:
    assert parse_equity(raw_equity(unrealized_pnl=format(number, "f")), NOW).unrealized_pnl == number
