"""Facts, field by field: each wrong value is refused under its field's name, and each edge is taken."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from msc_client._delivery import Pending
from msc_client._wire.journal import answer_of, columns_of, encode_fact, record_request
from msc_client.facts import ClosedTrade, Direction, EquityPoint, Execution, Fact, Side, TradeSource
from msc_policy.v1 import JournalEntry, RecordResponse, RefusedEntry

AT = datetime(2022, 1, 1, tzinfo=UTC)
Make = Callable[..., Fact]


def made(kind: type[Fact], values: dict[str, object], overrides: dict[str, object]) -> Fact:
    maker: Make = kind
    return maker(**(values | overrides))


def execution(**overrides: object) -> Fact:
    values: dict[str, object] = {
        "event_id": "E-1", "account": "main", "executor": "exec-1", "symbol": "BTCUSDT", "side": Side.BUY,
        "status": "FILLED", "quantity": Decimal("0.5"), "reduce_only": False, "at": AT,
    }  # fmt: skip
    return made(Execution, values, overrides)


def trade(**overrides: object) -> Fact:
    values: dict[str, object] = {
        "trade_id": "T-1", "strategy_id": "TREND_001", "symbol": "BTCUSDT", "direction": Direction.LONG,
        "quantity": Decimal(2), "entry_price": Decimal(100), "exit_price": Decimal(101), "opened_at": AT,
        "closed_at": AT, "gross_pnl": Decimal(2), "fees": Decimal("0.5"), "funding": Decimal("-0.1"),
        "net_pnl": Decimal("1.4"), "source": TradeSource.LIVE,
    }  # fmt: skip
    return made(ClosedTrade, values, overrides)


def equity(**overrides: object) -> Fact:
    values: dict[str, object] = {
        "account": "main", "at": AT, "wallet_balance": Decimal(1000), "unrealized_pnl": Decimal(-1),
    }  # fmt: skip
    return made(EquityPoint, values, overrides)


def shown(part: object) -> str:
    """A part of a row, as the test's name shows it: the same in every process."""
    return str(getattr(part, "__name__", ascii(part)[:30]))


NAMES: list[object] = ["", " ", " a", "a ", "a\n", "a\x00", "a\u200b", "\ud800", "x" * 129, None, 7, b"a"]
OPTIONAL_NAMES = [value for value in NAMES if value != ""]
NUMBERS: list[object] = [
    Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal("-Infinity"), Decimal("1e400"), Decimal(10**15),
    Decimal("-1e15"), Decimal("1e-19"), Decimal("0e-19"), 1, 1.0, "1", True,
]  # fmt: skip
SIGNED = [*NUMBERS, None]
POSITIVE = [*NUMBERS, Decimal(0), Decimal("-0"), Decimal("-1e-18")]
REQUIRED_POSITIVE = [*POSITIVE, None]
INSTANTS: list[object] = [
    None, 1_640_995_200, "2022-01-01T00:00:00Z", datetime(2022, 1, 1), AT.date(),
    datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
    datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-2))),
]  # fmt: skip
VERSIONS: list[object] = [-1, 2**63, 1.0, "1", None, True]

WRONG: dict[Make, dict[str, list[object]]] = {
    execution: {
        **dict.fromkeys(("event_id", "account", "executor", "symbol"), NAMES),
        **dict.fromkeys(("strategy_id", "order_id", "client_order_id"), OPTIONAL_NAMES),
        "side": ["BUY", "buy", None, Direction.LONG, 1],
        "status": ["", "filled", "Filled", "FILLED ", "PARTIALLY-FILLED", "1ST", "_X", "F\u00dcLL", "X" * 33, None, 3],
        "quantity": REQUIRED_POSITIVE,
        "price": POSITIVE,
        "fee": SIGNED,
        "realized_pnl": SIGNED,
        "reduce_only": [0, 1, None, "false"],
        "confidence": [-1e-9, 1.0000001, float("nan"), float("inf"), 1, "0.5", Decimal("0.5"), True],
        "policy_version": VERSIONS,
        "at": INSTANTS,
        "reason": ["x" * 257, " x", "a\tb", None, 5],
        "detail_json": ["{", "[]", "null", "1", '"x"', "x", '{"a": "' + "x" * 16_384 + '"}', '{"a": "\ud800"}',
                        "[" * 10_000, None, {}],
    },
    trade: {
        **dict.fromkeys(("trade_id", "strategy_id", "symbol"), NAMES),
        "direction": ["LONG", "UP", None, Side.BUY],
        **dict.fromkeys(("quantity", "entry_price", "exit_price"), REQUIRED_POSITIVE),
        **dict.fromkeys(("gross_pnl", "fees", "funding", "net_pnl"), SIGNED),
        "risk_at_entry": POSITIVE,
        "opened_at": INSTANTS,
        "closed_at": [*INSTANTS, AT - timedelta(microseconds=1)],
        "source": ["LIVE", None, TradeSource],
        "policy_version": VERSIONS,
    },
    equity: {
        "account": NAMES,
        "at": INSTANTS,
        **dict.fromkeys(("wallet_balance", "unrealized_pnl", "net_flow"), SIGNED),
    },
}  # fmt: skip
ROWS = [(make, name, value) for make, table in WRONG.items() for name, values in table.items() for value in values]


@pytest.mark.parametrize("make", list(WRONG), ids=shown)
def test_the_table_leaves_no_field_out(make: Make) -> None:
    assert set(WRONG[make]) == {field.name for field in fields(make())}


@pytest.mark.parametrize(("make", "name", "value"), ROWS, ids=shown)
def test_a_wrong_value_is_refused_under_its_fields_name(make: Make, name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"^{name}: "):
        make(**{name: value})


EDGES: list[tuple[Make, str, object]] = [
    (execution, "event_id", "x" * 128),
    (execution, "symbol", "\u4e2d\u6587USDT"),
    (execution, "strategy_id", ""),
    (execution, "status", "X" * 32),
    (execution, "status", "NEW_ADL"),
    (execution, "quantity", Decimal("1e-18")),
    (execution, "quantity", Decimal("999999999999999.999999999999999999")),
    (execution, "price", None),
    (execution, "fee", Decimal("-0.0001")),
    (execution, "confidence", 0.0),
    (execution, "confidence", 1.0),
    (execution, "confidence", None),
    (execution, "policy_version", 2**63 - 1),
    (execution, "reason", "x" * 256),
    (execution, "detail_json", "{}"),
    (execution, "detail_json", '{"a": "' + "x" * (16_384 - 9) + '"}'),
    (execution, "at", datetime(2000, 1, 1, tzinfo=UTC)),
    (trade, "risk_at_entry", None),
    (trade, "closed_at", AT),
    (equity, "wallet_balance", Decimal("-999999999999999")),
]


@pytest.mark.parametrize(("make", "name", "value"), EDGES, ids=shown)
def test_a_value_at_the_edge_is_taken_and_kept(make: Make, name: str, value: object) -> None:
    assert getattr(make(**{name: value}), name) == value


@pytest.mark.parametrize(
    ("net", "taken"), [("1.4", True), ("1.42", True), ("1.38", True), ("1.4200001", False), ("1.3799999", False)]
)
def test_a_trade_may_be_off_by_two_cents_and_no_more(net: str, taken: bool) -> None:
    if taken:
        trade(net_pnl=Decimal(net))
        return
    with pytest.raises(ValueError, match=r"^net_pnl: is .*, but gross_pnl - fees [+] funding is 1\.4$"):
        trade(net_pnl=Decimal(net))


def test_sums_are_exact_also_beyond_what_a_float_can_hold() -> None:
    great, small = Decimal("999999999999999"), Decimal("0.000000000000000001")
    trade(gross_pnl=great, fees=small, funding=Decimal(0), net_pnl=great)
    with pytest.raises(ValueError, match="net_pnl"):
        trade(gross_pnl=great, fees=Decimal("0.03"), funding=small, net_pnl=great)


# On the wire


def test_an_execution_is_spooled_with_every_field_under_the_journals_names() -> None:
    fact = execution(
        strategy_id="S", order_id="O", client_order_id="C", price=Decimal("1E+3"), fee=Decimal("-0.10"),
        realized_pnl=Decimal("1e-18"), confidence=0.0, policy_version=7, reason="r", detail_json='{"a":1}',
    )  # fmt: skip
    assert columns_of(encode_fact(fact)) == {
        "event_id": "E-1", "account": "main", "executor": "exec-1", "strategy_id": "S", "symbol": "BTCUSDT",
        "side": "BUY", "order_id": "O", "client_order_id": "C", "status": "FILLED", "quantity": "0.5",
        "price": "1000", "fee": "-0.10", "realized_pnl": "0.000000000000000001", "reduce_only": False,
        "confidence": 0.0, "policy_version": 7, "at": "2022-01-01T00:00:00+00:00", "reason": "r",
        "detail_json": '{"a":1}',
    }  # fmt: skip


def test_what_is_unknown_is_left_out_and_what_is_false_is_said() -> None:
    columns = columns_of(encode_fact(execution()))
    assert not {"price", "confidence", "policy_version"} & set(columns)
    assert columns["reduce_only"] is False
    assert "risk_at_entry" not in columns_of(encode_fact(trade()))


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("direction", list(Direction))
@pytest.mark.parametrize("source", list(TradeSource))
def test_each_word_is_spooled_as_itself(side: Side, direction: Direction, source: TradeSource) -> None:
    assert columns_of(encode_fact(execution(side=side)))["side"] == side.value
    columns = columns_of(encode_fact(trade(direction=direction, source=source)))
    assert (columns["direction"], columns["source"]) == (direction.value, source.value)


def test_a_spooled_fact_of_a_newer_contract_is_listed_as_nothing_rather_than_wrongly() -> None:
    assert columns_of(JournalEntry(seq=5).SerializeToString()) == {}


@pytest.mark.parametrize("make", [execution, trade, equity], ids=shown)
def test_every_spooled_fact_can_be_listed_as_json(make: Make) -> None:
    assert json.loads(json.dumps(columns_of(encode_fact(make()))))


def test_a_batch_numbers_each_fact_by_its_place_in_the_spool() -> None:
    payloads = [encode_fact(execution()), encode_fact(trade()), encode_fact(equity())]
    request = record_request(
        Pending(seq=seq, written_at_us=0, payload=raw) for seq, raw in zip((7, 9, 12), payloads, strict=True)
    )
    assert [(entry.seq, entry.WhichOneof("fact")) for entry in request.entries] == [
        (7, "execution"),
        (9, "trade"),
        (12, "equity"),
    ]


def test_an_answer_counts_what_was_stored_before_as_stored() -> None:
    refused = RefusedEntry(seq=9, id="T-1", field="net_pnl", code="MISMATCH", reason="no")
    answer = answer_of(RecordResponse(accepted=2, duplicates=3, refused=[refused], refused_total=1))
    assert (answer.stored, answer.refused_total) == (5, 1)
    [why] = answer.refused
    assert (why.seq, why.id, why.field, why.code, why.reason) == (9, "T-1", "net_pnl", "MISMATCH", "no")
