"""What the trades of each strategy say: decayed sums, folded one trade at a time, bounded per strategy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from math import exp2, inf
from operator import attrgetter
from typing import TYPE_CHECKING, cast

from msc_authority.core.evidence import TradeEvidence, instant_of, microseconds_of
from msc_authority.core.strategies._record import FIGURES, NO_WEIGHT, Record
from msc_authority.core.strategies.config import StrategyConfig

if TYPE_CHECKING:
    from msc_authority.core.trade_arrays import TradeArrays

_SCHEMA = 1
_DAY_S = 86_400.0
# No account has more; beyond it squares would leave the range of floats and let a NaN in.
_LARGEST_AMOUNT = 1e15
# Numbers of the config that are already worked into a folded sum. They cannot be changed afterwards.
_FOLDED_WITH = (
    "evidence_half_life_trades",
    "evidence_half_life_d",
    "shadow_weight_fraction",
    "loss_sample_trades",
    "gain_cap_r",
    "loss_cap_r",
)
_figures_of = attrgetter(*FIGURES)


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
        self._records: dict[str, Record] = {}
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
            record = self._records[strategy_id] = Record(at, self._config.loss_sample_trades)
        record.age(self._decay_per_trade * self._time_decay(record.last_at, at))
        record.last_at = at
        record.count(net_pnl, pnl, live)
        weight = 1.0 if live else self._shadow_weight
        if risk > 0.0:
            record.add_measured(min(max(pnl / risk, self._cap_loss_r), self._cap_gain_r), weight)
        else:
            record.add_unmeasured(pnl, weight)
        return pnl

    def fold_many(self, trades: TradeArrays, names: Sequence[str]) -> None:
        """Takes trades into account as `fold` does one by one, to the same bytes. `names` are by number."""
        from msc_authority.core.strategies._runs import runs_of

        if "" in names:
            trades = trades.chosen(trades.strategies != names.index(""))
        if not len(trades):
            return
        for run in runs_of(trades, self._config, self._half_life_s, lambda number: self._last_us(names[number])):
            name = names[run.strategy]
            record = self._records.get(name)
            if record is None:
                last_at = instant_of(run.last_at_us)
                record = self._records[name] = Record(last_at, self._config.loss_sample_trades)
            record.fold_run(run, self._decay_per_trade)

    def _last_us(self, name: str) -> int | None:
        record = self._records.get(name)
        return None if record is None else microseconds_of(record.last_at)

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
        return self._document(Record.written_losses)

    def _document(self, losses_of: Callable[[Record], object]) -> dict[str, object]:
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


def _evidence_of(strategy_id: str, record: Record, decay: float, config: StrategyConfig) -> StrategyEvidence:
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
    known = weight * decay >= NO_WEIGHT
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


def _encoded(record: Record, losses: object) -> dict[str, object]:
    return {
        **dict(zip(FIGURES, _figures_of(record), strict=True)),
        "net_pnl": str(record.net_pnl),
        "loss_sizes": losses,
        "last_at": record.last_at.isoformat(),
    }


def _decoded(fields: Mapping[str, object], loss_sample_trades: int) -> Record:
    record = Record(datetime.fromisoformat(str(fields["last_at"])), loss_sample_trades)
    for name in FIGURES:
        setattr(record, name, fields[name])
    record.net_pnl = Decimal(str(fields["net_pnl"]))
    record.remember(float(size) for size in cast("list[float]", fields["loss_sizes"]))
    return record
