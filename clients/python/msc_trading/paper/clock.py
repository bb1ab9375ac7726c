"""Simulated time: it runs at a factor of real time, stands still, or is stepped by hand."""

from __future__ import annotations

from datetime import datetime, timedelta

from msc_trading.clock import Clock


class SimulatedClock:
    """origin + real time elapsed × speed. Two times are kept apart here.

    `now` is simulated: prices, trades, funding, rate-limit windows. `real_s` is the machine's: what a client paces by
    its own clock (age of a request, listen keys, the dead-man countdown) must not run at the factor.
    """

    def __init__(self, clock: Clock, *, origin: datetime, speed: float, paused: bool = False) -> None:
        self._clock = clock
        self._base = origin
        self._since_s = clock.monotonic()
        self._speed = speed
        self._paused = paused

    @property
    def speed(self) -> float:
        """Simulated seconds per real second while it runs."""
        return self._speed

    @property
    def paused(self) -> bool:
        """Whether time stands still."""
        return self._paused

    def real_s(self) -> float:
        """Returns the machine's seconds; only differences mean anything."""
        return self._clock.monotonic()

    def now(self) -> datetime:
        """Returns the simulated instant."""
        if self._paused:
            return self._base
        return self._base + timedelta(seconds=(self.real_s() - self._since_s) * self._speed)

    def pause(self) -> None:
        """Stops simulated time."""
        self._base, self._paused = self.now(), True

    def resume(self) -> None:
        """Lets simulated time run again."""
        if self._paused:
            self._since_s, self._paused = self.real_s(), False

    def step(self, by: timedelta) -> None:
        """Moves simulated time forward.

        Raises:
            ValueError: time would go back.
        """
        if by < timedelta(0):
            raise ValueError("seconds: time cannot go back")
        self._base += by

    def set_speed(self, speed: float) -> None:
        """Changes the factor from now on.

        Raises:
            ValueError: it is not a positive number.
        """
        if not 0 < speed < float("inf"):
            raise ValueError("speed: must be a positive number")
        self._base, self._since_s, self._speed = self.now(), self.real_s(), speed
