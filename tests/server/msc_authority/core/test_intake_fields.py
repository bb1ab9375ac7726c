"""Every column of every fact, one by one: what it must hold, what it may leave empty, and the code of each refusal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_rows import KINDS, NOW, read, refusal

from msc_authority.core.facts import Direction, EquityPoint, Execution, Side, Trade, TradeSource
from msc_authority.core.intake import NET_PNL_TOLERANCE, Refusal


def of(group: Mapping[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    return [(kind, field) for kind, fields in group.items() for field in fields]


TEXTS = {
    "trade": ("trade_id", "strategy_id", "symbol"),
    "equity": ("account",),
    "execution": (
        "event_id",
        "account",
        "executor",
        "symbol",
        "strategy_id",
        "order_id",
        "client_order_id",
        "reason",
    ),
}
NUMBERS = {
    "trade": ("quantity", "entry_price", "exit_price", "gross_pnl", "fees", "funding", "net_pnl", "risk_at_entry"),
    "equity": ("wallet_balance", "unrealized_pnl", "net_flow"),
    "execution": ("quantity", "price", "fee", "realized_pnl"),
}
POSITIVE = {
    "trade": ("quantity", "entry_price", "exit_price", "risk_at_entry"),
    "execution": ("quantity", "price"),
}
INSTANTS = {"trade": ("opened_at", "closed_at"), "equity": ("at",), "execution": ("at",)}
WORDS = {"trade": ("direction", "source"), "execution": ("side", "status", "reduce_only")}
VERSIONS = {"trade": ("policy_version",), "execution": ("policy_version",)}


def test_every_column_is_in_one_of_the_tables_here() -> None:
    for name, kind in KINDS.items():
        listed = [field for group in (TEXTS, NUMBERS, INSTANTS, WORDS, VERSIONS) for field in group.get(name, ())]
        others = {"execution": ["confidence", "detail_json"]}.get(name, [])
        assert sorted([*listed, *others]) == sorted(kind.columns.names)


@pytest.mark.parametrize(("kind", "field"), of({name: kind.columns.required for name, kind in KINDS.items()}))
@pytest.mark.parametrize("nothing", ["", None])
def test_a_column_that_is_required_is_missing_when_nothing_is_said(kind: str, field: str, nothing: object) -> None:
    found = refusal(kind, **{field: nothing})

    assert (found.field, found.code, found.reason) == (field, "MISSING", "must not be empty")


@pytest.mark.parametrize(("kind", "field"), of({name: kind.columns.required for name, kind in KINDS.items()}))
def test_a_column_that_is_not_there_is_missing_as_well(kind: str, field: str) -> None:
    row = {name: value for name, value in KINDS[kind].row.items() if name != field}
    with pytest.raises(Refusal) as caught:
        KINDS[kind].parse(row, NOW)

    assert (caught.value.field, caught.value.code) == (field, "MISSING")


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("trade", "risk_at_entry", None),
        ("trade", "policy_version", 0),
        ("equity", "net_flow", Decimal(0)),
        ("execution", "strategy_id", ""),
        ("execution", "order_id", ""),
        ("execution", "client_order_id", ""),
        ("execution", "price", None),
        ("execution", "fee", Decimal(0)),
        ("execution", "realized_pnl", Decimal(0)),
        ("execution", "confidence", None),
        ("execution", "policy_version", 0),
        ("execution", "reason", ""),
        ("execution", "detail_json", ""),
    ],
)
@pytest.mark.parametrize("nothing", ["", None])
def test_a_column_that_may_be_empty_means_this_when_nothing_is_said(
    kind: str, field: str, value: object, nothing: object
) -> None:
    assert getattr(read(kind, **{field: nothing}), field) == value


def test_every_optional_column_has_its_meaning_here() -> None:
    assert {kind: set(one.columns.optional) for kind, one in KINDS.items()} == {
        "trade": {"risk_at_entry", "policy_version"},
        "equity": {"net_flow"},
        "execution": {
            "strategy_id",
            "order_id",
            "client_order_id",
            "price",
            "fee",
            "realized_pnl",
            "confidence",
            "policy_version",
            "reason",
            "detail_json",
        },
    }


@pytest.mark.parametrize(("kind", "field"), of(TEXTS))
@pytest.mark.parametrize(
    ("value", "code"),
    [
        (" x", "BAD_TEXT"),
        ("x ", "BAD_TEXT"),
        ("a\tb", "BAD_TEXT"),
        ("a\u2028b", "BAD_TEXT"),
        ("\x7f", "BAD_TEXT"),
        (7, "BAD_TEXT"),
        (b"x", "BAD_TEXT"),
        ("x" * 257, "TOO_LONG"),
    ],
)
def test_a_text_outside_sense_is_refused(kind: str, field: str, value: object, code: str) -> None:
    found = refusal(kind, **{field: value})

    assert (found.field, found.code) == (field, code)


@pytest.mark.parametrize(("kind", "field"), of(TEXTS))
def test_a_text_at_its_longest_and_of_any_script_is_taken_as_it_is(kind: str, field: str) -> None:
    longest = 256 if field == "reason" else 128
    for value in ("x" * longest, "стратегия-7", "Ω", "a b"):
        assert getattr(read(kind, **{field: value}), field) == value


@pytest.mark.parametrize(("kind", "field"), of(NUMBERS))
@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("1,000", "NOT_A_NUMBER"),
        ("1.", "NOT_A_NUMBER"),
        ("+1", "NOT_A_NUMBER"),
        ("0x10", "NOT_A_NUMBER"),
        ("--1", "NOT_A_NUMBER"),
        (False, "NOT_A_NUMBER"),
        (datetime(2022, 1, 1, tzinfo=UTC), "NOT_A_NUMBER"),
        ("nan", "NOT_FINITE"),
        ("Infinity", "NOT_FINITE"),
        (float("-inf"), "NOT_FINITE"),
        ("1E2", "EXPONENT_FORM"),
        ("1e-99", "OUT_OF_RANGE"),
        ("1" + "0" * 15, "OUT_OF_RANGE"),
        ("0." + "0" * 18 + "1", "OUT_OF_RANGE"),
        (10**15, "OUT_OF_RANGE"),
        (2**70, "OUT_OF_RANGE"),
    ],
)
def test_a_number_outside_sense_is_refused(kind: str, field: str, value: object, code: str) -> None:
    found = refusal(kind, **{field: value})

    assert (found.id, found.field, found.code) == (KINDS[kind].id, field, code)


@pytest.mark.parametrize(("kind", "field"), of(POSITIVE))
@pytest.mark.parametrize("value", ["0", "-0", "-0.000000000000000001", 0, -1.5])
def test_what_must_be_above_zero_is_refused_at_zero_and_below(kind: str, field: str, value: object) -> None:
    found = refusal(kind, **{field: value})

    assert (found.field, found.code) == (field, "NOT_POSITIVE")


@pytest.mark.parametrize(("kind", "field"), of(POSITIVE))
def test_the_smallest_and_the_greatest_positive_number_are_taken(kind: str, field: str) -> None:
    for value in ("0." + "0" * 17 + "1", "9" * 15 + "." + "9" * 18):
        assert getattr(read(kind, **{field: value}), field) == Decimal(value)


@pytest.mark.parametrize(("kind", "field"), of(INSTANTS))
@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("2022-01-01", "BAD_TIMESTAMP"),
        ("2022-01-01T00:00Z", "BAD_TIMESTAMP"),
        ("2022-13-01T00:00:00Z", "BAD_TIMESTAMP"),
        ("2022-01-01T24:00:01Z", "BAD_TIMESTAMP"),
        ("2022-01-01T00:00:00z", "BAD_TIMESTAMP"),
        ("2022-01-01T00:00:00+0100", "BAD_TIMESTAMP"),
        (1_640_995_200.0, "BAD_TIMESTAMP"),
        ("2022-01-01T00:00:00", "NAIVE_TIMESTAMP"),
        ("1999-12-31T23:59:59Z", "OUT_OF_RANGE"),
        ("2022-02-01T12:05:01Z", "FROM_THE_FUTURE"),
        ("9999-12-31T23:59:59-23:59", "BAD_TIMESTAMP"),
    ],
)
def test_an_instant_outside_sense_is_refused(kind: str, field: str, value: object, code: str) -> None:
    found = refusal(kind, **{field: value})

    assert (found.field, found.code) == (field, code)


@pytest.mark.parametrize(("kind", "field"), of(WORDS))
@pytest.mark.parametrize("value", ["MAYBE-NOT", "long", "Buy", "live ", 1, 2.5])
def test_a_word_that_is_none_of_the_known_is_refused(kind: str, field: str, value: object) -> None:
    found = refusal(kind, **{field: value})

    assert found.field == field
    assert found.code in {"UNKNOWN_VALUE", "BAD_TEXT"}


@pytest.mark.parametrize(
    ("kind", "field", "raw", "value"),
    [
        ("trade", "direction", "LONG", Direction.LONG),
        ("trade", "direction", "SHORT", Direction.SHORT),
        ("trade", "source", "LIVE", TradeSource.LIVE),
        ("trade", "source", "SHADOW", TradeSource.SHADOW),
        ("execution", "side", "BUY", Side.BUY),
        ("execution", "side", "SELL", Side.SELL),
        ("execution", "reduce_only", "TRUE", True),
        ("execution", "reduce_only", "0", False),
        ("execution", "reduce_only", True, True),
        ("execution", "status", "EXPIRED_IN_MATCH", "EXPIRED_IN_MATCH"),
    ],
)
def test_each_known_word_is_read(kind: str, field: str, raw: object, value: object) -> None:
    assert getattr(read(kind, **{field: raw}), field) == value


@pytest.mark.parametrize(("kind", "field"), of(VERSIONS))
@pytest.mark.parametrize(
    ("value", "code"),
    [("-1", "NEGATIVE"), (-1, "NEGATIVE"), ("2.5", "NOT_A_NUMBER"), (True, "NOT_A_NUMBER"), (2**63, "OUT_OF_RANGE")],
)
def test_a_version_outside_sense_is_refused(kind: str, field: str, value: object, code: str) -> None:
    found = refusal(kind, **{field: value})

    assert (found.field, found.code) == (field, code)


@pytest.mark.parametrize(("kind", "field"), of(VERSIONS))
@pytest.mark.parametrize(("value", "version"), [("0", 0), ("12", 12), ("12.0", 12), (2**63 - 1, 2**63 - 1)])
def test_a_version_is_read_as_a_whole_number(kind: str, field: str, value: object, version: int) -> None:
    assert getattr(read(kind, **{field: value}), field) == version


@pytest.mark.parametrize("value", ["0", "1", 0.0, 1.0, "0.123456789012345678901234567890"])
def test_a_confidence_from_zero_to_one_is_taken_with_any_number_of_digits(value: object) -> None:
    fact = read("execution", confidence=value)
    assert isinstance(fact, Execution)
    assert fact.confidence == float(str(value))


@pytest.mark.parametrize("value", ["-0.0001", "1.0001", 2, float("nan")])
def test_a_confidence_outside_zero_to_one_is_refused(value: object) -> None:
    assert refusal("execution", confidence=value).code in {"OUT_OF_RANGE", "NOT_FINITE"}


@pytest.mark.parametrize("text", ["{}", '{"a": [1, null]}', '{"ü": "\\u00fc"}'])
def test_a_decision_record_is_kept_word_for_word(text: str) -> None:
    fact = read("execution", detail_json=text)
    assert isinstance(fact, Execution)
    assert fact.detail_json == text


@pytest.mark.parametrize("text", ["[]", "1", "null", "{", '{"a": "\ud800"}', "{}{}"])
def test_a_decision_record_that_is_no_object_is_refused(text: str) -> None:
    assert refusal("execution", detail_json=text).code == "BAD_TEXT"


@pytest.mark.parametrize(
    ("off", "taken"),
    [
        (Decimal(0), True),
        (NET_PNL_TOLERANCE, True),
        (-NET_PNL_TOLERANCE, True),
        (Decimal("0.020000000000000001"), False),
    ],
)
def test_the_net_result_may_be_off_by_rounded_cents_and_no_more(off: Decimal, taken: bool) -> None:
    net = Decimal("18.5") + off
    if taken:
        fact = read("trade", net_pnl=str(net))
        assert isinstance(fact, Trade)
        assert fact.net_pnl == net
    else:
        found = refusal("trade", net_pnl=str(net))
        assert (found.field, found.code) == ("net_pnl", "INCONSISTENT")
        assert found.reason == "is 18.520000000000000001, but gross_pnl - fees + funding is 18.5"


@pytest.mark.parametrize(("seconds", "taken"), [(0, True), (1, True), (-1, False)])
def test_a_trade_may_close_in_the_instant_it_opened_but_not_before(seconds: int, taken: bool) -> None:
    closed = datetime(2022, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    if taken:
        fact = read("trade", closed_at=closed)
        assert isinstance(fact, Trade)
        assert fact.closed_at == closed
    else:
        assert refusal("trade", closed_at=closed).code == "CLOSED_BEFORE_OPENED"


@given(
    st.decimals(min_value=-(10**9), max_value=10**9, places=4),
    st.decimals(min_value=0, max_value=10**6, places=4),
    st.decimals(min_value=-(10**6), max_value=10**6, places=4),
)
def test_whatever_the_amounts_are_a_trade_that_adds_up_is_taken_exactly(
    gross: Decimal, fees: Decimal, funding: Decimal
) -> None:
    net = gross - fees + funding
    amounts = {"gross_pnl": gross, "fees": fees, "funding": funding, "net_pnl": net}
    fact = read("trade", **{name: format(value, "f") for name, value in amounts.items()})

    assert isinstance(fact, Trade)
    assert (fact.gross_pnl, fact.fees, fact.funding, fact.net_pnl) == (gross, fees, funding, net)


@pytest.mark.parametrize("kind", KINDS)
def test_a_refusal_reads_as_one_sentence(kind: str) -> None:
    found = refusal(kind, colour="red")

    assert str(found) == "colour: is not a column of this kind of fact (UNKNOWN_FIELD)"
    assert found.id == KINDS[kind].id


def test_of_several_things_wrong_the_first_column_is_told() -> None:
    assert refusal("equity", account="", at="x", wallet_balance="y").field == "account"
    assert isinstance(read("equity"), EquityPoint)
