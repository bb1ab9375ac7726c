"""Trades of many strategies sorted into one run a strategy, with all that does not depend on the trade before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import exp2
from typing import NamedTuple

import numpy as np

from msc_authority.core.strategies.config import StrategyConfig
from msc_authority.core.trade_arrays import Flags, Floats, Integers, TradeArrays

_MICROSECONDS_A_SECOND = 1e6


class Run(NamedTuple):
    """Trades of one strategy in order of time.

    `decays` say how much of what was known before each trade time has left; `sizes` are in R where the risk was
    `known`, in money where it was not. `money` is what live trades made, exactly: units and their decimal places.
    """

    strategy: int
    last_at_us: int
    decays: list[float]
    sizes: list[float]
    weights: list[float]
    known: list[bool]
    losses: list[float]
    money: list[tuple[int, int]]
    live_trades: int
    wins: int
    live_losses: int


def runs_of(
    trades: TradeArrays,
    config: StrategyConfig,
    time_decay_over: float,
    last_at_us: Callable[[int], int | None],
) -> Iterator[Run]:
    """Yields a run for each strategy. Time halves what is known every `time_decay_over` seconds.

    `last_at_us` says when the strategy of a number traded before; None: never.
    """
    trades = trades.chosen(np.argsort(trades.strategies, kind="stable"))
    begins = np.flatnonzero(np.diff(trades.strategies, prepend=-1))
    ends = [*begins[1:].tolist(), len(trades)]
    elapsed_us = np.diff(trades.at_us, prepend=0)
    for begin in begins.tolist():
        before = last_at_us(int(trades.strategies[begin]))
        elapsed_us[begin] = 0 if before is None else trades.at_us[begin] - before
    decays = _decays(elapsed_us, time_decay_over)
    known = trades.risk_at_entry > 0.0
    sizes = _sizes(trades, known, config)
    weights = np.where(trades.live, 1.0, config.shadow_weight_fraction)
    for begin, end in zip(begins.tolist(), ends, strict=True):
        part = slice(begin, end)
        net_pnl, live = trades.net_pnl[part], trades.live[part]
        yield Run(
            strategy=int(trades.strategies[begin]),
            last_at_us=int(trades.at_us[end - 1]),
            decays=decays[part].tolist(),
            sizes=sizes[part].tolist(),
            weights=weights[part].tolist(),
            known=known[part].tolist(),
            losses=(-net_pnl[net_pnl < 0.0]).tolist(),
            money=_money(trades.units[part][live], trades.places[part][live]),
            live_trades=int(np.count_nonzero(live)),
            wins=int(np.count_nonzero(net_pnl[live] > 0.0)),
            live_losses=int(np.count_nonzero(net_pnl[live] < 0.0)),
        )


def _decays(elapsed_us: Integers, halving_s: float) -> Floats:
    halvings = -(elapsed_us / _MICROSECONDS_A_SECOND) / halving_s
    # One by one: the power of two that numpy has rounds otherwise.
    return np.fromiter(map(exp2, halvings.tolist()), np.float64, len(elapsed_us))


def _sizes(trades: TradeArrays, known: Flags, config: StrategyConfig) -> Floats:
    with np.errstate(over="ignore"):
        in_r = np.divide(trades.net_pnl, trades.risk_at_entry, out=np.zeros_like(trades.net_pnl), where=known)
    return np.where(known, np.clip(in_r, -config.loss_cap_r, config.gain_cap_r), trades.net_pnl)


def _money(units: Integers, places: Integers) -> list[tuple[int, int]]:
    return [(int(units[places == some].sum()), some) for some in np.unique(places).tolist()]
