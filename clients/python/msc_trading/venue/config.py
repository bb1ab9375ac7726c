"""Which venue to trade on, and how carefully."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

MAX_RECV_WINDOW_MS = 60_000
SHORTEST_CLOCK_PERIOD_S = 1.0

_POSITIVE = (
    "request_timeout_s",
    "time_scale",
    "clock_resync_s",
    "listen_key_renewal_s",
    "rules_max_age_s",
    "price_silence_s",
    "reconnect_min_s",
)
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class VenueEnvironment(StrEnum):
    """Where orders go."""

    LIVE = "LIVE"
    DEMO = "DEMO"
    CUSTOM = "CUSTOM"


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueConfig:
    """Everything about the venue but the keys.

    `rest_url` and `stream_url` are for CUSTOM alone, such as http://127.0.0.1:8090 and ws://127.0.0.1:8090; without
    TLS only to this machine. `time_scale` is how many seconds pass on the venue while one passes here: 1 but on a
    paper exchange that runs faster; see `clock_offset` for what runs at it. All periods are in local seconds but
    `clock_resync_s`, which is in the venue's. `queue_size` is how many stream messages may wait to be read before the
    stream is given up and rebuilt.

    Raises:
        ValueError: a field is out of sense. The message starts with its name.
    """

    environment: VenueEnvironment = VenueEnvironment.DEMO
    rest_url: str | None = None
    stream_url: str | None = None
    margin_asset: str = "USDT"
    recv_window_ms: int = 5000
    request_timeout_s: float = 10.0
    time_scale: float = 1.0
    clock_resync_s: float = 600.0
    listen_key_renewal_s: float = 1800.0
    queue_size: int = 100_000
    rules_max_age_s: float = 3600.0
    price_silence_s: float = 60.0
    reconnect_min_s: float = 0.25
    reconnect_max_s: float = 30.0

    def __post_init__(self) -> None:
        for name in _POSITIVE:
            value = getattr(self, name)
            _require(name, math.isfinite(value) and value > 0, "a finite number above zero")
        _require("reconnect_max_s", self.reconnect_min_s <= self.reconnect_max_s < math.inf, "at least reconnect_min_s")
        _require("recv_window_ms", 0 < self.recv_window_ms <= MAX_RECV_WINDOW_MS, f"1 to {MAX_RECV_WINDOW_MS}")
        _require("queue_size", self.queue_size >= 1, "at least 1")
        _require("margin_asset", self.margin_asset.isalnum(), "an asset such as USDT")
        _require("time_scale", self.time_scale == 1 or self._is_custom, "1 on a venue with real time")
        _require_url("rest_url", self.rest_url, ("http", "https"), is_custom=self._is_custom)
        _require_url("stream_url", self.stream_url, ("ws", "wss"), is_custom=self._is_custom)

    @property
    def _is_custom(self) -> bool:
        return self.environment is VenueEnvironment.CUSTOM

    @property
    def clock_period_s(self) -> float:
        """How often the venue's clock is measured, in local seconds: at least one."""
        return max(SHORTEST_CLOCK_PERIOD_S, self.clock_resync_s / self.time_scale)


def _require(name: str, is_fine: bool, wanted: str) -> None:
    if not is_fine:
        raise ValueError(f"{name}: must be {wanted}")


def _require_url(name: str, url: str | None, schemes: tuple[str, str], *, is_custom: bool) -> None:
    if not is_custom:
        _require(name, url is None, "left out unless environment is CUSTOM")
        return
    parts = urlsplit(url or "")
    _require(name, parts.scheme in schemes and bool(parts.hostname), f"a URL that starts with {' or '.join(schemes)}")
    # Keys and orders travel on it.
    _require(name, parts.scheme == schemes[1] or parts.hostname in _LOOPBACK, f"{schemes[1]} unless on this machine")
    # python-binance runs str.format over it.
    _require(name, not set("{}?#") & set(url or ""), "a plain address without query, fragment or braces")
