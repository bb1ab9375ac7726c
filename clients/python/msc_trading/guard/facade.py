"""The guard as trading code usually asks it: may this be done, yes or no, and why."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import ROUND_DOWN, Decimal

from msc_client.facts import Side
from msc_trading.filters import EXACT, round_down_quantity
from msc_trading.guard.decision import Decision
from msc_trading.guard.facts import GuardFacts, known
from msc_trading.guard.guard import RiskGuard
from msc_trading.guard.intent import OrderIntent
from msc_trading.guard.limits import Policies
from msc_trading.guard.reasons import ReasonCode
from msc_trading.venue.port import OrderType


class RiskGuardService:
    """Answers `can_execute` with the guard's decision under the policy of now.

    `facts` returns what is known when it is called, for a symbol. `decided` hears every decision, for the journal.
    """

    def __init__(
        self,
        guard: RiskGuard,
        policies: Policies,
        facts: Callable[[str], GuardFacts],
        *,
        account_id: str,
        executor_id: str,
        decided: Callable[[Decision], None],
    ) -> None:
        self._guard = guard
        self._policies = policies
        self._facts = facts
        self._account_id = account_id
        self._executor_id = executor_id
        self._decided = decided

    async def can_execute(
        self,
        *,
        symbol: str,
        notional: Decimal | float,
        side: Side,
        client_order_id: str,
        strategy_id: str = "",
        confidence: float | None = None,
        stop_price: Decimal | None = None,
        reduce_only: bool = False,
        trace_id: str = "",
    ) -> tuple[bool, str]:
        """Returns whether a MARKET order worth `notional` in quote currency may be sent, and why.

        Yes means that it is reserved under `client_order_id`: tell the guard what becomes of it. The quantity is
        rounded down to the venue's step, and that of a reduction is at most what is held; without a price it is worked
        out at the position's mark. The reason starts with its code.
        """
        facts = self._facts(symbol)
        quantity = _reduced_quantity(notional, symbol, facts) if reduce_only else _quantity(notional, facts)
        if quantity is None:
            return False, f"{ReasonCode.PRICE_STALE}: {symbol} has no price to turn {notional} into a quantity"
        intent = OrderIntent(
            account_id=self._account_id,
            executor_id=self._executor_id,
            strategy_id=strategy_id,
            symbol=symbol,
            side=side,
            order_type=OrderType.MARKET,
            quantity=quantity,
            client_order_id=client_order_id,
            signal_at=facts.now,
            stop_price=stop_price,
            reduce_only=reduce_only,
            confidence=confidence,
            ref_price=facts.reference_price,
            ref_price_at=facts.now,
            ref_price_source="facts",
            trace_id=trace_id,
        )
        decision = self._guard.authorize(intent, self._policies.current(), facts)
        self._decided(decision)
        return decision.allowed, f"{decision.reason_code}: {decision.text}"


def _quantity(notional: Decimal | float, facts: GuardFacts) -> Decimal | None:
    if not math.isfinite(notional):
        # The guard says what is wrong with it.
        return Decimal("NaN")
    price = known(facts.reference_price)
    return None if price is None or price <= 0 else _on_step(_worth(notional, price), facts)


def _reduced_quantity(notional: Decimal | float, symbol: str, facts: GuardFacts) -> Decimal | None:
    held = Decimal(0) if facts.positions is None else abs(facts.positions.quantity(symbol))
    if facts.positions is None or held == 0 or not math.isfinite(notional):
        return _quantity(notional, facts)
    exposure = facts.positions.exposure(symbol)
    # The price may have moved since the notional was read off the position: what is worth all of it is all of it.
    if Decimal(str(notional)) >= exposure:
        return held
    price = known(facts.reference_price)
    usable = price is not None and price > 0
    quantity = _worth(notional, price if usable and price is not None else EXACT.divide(exposure, held))
    return min(held, _on_step(quantity, facts, held))


def _worth(notional: Decimal | float, price: Decimal) -> Decimal:
    return EXACT.divide(Decimal(str(notional)), price)


def _on_step(quantity: Decimal, facts: GuardFacts, held: Decimal | None = None) -> Decimal:
    if facts.rules is not None:
        return round_down_quantity(quantity, facts.rules, OrderType.MARKET)
    # A position is on the step, whatever that is: nothing finer is asked for.
    return quantity if held is None else quantity.quantize(held, ROUND_DOWN, EXACT)
