"""What a policy, our own limits and the venue's filters come to, worked out once instead of for each entry."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple

from msc_trading.filters import EXACT
from msc_trading.guard.config import GuardConfig
from msc_trading.guard.intent import OrderIntent
from msc_trading.guard.limits import Limits, StrategyLimits
from msc_trading.guard.shape import name_problem
from msc_trading.venue.port import OrderType, SymbolRules

INFINITY: Final = Decimal("Infinity")

_ONE: Final = Decimal(1)
_KEPT: Final = 4096

Grid = tuple[Decimal, Decimal]
"""Where a step is counted from, and the step."""


class Terms(NamedTuple):
    """What one policy asks of entries of one strategy, in one symbol, from one executor. Its names are well formed."""

    strategy: StrategyLimits
    min_confidence: float
    risk_fraction: Decimal
    max_quantity: Decimal


class Lots(NamedTuple):
    """The quantities that a symbol's filters take for one type of order: from, to, and on every grid."""

    rules: SymbolRules
    least: Decimal
    most: Decimal
    grids: tuple[Grid, ...]


class Tables:
    """Keeps terms until the policy's limits change, and lots until the symbol's rules do. Safe for threads."""

    def __init__(self, config: GuardConfig, account_id: str) -> None:
        self._config = config
        self._account_id = account_id
        # Replaced as a pair: a thread never puts the terms of one policy among those of another.
        self._terms: tuple[Limits | None, dict[tuple[str, str, str], Terms]] = (None, {})
        self._lots: dict[tuple[str, OrderType], Lots] = {}

    def terms_of(self, intent: OrderIntent, limits: Limits) -> Terms | None:
        """Returns what is asked of an entry; None where account or names are wrong, or it is not allowed."""
        if intent.account_id != self._account_id:
            return None
        of, known = self._terms
        if of is not limits:
            of, known = self._terms = limits, {}
        key = (intent.strategy_id, intent.symbol, intent.executor_id)
        terms = known.get(key)
        if terms is None:
            terms = self._new_terms(key, limits)
            if terms is not None and len(known) < _KEPT:
                known[key] = terms
        return terms

    def _new_terms(self, key: tuple[str, str, str], limits: Limits) -> Terms | None:
        strategy_id, symbol, _ = key
        strategy, config = limits.strategies.get(strategy_id), self._config
        if strategy is None or any(name_problem("", name) for name in key):
            return None
        return Terms(
            strategy=strategy,
            min_confidence=max(
                limits.min_confidence,
                config.strategy_min_confidence.get(strategy_id, 0.0),
                config.symbol_min_confidence.get(symbol, 0.0),
            ),
            risk_fraction=EXACT.multiply(strategy.max_risk, config.symbol_risk_multiplier.get(symbol, _ONE)),
            max_quantity=Decimal(config.max_order_quantity.get(symbol, INFINITY)),
        )

    def lots_of(self, rules: SymbolRules, order_type: OrderType) -> Lots:
        """Returns the quantities that the rules take."""
        key = (rules.symbol, order_type)
        lots = self._lots.get(key)
        if lots is None or lots.rules is not rules:
            lots = lots_of(rules, order_type)
            if len(self._lots) < _KEPT:
                self._lots[key] = lots
        return lots


def lots_of(rules: SymbolRules, order_type: OrderType) -> Lots:
    """Returns the quantities that both lot filters take: that of every order, and that of market orders beside it."""
    filters = [(rules.step_size, rules.min_quantity, rules.max_quantity)]
    if order_type is OrderType.MARKET:
        filters.append((rules.market_step_size, rules.market_min_quantity, rules.market_max_quantity))
    return Lots(
        rules=rules,
        least=max(least for _, least, _ in filters),
        # A greatest quantity or a step of 0 is how the venue says that there is none.
        most=min(most or INFINITY for _, _, most in filters),
        grids=tuple(dict.fromkeys((least, step) for step, least, _ in filters if step)),
    )
