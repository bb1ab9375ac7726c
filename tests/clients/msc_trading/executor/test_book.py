"""A symbol's fills make one book, whatever order they came in and however often."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from executor_time import START
from hypothesis import given
from hypothesis import strategies as st

from msc_client.facts import Direction, Side
from msc_trading.executor.book import SymbolLedger, fold
from msc_trading.executor.ids import Purpose
from msc_trading.executor.records import FlatMark, OrderRecord
from msc_trading.venue.port import Fill, OrderStatus, OrderType


def a_fill(
    number: int,
    side: Side,
    quantity: str | Decimal,
    price: str | Decimal = "100",
    *,
    name: str = "",
    reduce_only: bool = False,
    seconds: int | None = None,
) -> Fill:
    return Fill(
        trade_id=str(number),
        order_id=f"o{number}",
        client_order_id=name,
        symbol="BTCUSDT",
        side=side,
        quantity=Decimal(quantity),
        price=Decimal(price),
        fee=Decimal("0.01"),
        realized_pnl=Decimal(0),
        reduce_only=reduce_only,
        at=START + timedelta(seconds=number if seconds is None else seconds),
    )


def a_record(name: str, purpose: Purpose, side: Side, quantity: str, strategy: str = "TREND_001") -> OrderRecord:
    return OrderRecord(
        client_order_id=name,
        purpose=purpose,
        strategy_id=strategy,
        signal_id="s",
        symbol="BTCUSDT",
        side=side,
        order_type=OrderType.MARKET,
        quantity=Decimal(quantity),
        prepared_at=START,
        risk=Decimal(10),
        policy_version=7,
    )


RECORDS = {
    "in": a_record("in", Purpose.ENTRY, Side.BUY, "3"),
    "out": a_record("out", Purpose.EXIT, Side.SELL, "3"),
    "short": a_record("short", Purpose.ENTRY, Side.SELL, "2", "MOMENTUM_002"),
}


def record_of(fill: Fill) -> OrderRecord | None:
    return RECORDS.get(fill.client_order_id)


def test_a_round_trip_knows_averages_fees_and_whose_it_is() -> None:
    folding = fold(
        [
            a_fill(1, Side.BUY, "1", "100", name="in"),
            a_fill(2, Side.BUY, "2", "106", name="in"),
            a_fill(3, Side.SELL, "3", "110", name="out", reduce_only=True),
        ],
        record_of,
        accept_gaps=False,
    )
    (trip,) = folding.closed
    trade = trip.closed_trade(account_id="acct", funding=Decimal("-0.5"))
    assert folding.trip is None
    assert (trade.strategy_id, trade.direction, trade.quantity) == ("TREND_001", Direction.LONG, Decimal(3))
    assert (trade.entry_price, trade.exit_price) == (Decimal(104), Decimal(110))
    assert (trade.gross_pnl, trade.fees, trade.net_pnl) == (Decimal(18), Decimal("0.03"), Decimal("17.47"))
    assert (trade.risk_at_entry, trade.policy_version) == (Decimal(10), 7)
    assert [told.status for told in folding.told] == [
        OrderStatus.PARTIALLY_FILLED,
        OrderStatus.FILLED,
        OrderStatus.FILLED,
    ]


def test_an_average_without_an_end_is_rounded_and_the_result_is_not() -> None:
    folding = fold(
        [
            a_fill(1, Side.BUY, "1", "100", name="in"),
            a_fill(2, Side.BUY, "2", "101", name="in"),
            a_fill(3, Side.SELL, "3", "100", name="out"),
        ],
        record_of,
        accept_gaps=False,
    )
    trade = folding.closed[0].closed_trade(account_id="a", funding=Decimal(0))
    assert trade.entry_price == Decimal("100.666666666667")
    assert trade.gross_pnl == -2


def test_a_part_of_an_entry_that_filled_carries_its_part_of_the_risk() -> None:
    folding = fold([a_fill(1, Side.BUY, "1.5", name="in")], record_of, accept_gaps=False)
    assert folding.trip is not None
    assert folding.trip.risk == 5


def test_a_reduction_of_nothing_means_that_a_fill_is_missing() -> None:
    ledger = SymbolLedger(FlatMark(symbol="BTCUSDT", since=START), record_of)
    ledger.add([a_fill(3, Side.SELL, "3", name="out", reduce_only=True)])
    before = ledger.folding
    assert before.gap
    assert before.told == ()
    assert ledger.flat_mark() is None
    ledger.add([a_fill(1, Side.BUY, "3", name="in")])
    after = ledger.folding
    assert not after.gap
    assert len(after.closed) == 1


def test_a_reduction_that_nothing_explains_is_told_once_all_fills_are_known() -> None:
    ledger = SymbolLedger(FlatMark(symbol="BTCUSDT", since=START), record_of)
    exit_fill = a_fill(3, Side.SELL, "3", name="out", reduce_only=True)
    ledger.add([exit_fill])
    ledger.add([exit_fill], complete=True)
    assert not ledger.folding.gap
    assert [told.fill.trade_id for told in ledger.folding.told] == ["3"]
    assert ledger.quantity == 0


def test_a_fill_that_turns_a_position_round_ends_one_trip_and_opens_another() -> None:
    folding = fold(
        [a_fill(1, Side.BUY, "3", name="in"), a_fill(2, Side.SELL, "5", "90", name="web")],
        record_of,
        accept_gaps=False,
    )
    assert len(folding.closed) == 1
    assert folding.trip is not None
    assert folding.trip.signed_quantity == -2
    assert folding.trip.strategy_id == ""
    assert folding.closed[0].fees + folding.trip.fees == Decimal("0.02")


def test_what_is_marked_as_over_is_not_counted_again() -> None:
    ledger = SymbolLedger(FlatMark(symbol="BTCUSDT", since=START), record_of)
    over = [
        a_fill(1, Side.BUY, "3", name="in"),
        a_fill(2, Side.SELL, "3", name="out", seconds=5),
        # At the same instant, and not part of what was over.
        a_fill(3, Side.SELL, "2", name="short", seconds=5),
    ]
    ledger.add(over[:2])
    mark = ledger.flat_mark()
    assert mark is not None
    ledger.start_again_at(mark)
    assert ledger.flat_mark() is None
    assert ledger.add(over)
    assert ledger.quantity == -2
    assert ledger.folding.trip is not None
    assert ledger.folding.trip.strategy_id == "MOMENTUM_002"


@st.composite
def histories(draw: st.DrawFn) -> list[Fill]:
    """What a venue could have done: reductions never exceed the position."""
    fills: list[Fill] = []
    held = Decimal(0)
    for number in range(1, draw(st.integers(2, 12))):
        price = draw(st.decimals(90, 110, places=1))
        if held == 0 or draw(st.booleans()):
            side = draw(st.sampled_from(Side)) if held == 0 else Side.BUY if held > 0 else Side.SELL
            quantity = draw(st.decimals("0.1", 3, places=1))
            fills.append(a_fill(number, side, quantity, price, name=f"web{number}", seconds=number // 2))
        else:
            side = Side.SELL if held > 0 else Side.BUY
            quantity = draw(st.sampled_from([abs(held), min(abs(held), Decimal("0.1"))]))
            fills.append(a_fill(number, side, quantity, price, name="s", reduce_only=True, seconds=number // 2))
        held += quantity if side is Side.BUY else -quantity
    return fills


@given(history=histories(), data=st.data())
def test_any_order_of_arrival_makes_the_same_book(history: list[Fill], data: st.DataObject) -> None:
    straight = SymbolLedger(FlatMark(symbol="BTCUSDT", since=START), record_of)
    straight.add(history)
    shuffled = SymbolLedger(FlatMark(symbol="BTCUSDT", since=START), record_of)
    arrival = data.draw(st.permutations(history + data.draw(st.lists(st.sampled_from(history), max_size=4))))
    told: set[str] = set()
    for fill in arrival:
        shuffled.add([fill])
        told |= {booked.fill.trade_id for booked in shuffled.folding.told}
    assert shuffled.folding == straight.folding
    assert not straight.folding.gap
    assert told == {fill.trade_id for fill in history}
    bought = sum((fill.quantity for fill in history if fill.side is Side.BUY), Decimal(0))
    sold = sum((fill.quantity for fill in history if fill.side is Side.SELL), Decimal(0))
    assert straight.quantity == bought - sold
    fees = sum((trip.fees for trip in straight.folding.closed), Decimal(0))
    fees += Decimal(0) if straight.folding.trip is None else straight.folding.trip.fees
    assert fees == Decimal("0.01") * len(history)
