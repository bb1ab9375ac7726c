"""What a paper exchange is started with."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeverageBracket:
    """A tier of a symbol: `max_leverage` up to `notional_cap` (quote); maintenance is a fraction of it, less `cum`."""

    notional_cap: Decimal
    max_leverage: int
    maintenance_fraction: Decimal
    cum: Decimal = Decimal(0)


def _brackets(*rows: tuple[str, int, str, str]) -> tuple[LeverageBracket, ...]:
    return tuple(
        LeverageBracket(
            notional_cap=Decimal(cap), max_leverage=leverage, maintenance_fraction=Decimal(fraction), cum=Decimal(cum)
        )
        for cap, leverage, fraction, cum in rows
    )


DEFAULT_BRACKETS = _brackets(
    ("300000", 125, "0.004", "0"),
    ("800000", 100, "0.005", "300"),
    ("3000000", 75, "0.0065", "1500"),
    ("12000000", 50, "0.01", "12000"),
    ("70000000", 25, "0.02", "132000"),
    ("200000000", 20, "0.025", "482000"),
    ("500000000", 10, "0.05", "5482000"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolSpec:
    """A perpetual contract: its filters, fees and book. Prices in quote, quantities in base currency.

    `level_quantity` is what rests on each price level of the book, None for a book without end. `mark_lag` is the
    fraction of the old mark price kept at each move of the last price; 0 has both equal. Fees and `funding_rate` are
    fractions of the notional.
    """

    symbol: str = "BTCUSDT"
    base_asset: str = "BTC"
    quote_asset: str = "USDT"
    status: str = "TRADING"
    onboard_ms: int = 1569398400000
    price_precision: int = 2
    quantity_precision: int = 3
    tick_size: Decimal = Decimal("0.10")
    min_price: Decimal = Decimal("556.80")
    max_price: Decimal = Decimal(4529764)
    step_size: Decimal = Decimal("0.001")
    min_quantity: Decimal = Decimal("0.001")
    max_quantity: Decimal = Decimal(1000)
    market_step_size: Decimal = Decimal("0.001")
    market_min_quantity: Decimal = Decimal("0.001")
    market_max_quantity: Decimal = Decimal(120)
    max_orders: int = 200
    max_algo_orders: int = 10
    min_notional: Decimal = Decimal(5)
    multiplier_up: Decimal = Decimal("1.0500")
    multiplier_down: Decimal = Decimal("0.9500")
    market_take_bound: Decimal = Decimal("0.05")
    liquidation_fee: Decimal = Decimal("0.012500")
    taker_fee: Decimal = Decimal("0.0004")
    maker_fee: Decimal = Decimal("0.0002")
    funding_rate: Decimal = Decimal("0.0001")
    level_quantity: Decimal | None = Decimal(10)
    mark_lag: Decimal = Decimal(0)
    default_leverage: int = 20
    brackets: tuple[LeverageBracket, ...] = DEFAULT_BRACKETS


BTCUSDT = SymbolSpec()
ETHUSDT = SymbolSpec(
    symbol="ETHUSDT",
    base_asset="ETH",
    onboard_ms=1574841600000,
    tick_size=Decimal("0.01"),
    min_price=Decimal("39.86"),
    max_price=Decimal(306177),
    max_quantity=Decimal(10000),
    market_max_quantity=Decimal(2000),
    min_notional=Decimal(20),
    level_quantity=Decimal(100),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key of the one account that all keys share. The secret stays out of the repr."""

    key: str
    secret: str = field(repr=False)
    can_trade: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """Requests the exchange takes in minutes and ten seconds of its own (simulated) time."""

    weight_per_minute: int = 2400
    orders_per_minute: int = 1200
    orders_per_10s: int = 300
    tolerated_while_limited: int = 10
    first_ban_s: int = 120
    longest_ban_s: int = 259_200


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperConfig:
    """Everything a paper exchange is started with; it does not change while it runs.

    `origin` is where simulated time starts, None for the first candle (plus `warm_up_bars` minutes). Candles that ended
    before it are history only. `speed` is simulated seconds per real second; `paused` starts with time standing still,
    to be stepped by hand. Port 0 takes a free one. `pump_interval_s` is the real time between two looks at the feed.

    Raises:
        ValueError: a field is out of sense. The message starts with its name.
    """

    symbols: tuple[SymbolSpec, ...] = (BTCUSDT, ETHUSDT)
    starting_balance: Decimal = Decimal(1_000_000)
    speed: float = 1.0
    paused: bool = False
    origin: datetime | None = None
    warm_up_bars: int = 0
    seed: int = 0
    keys: tuple[ApiKey, ...] = (ApiKey(key="paper-key", secret="paper-secret"),)  # noqa: S106 -- of a made-up account
    rate_limits: RateLimits = RateLimits()
    host: str = HOST
    port: int = 0
    admin_port: int = 0
    listen_key_s: float = 3600.0
    stream_age_s: float = 86_400.0
    stream_queue: int = 20_000
    pump_interval_s: float = 0.02

    def __post_init__(self) -> None:
        _refuse("symbols", not self.symbols or len({spec.symbol for spec in self.symbols}) < len(self.symbols))
        _refuse("starting_balance", not self.starting_balance.is_finite() or self.starting_balance < 0)
        _refuse("speed", not 0 < self.speed < float("inf"))
        _refuse("origin", self.origin is not None and self.origin.tzinfo is None)
        _refuse("warm_up_bars", self.warm_up_bars < 0)
        _refuse("keys", not self.keys or len({key.key for key in self.keys}) < len(self.keys))
        _refuse("pump_interval_s", self.pump_interval_s <= 0)


def _refuse(name: str, is_wrong: bool) -> None:
    if is_wrong:
        raise ValueError(f"{name}: out of sense; see PaperConfig for what it means")
