"""Everything measured, as of an instant: the ledger's numbers before anything is judged."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from msc_authority.core.config import DecisionConfig, TapeConfig
from msc_authority.core.equity import EPOCH, EquityReading, SettledCurve
from msc_authority.core.ledger import Ledger
from msc_authority.core.metrics_returns import DailyRatios, daily_ratios, equity_slope
from msc_authority.core.metrics_trades import TradeStatistics, trade_statistics
from msc_authority.core.metrics_trend import Trend

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class FadedWinrate:
    """The win rate as it is judged: it fades toward its prior while nothing trades, and so does its sample size."""

    rate: float
    trades: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What was measured. None: unknown. Ages and durations are as of `as_of`."""

    as_of: datetime
    origin: str
    equity_source: str
    curve: SettledCurve
    equity: EquityReading | None
    trades: TradeStatistics
    winrate: FadedWinrate | None
    expectancy: float | None
    loss_streak: int | None
    days_without_profit: float | None
    last_loss_at: datetime | None
    last_trade_at: datetime | None
    slope: Trend | None
    ratios: DailyRatios
    valid: bool

    @property
    def known(self) -> bool:
        """Whether there is any fact to judge by."""
        return self.equity is not None or self.last_trade_at is not None

    @property
    def today(self) -> int:
        """The UTC day of `as_of`, counted from 1970-01-01."""
        return (self.as_of - EPOCH).days

    @property
    def nav(self) -> float | None:
        """The value of one unit now, or None."""
        return self.equity.nav if self.equity is not None else None


def survey(ledger: Ledger, config: DecisionConfig, as_of: datetime) -> Survey:
    """Returns the measurements. The ledger stays as it is.

    Raises:
        ValueError: the ledger holds facts later than `as_of`.
    """
    refuse_look_ahead(ledger, as_of)
    curve, tape = ledger.curve.settled(), ledger.tape
    equity = curve.reading(as_of)
    closes = equity.closes if equity is not None else ()
    statistics = trade_statistics([result for result in tape.results if result is not None])
    weight = _weight_of_winrate(tape.last_at, as_of, config.tape)
    return Survey(
        as_of=as_of,
        origin=origin_of(ledger, equity),
        equity_source=ledger.equity_source,
        curve=curve,
        equity=equity,
        trades=statistics,
        winrate=_faded(statistics, weight, config.tape),
        expectancy=statistics.expectancy if weight > 0.0 else None,
        loss_streak=tape.loss_streak if tape.live_trades else None,
        days_without_profit=_days_since(tape.last_profit_at or tape.first_at, as_of),
        last_loss_at=tape.last_loss_at,
        last_trade_at=tape.last_at,
        slope=equity_slope(
            closes,
            today=(as_of - EPOCH).days,
            window_d=config.equity.slope_window_d,
            min_days=config.equity.slope_min_days,
        ),
        ratios=daily_ratios(closes, min_days=config.equity.ratios_min_days),
        valid=tape.valid and (equity is None or equity.valid),
    )


def refuse_look_ahead(ledger: Ledger, as_of: datetime) -> None:
    """Refuses a ledger that holds evidence later than `as_of`.

    Raises:
        ValueError: it does.
    """
    watermark = ledger.watermark
    if watermark is not None and watermark > as_of:
        raise ValueError(
            f"as_of {as_of.isoformat()} is earlier than the ledger's newest fact {watermark.isoformat()}: "
            "fold only facts up to as_of"
        )


def origin_of(ledger: Ledger, reading: EquityReading | None) -> str:
    """Returns the name of the curve that NAVs come from: only NAVs of one origin can be compared."""
    return "" if reading is None else f"{ledger.equity_source}@{reading.first_at.isoformat()}"


def _weight_of_winrate(last_trade_at: datetime | None, as_of: datetime, config: TapeConfig) -> float:
    """Weight of the tape's win rate: 1 while trading, halving with idleness, 0 once it is forgotten."""
    if last_trade_at is None:
        return 0.0
    idle_s = (as_of - last_trade_at).total_seconds() - config.idle_grace_s
    if idle_s <= 0.0:
        return 1.0
    weight = 2.0 ** (-idle_s / config.winrate_idle_half_life_s)
    return weight if weight >= config.winrate_forgotten_weight else 0.0


def _faded(statistics: TradeStatistics, weight: float, config: TapeConfig) -> FadedWinrate | None:
    rate, prior = statistics.winrate_fraction, config.winrate_prior_fraction
    if rate is None or weight <= 0.0:
        return None
    return FadedWinrate(rate=prior + (rate - prior) * weight, trades=statistics.decided * weight)


def _days_since(instant: datetime | None, as_of: datetime) -> float | None:
    return None if instant is None else (as_of - instant) / _DAY
