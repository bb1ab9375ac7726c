"""python-binance's client, pointed where we want it, dated by the venue's clock, and silent about secrets."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

import aiohttp

from msc_trading.clock import Clock
from msc_trading.venue.clock_offset import VenueTime
from msc_trading.venue.config import VenueConfig, VenueEnvironment
from msc_trading.venue.credentials import Credentials
from msc_trading.venue.errors import Answer, Trouble, Verdict, judge
from msc_trading.venue.library import AsyncClient, BinanceSocketManager
from msc_trading.venue.wire import Malformed, parse, record, text, whole

MAX_MESSAGE_CHARS = 300

_WHOLE_SECONDS = re.compile(r"\d{1,9}")


class FuturesClient(AsyncClient):  # type: ignore[misc]  # python-binance ships no types
    """AsyncClient for one venue. Its calls return parsed JSON or raise Trouble.

    What is changed of python-binance: addresses, the time that signs a request, the reading of answers (numbers become
    Decimal, the headers of each answer are told, errors hold no URL), and that redirects are not followed: the signed
    request would go along. It is not made by `create()`, which asks the spot exchange for the time.
    """

    def __init__(
        self,
        config: VenueConfig,
        credentials: Credentials,
        *,
        clock: Clock,
        venue_time: VenueTime,
        on_headers: Callable[[Mapping[str, str]], None],
    ) -> None:
        """Takes the venue's time for signing, and who is told the headers of each answer. Opens no connection."""
        self._clock = clock
        self._venue_time = venue_time
        self._on_headers = on_headers
        self._scrub = credentials.scrub
        if config.environment is VenueEnvironment.CUSTOM:
            self._point_at(config.rest_url or "", config.stream_url or "")
        timeout = aiohttp.ClientTimeout(total=config.request_timeout_s)
        super().__init__(
            credentials.api_key,
            credentials.api_secret,
            requests_params={"timeout": timeout, "allow_redirects": False},
            demo=config.environment is VenueEnvironment.DEMO,
        )
        self.REQUEST_RECVWINDOW = config.recv_window_ms

    def _point_at(self, rest_url: str, stream_url: str) -> None:
        # All of them, also those we never call: a venue of our own must not lead to another one.
        rest, stream = rest_url.rstrip("/"), stream_url.rstrip("/")
        self.API_URL = f"{rest}/api"
        self.FUTURES_URL = f"{rest}/fapi"
        self.FUTURES_DATA_URL = f"{rest}/futures/data"
        self.MARGIN_API_URL = f"{rest}/sapi"
        self.WEBSITE_URL = rest
        self.WS_API_URL = f"{stream}/ws-api/v3"
        self.WS_FUTURES_URL = f"{stream}/ws-fapi/v1"

    @property
    def timestamp_offset(self) -> float:
        """What python-binance adds to the wall clock to date a request, in milliseconds.

        Computed at each request, from the monotonic clock: a jump of the wall clock does not misdate it.
        """
        return (self._venue_time.dating_offset_s() or 0.0) * 1000

    @timestamp_offset.setter
    def timestamp_offset(self, _: float) -> None:
        """Ignored: python-binance sets it once, and it is measured here."""

    async def _handle_response(self, response: aiohttp.ClientResponse) -> object:
        # Headers of this answer: `self.response` is shared by all requests under way.
        self._on_headers(response.headers)
        words = await response.text(errors="replace")
        if response.ok and response.status < 300:
            return _accepted(response.status, words)
        answer = self._refusal(response, words)
        raise Trouble(judge(answer), answer)

    def _refusal(self, response: aiohttp.ClientResponse, words: str) -> Answer:
        code, message = _code_and_message(response.status, words)
        return Answer(
            status=response.status,
            code=code,
            message=self._scrub(message)[:MAX_MESSAGE_CHARS],
            retry_after_s=_retry_after_s(response.headers),
        )


def _accepted(status: int, words: str) -> object:
    if not words:
        return {}
    try:
        return parse(words)
    except Malformed as error:
        raise Trouble(Verdict.UNKNOWN, Answer(status=status, code=0, message=str(error))) from None


def _code_and_message(status: int, words: str) -> tuple[int, str]:
    try:
        answer = record(parse(words))
        return whole(answer, "code"), text(answer, "msg")
    except Malformed:
        # A proxy's page. It may quote the request, so none of it is kept.
        return 0, f"an answer that is not the venue's, HTTP {status}"


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    seconds = _WHOLE_SECONDS.fullmatch(headers.get("Retry-After", ""))
    return float(seconds[0]) if seconds else None


def socket_manager(client: FuturesClient, config: VenueConfig) -> BinanceSocketManager:
    """Returns a new maker of sockets for the client's venue."""
    manager = BinanceSocketManager(client, user_timeout=math.inf, max_queue_size=config.queue_size)
    if config.environment is VenueEnvironment.CUSTOM:
        manager.FSTREAM_URL = f"{(config.stream_url or '').rstrip('/')}/"
    return manager
