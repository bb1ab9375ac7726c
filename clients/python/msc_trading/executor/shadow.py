"""Trades on paper of strategies that may not trade, so that what a benched strategy would have made stays known."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from msc_client.facts import ClosedTrade, Direction, TradeSource
from msc_client.view import PolicyView
from msc_trading.executor.account import AccountView
from msc_trading.executor.blocks import Block
from msc_trading.executor.config import ExecutorConfig
from msc_trading.executor.errors import StateUnwritable
from msc_trading.executor.ids import Purpose, order_id
from msc_trading.executor.judgement import size_entry
from msc_trading.executor.numbers import canonical
from msc_trading.executor.recorder import Recorder
from msc_trading.executor.records import ShadowPosition
from msc_trading.executor.state_file import StateFile
from msc_trading.signals import Signal
from msc_trading.venue.port import Price, SymbolRules

_LOG = logging.getLogger("msc_trading.executor")


class ShadowBook:
    """Positions on paper: opened at the newest price, closed at their stop or by the strategy's exit, fees included."""

    def __init__(self, *, config: ExecutorConfig, state: StateFile, recorder: Recorder, account: AccountView) -> None:
        self._config = config
        self._state = state
        self._recorder = recorder
        self._account = account

    def open(self, signal: Signal, view: PolicyView, *, rules: SymbolRules | None, now: datetime) -> None:
        """Opens what the strategy would have opened with the policy's full risk. One for each strategy and symbol."""
        if not signal.strategy_id or (signal.strategy_id, signal.symbol) in self._state.shadows:
            return
        balance, price = self._account.balance, self._account.price_of(signal.symbol)
        size = size_entry(
            signal,
            risk_fraction=Decimal(repr(view.policy.max_risk_per_trade)),
            equity=None if balance is None else balance.equity,
            price=price,
            rules=rules,
            config=self._config,
        )
        if isinstance(size, Block) or price is None:
            _LOG.debug("no trade on paper for %s: %s", signal.signal_id, size)
            return
        name = order_id(self._config.executor_id, signal.signal_id, Purpose.ENTRY)
        position = ShadowPosition(
            trade_id=f"shadow:{self._config.account_id}:{name}",
            strategy_id=signal.strategy_id,
            symbol=signal.symbol,
            direction=signal.direction,
            quantity=canonical(size.quantity),
            entry_price=canonical(price),
            stop_price=size.stop_price,
            opened_at=now,
            policy_version=0 if view.ref is None else view.ref.version,
            risk=canonical(size.risk),
        )
        self._remember(lambda: self._state.keep_shadow(position))

    def on_price(self, price: Price) -> None:
        """Closes what the price has stopped, at that price: a gap costs what it costs."""
        for position in list(self._state.shadows.values()):
            if position.symbol == price.symbol and _is_stopped(position, price.price):
                self._close(position, price.price, price.at)

    def on_exit(self, strategy_id: str, symbol: str, now: datetime) -> bool:
        """Closes the strategy's position on paper at the newest price. Returns whether there was one."""
        position, price = self._state.shadows.get((strategy_id, symbol)), self._account.price_of(symbol)
        if position is None or price is None:
            return False
        self._close(position, price, now)
        return True

    def _close(self, position: ShadowPosition, price: Decimal, at: datetime) -> None:
        made = (price - position.entry_price) * position.quantity
        gross = canonical(made if position.direction is Direction.LONG else -made)
        fees = canonical((price + position.entry_price) * position.quantity * self._config.fee_rate)
        self._recorder.record(
            ClosedTrade(
                trade_id=position.trade_id,
                strategy_id=position.strategy_id,
                symbol=position.symbol,
                direction=position.direction,
                quantity=position.quantity,
                entry_price=position.entry_price,
                exit_price=canonical(price),
                opened_at=position.opened_at,
                closed_at=max(at, position.opened_at),
                gross_pnl=gross,
                fees=fees,
                funding=Decimal(0),
                net_pnl=gross - fees,
                source=TradeSource.SHADOW,
                risk_at_entry=position.risk,
                policy_version=position.policy_version,
            )
        )
        self._remember(lambda: self._state.drop_shadow(position.strategy_id, position.symbol))

    def _remember(self, write: Callable[[], None]) -> None:
        try:
            write()
        except StateUnwritable as error:
            _LOG.error("a trade on paper is not written down: %s", error)


def _is_stopped(position: ShadowPosition, price: Decimal) -> bool:
    stop = position.stop_price
    if stop is None:
        return False
    return price <= stop if position.direction is Direction.LONG else price >= stop
