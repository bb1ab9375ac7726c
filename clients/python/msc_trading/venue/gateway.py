"""Sends requests: within the budget, dated by the venue's clock, once, and with errors that are ours."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from typing import TypeVar

import aiohttp

from msc_trading.clock import Clock
from msc_trading.venue.calls import SERVER_TIME, Call
from msc_trading.venue.client import MAX_MESSAGE_CHARS, FuturesClient
from msc_trading.venue.clock_offset import Sample, VenueTime, best
from msc_trading.venue.config import VenueConfig
from msc_trading.venue.credentials import Credentials
from msc_trading.venue.errors import TOO_MANY_ORDERS, Answer, Asked, Trouble, Verdict, error_of
from msc_trading.venue.port import VenueError
from msc_trading.venue.rate_limits import BAN_HOLD_S, DEFAULT_HOLD_S, RateBudget
from msc_trading.venue.wire import Malformed, instant, milliseconds, record

LOGGER = logging.getLogger("msc_trading.venue")
CLOCK_SAMPLES = 3

Value = TypeVar("Value")

_BANNED = 418
_BANNED_UNTIL = re.compile(r"banned until (\d{13})")


class Gateway:
    """The one way to the venue's REST interface. To be made inside a running event loop, and closed."""

    def __init__(self, config: VenueConfig, credentials: Credentials, clock: Clock) -> None:
        """Opens no connection yet."""
        self._config = config
        self._clock = clock
        self._scrub = credentials.scrub
        self._syncing = asyncio.Lock()
        self._syncs = 0
        self._closed = False
        self.time = VenueTime(clock, time_scale=config.time_scale)
        self.budget = RateBudget(time_scale=config.time_scale)
        self.client = FuturesClient(
            config, credentials, clock=clock, venue_time=self.time, on_headers=self._observe_headers
        )

    async def close(self) -> None:
        """Closes the connections."""
        self._closed = True
        await self.client.close_connection()

    async def request(self, call: Call, **parameters: str | int) -> object:
        """Returns the venue's answer.

        An order is sent once, whatever happens. A query or a change that was refused for its date alone is sent a
        second time by a clock that has been set again.

        A cancelled request leaves the outcome unknown, exactly as OutcomeUnknown does.

        Raises:
            VenueError: see `errors` for which and why.
        """
        seen = self._syncs
        outcome = await self._attempt(call, parameters)
        if isinstance(outcome, Trouble) and outcome.verdict is Verdict.CLOCK:
            await self._set_clock_again(seen)
            # Not an order: whoever placed it counts from when it was sent, and that must not move behind their back.
            if call.asked is not Asked.ORDER and self.time.now() is not None:
                outcome = await self._attempt(call, parameters)
        if isinstance(outcome, Trouble):
            raise error_of(call.asked, outcome, retry_after_s=self._hold_back(outcome))
        return outcome

    async def ask(self, call: Call, read: Callable[[object], Value], **parameters: str | int) -> Value:
        """Returns what `read` makes of the venue's answer.

        Raises:
            VenueError: as `request`; an answer that `read` calls Malformed counts as none.
        """
        answer = await self.request(call, **parameters)
        try:
            return read(answer)
        except Malformed as error:
            raise unreadable(call, error) from None

    async def _attempt(self, call: Call, parameters: Mapping[str, str | int]) -> object:
        # Troubles are returned, not raised: an exception raised here would drag the driver's along, and a driver's
        # message may quote the signed request.
        if self._closed:
            return Trouble(Verdict.NOT_TAKEN, Answer(status=0, code=0, message="the venue is closed"))
        self.budget.spend(
            call.lane,
            weight=call.weight,
            orders=call.orders,
            venue_ms=self._venue_ms(),
            monotonic=self._clock.monotonic(),
        )
        try:
            return await getattr(self.client, call.method)(**parameters)
        except Trouble as trouble:
            return trouble
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return self._silence(Verdict.NOT_TAKEN, error)
        except (aiohttp.ClientError, TimeoutError, OSError, LookupError) as error:
            return self._silence(Verdict.UNKNOWN, error)

    def _silence(self, verdict: Verdict, error: Exception) -> Trouble:
        message = self._scrub(f"{type(error).__name__}: {error}")[:MAX_MESSAGE_CHARS]
        return Trouble(verdict, Answer(status=0, code=0, message=message))

    def _venue_ms(self) -> int:
        return milliseconds(self.time.now() or self._clock.now())

    def _observe_headers(self, headers: Mapping[str, str]) -> None:
        self.budget.observe(headers, venue_ms=self._venue_ms())

    def _hold_back(self, trouble: Trouble) -> float:
        if trouble.verdict is not Verdict.LIMITED:
            return 0.0
        if trouble.answer.code == TOO_MANY_ORDERS:
            return self.budget.exhaust_orders(venue_ms=self._venue_ms())
        seconds = self._asked_quiet_s(trouble.answer) / self._config.time_scale
        LOGGER.warning("the venue limits our requests, quiet for %.1f s: %s", seconds, trouble.answer.message)
        self.budget.hold(seconds, monotonic=self._clock.monotonic())
        return seconds

    def _asked_quiet_s(self, answer: Answer) -> float:
        until = _BANNED_UNTIL.search(answer.message)
        if answer.retry_after_s is not None:
            return answer.retry_after_s
        if until:
            return max(0.0, (int(until[1]) - self._venue_ms()) / 1000)
        return BAN_HOLD_S if answer.status == _BANNED else DEFAULT_HOLD_S

    async def set_clock(self) -> None:
        """Measures the venue's clock.

        Raises:
            VenueError: it could not be read; the last measurement stays.
        """
        async with self._syncing:
            await self._measure()

    async def _set_clock_again(self, seen: int) -> None:
        async with self._syncing:
            if self._syncs != seen:
                return  # Another request has seen to it meanwhile.
            self.time.forget()
            try:
                await self._measure()
            except VenueError as error:
                LOGGER.warning("the venue's clock could not be read: %s", error)

    async def _measure(self) -> None:
        samples = [await self._sample() for _ in range(CLOCK_SAMPLES)]
        self.time.accept(best(samples))
        self._syncs += 1

    async def _sample(self) -> Sample:
        asked_at = self._clock.monotonic()
        answer = await self._attempt(SERVER_TIME, {})
        answered_at = self._clock.monotonic()
        if isinstance(answer, Trouble):
            raise error_of(Asked.QUERY, answer, retry_after_s=self._hold_back(answer))
        try:
            venue_time = instant(record(answer), "serverTime")
        except Malformed as error:
            raise unreadable(SERVER_TIME, error) from None
        return Sample(venue_time=venue_time, asked_at=asked_at, answered_at=answered_at)


def unreadable(call: Call, error: Malformed) -> VenueError:
    """Returns what to raise when an answer was given but makes no sense: of an order, that nobody knows."""
    answer = Answer(status=0, code=0, message=f"the answer cannot be read: {error}")
    return error_of(call.asked, Trouble(Verdict.UNKNOWN, answer), retry_after_s=0.0)
