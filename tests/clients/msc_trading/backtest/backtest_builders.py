"""Prices, signals and controllers that do exactly what a test says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from msc_client.facts import ClosedTrade, Direction, EquityPoint
from msc_client.policy import Policy, Ref, RiskMode, StrategyGrant, StrategyState, TradingState
from msc_trading.backtest import BacktestConfig, BacktestReport, Controller, run_backtest
from msc_trading.market import MINUTE, Candle
from msc_trading.signals import Signal, SignalKind

START = datetime(2026, 1, 1, tzinfo=UTC)
BTC, ETH = "BTCUSDT", "ETHUSDT"


def bar(minute: int, prices: Sequence[float], symbol: str = BTC) -> Candle:
    """A candle from (open, high, low, close), or from a single price at which it stands still."""
    open_, high, low, close = prices if len(prices) == 4 else (prices[0],) * 4
    return Candle(
        symbol=symbol,
        open_time=START + minute * MINUTE,
        open=Decimal(str(open_)),
        high=Decimal(str(high)),
        low=Decimal(str(low)),
        close=Decimal(str(close)),
        volume=Decimal(1),
    )


def bars(*prices: float | tuple[float, float, float, float], symbol: str = BTC, first: int = 0) -> list[Candle]:
    """Candles of minutes that follow each other; a single number is a minute that stands still."""
    return [
        bar(first + number, price if isinstance(price, tuple) else (price,), symbol)
        for number, price in enumerate(prices)
    ]


def merged(*feeds: Iterable[Candle]) -> list[Candle]:
    """The candles of several symbols, taking turns within each minute."""
    return sorted((candle for feed in feeds for candle in feed), key=lambda candle: candle.open_time)


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    """What a scripted strategy says at the close of a minute. `stop` is a price; None is a signal without one."""

    minute: int
    kind: SignalKind = SignalKind.ENTRY
    direction: Direction = Direction.LONG
    stop: float | None = 90.0
    confidence: float | None = 0.8
    symbol: str = BTC


def leave(minute: int, direction: Direction = Direction.LONG, symbol: str = BTC) -> Say:
    return Say(minute=minute, kind=SignalKind.EXIT, direction=direction, stop=None, confidence=None, symbol=symbol)


class Scripted:
    """A strategy that says what it is told to."""

    def __init__(self, *script: Say, strategy_id: str = "A_001") -> None:
        self.strategy_id = strategy_id
        self.warmup_minutes = 0
        self._script = script

    def on_candle(self, candle: Candle) -> tuple[Signal, ...]:
        minute = (candle.open_time - START) // MINUTE
        said = [say for say in self._script if (say.minute, say.symbol) == (minute, candle.symbol)]
        return tuple(self._signal(say, candle, number) for number, say in enumerate(said))

    def _signal(self, say: Say, candle: Candle, number: int) -> Signal:
        return Signal(
            signal_id=f"{self.strategy_id}-{say.symbol}-{say.minute}-{number}",
            strategy_id=self.strategy_id,
            symbol=candle.symbol,
            direction=say.direction,
            kind=say.kind,
            confidence=say.confidence,
            reference_price=candle.close,
            stop_price=None if say.stop is None else Decimal(str(say.stop)),
            at=candle.open_time + MINUTE,
        )


def policy(
    version: int = 1, *, allowed: Sequence[str] = ("A_001",), probation: Sequence[str] = (), **changes: object
) -> Policy:
    """A NORMAL policy that allows the given strategies; those on probation with a quarter of everything."""
    grants = [StrategyGrant(strategy_id=id_) for id_ in allowed if id_ not in probation]
    grants += [
        StrategyGrant(
            strategy_id=id_,
            state=StrategyState.PROBATION,
            risk_multiplier=0.25,
            max_positions=1,
            max_daily_trades_fraction=0.1,
        )
        for id_ in probation
    ]
    fields: dict[str, object] = {
        "ref": Ref(1, version),
        "risk_mode": RiskMode.NORMAL,
        "allowed_strategies": tuple(grant.strategy_id for grant in grants),
        "max_risk_per_trade": 0.01,
        "global_min_confidence": 0.6,
        "max_positions": 10,
        "max_daily_trades": 30,
        "trading_state": TradingState.ACTIVE,
        "strategy_grants": tuple(grants),
    }
    return Policy(**{**fields, **changes})  # type: ignore[arg-type] # fields are overridden by name


@dataclass(slots=True)
class ScriptedController:
    """Returns the policy of the newest minute at or before the one asked about, and remembers all it heard."""

    policies: Mapping[int, Policy]
    heard: list[ClosedTrade | EquityPoint | datetime] = field(default_factory=list)

    def on_trade(self, trade: ClosedTrade) -> None:
        self.heard.append(trade)

    def on_equity(self, point: EquityPoint) -> None:
        self.heard.append(point)

    def evaluate(self, as_of: datetime) -> Policy:
        self.heard.append(as_of)
        minute = (as_of - START) // MINUTE
        return self.policies[max(key for key in self.policies if key <= minute)]

    @property
    def trades(self) -> list[ClosedTrade]:
        return [item for item in self.heard if isinstance(item, ClosedTrade)]

    @property
    def points(self) -> list[EquityPoint]:
        return [item for item in self.heard if isinstance(item, EquityPoint)]

    @property
    def evaluations(self) -> list[datetime]:
        return [item for item in self.heard if isinstance(item, datetime)]


def always(**changes: object) -> ScriptedController:
    return ScriptedController({0: policy(**changes)})  # type: ignore[arg-type] # handed on by name


def played(
    candles: Iterable[Candle],
    *strategies: Scripted,
    controller: Controller | None = None,
    **settings: object,
) -> BacktestReport:
    """A run with 10,000 to begin with, under a policy that allows A_001 one percent at risk."""
    config = BacktestConfig(**{"starting_equity": Decimal(10_000), **settings})  # type: ignore[arg-type] # by name
    return run_backtest(candles, strategies, config, controller or always())
