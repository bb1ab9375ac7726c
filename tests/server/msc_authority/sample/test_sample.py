"""The bundled sample: made by its generator, well formed, and shifted to when it is needed."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest

from msc_authority.core.facts import EquityPoint, Trade, TradeSource
from msc_authority.sample import sample_facts
from msc_authority.sample.files import (
    EQUITY_FILE,
    TRADES_FILE,
    compressed,
    csv_text,
    read_equity,
    read_text,
    read_trades,
)
from msc_authority.sample.generate import generated
from msc_authority.sample.market import STORY, closes

END = datetime(2026, 5, 5, 12, 30, tzinfo=UTC)
LATER = datetime(2027, 1, 1, tzinfo=UTC)


def trades() -> list[Trade]:
    return [fact for fact in sample_facts(END) if isinstance(fact, Trade)]


def equity() -> list[EquityPoint]:
    return [fact for fact in sample_facts(END) if isinstance(fact, EquityPoint)]


def test_the_committed_files_are_what_the_generator_makes() -> None:
    assert {name: read_text(name) for name in (TRADES_FILE, EQUITY_FILE)} == generated()


def test_another_seed_makes_another_market() -> None:
    assert closes(1) != closes(2)
    assert len(closes(1)) == round(sum(regime.days for regime in STORY) * 288)


def test_the_files_are_small() -> None:
    assert sum(len(compressed(text)) for text in generated().values()) < 150_000


def test_facts_survive_a_round_trip_through_csv() -> None:
    assert read_trades(csv_text(trades()), LATER) == trades()
    assert read_equity(csv_text(equity()), LATER) == equity()


def test_the_newest_fact_is_of_the_instant_asked_for() -> None:
    assert max(point.at for point in equity()) == END
    assert max(trade.closed_at for trade in trades()) <= END


def test_prices_are_those_of_a_market_of_today() -> None:
    assert all(50_000 < close < 150_000 for close in closes(10))


def test_the_account_adds_up() -> None:
    """Each wallet is the one before, plus what was deposited and what closed trades made with money in between."""
    closed = [trade for trade in trades() if trade.source is TradeSource.LIVE]
    for before, after in pairwise(equity()):
        made = sum(trade.net_pnl for trade in closed if before.at < trade.closed_at <= after.at)
        assert after.wallet_balance == before.wallet_balance + after.net_flow + made


def test_there_is_a_deposit_and_shadow_trading_in_it() -> None:
    assert sum(point.net_flow > 0 for point in equity()) == 1
    assert {trade.source for trade in trades()} == set(TradeSource)


@pytest.mark.parametrize("name", ["trade_id", "strategy_id"])
def test_names_are_the_fleets(name: str) -> None:
    values = {getattr(trade, name) for trade in trades()}

    assert len(values) == (len(trades()) if name == "trade_id" else 5)
