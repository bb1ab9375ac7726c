"""Unitised net asset value: deposits and withdrawals change the number of units, never the value of one."""

from __future__ import annotations

# A flow this many times the capital before it is a new funding: what was left before says nothing about performance.
_REFUNDING_RATIO = 1e6
# Value of a unit, as a fraction of its best, at which a ruined account that is funded again goes on. Small enough to
# keep the loss visible: fresh money must not cure it.
_RUINED_FRACTION = 1e-6


class UnitisedNav:
    """Prices units from account totals and flows. The first positive total buys its units at 1.0.

    A flow since the reading before is taken to happen at the end of the interval, as in a true time-weighted return:
    what the interval made is total − flow, on the units there were.
    """

    __slots__ = ("peak", "total", "units", "value")

    def __init__(self) -> None:
        self.value = 0.0
        self.units = 0.0
        self.total = 0.0
        self.peak = 0.0

    def price(self, total: float, flow: float) -> float:
        """Returns the value of one unit after a reading. Not positive: the capital is gone."""
        before, self.total = self.total, total
        if flow == 0.0 and self.units > 0.0:
            value = self.value = total / self.units
        else:
            value = self._reprice(before, total, flow)
        if value > self.peak:  # noqa: PLR1730 - runs once a reading; a call of max() would double it
            self.peak = value
        return value

    def restate(self, total: float) -> float:
        """Returns the value of one unit when `total` cannot be explained by performance: it stays as it was."""
        floor = _RUINED_FRACTION * self.peak if self.peak > 0.0 else 1.0
        if total > 0.0:
            self.value = max(self.value, floor)
            self.units = total / self.value
            self.peak = max(self.peak, self.value)
        else:
            self.value, self.units = min(self.value, 0.0) if total < 0.0 else self.value, 0.0
        self.total = total
        return self.value

    def _reprice(self, before: float, total: float, flow: float) -> float:
        if self.units <= 0.0 or abs(flow) > _REFUNDING_RATIO * abs(before):
            return self.restate(total)
        value = (total - flow) / self.units
        if value > 0.0 and total >= 0.0:
            self.value, self.units = value, total / value
        elif value > 0.0:
            self.value, self.units = 0.0, 0.0
        elif total > 0.0:
            self.value = 0.0
            self.restate(total)
        else:
            self.value = value
        return self.value

    def copy(self) -> UnitisedNav:
        """Returns an independent copy."""
        return self.decode(self.encode())

    def encode(self) -> list[float]:
        """Returns the state as a JSON-able row."""
        return [self.value, self.units, self.total, self.peak]

    @classmethod
    def decode(cls, row: list[float]) -> UnitisedNav:
        """Returns the state that `encode` wrote."""
        nav = cls()
        nav.value, nav.units, nav.total, nav.peak = row
        return nav
