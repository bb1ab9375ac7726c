"""The account as REST answers it."""

from __future__ import annotations

from decimal import Decimal

from msc_client import Side
from msc_trading.paper.config import SymbolSpec
from msc_trading.paper.engine import margin
from msc_trading.paper.engine.state import State
from msc_trading.paper.engine.values import ZERO, Position
from msc_trading.paper.http.text import fixed, instant, milliseconds, plain

Shape = dict[str, object]
ASSET = "USDT"
ACCOUNT_ALIAS = "PAPR"
NOTIONAL_COEFFICIENT = 1


def amount(value: Decimal) -> str:
    """Returns money in eight places."""
    return f"{value:.8f}"


def break_even(state: State, position: Position) -> Decimal:
    """Returns the price at which closing earns back the fees of both ways."""
    fee = 2 * state.spec(position.symbol).taker_fee
    return position.entry_price * (1 + fee if position.quantity > 0 else 1 - fee)


def balance_shapes(state: State) -> list[Shape]:
    """Returns the balance of each asset: there is one."""
    account = margin.of_account(state)
    return [
        {
            "accountAlias": ACCOUNT_ALIAS,
            "asset": ASSET,
            "balance": amount(state.wallet),
            "crossWalletBalance": amount(state.wallet),
            "crossUnPnl": amount(account.unrealized),
            "availableBalance": amount(max(ZERO, account.available)),
            "maxWithdrawAmount": amount(_withdrawable(account)),
            "marginAvailable": True,
            "updateTime": milliseconds(state.now),
        }
    ]


def _withdrawable(account: margin.AccountMargin) -> Decimal:
    return max(ZERO, min(account.available, account.wallet))


def position_shape(state: State, position: Position) -> Shape:
    """Returns a position with its risk."""
    symbol = position.symbol
    spec, market, own = state.spec(symbol), state.markets[symbol], margin.of_symbol(state, symbol)
    leverage = state.leverage[symbol]
    return {
        "symbol": symbol,
        "positionAmt": fixed(position.quantity, spec.quantity_precision),
        "entryPrice": fixed(position.entry_price, 1),
        "breakEvenPrice": fixed(break_even(state, position), 1),
        "markPrice": fixed(market.mark, 8),
        "unRealizedProfit": amount(own.unrealized),
        "liquidationPrice": fixed(margin.liquidation_price(state, position), 1),
        "leverage": str(leverage),
        "maxNotionalValue": plain(margin.max_notional(spec, leverage)),
        "marginType": "cross",
        "isolatedMargin": amount(ZERO),
        "isAutoAddMargin": "false",
        "positionSide": "BOTH",
        "notional": fixed(own.notional, 1),
        "marginAsset": ASSET,
        "isolatedWallet": "0",
        "initialMargin": amount(own.initial),
        "maintMargin": amount(own.maintenance),
        "positionInitialMargin": amount(own.position_initial),
        "openOrderInitialMargin": amount(own.order_initial),
        "adl": 1 if position.quantity else 0,
        "bidNotional": plain(state.pending(symbol, Side.BUY)),
        "askNotional": plain(state.pending(symbol, Side.SELL)),
        "updateTime": instant(position.updated),
    }


def account_shape(state: State) -> Shape:
    """Returns the account with its assets and positions."""
    totals = _totals(margin.of_account(state))
    return {
        "feeTier": 0,
        "feeBurn": False,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "updateTime": 0,
        "multiAssetsMargin": False,
        "tradeGroupId": -1,
        **{f"total{name[0].upper()}{name[1:]}": value for name, value in totals.items() if name not in _NOT_TOTALLED},
        "availableBalance": totals["availableBalance"],
        "maxWithdrawAmount": totals["maxWithdrawAmount"],
        "assets": [{"asset": ASSET, **totals, "marginAvailable": True, "updateTime": milliseconds(state.now)}],
        "positions": [_held(state, position) for position in state.positions.values()],
    }


_NOT_TOTALLED = ("availableBalance", "maxWithdrawAmount")


def _totals(account: margin.AccountMargin) -> dict[str, str]:
    return {
        "walletBalance": amount(account.wallet),
        "unrealizedProfit": amount(account.unrealized),
        "marginBalance": amount(account.equity),
        "maintMargin": amount(account.maintenance),
        "initialMargin": amount(account.initial),
        "positionInitialMargin": amount(account.position_initial),
        "openOrderInitialMargin": amount(account.order_initial),
        "maxWithdrawAmount": amount(_withdrawable(account)),
        "crossWalletBalance": amount(account.wallet),
        "crossUnPnl": amount(account.unrealized),
        "availableBalance": amount(max(ZERO, account.available)),
    }


def _held(state: State, position: Position) -> Shape:
    spec, own = state.spec(position.symbol), margin.of_symbol(state, position.symbol)
    leverage = state.leverage[position.symbol]
    return {
        "symbol": position.symbol,
        "initialMargin": amount(own.initial),
        "maintMargin": amount(own.maintenance),
        "unrealizedProfit": amount(own.unrealized),
        "positionInitialMargin": amount(own.position_initial),
        "openOrderInitialMargin": amount(own.order_initial),
        "leverage": str(leverage),
        "isolated": False,
        "entryPrice": fixed(position.entry_price, 1),
        "breakEvenPrice": fixed(break_even(state, position), 1),
        "maxNotional": plain(margin.max_notional(spec, leverage)),
        "bidNotional": plain(state.pending(position.symbol, Side.BUY)),
        "askNotional": plain(state.pending(position.symbol, Side.SELL)),
        "positionSide": "BOTH",
        "positionAmt": fixed(position.quantity, spec.quantity_precision),
        "notional": fixed(own.notional, 1),
        "isolatedWallet": "0",
        "updateTime": instant(position.updated),
    }


def bracket_shape(spec: SymbolSpec) -> Shape:
    """Returns the leverage tiers of a symbol."""
    floors = [ZERO, *(tier.notional_cap for tier in spec.brackets)]
    return {
        "symbol": spec.symbol,
        "notionalCoef": NOTIONAL_COEFFICIENT,
        "brackets": [
            {
                "bracket": number,
                "initialLeverage": tier.max_leverage,
                "notionalCap": int(tier.notional_cap),
                "notionalFloor": int(floors[number - 1]),
                "maintMarginRatio": float(tier.maintenance_fraction),
                "cum": float(tier.cum),
            }
            for number, tier in enumerate(spec.brackets, start=1)
        ],
    }
