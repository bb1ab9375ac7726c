"""The venue as seen from simulated time."""

from __future__ import annotations

from msc_trading.venue.binance import BinanceVenue


class SimulatedVenue(BinanceVenue):
    """BinanceVenue on an exchange whose time is not this machine's.

    How far the two clocks are apart says nothing there: years, and more every second. What the limit on it protects
    from is a request that is misdated, and that is measured by itself.
    """

    def clock_offset_s(self) -> float | None:
        """Returns by how much a request may be misdated, in real seconds; None while that is unknown."""
        return self.clock_error_s()
