"""The decayed sums of one strategy, and how a trade, or a run of them, changes them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import datetime
from decimal import Context, Decimal
from itertools import islice
from math import sqrt
from statistics import median
from typing import TYPE_CHECKING

from msc_authority.core import codec
from msc_authority.core.evidence import instant_of
from msc_authority.core.strategies.config import StrategyConfig

if TYPE_CHECKING:
    from msc_authority.core.strategies._runs import Run

# Evidence that has decayed to this is gone; below it the division would only amplify rounding.
NO_WEIGHT = 1e-9
# A yardstick below this is rounding dust, and dividing by it would invent R.
_SMALLEST_UNIT = 1e-12
# Money is added exactly, whatever context the caller's thread has: 28 digits would round large sums.
_EXACT = Context(prec=200)

_SUMS = (
    "weight",
    "square_weight",
    "sum_r",
    "sum_square_r",
    "drawdown_r",
    "unmeasured_weight",
    "unmeasured_square_weight",
    "sum_pnl",
    "sum_square_pnl",
    "drawdown_pnl",
)
_COUNTS = ("live_trades", "shadow_trades", "fallbacks", "wins", "losses")
FIGURES = (*_SUMS, *_COUNTS)


class Record:
    """Accumulator of one strategy. Sums in R where risk at entry is known, in money where it is not."""

    __slots__ = (*_SUMS, *_COUNTS, "_loss_texts", "_unwritten_losses", "last_at", "loss_sizes", "net_pnl")

    def __init__(self, at: datetime, loss_sample_trades: int) -> None:
        self.weight = self.square_weight = self.sum_r = self.sum_square_r = self.drawdown_r = 0.0
        self.unmeasured_weight = self.unmeasured_square_weight = self.sum_pnl = self.sum_square_pnl = 0.0
        self.drawdown_pnl = 0.0
        self.live_trades = self.shadow_trades = self.fallbacks = self.wins = self.losses = 0
        self.net_pnl = Decimal(0)
        self.loss_sizes: deque[float] = deque(maxlen=loss_sample_trades)
        self._loss_texts: deque[str] = deque(maxlen=loss_sample_trades)
        self._unwritten_losses = 0
        self.last_at = at

    def age(self, decay: float) -> None:
        square_decay = decay * decay
        self.weight *= decay
        self.square_weight *= square_decay
        self.sum_r *= decay
        self.sum_square_r *= decay
        if self.fallbacks:
            self.unmeasured_weight *= decay
            self.unmeasured_square_weight *= square_decay
            self.sum_pnl *= decay
            self.sum_square_pnl *= decay

    def count(self, net_pnl: Decimal, pnl: float, live: bool) -> None:
        if pnl < 0.0:
            self.loss_sizes.append(-pnl)
            self._unwritten_losses += 1
        if not live:
            self.shadow_trades += 1
            return
        self.live_trades += 1
        self.net_pnl = _EXACT.add(self.net_pnl, net_pnl)
        if pnl > 0.0:
            self.wins += 1
        elif pnl < 0.0:
            self.losses += 1

    def add_measured(self, r: float, weight: float) -> None:
        weighted = weight * r
        self.weight += weight
        self.square_weight += weight * weight
        self.sum_r += weighted
        self.sum_square_r += weighted * r
        drawdown = self.drawdown_r - weighted
        self.drawdown_r = drawdown if drawdown > 0.0 else 0.0

    def add_unmeasured(self, pnl: float, weight: float) -> None:
        weighted = weight * pnl
        self.fallbacks += 1
        self.unmeasured_weight += weight
        self.unmeasured_square_weight += weight * weight
        self.sum_pnl += weighted
        self.sum_square_pnl += weighted * pnl
        drawdown = self.drawdown_pnl - weighted
        self.drawdown_pnl = drawdown if drawdown > 0.0 else 0.0

    def fold_run(self, run: Run, decay_per_trade: float) -> None:
        """Does for each trade of a run what `age`, `count` and the adding do for one."""
        weight, square_weight, sum_r, sum_square_r = self.weight, self.square_weight, self.sum_r, self.sum_square_r
        unmeasured, square_unmeasured = self.unmeasured_weight, self.unmeasured_square_weight
        sum_pnl, sum_square_pnl = self.sum_pnl, self.sum_square_pnl
        drawdown_r, drawdown_pnl = self.drawdown_r, self.drawdown_pnl
        # The sums fade with each trade, in an order: the same steps as above, with nothing looked up between.
        for time_decay, size, one, known in zip(run.decays, run.sizes, run.weights, run.known, strict=True):
            decay, weighted = decay_per_trade * time_decay, one * size
            square_decay = decay * decay
            weight *= decay
            square_weight *= square_decay
            sum_r *= decay
            sum_square_r *= decay
            unmeasured *= decay
            square_unmeasured *= square_decay
            sum_pnl *= decay
            sum_square_pnl *= decay
            if known:
                weight += one
                square_weight += one * one
                sum_r += weighted
                sum_square_r += weighted * size
                drawdown_r = drawdown_r - weighted if drawdown_r > weighted else 0.0
            else:
                unmeasured += one
                square_unmeasured += one * one
                sum_pnl += weighted
                sum_square_pnl += weighted * size
                drawdown_pnl = drawdown_pnl - weighted if drawdown_pnl > weighted else 0.0
        self.weight, self.square_weight, self.sum_r, self.sum_square_r = weight, square_weight, sum_r, sum_square_r
        self.unmeasured_weight, self.unmeasured_square_weight = unmeasured, square_unmeasured
        self.sum_pnl, self.sum_square_pnl = sum_pnl, sum_square_pnl
        self.drawdown_r, self.drawdown_pnl = drawdown_r, drawdown_pnl
        self._count_run(run)

    def _count_run(self, run: Run) -> None:
        self.last_at = instant_of(run.last_at_us)
        self.live_trades += run.live_trades
        self.shadow_trades += len(run.decays) - run.live_trades
        self.fallbacks += run.known.count(False)
        self.wins += run.wins
        self.losses += run.live_losses
        for units, places in run.money:
            self.net_pnl = _EXACT.add(self.net_pnl, _EXACT.scaleb(Decimal(units), -places))
        self.loss_sizes.extend(run.losses)
        self._unwritten_losses += len(run.losses)

    def remember(self, loss_sizes: Iterable[float]) -> None:
        """Takes over the losses of a record that was stored."""
        self.loss_sizes.extend(loss_sizes)
        self._unwritten_losses = len(self.loss_sizes)

    def written_losses(self) -> codec.Written:
        """The losses as JSON. Each is put into text once: they are most of what a book consists of."""
        seen = len(self.loss_sizes) - min(self._unwritten_losses, len(self.loss_sizes))
        self._loss_texts.extend(map(codec.float_text, islice(self.loss_sizes, seen, None)))
        self._unwritten_losses = 0
        return codec.Written(f"[{','.join(self._loss_texts)}]")

    def risk_unit(self, config: StrategyConfig) -> float | None:
        """What one R is in money where risk at entry is unknown. None: no loss has shown it yet."""
        if not self.loss_sizes or self.unmeasured_weight < NO_WEIGHT:
            return None
        typical_pnl = sqrt(self.sum_square_pnl / self.unmeasured_weight)
        if len(self.loss_sizes) < config.loss_sample_min_trades:
            return max(*self.loss_sizes, typical_pnl, _SMALLEST_UNIT)
        return max(median(self.loss_sizes), typical_pnl / config.gain_cap_r, _SMALLEST_UNIT)
