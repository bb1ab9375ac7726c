"""One side of a backtest: trades the signals under a policy, and keeps count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final

from msc_client.facts import ClosedTrade, TradeSource
from msc_client.policy import Policy, RiskMode
from msc_client.tier import Tier
from msc_client.view import PolicyView
from msc_trading.backtest.account import Account
from msc_trading.backtest.book import Book, Leg, Order
from msc_trading.backtest.config import BacktestConfig
from msc_trading.backtest.judge import Situation, refusal_of, sized
from msc_trading.backtest.report import PolicyStep, Side
from msc_trading.guard.case import Latch
from msc_trading.guard.decision import ReasonCode
from msc_trading.guard.limits import InForce, PolicyMemory
from msc_trading.guard.risk import loss_at_stop
from msc_trading.market.candle import MINUTE, Candle
from msc_trading.signals import Signal, SignalKind

_FILL_DELAY: Final = timedelta(seconds=1)


class Desk:
    """An account that trades signals: with money those the guard grants, on paper those of strategies that may not.

    What is granted at the close of a minute is filled at the open of the next; a stop reached in a minute is taken
    before anything good that the minute may hold. `on_trade` hears of every closed trade.
    """

    def __init__(
        self, policy: Policy, at: datetime, config: BacktestConfig, *, on_trade: Callable[[ClosedTrade], None]
    ) -> None:
        self._config = config
        self._on_trade = on_trade
        self._memory = PolicyMemory()
        self._in_force = self._taken(policy)
        self._policies = [PolicyStep(at=at, policy=policy)]
        self._mode_since = at
        self._time_in_mode: Counter[RiskMode] = Counter()
        self.account = Account(config.account_id, config.starting_equity, config.guard.fee_rate)
        self._live, self._paper = Book(), Book()
        self._trades: list[ClosedTrade] = []
        self._paper_trades: list[ClosedTrade] = []
        self._blocks: Counter[tuple[str, str]] = Counter()
        self._repeated = 0
        self._entries = 0
        self._day: date | None = None
        self._day_equity = config.starting_equity
        self._daily: dict[str, int] = {}
        self._losing_streak = 0
        self._latches: frozenset[Latch] = frozenset()

    def take(self, candle: Candle) -> None:
        """Takes a minute's prices: exits and entries at its open, then stops."""
        self.account.marks[candle.symbol] = candle.close
        for book in (self._live, self._paper):
            if book.is_busy:
                self._fill(book, candle)

    def _fill(self, book: Book, candle: Candle) -> None:
        if book.leaving or book.waiting:
            at = candle.open_time + _FILL_DELAY
            for leg in book.left(candle):
                self._close(book, leg, candle.open, at)
            for leg in book.entered(candle, at):
                if book is self._live:
                    self.account.opened(leg)
        for leg, price in book.stopped(candle):
            self._close(book, leg, price, candle.open_time + MINUTE)

    def mark(self, at: datetime) -> None:
        """Values the account at the close of the minute that ends at `at`."""
        self.account.mark()
        today = at.astimezone(UTC).date()
        if today != self._day:
            self._day, self._day_equity, self._daily = today, self.account.equity, {}

    def _close(self, book: Book, leg: Leg, price: Decimal, at: datetime) -> None:
        self._on_trade(self._settle(book, leg, price, at))

    def _settle(self, book: Book, leg: Leg, price: Decimal, at: datetime) -> ClosedTrade:
        live = book is self._live
        source = TradeSource.LIVE if live else TradeSource.SHADOW
        trade = leg.closed(price, at, fee_rate=self._config.guard.fee_rate, source=source)
        if live:
            self.account.closed(leg, trade)
            self._losing_streak = self._losing_streak + 1 if trade.net_pnl < 0 else 0
        (self._trades if live else self._paper_trades).append(trade)
        return trade

    def follow(self, policy: Policy, at: datetime) -> None:
        """Trades under this policy from `at` on. Orders that wait for the next price go on: they were sent."""
        before = self._in_force.view.policy
        if policy.ref.same_as(before.ref):
            return
        self._book_time(before.risk_mode, at)
        self._in_force = self._taken(policy)
        self._policies.append(PolicyStep(at=at, policy=policy))

    def _taken(self, policy: Policy) -> InForce:
        return self._memory.take(
            PolicyView(policy=policy, tier=Tier.FRESH, ref=policy.ref, as_of_ns=0, entries_until_ns=None)
        )

    def _book_time(self, mode: RiskMode, until: datetime) -> None:
        self._time_in_mode[mode] += round((until - self._mode_since) / MINUTE)
        self._mode_since = until

    def hear(self, signal: Signal) -> None:
        """Takes a signal: an exit always, an entry if the guard grants it."""
        key = (signal.strategy_id, signal.symbol)
        if signal.kind is SignalKind.EXIT:
            self._live.leave(key)
            self._paper.leave(key)
        elif self._live.holds(key):
            self._repeated += 1
        else:
            self._judge(signal)

    def _judge(self, signal: Signal) -> None:
        situation = self._situation()
        quantity = sized(signal, situation, self._config)
        refusal = refusal_of(signal, quantity, situation, self._config)
        if refusal is None:
            self._entries += 1
            self._daily[signal.strategy_id] = self._daily.get(signal.strategy_id, 0) + 1
            self._live.enter(self._order(signal, quantity, suffix=""))
            return
        self._blocks[signal.strategy_id, refusal.code] += 1
        if refusal.latch is not None:
            self._latches |= {refusal.latch}
        if refusal.code == ReasonCode.STRATEGY_NOT_ALLOWED:
            self._try_on_paper(signal, quantity)

    def _try_on_paper(self, signal: Signal, quantity: Decimal) -> None:
        """Enters without money what a strategy would have done, as an executor does, at the policy's full risk."""
        named = signal.strategy_id != "" and signal.stop_price is not None and quantity > 0
        if named and not self._paper.holds((signal.strategy_id, signal.symbol)):
            self._paper.enter(self._order(signal, quantity, suffix="-shadow"))

    def _order(self, signal: Signal, quantity: Decimal, *, suffix: str) -> Order:
        entry, stop = signal.reference_price, signal.stop_price
        if stop is None:
            raise ValueError(f"stop_price: {signal.signal_id} has none, and was granted")
        return Order(
            trade_id=f"{self._config.account_id}-{signal.signal_id}{suffix}",
            strategy_id=signal.strategy_id,
            symbol=signal.symbol,
            direction=signal.direction,
            quantity=quantity,
            stop=stop,
            risk=loss_at_stop(quantity=quantity, entry=entry, stop=stop, fee_rate=self._config.guard.fee_rate),
            notional=quantity * entry,
            policy_version=self._in_force.view.policy.ref.version,
        )

    def _situation(self) -> Situation:
        return Situation(
            in_force=self._in_force,
            book=self._live,
            marks=self.account.marks,
            equity=self.account.equity,
            day_pnl=self.account.equity - self._day_equity,
            losing_streak=self._losing_streak,
            daily=self._daily,
            latches=self._latches,
        )

    def finish(self, at: datetime) -> Side:
        """Closes what is open at the last closes, and returns what came of it all.

        Nobody hears of these trades: there is nothing left to decide. Positions on paper end unfinished.
        """
        self._book_time(self._in_force.view.policy.risk_mode, at)
        left_open = list(self._live.legs.values())
        self._live.legs.clear()
        for leg in left_open:
            self._settle(self._live, leg, self.account.marks[leg.order.symbol], at)
        self.account.mark()
        return Side(
            starting_equity=self._config.starting_equity,
            final_equity=self.account.equity,
            max_drawdown_pct=float(self.account.max_drawdown * 100),
            trades=tuple(self._trades),
            shadow_trades=tuple(self._paper_trades),
            closed_at_end=len(left_open),
            entries=self._entries,
            repeated=self._repeated,
            blocks=dict(self._blocks),
            policies=tuple(self._policies),
            minutes_in_mode={mode: self._time_in_mode[mode] for mode in RiskMode},
        )
