"""What the trades of each strategy say: decayed sums, folded one trade at a time, bounded per strategy."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal
from itertools import islice
from math import exp2, inf, sqrt
from operator import attrgetter
from statistics import median
from typing import cast

from msc_authority.core import codec
from msc_authority.core.evidence import TradeEvidence
from msc_authority.core.strategies.config import StrategyConfig

_SCHEMA = 1
_DAY_S = 86_400.0
# No account has more; beyond it squares would leave the range of floats and let a NaN in.
_LARGEST_AMOUNT = 1e15
# A yardstick below this is rounding dust, and dividing by it would invent R.
_SMALLEST_UNIT = 1e-12
# Evidence that has decayed to this is gone; below it the division would only amplify rounding.
_NO_WEIGHT = 1e-9
# Money is added exactly, whatever context the caller's thread has: 28 digits would round large sums.
_EXACT = Context(prec=200)

# Numbers of the config that are already worked into a folded sum. They cannot be changed afterwards.
_FOLDED_WITH = (
    "evidence_half_life_trades",
    "evidence_half_life_d",
    "shadow_weight_fraction",
    "loss_sample_trades",
    "gain_cap_r",
    "loss_cap_r",
)
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
_FIGURES = (*_SUMS, *_COUNTS)
_figures_of = attrgetter(*_FIGURES)


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyEvidence:
    """One strategy's trades as of an instant, in R.

    `weight` is the sum of the trades' weights: how many fresh live trades the evidence is worth. `sum_r` and
    `sum_square_r` are weighted likewise.
    """

    strategy_id: str
    weight: float = 0.0
    square_weight: float = 0.0
    sum_r: float = 0.0
    sum_square_r: float = 0.0
    drawdown_r: float = 0.0
    live_trades: int = 0
    shadow_trades: int = 0
    winrate_fraction: float | None = None
    net_pnl: Decimal = Decimal(0)
    fallback_fraction: float = 0.0
    last_trade_at: datetime | None = None

    @property
    def mean_r(self) -> float | None:
        """Weighted mean of the strategy's own R. None: no evidence."""
        return self.sum_r / self.weight if self.weight else None

    @property
    def scatter_r2(self) -> float:
        """Weighted sum of squared deviations from the own mean, in R squared."""
        return max(0.0, self.sum_square_r - self.sum_r * self.sum_r / self.weight) if self.weight else 0.0

    @property
    def effective_n(self) -> float:
        """Effective number of trades, (sum of weights) squared / sum of squares. Kish, "Survey Sampling" (1965)."""
        return self.weight * self.weight / self.square_weight if self.square_weight else 0.0


class _Record:
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
        if not self.loss_sizes or self.unmeasured_weight < _NO_WEIGHT:
            return None
        typical_pnl = sqrt(self.sum_square_pnl / self.unmeasured_weight)
        if len(self.loss_sizes) < config.loss_sample_min_trades:
            return max(*self.loss_sizes, typical_pnl, _SMALLEST_UNIT)
        return max(median(self.loss_sizes), typical_pnl / config.gain_cap_r, _SMALLEST_UNIT)


class StrategyBook:
    """Evidence of every strategy, folded trade by trade in the order of (at, id). Mutable; one owner."""

    __slots__ = (
        "_cap_gain_r",
        "_cap_loss_r",
        "_config",
        "_decay_per_trade",
        "_half_life_s",
        "_records",
        "_shadow_weight",
    )

    def __init__(self, config: StrategyConfig) -> None:
        self._config = config
        self._records: dict[str, _Record] = {}
        self._decay_per_trade = exp2(-1.0 / config.evidence_half_life_trades)
        self._half_life_s = config.evidence_half_life_d * _DAY_S
        self._shadow_weight = config.shadow_weight_fraction
        self._cap_gain_r = config.gain_cap_r
        self._cap_loss_r = -config.loss_cap_r

    @classmethod
    def empty(cls, config: StrategyConfig) -> StrategyBook:
        """A book without a trade."""
        return cls(config)

    @property
    def strategy_ids(self) -> tuple[str, ...]:
        """Ids that have traded, sorted."""
        return tuple(sorted(self._records))

    def fold(self, trade: TradeEvidence) -> float:
        """Takes one closed trade into account and returns its net PnL. Without a strategy id it is nobody's evidence.

        Raises:
            ValueError: an amount is not finite or beyond sense; nothing was folded.
        """
        at, _, strategy_id, net_pnl, risk_at_entry, live = trade
        pnl = float(net_pnl)
        if not -_LARGEST_AMOUNT < pnl < _LARGEST_AMOUNT:
            raise ValueError(f"net_pnl of trade {trade.id} must be finite and below 1e15 in size, not {net_pnl}")
        risk = 0.0 if risk_at_entry is None else float(risk_at_entry)
        if not -inf < risk < _LARGEST_AMOUNT:
            raise ValueError(f"risk_at_entry of trade {trade.id} must be finite and below 1e15, not {risk_at_entry}")
        if not strategy_id:
            return pnl
        record = self._records.get(strategy_id)
        if record is None:
            record = self._records[strategy_id] = _Record(at, self._config.loss_sample_trades)
        record.age(self._decay_per_trade * self._time_decay(record.last_at, at))
        record.last_at = at
        record.count(net_pnl, pnl, live)
        weight = 1.0 if live else self._shadow_weight
        if risk > 0.0:
            record.add_measured(min(max(pnl / risk, self._cap_loss_r), self._cap_gain_r), weight)
        else:
            record.add_unmeasured(pnl, weight)
        return pnl

    def evidence(self, strategy_id: str, as_of: datetime) -> StrategyEvidence:
        """One strategy's evidence, aged to `as_of`; empty when it never traded."""
        record = self._records.get(strategy_id)
        if record is None:
            return StrategyEvidence(strategy_id=strategy_id)
        return _evidence_of(strategy_id, record, self._time_decay(record.last_at, as_of), self._config)

    def encode(self) -> dict[str, object]:
        """The book as JSON-able values: same trades, same bytes."""
        return self._document(lambda record: list(record.loss_sizes))

    def encode_for_bytes(self) -> dict[str, object]:
        """What `encode` returns, for `codec.to_bytes`, to the same bytes: losses that were written before stay so."""
        return self._document(_Record.written_losses)

    def _document(self, losses_of: Callable[[_Record], object]) -> dict[str, object]:
        records = self._records.items()
        return {
            "schema": _SCHEMA,
            "folded_with": _folded_with(self._config),
            "strategies": {name: _encoded(record, losses_of(record)) for name, record in sorted(records)},
        }

    @classmethod
    def decode(cls, document: Mapping[str, object], config: StrategyConfig) -> StrategyBook:
        """The book that `encode` wrote.

        Raises:
            ValueError: another schema, or folded with other numbers than `config` holds: fold the journal anew.
        """
        if document.get("schema") != _SCHEMA:
            raise ValueError(f"strategy book: schema must be {_SCHEMA}, not {document.get('schema')!r}; fold anew")
        if document.get("folded_with") != _folded_with(config):
            raise ValueError("strategy book: folded_with differs from the configuration; fold the journal anew")
        book = cls(config)
        for name, fields in cast("Mapping[str, Mapping[str, object]]", document["strategies"]).items():
            book._records[name] = _decoded(fields, config.loss_sample_trades)
        return book

    def _time_decay(self, since: datetime, until: datetime) -> float:
        elapsed_s = (until - since).total_seconds()
        return exp2(-elapsed_s / self._half_life_s) if elapsed_s > 0.0 else 1.0


def _evidence_of(strategy_id: str, record: _Record, decay: float, config: StrategyConfig) -> StrategyEvidence:
    unit = record.risk_unit(config)
    weight, square_weight = record.weight, record.square_weight
    sum_r, sum_square_r, drawdown_r = record.sum_r, record.sum_square_r, record.drawdown_r
    if unit is not None:
        weight += record.unmeasured_weight
        square_weight += record.unmeasured_square_weight
        sum_r += record.sum_pnl / unit
        sum_square_r += record.sum_square_pnl / unit / unit
        # The drawdown of a sum is at most the sum of the drawdowns: the careful side.
        drawdown_r += record.drawdown_pnl / unit
    known = weight * decay >= _NO_WEIGHT
    return StrategyEvidence(
        strategy_id=strategy_id,
        weight=weight * decay if known else 0.0,
        square_weight=square_weight * decay * decay if known else 0.0,
        sum_r=sum_r * decay if known else 0.0,
        sum_square_r=sum_square_r * decay if known else 0.0,
        drawdown_r=drawdown_r,
        live_trades=record.live_trades,
        shadow_trades=record.shadow_trades,
        winrate_fraction=_ratio(record.wins, record.wins + record.losses),
        net_pnl=record.net_pnl,
        fallback_fraction=_ratio(record.fallbacks, record.live_trades + record.shadow_trades) or 0.0,
        last_trade_at=record.last_at,
    )


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _folded_with(config: StrategyConfig) -> dict[str, object]:
    return {name: getattr(config, name) for name in _FOLDED_WITH}


def _encoded(record: _Record, losses: object) -> dict[str, object]:
    return {
        **dict(zip(_FIGURES, _figures_of(record), strict=True)),
        "net_pnl": str(record.net_pnl),
        "loss_sizes": losses,
        "last_at": record.last_at.isoformat(),
    }


def _decoded(fields: Mapping[str, object], loss_sample_trades: int) -> _Record:
    record = _Record(datetime.fromisoformat(str(fields["last_at"])), loss_sample_trades)
    for name in _FIGURES:
        setattr(record, name, fields[name])
    record.net_pnl = Decimal(str(fields["net_pnl"]))
    record.remember(float(size) for size in cast("list[float]", fields["loss_sizes"]))
    return record
