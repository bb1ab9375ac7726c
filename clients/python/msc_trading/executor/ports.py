"""What an executor needs of the rooms around it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from msc_client.facts import Execution
from msc_client.view import PolicyView
from msc_trading.executor.judgement import TradingPlan
from msc_trading.guard.decision import Decision
from msc_trading.guard.facts import GuardFacts
from msc_trading.guard.intent import OrderIntent
from msc_trading.orchestrator.state import RiskState
from msc_trading.venue.port import Fill, OrderState


class Policies(Protocol):
    """A policy source of msc_client, as far as it is needed here."""

    def current(self) -> PolicyView:
        """Returns the policy in force at this instant."""
        ...

    def now_ns(self) -> int:
        """Returns the instant that the methods of a view ask for."""
        ...

    def subscribe(self, callback: Callable[[PolicyView], None]) -> Callable[[], None]:
        """Calls `callback` with each new view, from any thread. Returns what ends that."""
        ...


class Planner(Protocol):
    """The orchestrator, as far as it is needed here."""

    def observe(self, *, risk: RiskState) -> None:
        """Takes in how the account stands."""
        ...

    def update_policy(self) -> TradingPlan:
        """Returns how to trade now."""
        ...


class Guard(Protocol):
    """The risk guard, as far as it is needed here. Orders are named by their client order id."""

    def authorize(self, intent: OrderIntent, view: PolicyView, facts: GuardFacts) -> Decision:
        """Returns whether the order may be sent; what is granted is reserved."""
        ...

    def sent(self, client_order_id: str) -> object:
        """Notes that the request is about to leave."""
        ...

    def bind(self, client_order_id: str, order_id: str) -> object:
        """Notes that the venue has accepted the order."""
        ...

    def filled(self, client_order_id: str, filled_quantity: Decimal) -> object:
        """Notes how much has filled in all."""
        ...

    def rejected(self, client_order_id: str) -> object:
        """Notes that the order does not exist."""
        ...

    def ended(self, client_order_id: str, filled_quantity: Decimal = Decimal(0)) -> object:
        """Notes that the order was cancelled or has expired."""
        ...

    def unknown(self, client_order_id: str) -> object:
        """Notes that nobody knows whether the venue has the order."""
        ...

    def settled(self, client_order_id: str) -> object:
        """Notes that the confirmed positions hold what filled."""
        ...

    def release(self, client_order_id: str) -> object:
        """Gives back a grant that certainly was never sent."""
        ...

    def adopt(self, order: OrderState, *, strategy_id: str, price: Decimal, risk: Decimal) -> object:
        """Counts an order that was found open after a restart."""
        ...

    def rebuild_day(self, now: datetime, *, fills: Iterable[Fill], executions: Iterable[Execution]) -> int:
        """Counts today's entries again after a restart."""
        ...


class FundingSource(Protocol):
    """Where funding payments are read; the port of the venue does not have them."""

    async def funding(self, symbol: str, since: datetime, until: datetime) -> Decimal:
        """Returns what was received (positive) or paid between the two instants. Raises VenueError."""
        ...
