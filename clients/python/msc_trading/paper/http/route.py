"""What a route is: a method and a path, what it weighs, who may, and what it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from msc_trading.paper.desk import Desk
from msc_trading.paper.http.auth import Access
from msc_trading.paper.http.params import Params


@dataclass(slots=True)
class Call:
    """One request: the exchange, its parameters, who asks. `orders` counts the orders it got accepted."""

    desk: Desk
    params: Params
    api_key: str
    orders: int = 0


@dataclass(frozen=True, slots=True)
class Route:
    """A route. `weight` is what it costs, and may depend on the parameters."""

    method: str
    path: str
    access: Access
    handler: Callable[[Call], object]
    weight: int | Callable[[Params], int] = 1

    def cost(self, params: Params) -> int:
        """Returns what the request weighs."""
        return self.weight if isinstance(self.weight, int) else self.weight(params)


def by_symbol(one: int, every: int) -> Callable[[Params], int]:
    """Returns a weight for one symbol, and another for all of them."""
    return lambda params: one if params.has("symbol") else every
