"""Closed trades as arrays of numbers. Only such operations are done on arrays as round like those on single floats."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msc_authority.core.evidence import EquityEvidence, TradeColumns

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

# No account has more; beyond it squares would leave the range of floats and let a NaN in.
_LARGEST_AMOUNT = 1e15
# Enough that what is done once for all of them, or for those of a strategy, does not show.
_TRADES_AT_ONCE = 16_000
# Below it, an amount times its power of ten is off by less than an eighth, and sums of 32,768 fit into 64 bits.
_LARGEST_UNITS = 2.0**48
# Powers of ten that floats hold exactly.
_POWERS = np.array([float(10**places) for places in range(23)])
_COMMA, _POINT = ord(","), ord(".")
_PLAIN = range(ord("+"), ord("9") + 1)


class Numbers(dict[str, int]):
    """Names, numbered in the order in which they are first asked for."""

    def __missing__(self, name: str) -> int:
        """Returns the next number, which is the name's from now on."""
        number = self[name] = len(self)
        return number


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeArrays:
    """Trades that make sense, in order of time. `units` x 10^-`places` is the exact net PnL; an unknown risk is 0."""

    at_us: Integers
    strategies: Integers
    net_pnl: Floats
    units: Integers
    places: Integers
    risk_at_entry: Floats
    live: Flags

    def __len__(self) -> int:
        """How many there are."""
        return len(self.at_us)

    def chosen(self, which: Flags | Integers) -> TradeArrays:
        """Returns some of them, by flags or by their places."""
        return TradeArrays(
            at_us=self.at_us[which],
            strategies=self.strategies[which],
            net_pnl=self.net_pnl[which],
            units=self.units[which],
            places=self.places[which],
            risk_at_entry=self.risk_at_entry[which],
            live=self.live[which],
        )


def arrays_of(trades: TradeColumns, strategies: Numbers) -> TradeArrays | None:
    """Returns the trades as arrays, or None where one is not plain: then they have to be looked at one by one."""
    count = len(trades.at_us)
    try:
        net_pnl = np.fromiter(map(float, trades.net_pnl), np.float64, count)
        risk = np.fromiter([0.0 if text is None else float(text) for text in trades.risk_at_entry], np.float64, count)
    except ValueError:
        return None
    if not (np.abs(net_pnl) < _LARGEST_AMOUNT).all() or not (np.abs(risk) < _LARGEST_AMOUNT).all():
        return None
    exact = _exact(trades.net_pnl, net_pnl)
    if exact is None:
        return None
    return TradeArrays(
        at_us=trades.at_us,
        strategies=np.fromiter(map(strategies.__getitem__, trades.strategy_ids), np.int64, count),
        net_pnl=net_pnl,
        units=exact[0],
        places=exact[1],
        risk_at_entry=risk,
        live=np.frombuffer(bytes(trades.live), dtype=np.bool_),
    )


def _exact(texts: Sequence[str], amounts: Floats) -> tuple[Integers, Integers] | None:
    text = f"{','.join(texts)},"
    chars = np.frombuffer(text.encode(), dtype=np.uint8)
    if chars.min() not in _PLAIN or chars.max() not in _PLAIN:
        return None
    points = np.flatnonzero(chars == _POINT)
    if len(points) == len(texts):
        places = np.flatnonzero(chars == _COMMA) - points - 1
    else:
        places = np.array([len(text) - text.find(".") - 1 if "." in text else 0 for text in texts])
    if places.max() >= len(_POWERS):
        return None
    scaled = amounts * _POWERS[places]
    return (np.rint(scaled).astype(np.int64), places) if np.abs(scaled).max() < _LARGEST_UNITS else None


def gathered(
    evidence: Iterable[EquityEvidence | TradeColumns], strategies: Numbers
) -> Iterator[EquityEvidence | TradeColumns | TradeArrays]:
    """Yields all of it in the order it came, trades in arrays of some thousands where they are plain."""
    parts: list[TradeArrays] = []
    for some in evidence:
        arrays = arrays_of(some, strategies) if isinstance(some, TradeColumns) else None
        if arrays is not None:
            parts.append(arrays)
            if sum(map(len, parts)) < _TRADES_AT_ONCE:
                continue
        if parts:
            yield _joined(parts)
            parts = []
        if arrays is None:
            yield some
    if parts:
        yield _joined(parts)


def _joined(parts: list[TradeArrays]) -> TradeArrays:
    return TradeArrays(
        at_us=np.concatenate([part.at_us for part in parts]),
        strategies=np.concatenate([part.strategies for part in parts]),
        net_pnl=np.concatenate([part.net_pnl for part in parts]),
        units=np.concatenate([part.units for part in parts]),
        places=np.concatenate([part.places for part in parts]),
        risk_at_entry=np.concatenate([part.risk_at_entry for part in parts]),
        live=np.concatenate([part.live for part in parts]),
    )
