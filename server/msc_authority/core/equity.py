"""The equity curve: from totals and flows to drawdown, daily closes and volatility, in bounded memory."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median

from msc_authority.core import codec
from msc_authority.core.config import EquityConfig
from msc_authority.core.drawdown import fall_pct
from msc_authority.core.nav import UnitisedNav
from msc_authority.core.rolling import RollingMax
from msc_authority.core.volatility import VolatilityTracker

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)
_HOURS_A_DAY = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class DayClose:
    """The NAV at the end of one UTC day. `day` counts days since 1970-01-01."""

    day: int
    nav: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EquityReading:
    """What the curve says as of an instant. NAV is 1.0 at the first reading; None: unknown.

    `high_nav` is the rolling high-water mark, `max_drawdown_pct` and `max_drawdown_money` the greatest drawdowns of
    the window, which may have been at different instants. `volatility_ratio` is against its own median.
    """

    at: datetime
    first_at: datetime
    readings: int
    valid: bool
    nav: float
    high_nav: float
    equity: float
    drawdown_pct: float | None
    max_drawdown_pct: float
    max_drawdown_money: float
    closes: tuple[DayClose, ...]
    volatility_ratio: float | None
    volatility_points: int


class EquityCurve:
    """Folds readings in order of time. Readings of one instant are netted before anything is measured."""

    __slots__ = (
        "_bar_at",
        "_bar_close",
        "_bar_high",
        "_bar_high_at",
        "_bucket",
        "_bucket_end",
        "_carried_flow",
        "_closed_high",
        "_closes",
        "_config",
        "_day_fall",
        "_day_fall_money",
        "_falls",
        "_falls_money",
        "_first_at",
        "_highs",
        "_nav",
        "_peak_at",
        "_pending_at",
        "_pending_flow",
        "_pending_total",
        "_readings",
        "_valid",
        "_volatility",
        "_volatility_days",
        "_written_days",
    )

    def __init__(self, config: EquityConfig) -> None:
        self._config = config
        self._nav = UnitisedNav()
        self._peak_at = EPOCH
        self._first_at: datetime | None = None
        self._readings = 0
        self._valid = True
        self._carried_flow = 0.0
        self._pending_at: datetime | None = None
        self._pending_total = 0.0
        self._pending_flow = 0.0
        self._bucket = -1
        self._bucket_end = EPOCH
        self._bar_high = 0.0
        self._bar_high_at = EPOCH
        self._bar_at = EPOCH
        self._bar_close = 0.0
        self._day_fall = 0.0
        self._day_fall_money = 0.0
        self._highs = RollingMax()
        self._closed_high = -math.inf
        self._falls = RollingMax()
        self._falls_money = RollingMax()
        self._closes: deque[tuple[int, float]] = deque()
        self._volatility = VolatilityTracker(config.volatility_half_life_s)
        self._volatility_days: deque[tuple[int, float]] = deque()
        # Both windows of days as they are written; None: a day was closed since.
        self._written_days: tuple[codec.Written, codec.Written] | None = None

    @property
    def first_at(self) -> datetime | None:
        """The instant of the first reading, or None."""
        return self._first_at

    @property
    def started(self) -> bool:
        """Whether there is a reading already."""
        return self._first_at is not None

    @property
    def is_plain(self) -> bool:
        """Whether there are units, and nothing has flowed that is yet to be counted: a reading only prices a unit."""
        return self._nav.units > 0.0 and self._carried_flow == 0.0 and self._pending_flow == 0.0

    def observe(self, at: datetime, total: float, flow: float) -> None:
        """Takes the total over all accounts at `at`, and what flowed in (positive) or out since the reading before.

        A total or flow that is not finite makes the curve invalid until the next reading that is.
        """
        if at != self._pending_at:
            if self._pending_at is None:
                self._first_at = at
            else:
                self._settle()
            self._pending_at = at
            self._pending_flow = 0.0
        self._pending_total = total
        self._pending_flow += flow

    def _settle(self) -> None:
        # Runs once a reading, over the whole of history when a ledger is built: kept flat for that reason alone.
        at, total = self._pending_at, self._pending_total
        if at is None:
            return
        self._readings += 1
        flow = self._pending_flow + self._carried_flow
        if not math.isfinite(total + self._pending_flow):
            self._valid, self._carried_flow = False, flow
            return
        self._valid, self._carried_flow = True, 0.0
        units = self._nav
        peak = units.peak
        nav = units.price(total, flow) if math.isfinite(flow) else units.restate(total)
        if nav > peak:
            self._peak_at = at
        if at >= self._bucket_end:
            self._turn_hour(at)
            self._bar_high, self._bar_high_at = nav, at
        elif nav > self._bar_high:
            self._bar_high, self._bar_high_at = nav, at
        self._bar_at, self._bar_close = at, nav
        high = self._bar_high if self._bar_high > self._closed_high else self._closed_high
        if nav < high:
            self._note_fall(high, high - nav)

    def _high(self) -> float:
        return max(self._bar_high, self._closed_high)

    def _note_fall(self, high: float, fall: float) -> None:
        if high > 0.0 and fall > self._day_fall * high:
            self._day_fall = fall / high
        money = fall * self._nav.units
        if money > self._day_fall_money:  # noqa: PLR1730 - a call of max() costs as much as all the rest here
            self._day_fall_money = money

    def _turn_hour(self, at: datetime) -> None:
        bucket = (at - EPOCH) // _HOUR
        if self._bucket >= 0:
            self._close_hour()
            if bucket // _HOURS_A_DAY != self._bucket // _HOURS_A_DAY:
                self._close_day()
        self._bucket = bucket
        self._bucket_end = EPOCH + _HOUR * (bucket + 1)
        days = self._config.high_water_window_d
        self._highs.expire(bucket - days * _HOURS_A_DAY)
        self._falls.expire(bucket // _HOURS_A_DAY - days)
        self._falls_money.expire(bucket // _HOURS_A_DAY - days)
        self._closed_high = self._highs.highest(otherwise=-math.inf)

    def _close_hour(self) -> None:
        self._highs.push(self._bucket, self._bar_high, self._bar_high_at)
        self._volatility.close_bar(self._bar_close, self._bar_at)

    def _close_day(self) -> None:
        day = self._bucket // _HOURS_A_DAY
        self._falls.push(day, self._day_fall, self._bar_at)
        self._falls_money.push(day, self._day_fall_money, self._bar_at)
        self._day_fall = self._day_fall_money = 0.0
        self._closes.append((day, self._bar_close))
        self._written_days = None
        volatility = self._volatility.per_root_day()
        if volatility is not None:
            self._volatility_days.append((day, volatility))
        for window in (self._closes, self._volatility_days):
            while window and window[0][0] < day - self._config.daily_window_d:
                window.popleft()

    def settled(self) -> SettledCurve:
        """Returns the curve with its newest instant counted, to read from. The curve itself stays as it is."""
        copy = self._copy()
        copy._settle()
        return SettledCurve(copy)

    def _copy(self) -> EquityCurve:
        other = EquityCurve(self._config)
        for name in self.__slots__:
            value = getattr(self, name)
            copied = value.copy() if isinstance(value, _COPIED) else value
            setattr(other, name, copied)
        return other

    def encode(self) -> dict[str, object]:
        """Returns the state as a document for `codec.to_bytes`."""
        if self._written_days is None:
            self._written_days = codec.written([*self._closes]), codec.written([*self._volatility_days])
        closes, volatility_days = self._written_days
        return {
            "bar": [
                self._bucket,
                self._bar_high,
                codec.instant_text(self._bar_high_at),
                codec.instant_text(self._bar_at),
                self._bar_close,
            ],
            "carried_flow": codec.finite_or_none(self._carried_flow),
            "closes": closes,
            "day_falls": [self._day_fall, self._day_fall_money],
            "falls": self._falls.encode(),
            "falls_money": self._falls_money.encode(),
            "first_at": codec.instant_text(self._first_at),
            "highs": self._highs.encode(),
            "nav": self._nav.encode(),
            "peak_at": codec.instant_text(self._peak_at),
            "pending": [
                codec.instant_text(self._pending_at),
                codec.finite_or_none(self._pending_total),
                codec.finite_or_none(self._pending_flow),
            ],
            "readings": self._readings,
            "valid": self._valid,
            "volatility": self._volatility.encode(),
            "volatility_days": volatility_days,
        }

    @classmethod
    def decode(cls, stored: codec.Reader, config: EquityConfig) -> EquityCurve:
        """Returns the curve that `encode` wrote."""
        curve = cls(config)
        curve._decode_bar(stored)
        curve._decode_pending(stored)
        curve._decode_windows(stored)
        curve._nav = UnitisedNav.decode(stored.items("nav", codec.number))
        curve._peak_at = stored.get("peak_at", codec.instant)
        curve._first_at = stored.maybe("first_at", codec.instant)
        curve._readings = stored.get("readings", codec.integer)
        curve._valid = stored.get("valid", bool)
        return curve

    def _decode_bar(self, stored: codec.Reader) -> None:
        bucket, high, high_at, at, close = stored.get("bar", lambda value: codec.row(value, 5))
        self._bucket = codec.integer(bucket)
        self._bucket_end = EPOCH + _HOUR * (self._bucket + 1) if self._bucket >= 0 else EPOCH
        self._bar_high, self._bar_close = codec.number(high), codec.number(close)
        self._bar_high_at, self._bar_at = codec.instant(high_at), codec.instant(at)

    def _decode_pending(self, stored: codec.Reader) -> None:
        at, total, flow = stored.get("pending", lambda value: codec.row(value, 3))
        self._pending_at = None if at is None else codec.instant(at)
        self._pending_total, self._pending_flow = codec.number_or_nan(total), codec.number_or_nan(flow)
        self._carried_flow = stored.get("carried_flow", codec.number_or_nan)

    def _decode_windows(self, stored: codec.Reader) -> None:
        self._day_fall, self._day_fall_money = stored.items("day_falls", codec.number)
        self._falls = stored.get("falls", RollingMax.decode)
        self._falls_money = stored.get("falls_money", RollingMax.decode)
        self._highs = stored.get("highs", RollingMax.decode)
        self._closed_high = self._highs.highest(otherwise=-math.inf)
        self._closes = deque(stored.items("closes", _day_value))
        self._volatility_days = deque(stored.items("volatility_days", _day_value))
        half_life_s = self._config.volatility_half_life_s
        self._volatility = stored.get("volatility", lambda value: VolatilityTracker.decode(value, half_life_s))


class SettledCurve:
    """A curve to read from: everything folded is counted."""

    __slots__ = ("_curve",)

    def __init__(self, curve: EquityCurve) -> None:
        self._curve = curve

    def highest_after(self, instant: datetime) -> float | None:
        """Returns the greatest NAV read after `instant`, or None where nothing was.

        Within the hour of `instant` itself only the hour's greatest and the newest reading are known.
        """
        curve = self._curve
        found = [
            value
            for value, at in (
                (curve._nav.peak, curve._peak_at),
                (curve._bar_high, curve._bar_high_at),
                (curve._nav.value, curve._bar_at),
            )
            if at > instant
        ]
        closed = curve._highs.highest_after(instant)
        return max([*found, closed] if closed is not None else found, default=None)

    def reading(self, as_of: datetime) -> EquityReading | None:
        """Returns what the curve says as of `as_of`, or None before the first reading.

        The rolling window ends at the newest reading: time alone, without readings, cures no drawdown.
        """
        curve = self._curve
        if curve._first_at is None:
            return None
        nav, high = curve._nav.value, curve._high()
        return EquityReading(
            at=curve._pending_at or curve._bar_at,
            first_at=curve._first_at,
            readings=curve._readings,
            valid=curve._valid,
            nav=nav,
            high_nav=high,
            equity=curve._nav.total,
            drawdown_pct=fall_pct(high, nav) if high > 0.0 else None,
            max_drawdown_pct=100.0 * max(curve._day_fall, curve._falls.highest(otherwise=0.0)),
            max_drawdown_money=max(curve._day_fall_money, curve._falls_money.highest(otherwise=0.0)),
            closes=self._closes(as_of),
            volatility_ratio=self._volatility_ratio(),
            volatility_points=curve._volatility.points,
        )

    def _closes(self, as_of: datetime) -> tuple[DayClose, ...]:
        curve, today = self._curve, (as_of - EPOCH).days
        days = [*curve._closes, (curve._bucket // _HOURS_A_DAY, curve._nav.value)]
        oldest = today - curve._config.daily_window_d
        return tuple(DayClose(day=day, nav=nav) for day, nav in days if oldest <= day < today)

    def _volatility_ratio(self) -> float | None:
        curve, config = self._curve, self._curve._config
        tracker = curve._volatility.copy()
        tracker.close_bar(curve._nav.value, curve._bar_at)
        days = [volatility for _, volatility in curve._volatility_days]
        if tracker.points < config.volatility_min_points or len(days) < config.volatility_min_days:
            return None
        usual, now = median(days), tracker.per_root_day()
        return now / usual if now is not None and usual > 0.0 else None


_COPIED = (UnitisedNav, RollingMax, VolatilityTracker, deque)


def _day_value(value: object) -> tuple[int, float]:
    day, number = codec.row(value, 2)
    return codec.integer(day), codec.number(number)
