"""The ledger: everything an evaluation needs to know of the journal, folded row by row, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from msc_authority.core import codec
from msc_authority.core.config import DecisionConfig
from msc_authority.core.equity import EquityCurve
from msc_authority.core.evidence import EquityEvidence, Evidence, TradeColumns, TradeEvidence, instant_of
from msc_authority.core.strategies.evidence import StrategyBook
from msc_authority.core.trades import TradeTape

if TYPE_CHECKING:
    from msc_authority.core.trade_arrays import TradeArrays

_FORMAT = 1
EQUITY_POINTS = "equity_points"
CLOSED_TRADES = "closed_trades"
NO_EQUITY = "none"


class Ledger:
    """A mutable accumulator of evidence in order of (at, id). One owner; deciding only reads it.

    Folding in pieces, with encoding and decoding in between, gives the same bytes as folding at once.
    """

    __slots__ = ("_accounts", "_config", "_curve", "_equity_points", "_folded_with", "_tape", "_watermark", "book")

    def __init__(self, config: DecisionConfig) -> None:
        self._config = config
        self._folded_with = codec.fingerprint(config.tape, config.equity)
        self._tape = TradeTape(config.tape)
        self._curve = EquityCurve(config.equity)
        self._accounts: dict[str, float] = {}
        self._equity_points = 0
        self._watermark: datetime | None = None
        self.book = StrategyBook.empty(config.strategies)

    @classmethod
    def empty(cls, config: DecisionConfig) -> Ledger:
        """Returns a ledger without a row."""
        return cls(config)

    @property
    def watermark(self) -> datetime | None:
        """The instant of the newest row, or None."""
        return self._watermark

    @property
    def tape(self) -> TradeTape:
        """The newest closed LIVE trades, to read only."""
        return self._tape

    @property
    def curve(self) -> EquityCurve:
        """The equity curve, to read only: of the account once there is a reading of it, of closed trades before."""
        return self._curve

    @property
    def equity_source(self) -> str:
        """Where the curve comes from: "equity_points", "closed_trades" or "none"."""
        if self._equity_points:
            return EQUITY_POINTS
        return CLOSED_TRADES if self._curve.started else NO_EQUITY

    def fold(self, evidence: Iterable[Evidence]) -> None:
        """Takes rows into account, in order of (at, id). Numbers that make no sense make the ledger invalid, visibly.

        Raises:
            ValueError: a row is earlier than one before it. The rows before it are folded; decode the last encoded
                ledger to start again.
        """
        watermark = self._watermark
        for row in evidence:
            at = row[0]
            if watermark is not None and at < watermark:
                self._watermark = watermark
                raise ValueError(f"evidence {row[1]!r} at {at.isoformat()} is earlier than {watermark.isoformat()}")
            watermark = at
            if isinstance(row, TradeEvidence):
                self._fold_trade(row)
            else:
                self._fold_equity(row)
        self._watermark = watermark

    def fold_in_bulk(self, evidence: Iterable[EquityEvidence | TradeColumns]) -> None:
        """Takes very many rows into account as `fold` does, to the same bytes, each kind in order of (at, id).

        Kinds need not be in order with each other: trades touch the curve only while there is no reading at all.

        Raises:
            ValueError: a row is earlier than one of its kind before it, or than those of the ledger. Others may be
                folded.
        """
        from msc_authority.core.trade_arrays import Numbers, gathered

        names, read_at, traded_at = Numbers(), self._watermark, self._watermark
        for some in gathered(evidence, names):
            if isinstance(some, EquityEvidence):
                read_at = _in_order(read_at, some.at, some.at)
                self._fold_equity(some)
                continue
            at_us = some.at_us
            if (at_us[1:] < at_us[:-1]).any():
                raise ValueError(f"trades behind {instant_of(int(at_us[0])).isoformat()} are not in order of time")
            traded_at = _in_order(traded_at, instant_of(int(at_us[0])), instant_of(int(at_us[-1])))
            if isinstance(some, TradeColumns):
                for trade in some.rows():
                    self._fold_trade(trade)
            else:
                self._fold_many(some, names)
        self._watermark = max((at for at in (read_at, traded_at) if at is not None), default=None)

    def _fold_many(self, trades: TradeArrays, names: Iterable[str]) -> None:
        self.book.fold_many(trades, [*names])
        live = trades.chosen(trades.live)
        if not len(live):
            return
        closed_pnl = self._tape.fold_many(live)
        if not self._equity_points:
            from msc_authority.core.equity_run import observe_run

            observe_run(self._curve, live.at_us, self._config.equity.starting_capital + closed_pnl)

    def _fold_trade(self, trade: TradeEvidence) -> None:
        try:
            net_pnl = self.book.fold(trade)
        except ValueError:  # no sense: the grade says so until the trade has left the tape
            self._tape.fold_senseless(trade.at)
            return
        if not trade.live:
            return
        tape = self._tape
        tape.fold(trade.at, net_pnl)
        if not self._equity_points:
            self._curve.observe(trade.at, self._config.equity.starting_capital + tape.closed_pnl, 0.0)

    def _fold_equity(self, point: EquityEvidence) -> None:
        if not self._equity_points:
            self._curve = EquityCurve(self._config.equity)
        self._equity_points += 1
        equity = float(point.wallet_balance) + float(point.unrealized_pnl)
        # All that an account holds when it is first seen is capital brought in: it is no gain of the others.
        flow = float(point.net_flow) if point.id in self._accounts else equity
        self._accounts[point.id] = equity
        total = equity if len(self._accounts) == 1 else _sum(self._accounts)
        self._curve.observe(point.at, total, flow)

    def encode(self) -> bytes:
        """Returns the ledger as canonical bytes."""
        return codec.to_bytes(
            {
                "accounts": {name: codec.finite_or_none(equity) for name, equity in self._accounts.items()},
                "book": self.book.encode_for_bytes(),
                "config": self._folded_with,
                "curve": self._curve.encode(),
                "equity_points": self._equity_points,
                "format": _FORMAT,
                "tape": self._tape.encode(),
                "watermark": codec.instant_text(self._watermark),
            }
        )

    @classmethod
    def decode(cls, payload: bytes, config: DecisionConfig) -> Ledger:
        """Returns the ledger that `encode` wrote.

        Raises:
            StateMismatch: not such bytes, or folded with other numbers than `config` holds. Fold the journal anew.
        """
        stored = codec.from_bytes(payload, kind="ledger")
        stored.expect("format", _FORMAT)
        ledger = cls(config)
        stored.expect("config", ledger._folded_with)
        ledger._tape = TradeTape.decode(stored.inner("tape"), config.tape)
        ledger._curve = EquityCurve.decode(stored.inner("curve"), config.equity)
        ledger._accounts = {
            name: codec.number_or_nan(value) for name, value in stored.get("accounts", codec.mapping).items()
        }
        ledger._equity_points = stored.get("equity_points", codec.integer)
        ledger._watermark = stored.maybe("watermark", codec.instant)
        ledger.book = stored.get("book", lambda value: StrategyBook.decode(codec.mapping(value), config.strategies))
        return ledger


def _in_order(before: datetime | None, first: datetime, last: datetime) -> datetime:
    if before is not None and first < before:
        raise ValueError(f"evidence at {first.isoformat()} is earlier than {before.isoformat()}")
    return last


def _sum(accounts: dict[str, float]) -> float:
    # Exact, so that the order in which accounts were first seen does not show.
    try:
        return math.fsum(accounts.values())
    except (OverflowError, ValueError):
        return math.nan
