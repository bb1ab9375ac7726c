"""Very many readings of a curve that nothing flows into, to the bytes of observing them one by one.

Where a stretch of readings neither makes a new high nor falls deeper than what was noted, only the newest of them
counts. Rounding is monotone: what holds of the lowest and of the highest holds of all between.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from msc_authority.core.equity import EquityCurve
from msc_authority.core.evidence import instant_of
from msc_authority.core.trade_arrays import Floats, Integers

_HOUR_US = 3_600_000_000
_STRETCH = 64


def observe_run(curve: EquityCurve, at_us: Integers, totals: Floats) -> None:
    """Has `curve` observe finite totals in order of time, without flows."""
    last_of_instant = np.flatnonzero(np.diff(at_us, append=-1))
    at_us, totals = at_us[last_of_instant], totals[last_of_instant]
    position, last = 0, len(at_us) - 1
    # The first may be of an instant that is known, and what was before it may be out of the ordinary.
    while position < last and not (position and curve.is_plain):
        curve.observe(instant_of(int(at_us[position])), float(totals[position]), 0.0)
        position += 1
    if position < last:
        _settle_run(curve, at_us[position - 1 : last - 1], totals[position - 1 : last - 1])
        curve._pending_at, curve._pending_total = instant_of(int(at_us[last - 1])), float(totals[last - 1])
    curve.observe(instant_of(int(at_us[last])), float(totals[last]), 0.0)


def _settle_run(curve: EquityCurve, at_us: Integers, totals: Floats) -> None:
    if not len(totals):
        return
    units = curve._nav
    navs = totals / units.units
    curve._readings += len(navs)
    curve._valid = True
    highest = int(np.argmax(navs))
    if navs[highest] > units.peak:
        units.peak, curve._peak_at = float(navs[highest]), instant_of(int(at_us[highest]))
    units.total, units.value = float(totals[-1]), float(navs[-1])
    for begin, end, low, high in _stretches(navs, at_us // _HOUR_US):
        at = instant_of(int(at_us[begin]))
        if at >= curve._bucket_end:
            if begin:
                curve._bar_at, curve._bar_close = instant_of(int(at_us[begin - 1])), float(navs[begin - 1])
            curve._turn_hour(at)
            curve._bar_high, curve._bar_high_at = float(navs[begin]), at
        if curve._bar_high < high <= curve._closed_high:
            curve._bar_high = high
            curve._bar_high_at = instant_of(int(at_us[begin + int(np.argmax(navs[begin:end]))]))
        if high > curve._bar_high or not _is_noted(curve, curve._high() - low):
            _settle_each(curve, at_us[begin:end], navs[begin:end].tolist())
    curve._bar_at, curve._bar_close = instant_of(int(at_us[-1])), float(navs[-1])


def _stretches(navs: Floats, hours: Integers) -> Iterator[tuple[int, int, float, float]]:
    """Yields where each stretch begins and ends, never across hours, and the lowest and the highest of it."""
    begins_one = np.diff(hours, prepend=-1) != 0
    begins_one[::_STRETCH] = True
    begins = np.flatnonzero(begins_one)
    lows, highs = np.minimum.reduceat(navs, begins).tolist(), np.maximum.reduceat(navs, begins).tolist()
    starts = begins.tolist()
    return zip(starts, [*starts[1:], len(navs)], lows, highs, strict=True)


def _is_noted(curve: EquityCurve, fall: float) -> bool:
    return fall <= curve._day_fall * curve._high() and fall * curve._nav.units <= curve._day_fall_money


def _settle_each(curve: EquityCurve, at_us: Integers, navs: list[float]) -> None:
    units, closed_high, bar_high, highest = curve._nav.units, curve._closed_high, curve._bar_high, -1
    top = max(bar_high, closed_high)
    noted_fall = curve._day_fall * top
    for number, nav in enumerate(navs):
        if nav > bar_high:
            bar_high, highest = nav, number
            top = max(bar_high, closed_high)
            noted_fall = curve._day_fall * top
        fall = top - nav
        if fall > noted_fall or fall * units > curve._day_fall_money:
            curve._note_fall(top, fall)
            noted_fall = curve._day_fall * top
    if highest >= 0:
        curve._bar_high, curve._bar_high_at = bar_high, instant_of(int(at_us[highest]))
