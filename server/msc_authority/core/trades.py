"""The tape: the newest closed LIVE trades, and what must be remembered of the older ones."""

from __future__ import annotations

from collections import deque
from datetime import datetime
from typing import TYPE_CHECKING

from msc_authority.core import codec
from msc_authority.core.config import TapeConfig
from msc_authority.core.evidence import instant_of

if TYPE_CHECKING:
    from msc_authority.core.trade_arrays import Floats, TradeArrays


class TradeTape:
    """Folds net results in order of closing. Keeps `length_trades` of them; None stands for one that made no sense."""

    __slots__ = (
        "closed_pnl",
        "first_at",
        "last_at",
        "last_loss_at",
        "last_profit_at",
        "live_trades",
        "loss_streak",
        "results",
    )

    def __init__(self, config: TapeConfig) -> None:
        self.results: deque[float | None] = deque(maxlen=config.length_trades)
        self.closed_pnl = 0.0
        self.live_trades = 0
        self.loss_streak = 0
        self.first_at: datetime | None = None
        self.last_at: datetime | None = None
        self.last_profit_at: datetime | None = None
        self.last_loss_at: datetime | None = None

    @property
    def valid(self) -> bool:
        """Whether every result on the tape makes sense."""
        return None not in self.results

    def fold(self, at: datetime, net_pnl: float) -> None:
        """Takes one closed LIVE trade. A result of zero neither wins nor loses, and ends no streak."""
        if net_pnl > 0.0:
            self.loss_streak = 0
            self.last_profit_at = at
        elif net_pnl < 0.0:
            self.loss_streak += 1
            self.last_loss_at = at
        self.closed_pnl += net_pnl
        self.results.append(net_pnl)
        self.last_at = at
        self.live_trades += 1
        if self.first_at is None:
            self.first_at = at

    def fold_many(self, trades: TradeArrays) -> Floats:
        """Takes LIVE trades as `fold` does one by one, and returns the closed PnL behind each. At least one."""
        import numpy as np

        net_pnl, at_us = trades.net_pnl, trades.at_us
        closed = np.add.accumulate(np.concatenate(([self.closed_pnl], net_pnl)))[1:]
        won, lost = np.flatnonzero(net_pnl > 0.0), np.flatnonzero(net_pnl < 0.0)
        if len(won):
            self.last_profit_at = instant_of(int(at_us[won[-1]]))
            self.loss_streak = int(np.count_nonzero(lost > won[-1]))
        else:
            self.loss_streak += len(lost)
        if len(lost):
            self.last_loss_at = instant_of(int(at_us[lost[-1]]))
        self.closed_pnl = float(closed[-1])
        self.results.extend(net_pnl[-(self.results.maxlen or len(net_pnl)) :].tolist())
        self.last_at = instant_of(int(at_us[-1]))
        self.live_trades += len(net_pnl)
        if self.first_at is None:
            self.first_at = instant_of(int(at_us[0]))
        return closed

    def fold_senseless(self, at: datetime) -> None:
        """Takes a trade whose numbers make no sense. It counts as a loss until it has left the tape."""
        self.loss_streak += 1
        self.last_loss_at = at
        self.results.append(None)
        self.last_at = at
        self.live_trades += 1
        if self.first_at is None:
            self.first_at = at

    def encode(self) -> dict[str, object]:
        """Returns the tape as a JSON-able document."""
        return {
            "closed_pnl": self.closed_pnl,
            "first_at": codec.instant_text(self.first_at),
            "last_at": codec.instant_text(self.last_at),
            "last_loss_at": codec.instant_text(self.last_loss_at),
            "last_profit_at": codec.instant_text(self.last_profit_at),
            "live_trades": self.live_trades,
            "loss_streak": self.loss_streak,
            "results": list(self.results),
        }

    @classmethod
    def decode(cls, stored: codec.Reader, config: TapeConfig) -> TradeTape:
        """Returns the tape that `encode` wrote."""
        tape = cls(config)
        tape.results.extend(stored.items("results", _result))
        tape.closed_pnl = stored.get("closed_pnl", codec.number)
        tape.live_trades = stored.get("live_trades", codec.integer)
        tape.loss_streak = stored.get("loss_streak", codec.integer)
        tape.first_at = stored.maybe("first_at", codec.instant)
        tape.last_at = stored.maybe("last_at", codec.instant)
        tape.last_profit_at = stored.maybe("last_profit_at", codec.instant)
        tape.last_loss_at = stored.maybe("last_loss_at", codec.instant)
        return tape


def _result(value: object) -> float | None:
    return None if value is None else codec.number(value)
