"""Folds the journal into what is drawn: samples of the account, and each strategy's results in bins. Bounded memory."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import accumulate, pairwise
from typing import NamedTuple

from msc_authority.core.config import DecisionConfig
from msc_authority.core.equity import EPOCH
from msc_authority.core.evidence import Evidence, TradeEvidence
from msc_authority.core.ledger import EQUITY_POINTS, Ledger

SPAN = timedelta(days=30)
MAX_POINTS = 600
MAX_VALUES = 48
MAX_STRATEGIES = 300
FINE_FOR = timedelta(hours=3)
"""The newest samples are kept as close together as FINE, older ones as COARSE."""
FINE = timedelta(seconds=20)
COARSE = timedelta(minutes=5)
BIN = timedelta(minutes=30)
"""Results are added up in bins; a fold can be wound back to the beginning of one."""
_MAX_BATCH = 500
_INSTANT = timedelta(microseconds=1)
_SPACING = 4
"""Rewind points lie as far apart as a quarter of their age, so that there are a few dozen of them."""


class Sample(NamedTuple):
    """The account at an instant, as an evaluation of that instant sees it."""

    at: datetime
    equity: float
    drawdown_pct: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rewind:
    watermark: datetime
    ledger: bytes


@dataclass(slots=True, kw_only=True)
class _Bins:
    """Net PnL of one strategy by bin, in order of time."""

    sums: dict[int, float] = field(default_factory=dict)

    def add(self, number: int, amount: float) -> None:
        self.sums[number] = self.sums.get(number, 0.0) + amount

    @property
    def first(self) -> int:
        return next(iter(self.sums))

    @property
    def last(self) -> int:
        return next(reversed(self.sums))

    def keep(self, numbers: range) -> None:
        if self.sums and not (self.first in numbers and self.last in numbers):
            self.sums = {number: amount for number, amount in self.sums.items() if number in numbers}


class Stopped(Exception):
    """The fold was told to stop half-way."""


class TraceFold:
    """Mutable; one owner. The ledger in it is the one that evaluations fold, so that both say the same.

    What is folded is always complete up to `watermark`: all evidence that had arrived when it was read.
    """

    def __init__(self, config: DecisionConfig, ledger: Ledger | None = None) -> None:
        """Starts with nothing, or with `ledger`, which is its own from then on."""
        self._config = config
        self._ledger = ledger or Ledger.empty(config)
        self._samples: list[Sample] = []
        self._bins: dict[str, _Bins] = {}
        self._rewinds: list[_Rewind] = []
        self._slot: tuple[int, int] | None = None

    @property
    def watermark(self) -> datetime | None:
        """The instant of the newest row, or None."""
        return self._ledger.watermark

    def fold(self, evidence: Iterable[Evidence], as_of: datetime, stopping: Callable[[], bool]) -> bool:
        """Takes rows in order of (at, id). Returns whether rows were left: those later than `as_of`, whose time comes.

        Raises:
            ValueError: a row is earlier than one before it.
            Stopped: `stopping` said so. The fold is of no use any more.
        """
        since, batch = as_of - SPAN, list[Evidence]()
        for row in evidence:
            if row.at > as_of:
                break
            slot = _slot(row.at, as_of)
            if slot != self._slot or len(batch) >= _MAX_BATCH:
                self._flush(batch, stopping)
                batch = []
            if slot != self._slot:
                self._turn(slot, row.at, as_of)
            batch.append(row)
            if isinstance(row, TradeEvidence) and row.at >= since:
                self._add(row)
        else:
            self._flush(batch, stopping)
            return False
        self._flush(batch, stopping)
        return True

    def _flush(self, batch: list[Evidence], stopping: Callable[[], bool]) -> None:
        if stopping():
            raise Stopped
        self._ledger.fold(batch)

    def _turn(self, slot: tuple[int, int], at: datetime, as_of: datetime) -> None:
        self._slot = slot
        watermark = self.watermark
        if watermark is None:
            return
        if watermark >= as_of - SPAN and (newest := self.newest()) is not None:
            # Rows that do not touch the account leave its instant where it was.
            if self._samples and self._samples[-1].at == newest.at:
                self._samples.pop()
            self._samples.append(newest)
        boundary = EPOCH + BIN * _bin(at) - _INSTANT
        spacing = max(BIN, (as_of - boundary) / _SPACING)
        if watermark <= boundary and (not self._rewinds or boundary - self._rewinds[-1].watermark >= spacing):
            self._rewinds.append(_Rewind(watermark=boundary, ledger=self._ledger.encode()))

    def _add(self, trade: TradeEvidence) -> None:
        amount = float(trade.net_pnl)
        if math.isfinite(amount):
            self._bins.setdefault(trade.strategy_id, _Bins()).add(_bin(trade.at), amount)

    def newest(self) -> Sample | None:
        """Returns the account as of the newest row, or None where it is not known."""
        at = self.watermark
        reading = self._ledger.curve.settled().reading(at) if at is not None else None
        if reading is None or not reading.valid or not math.isfinite(reading.equity):
            return None
        return Sample(reading.at, reading.equity, reading.drawdown_pct)

    def rewind(self, before: datetime) -> datetime | None:
        """Goes back to where everything folded was earlier than `before`, as little as possible.

        Returns the instant up to which the fold is complete then; None: there is no such point, start anew.
        """
        while self._rewinds and self._rewinds[-1].watermark >= before:
            self._rewinds.pop()
        if not self._rewinds:
            return None
        point = self._rewinds[-1]
        self._ledger = Ledger.decode(point.ledger, self._config)
        self._slot = None
        self._samples = [sample for sample in self._samples if sample.at <= point.watermark]
        last = _bin(point.watermark)
        for bins in self._bins.values():
            bins.keep(range(last + 1))
        return point.watermark

    def prune(self, now: datetime) -> None:
        """Forgets what is too old to be drawn, and thins out what no longer is of the newest hours."""
        since, finest = now - SPAN, now - FINE_FOR
        old = [sample for sample in self._samples if since <= sample.at < finest]
        fine = [sample for sample in self._samples if sample.at >= finest]
        last_of_slot = {(sample.at - EPOCH) // COARSE: sample for sample in old}
        self._samples = [*last_of_slot.values(), *fine]
        for bins in self._bins.values():
            bins.keep(range(_bin(since), _bin(now) + 1))
        live = {name: bins for name, bins in self._bins.items() if bins.sums}
        newest_first = sorted(live, key=lambda name: live[name].last, reverse=True)
        self._bins = {name: live[name] for name in newest_first[:MAX_STRATEGIES]}
        self._rewinds = _thinned(self._rewinds, now)

    def points(self) -> list[Sample]:
        """Returns what is to be drawn, at most MAX_POINTS, the newest row last."""
        newest, samples, ledger = self.newest(), self._samples, self._ledger
        if newest is not None:
            samples = [*samples[: bisect_left(samples, (newest.at,))], newest]
        # The curve of closed trades ends where the account's own begins: they have no common scale.
        if ledger.equity_source == EQUITY_POINTS and ledger.curve.first_at is not None:
            samples = samples[bisect_left(samples, (ledger.curve.first_at,)) :]
        return reduced(samples, MAX_POINTS)

    def results(self) -> dict[str, tuple[float, ...]]:
        """Returns each strategy's cumulated net PnL, all over the same time, at most MAX_VALUES values each."""
        used = {name: bins for name, bins in sorted(self._bins.items()) if bins.sums}
        first = min((bins.first for bins in used.values()), default=0)
        count = max((bins.last for bins in used.values()), default=0) - first + 1
        return {name: _cumulated(bins.sums, first, count) for name, bins in used.items()}


def reduced(samples: Sequence[Sample], most: int) -> list[Sample]:
    """Returns at most `most` of the samples: of each stretch of time the deepest drawdown, and the last."""
    if len(samples) <= most:
        return list(samples)
    stretches = most // 2
    start, width = samples[0].at, (samples[-1].at - samples[0].at + _INSTANT) / stretches
    edges = [bisect_left(samples, (start + width * number,)) for number in range(stretches)]
    chosen: list[Sample] = []
    for first, end in pairwise([*edges, len(samples)]):
        if first < end:
            deepest, last = max(samples[first:end], key=_depth), samples[end - 1]
            chosen += [deepest] if deepest is last else [deepest, last]
    return chosen


def _depth(sample: Sample) -> float:
    return -1.0 if sample.drawdown_pct is None else sample.drawdown_pct


def _cumulated(sums: dict[int, float], first: int, count: int) -> tuple[float, ...]:
    values = min(MAX_VALUES, count)
    groups = [0.0] * values
    for number, amount in sums.items():
        groups[(number - first) * values // count] += amount
    return tuple(accumulate(groups))


def _thinned(rewinds: Sequence[_Rewind], now: datetime) -> list[_Rewind]:
    # The oldest and the newest stay; between, a point goes whose neighbours are close enough without it.
    kept: list[_Rewind] = []
    for number, point in enumerate(rewinds):
        if kept and number + 1 < len(rewinds):
            gap = rewinds[number + 1].watermark - kept[-1].watermark
            if gap <= (now - point.watermark) / _SPACING:
                continue
        kept.append(point)
    return kept


def _slot(at: datetime, as_of: datetime) -> tuple[int, int]:
    # The bin as well, so that a rewind point can be made wherever one begins.
    step = FINE if at >= as_of - FINE_FOR else COARSE
    return (at - EPOCH) // step, _bin(at)


def _bin(at: datetime) -> int:
    return (at - EPOCH) // BIN
