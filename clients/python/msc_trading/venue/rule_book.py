"""The rules of the venue's symbols, kept and read again when they may have changed."""

from __future__ import annotations

import asyncio
import logging

from msc_trading.clock import Clock
from msc_trading.venue.calls import EXCHANGE_INFO
from msc_trading.venue.gateway import Gateway, unreadable
from msc_trading.venue.mapping import symbol_rows, symbol_rules
from msc_trading.venue.port import SymbolRules, VenueError, VenueMisconfigured
from msc_trading.venue.rate_limits import limits_from
from msc_trading.venue.wire import Json, Malformed, record

LOGGER = logging.getLogger("msc_trading.venue")

RETRY_S = 5.0

# Refusals by a filter or by the symbol's state: our rules may be old.
_RULES_MAY_BE_OLD = frozenset(
    {-1013, -1111, -1121, -4002, -4003, -4004, -4005, -4013, -4014, -4016, -4023, -4024, -4140, -4164}
)


class RuleBook:
    """Filters by symbol. Also tells the budget the limits that the venue announces beside them."""

    def __init__(self, gateway: Gateway, clock: Clock, *, max_age_s: float) -> None:
        """Knows nothing before `refresh`."""
        self._gateway = gateway
        self._clock = clock
        self._max_age_s = max_age_s
        self._rows: dict[str, Json] = {}
        self._fresh_until = float("-inf")
        self._reading = asyncio.Lock()

    async def refresh(self) -> None:
        """Reads the rules.

        Raises:
            VenueError: they could not be read; the old ones stay.
        """
        answer = await self._gateway.request(EXCHANGE_INFO)
        try:
            info = record(answer)
            self._rows = symbol_rows(info)
            self._gateway.budget.follow(limits_from(info))
        except Malformed as error:
            raise unreadable(EXCHANGE_INFO, error) from None
        self._fresh_until = self._clock.monotonic() + self._max_age_s

    async def of(self, symbol: str) -> SymbolRules:
        """Returns the rules of the symbol; old ones when newer cannot be had, as exits need some too.

        Raises:
            VenueMisconfigured: the venue does not know the symbol.
            VenueError: the symbol's rules cannot be read.
        """
        async with self._reading:
            if self._clock.monotonic() >= self._fresh_until:
                await self._try_to_refresh()
        if symbol not in self._rows:
            raise VenueMisconfigured(f"the venue does not know the symbol {symbol}")
        try:
            return symbol_rules(self._rows[symbol])
        except Malformed as error:
            raise unreadable(EXCHANGE_INFO, error) from None

    async def _try_to_refresh(self) -> None:
        try:
            await self.refresh()
        except VenueError as error:
            LOGGER.warning("the rules could not be read again, the old ones stay: %s", error)
            # Exits wait for rules too: not each of them shall wait for the venue to say nothing once more.
            self._fresh_until = self._clock.monotonic() + RETRY_S

    def doubt(self, symbol: str, code: int) -> None:
        """Reads the rules again before they are used next, if a refusal with this code says that they are old."""
        if code in _RULES_MAY_BE_OLD:
            LOGGER.warning("%s: refused with %d, the rules are read again", symbol, code)
            self._fresh_until = float("-inf")
