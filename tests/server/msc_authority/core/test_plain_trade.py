"""What is taken at a glance is what a careful look would have taken."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msc_authority.core.facts import Direction, Trade, TradeSource
from msc_authority.core.intake import Refusal, parse_trade
from msc_authority.core.plain_trade import PLAIN_TEXTS, plain_trade

NOW = datetime(2022, 2, 1, 12, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A trade as it arrives: texts, and what is not text."""

    trade_id: str = "T-1"
    strategy_id: str = "TREND_001"
    symbol: str = "BTCUSDT"
    quantity: str = "2"
    entry_price: str = "46356.0"
    exit_price: str = "46465.00"
    gross_pnl: str = "-218.0"
    fees: str = "74.2568"
    funding: str = "0"
    net_pnl: str = "-292.2568"
    risk_at_entry: str = "5.00"
    direction: Direction | None = Direction.SHORT
    source: TradeSource | None = TradeSource.LIVE
    opened_at: datetime | None = NOW - timedelta(hours=2)
    closed_at: datetime | None = NOW - timedelta(hours=1)
    policy_version: int = 3


def at_a_glance(sent: Sent) -> Trade | None:
    return plain_trade(
        [getattr(sent, name) for name in PLAIN_TEXTS],
        direction=sent.direction,
        source=sent.source,
        opened_at=sent.opened_at,
        closed_at=sent.closed_at,
        policy_version=sent.policy_version,
        now=NOW,
    )


def carefully(sent: Sent) -> Trade | None:
    try:
        return parse_trade({field.name: getattr(sent, field.name) for field in fields(sent)}, NOW)
    except Refusal:
        return None


def as_written(trade: Trade) -> list[str]:
    return [str(getattr(trade, field.name)) for field in fields(trade)]


NAMES = st.sampled_from(["T-1", "ETH", "", " ", "a b", "a ", "a\nb", "é", "x" * 128, "x" * 129]) | st.text(max_size=5)
NUMBERS = (
    st.sampled_from(["1", "0", "-0", "0.00", "-1.50", ".5", "5.", "+1", "1e3", "nan", "", "1\n2", "007.10", "٣"])
    | st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-999, max_value=999).map(str)
    | st.from_regex(r"\A-?[0-9]{1,17}(\.[0-9]{1,20})?\Z")
)
INSTANTS = st.none() | st.sampled_from(
    [
        NOW,
        NOW - timedelta(hours=1),
        NOW + timedelta(minutes=5),
        NOW + timedelta(minutes=5, microseconds=1),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2000, 1, 1, tzinfo=UTC),
        datetime(2022, 1, 1),
        datetime(2022, 1, 1, tzinfo=timezone(timedelta(hours=2))),
    ]
)
OTHERS: dict[str, st.SearchStrategy[object]] = {
    **dict.fromkeys(PLAIN_TEXTS[:3], NAMES),
    **dict.fromkeys(PLAIN_TEXTS[3:], NUMBERS),
    "direction": st.none() | st.sampled_from(Direction),
    "source": st.none() | st.sampled_from(TradeSource),
    "opened_at": INSTANTS,
    "closed_at": INSTANTS,
    "policy_version": st.sampled_from([0, 1, 2**63 - 1, 2**63, 2**64 - 1]),
}


@given(st.fixed_dictionaries({}, optional=OTHERS), st.booleans())
def test_whatever_is_taken_at_a_glance_a_careful_look_takes_just_so(others: dict[str, object], balanced: bool) -> None:
    sent = replace(Sent(), **others)  # type: ignore[arg-type]  # each strategy draws what its field holds
    if balanced:
        sent = replace(sent, gross_pnl="1.5", fees="0.5", funding="-0.25", net_pnl="0.77")

    taken = at_a_glance(sent)

    if taken is not None:
        careful = carefully(sent)
        assert careful is not None
        assert as_written(taken) == as_written(careful)


@given(
    st.tuples(*[st.decimals(min_value=0, max_value=10**14, places=4).map(str)] * 3),
    st.decimals(min_value=-(10**14), max_value=10**14, places=8),
    st.sampled_from(["", "0.01", "250"]),
)
def test_an_ordinary_trade_is_taken_at_a_glance(amounts: tuple[str, ...], gross: Decimal, risk: str) -> None:
    quantity, entry, exit_ = (amount.replace("0.0000", "0.0001") for amount in amounts)
    ordinary = Sent(
        quantity=quantity,
        entry_price=entry,
        exit_price=exit_,
        gross_pnl=f"{gross:f}",
        fees="0",
        funding="0.00",
        net_pnl=f"{gross:f}",
        risk_at_entry=risk,
    )

    taken = at_a_glance(ordinary)

    assert taken is not None
    assert taken == carefully(ordinary)
    assert isinstance(taken.direction, Direction)
    assert str(taken.quantity) == quantity, "every digit is kept as it was written"


@pytest.mark.parametrize(
    "odd",
    [
        Sent(symbol="BTC\nUSDT"),
        Sent(trade_id="T-1\nTREND", strategy_id=""),
        Sent(net_pnl="-292.2568\n5", risk_at_entry=""),
        Sent(net_pnl="-292.30"),
        Sent(quantity="-2"),
        Sent(quantity="0.000"),
        Sent(risk_at_entry="0"),
        Sent(closed_at=NOW - timedelta(hours=3)),
        Sent(closed_at=NOW + timedelta(hours=1)),
        Sent(closed_at=None),
        Sent(direction=None),
        Sent(policy_version=2**63),
    ],
    ids=repr,
)
def test_what_is_wrong_is_left_to_the_careful_look_which_says_so(odd: Sent) -> None:
    assert at_a_glance(odd) is None
    assert carefully(odd) is None
