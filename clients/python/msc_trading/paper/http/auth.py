"""Who asks, and whether the request is genuine and fresh."""

from __future__ import annotations

import bisect
import hashlib
import hmac
import re
from collections import defaultdict
from enum import IntEnum

from msc_trading.paper.clock import SimulatedClock
from msc_trading.paper.config import ApiKey
from msc_trading.paper.engine import rejections as reason
from msc_trading.paper.engine.rejections import Rejected
from msc_trading.paper.http.params import Params
from msc_trading.paper.http.text import milliseconds

AHEAD_MS = 1000
DEFAULT_RECV_WINDOW_MS = 5000
LONGEST_RECV_WINDOW_MS = 60_000
KEPT_ANSWERS = 10_000
SIGNATURE = re.compile("(?:^|&)signature=[^&]*")


class Access(IntEnum):
    """What a request needs to be let in."""

    OPEN = 0
    KEY = 1
    SIGNED = 2
    TRADE = 3


class ServerTime:
    """The exchange's time as clients are told it, and how fresh a timestamp is.

    A client measures its offset once and then counts real seconds. At another speed than 1 its timestamps fall behind
    simulated time at once, although nothing is late. So a timestamp is also fresh when it fits one of the times this
    key was told, plus the real time since then. At speed 1 both rules are one.
    """

    def __init__(self, clock: SimulatedClock) -> None:
        self._clock = clock
        self._told: defaultdict[str, list[int]] = defaultdict(list)
        self.offset_ms = 0

    def now_ms(self) -> int:
        """Returns milliseconds since 1970, as the exchange has them."""
        return milliseconds(self._clock.now()) + self.offset_ms

    def tell(self, key: str) -> int:
        """Returns the time as an answer to this key, and remembers it."""
        now_ms = self.now_ms()
        told = self._told[key]
        bisect.insort(told, now_ms - self._elapsed_ms())
        if len(told) > KEPT_ANSWERS:
            del told[0]
        return now_ms

    def check(self, key: str, timestamp: int, recv_window: int) -> None:
        """Refuses a timestamp that is ahead, or older than its window."""
        age = self.now_ms() - timestamp
        if -AHEAD_MS < age <= recv_window or self._fits_an_answer(key, timestamp, recv_window):
            return
        raise Rejected(reason.BAD_TIMESTAMP_EARLY if age <= -AHEAD_MS else reason.BAD_TIMESTAMP_LATE)

    def _fits_an_answer(self, key: str, timestamp: int, recv_window: int) -> bool:
        told = self._told[key]
        behind = timestamp - self._elapsed_ms()
        index = bisect.bisect_right(told, behind - AHEAD_MS)
        return index < len(told) and told[index] <= behind + recv_window

    def _elapsed_ms(self) -> int:
        return round(self._clock.real_s() * 1000) + self.offset_ms


class Gate:
    """Lets requests in by key and signature."""

    def __init__(self, keys: tuple[ApiKey, ...], time: ServerTime) -> None:
        self._keys = {key.key: key for key in keys}
        self._time = time

    def knows(self, key: str) -> bool:
        """Returns whether there is such a key."""
        return key in self._keys

    def admit(self, access: Access, key: str | None, query: str, body: str) -> Params:
        """Returns the parameters of a request that may pass.

        Raises:
            Rejected: the key, the signature or the timestamp is wrong.
        """
        if access is not Access.OPEN:
            known = self._known(key)
            if access is Access.TRADE and not known.can_trade:
                raise Rejected(reason.REJECTED_KEY)
            if access >= Access.SIGNED:
                return self._signed(known, query, body)
        return Params.parse(query, body)

    def _known(self, key: str | None) -> ApiKey:
        if not key:
            raise Rejected(reason.BAD_KEY_FORMAT)
        known = self._keys.get(key)
        if known is None:
            raise Rejected(reason.REJECTED_KEY)
        return known

    def _signed(self, known: ApiKey, query: str, body: str) -> Params:
        params = Params.parse(query, body)
        signature, timestamp = params.text("signature"), params.integer("timestamp")
        recv_window = params.optional_integer("recvWindow")
        recv_window = DEFAULT_RECV_WINDOW_MS if recv_window is None else recv_window
        if not 0 < recv_window <= LONGEST_RECV_WINDOW_MS:
            raise Rejected(reason.BAD_RECV_WINDOW)
        # Over the text as it was sent: what was encoded on the way after being signed does not match.
        text = SIGNATURE.sub("", query) + SIGNATURE.sub("", body)
        expected = hmac.new(known.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            raise Rejected(reason.BAD_SIGNATURE)
        self._time.check(known.key, timestamp, recv_window)
        return params
