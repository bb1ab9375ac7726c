"""What the exchange does by itself: funding, margin calls, liquidation."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from msc_client import Side
from msc_trading.paper.engine import margin, trading
from msc_trading.paper.engine.bars import milliseconds
from msc_trading.paper.engine.events import ForcedOrder, MarginCall
from msc_trading.paper.engine.market import money
from msc_trading.paper.engine.state import State
from msc_trading.paper.engine.values import (
    ZERO,
    Execution,
    IncomeType,
    NewOrder,
    Order,
    OrderType,
    Position,
    Status,
    TimeInForce,
)

FUNDING_PERIOD = timedelta(hours=8)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MARGIN_CALL_AT = Decimal("0.8")
MARGIN_CALL_CLEARED_AT = Decimal("0.7")
LIQUIDATION_PREFIX = "autoclose-"
ADL_ID = "adl_autoclose"


def next_funding(now: datetime) -> datetime:
    """Returns the next 00:00, 08:00 or 16:00 UTC."""
    return EPOCH + ((now - EPOCH) // FUNDING_PERIOD + 1) * FUNDING_PERIOD


def pay_funding(state: State) -> None:
    """Settles funding on every position, at the mark price of now."""
    for symbol, market in state.markets.items():
        if not market.has_price:
            continue
        rate = market.spec.funding_rate
        state.funding.append((symbol, state.now, rate, market.mark))
        position = state.positions[symbol]
        amount = money(-position.quantity * market.mark * rate)
        if amount:
            state.earn(IncomeType.FUNDING_FEE, symbol, amount)
            state.tell_account("FUNDING_FEE", None, amount)


def watch_margin(state: State) -> None:
    """Calls for margin when equity comes close to the maintenance margin, and liquidates when it is reached."""
    if not state.holds_anything:
        return
    account = margin.of_account(state)
    if account.equity <= account.maintenance:
        _liquidate_account(state)
        return
    ratio = account.maintenance / account.equity
    if ratio >= MARGIN_CALL_AT and not state.margin_called:
        state.margin_called = True
        at_risk = [_at_risk(state, position) for position in state.held()]
        state.emit(MarginCall(at=state.now, wallet=state.wallet, positions=tuple(at_risk)))
    elif ratio < MARGIN_CALL_CLEARED_AT:
        state.margin_called = False


def _at_risk(state: State, position: Position) -> tuple[Position, Decimal, Decimal]:
    market = state.markets[position.symbol]
    return position, market.mark, margin.of_symbol(state, position.symbol).maintenance


def _liquidate_account(state: State) -> None:
    for symbol in state.open_orders:
        for order in list(state.open_orders[symbol].values()):
            trading.end(state, order, Status.EXPIRED)
    # The position that asks for most goes first; the rest may then stay.
    while state.holds_anything:
        account = margin.of_account(state)
        if account.equity > account.maintenance:
            break
        worst = max(state.held(), key=lambda held: margin.of_symbol(state, held.symbol).maintenance)
        force_close(state, worst.symbol)
    _cover_bankruptcy(state)
    state.margin_called = False


def _cover_bankruptcy(state: State) -> None:
    if state.wallet < 0 and not state.holds_anything:
        missing = -state.wallet
        state.earn(IncomeType.INSURANCE_CLEAR, "", missing)
        state.tell_account("INSURANCE_CLEAR", None, missing)


def force_close(state: State, symbol: str, *, by_adl: bool = False) -> Order | None:
    """Closes a position whatever the book offers; returns the order, None without a position.

    A liquidation also costs the liquidation fee; automatic deleveraging does not.
    """
    position, market = state.positions[symbol], state.markets[symbol]
    if not position.quantity:
        return None
    side = Side.SELL if position.quantity > 0 else Side.BUY
    quantity = abs(position.quantity)
    asked = NewOrder(
        symbol=symbol,
        side=side,
        order_type=OrderType.MARKET,
        quantity=quantity,
        client_order_id=ADL_ID if by_adl else f"{LIQUIDATION_PREFIX}{milliseconds(state.now)}",
        time_in_force=TimeInForce.IOC,
        reduce_only=True,
    )
    order = trading.accept(state, asked, as_type=OrderType.LIQUIDATION)
    trading.announce(state, order)
    price = market.bid if side is Side.SELL else market.ask
    order = trading.fill(state, order, price, quantity, maker=False, execution=Execution.CALCULATED)
    if not by_adl:
        _charge_liquidation(state, symbol, price * quantity)
        state.emit(ForcedOrder(at=state.now, order=replace(order, price=price)))
    return order


def _charge_liquidation(state: State, symbol: str, notional: Decimal) -> None:
    charge = -money(min(notional * state.spec(symbol).liquidation_fee, max(state.wallet, ZERO)))
    if charge:
        state.earn(IncomeType.INSURANCE_CLEAR, symbol, charge)
        state.tell_account("INSURANCE_CLEAR", None, charge)
