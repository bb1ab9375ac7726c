"""Margin of a cross account: initial margin by leverage, maintenance by the tiers of each symbol."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from msc_client import Side
from msc_trading.paper.config import LeverageBracket, SymbolSpec
from msc_trading.paper.engine.market import money
from msc_trading.paper.engine.state import State
from msc_trading.paper.engine.values import ZERO, Position


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolMargin:
    """Margin one symbol asks for, in quote currency."""

    notional: Decimal
    unrealized: Decimal
    position_initial: Decimal
    order_initial: Decimal
    maintenance: Decimal

    @property
    def initial(self) -> Decimal:
        """What position and open orders ask for together."""
        return self.position_initial + self.order_initial


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountMargin:
    """Margin of the account, in quote currency. `available` may be negative."""

    wallet: Decimal
    unrealized: Decimal
    position_initial: Decimal
    order_initial: Decimal
    maintenance: Decimal

    @property
    def equity(self) -> Decimal:
        """Wallet plus unrealised PnL."""
        return self.wallet + self.unrealized

    @property
    def initial(self) -> Decimal:
        """What positions and open orders ask for together."""
        return self.position_initial + self.order_initial

    @property
    def available(self) -> Decimal:
        """What new orders may use."""
        return self.equity - self.initial


def bracket_of(spec: SymbolSpec, notional: Decimal) -> LeverageBracket:
    """Returns the tier of a notional; the last one has no end."""
    return next((tier for tier in spec.brackets if notional <= tier.notional_cap), spec.brackets[-1])


def max_notional(spec: SymbolSpec, leverage: int) -> Decimal:
    """Returns the largest position that this leverage allows."""
    return max((tier.notional_cap for tier in spec.brackets if tier.max_leverage >= leverage), default=ZERO)


def maintenance(spec: SymbolSpec, notional: Decimal) -> Decimal:
    """Returns the margin below which a position of this notional is liquidated."""
    tier = bracket_of(spec, notional)
    return money(notional * tier.maintenance_fraction - tier.cum)


def of_symbol(state: State, symbol: str) -> SymbolMargin:
    """Returns the margin of a symbol, at the mark price."""
    position, market = state.positions[symbol], state.markets[symbol]
    notional = position.quantity * market.mark
    leverage = state.leverage[symbol]
    held = abs(notional) / leverage
    return SymbolMargin(
        notional=notional,
        unrealized=money(position.unrealized(market.mark)),
        position_initial=money(held),
        order_initial=money(exposure(state, symbol) / leverage - held),
        maintenance=maintenance(market.spec, abs(notional)) if notional else ZERO,
    )


def exposure(state: State, symbol: str, side: Side | None = None, extra: Decimal = ZERO) -> Decimal:
    """Returns the largest notional that position and open orders, and one order more, can come to."""
    notional = state.positions[symbol].quantity * state.markets[symbol].mark
    if not state.open_orders[symbol] and not extra:
        return abs(notional)
    buys = state.pending(symbol, Side.BUY) + (extra if side is Side.BUY else ZERO)
    sells = state.pending(symbol, Side.SELL) + (extra if side is Side.SELL else ZERO)
    return max(abs(notional + buys), abs(notional - sells), abs(notional))


def of_account(state: State) -> AccountMargin:
    """Returns the margin of the account."""
    used = [of_symbol(state, symbol) for symbol in state.positions if _is_used(state, symbol)]
    return AccountMargin(
        wallet=state.wallet,
        unrealized=sum((each.unrealized for each in used), ZERO),
        position_initial=sum((each.position_initial for each in used), ZERO),
        order_initial=sum((each.order_initial for each in used), ZERO),
        maintenance=sum((each.maintenance for each in used), ZERO),
    )


def _is_used(state: State, symbol: str) -> bool:
    return bool(state.positions[symbol].quantity or state.open_orders[symbol])


def liquidation_price(state: State, position: Position) -> Decimal:
    """Returns the mark price at which the account is liquidated while other prices stay; 0 when there is none."""
    if not position.quantity:
        return ZERO
    account, spec = of_account(state), state.spec(position.symbol)
    mark = state.markets[position.symbol].mark
    own = of_symbol(state, position.symbol)
    tier = bracket_of(spec, abs(own.notional))
    others = account.equity - own.unrealized - (account.maintenance - own.maintenance)
    direction = 1 if position.quantity > 0 else -1
    size = abs(position.quantity)
    # Solves: others + (p - entry) * quantity = p * size * fraction - cum.
    price = (direction * size * position.entry_price - others - tier.cum) / (
        direction * size - size * tier.maintenance_fraction
    )
    return price if price > 0 and mark > 0 else ZERO
