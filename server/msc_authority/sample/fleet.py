"""Lets the sample fleet trade on the sample market, and writes down what an account would show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal

from msc_authority.core.facts import Direction, EquityPoint, Trade, TradeSource
from msc_authority.sample.rules import LONG, Entry, Rule

FIRST_CLOSE_AT = datetime(2026, 1, 1, tzinfo=UTC)
BAR = timedelta(minutes=5)
ACCOUNT = "sample"
SYMBOL = "BTCUSDT"

_START = Decimal("100000.00")
_DEPOSIT_BAR, _DEPOSIT = 1440, Decimal("10000.00")
_RISK_FRACTION = Decimal("0.0025")
_FEE_FRACTION = Decimal("0.0004")
_FUNDING_FRACTION = Decimal("0.0001")
_FUNDING_HOURS = 8
_EQUITY_EVERY_BARS = 3
_CENT, _LOT = Decimal("0.01"), Decimal("0.001")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Position:
    number: int
    strategy_id: str
    entry: Entry
    quantity: Decimal
    price: Decimal
    opened_bar: int
    risk: Decimal
    source: TradeSource

    @property
    def sign(self) -> int:
        return 1 if self.entry.direction == LONG else -1

    def gain(self, price: Decimal) -> Decimal:
        return _money(self.sign * self.quantity * (price - self.price))

    def wants_out(self, price: Decimal, bar: int) -> bool:
        move = self.sign * (float(price) / float(self.price) - 1)
        late = bar - self.opened_bar >= self.entry.hold_bars
        return late or move <= -self.entry.stop_fraction or move >= self.entry.target_fraction


def trade(closes: Sequence[float], rules: Mapping[str, Rule]) -> tuple[list[Trade], list[EquityPoint]]:
    """Closed trades in order of closing, and the account every 15 minutes. One position a rule; none is left open."""
    desk = _Desk(rules)
    points: list[EquityPoint] = []
    for bar in range(len(closes)):
        desk.step(closes[: bar + 1][-600:], bar, last=bar == len(closes) - 1)
        if bar % _EQUITY_EVERY_BARS == 0 or bar == len(closes) - 1:
            points.append(desk.reading(bar, Decimal(str(closes[bar]))))
    return desk.trades, points


class _Desk:
    def __init__(self, rules: Mapping[str, Rule]) -> None:
        self._rules = rules
        self._open: dict[str, _Position] = {}
        self._wallet = _START
        self._flow = Decimal(0)
        self._taken = 0
        self.trades: list[Trade] = []

    def step(self, closes: Sequence[float], bar: int, *, last: bool) -> None:
        price = Decimal(str(closes[-1]))
        if bar == _DEPOSIT_BAR:
            self._wallet += _DEPOSIT
            self._flow += _DEPOSIT
        for name, position in list(self._open.items()):
            if last or position.wants_out(price, bar):
                self._close(name, position, price, bar)
        if not last:
            self._enter(closes, price, bar)

    def reading(self, bar: int, price: Decimal) -> EquityPoint:
        live = [position for position in self._open.values() if position.source is TradeSource.LIVE]
        point = EquityPoint(
            account=ACCOUNT,
            at=_at(bar),
            wallet_balance=self._wallet,
            unrealized_pnl=sum((position.gain(price) for position in live), Decimal("0.00")),
            net_flow=self._flow,
        )
        self._flow = Decimal(0)
        return point

    def _enter(self, closes: Sequence[float], price: Decimal, bar: int) -> None:
        for name, rule in self._rules.items():
            entry = rule.entry(closes) if name not in self._open else None
            if entry is None:
                continue
            self._taken += 1
            risk = _money(self._wallet * _RISK_FRACTION)
            quantity = (risk / (price * Decimal(str(entry.stop_fraction)))).quantize(_LOT, ROUND_HALF_EVEN)
            position = _Position(
                number=self._taken,
                strategy_id=name,
                entry=entry,
                quantity=quantity,
                price=price,
                opened_bar=bar,
                risk=risk,
                source=self._source(name),
            )
            self._open[name] = position

    def _source(self, name: str) -> TradeSource:
        """A rule that lost eight times its risk over its last 30 trades goes on without money."""
        mine = (trade for trade in self.trades if trade.strategy_id == name)
        results = [trade.net_pnl / trade.risk_at_entry for trade in mine if trade.risk_at_entry]
        return TradeSource.SHADOW if sum(results[-30:]) <= -8 else TradeSource.LIVE

    def _close(self, name: str, position: _Position, price: Decimal, bar: int) -> None:
        del self._open[name]
        closed = _closed(position, price, bar)
        self.trades.append(closed)
        if closed.source is TradeSource.LIVE:
            self._wallet += closed.net_pnl


def _closed(position: _Position, price: Decimal, bar: int) -> Trade:
    gross = position.gain(price)
    fees = _money(position.quantity * (position.price + price) * _FEE_FRACTION)
    notional = position.quantity * price
    funding = _money(-position.sign * _fundings(position.opened_bar, bar) * notional * _FUNDING_FRACTION)
    return Trade(
        trade_id=f"{position.strategy_id}-{position.number:04d}",
        strategy_id=position.strategy_id,
        symbol=SYMBOL,
        direction=Direction.LONG if position.sign > 0 else Direction.SHORT,
        quantity=position.quantity,
        entry_price=position.price,
        exit_price=price,
        opened_at=_at(position.opened_bar),
        closed_at=_at(bar),
        gross_pnl=gross,
        fees=fees,
        funding=funding,
        net_pnl=gross - fees + funding,
        risk_at_entry=position.risk,
        source=position.source,
    )


def _fundings(opened_bar: int, closed_bar: int) -> int:
    bars = _FUNDING_HOURS * 12
    return closed_bar // bars - opened_bar // bars


def _at(bar: int) -> datetime:
    return FIRST_CLOSE_AT + bar * BAR


def _money(amount: Decimal) -> Decimal:
    return amount.quantize(_CENT, ROUND_HALF_EVEN)
