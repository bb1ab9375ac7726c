"""How long whoever asked for an act still waits for it: nothing is loosened for a person who was told it was not."""

from __future__ import annotations

import logging
import threading

from msc_authority.core.operator_acts import ActRefused
from msc_authority.ports.clock import Clock

_log = logging.getLogger(__name__)

PATIENCE_S = 5.0
"""How long a caller is taken to wait who does not say."""


class CallerGone(ActRefused):
    """Whoever asked no longer waits, and it may loosen something. Nothing has changed."""


class Patience:
    """The patience of one caller. Threads may share it."""

    def __init__(self, clock: Clock, patience_s: float) -> None:
        """It begins now; for less than 0 s is for none at all."""
        self._clock, self._until = clock, clock.monotonic() + patience_s
        self._gone = threading.Event()

    def gone(self) -> None:
        """Says that nobody waits any longer."""
        self._gone.set()

    def check(self) -> None:
        """Raises CallerGone if nobody waits any longer, or the time to wait is over."""
        if self._gone.is_set() or self._clock.monotonic() >= self._until:
            _log.warning("An act that may loosen something was not done: whoever asked for it no longer waits")
            raise CallerGone(
                "nothing was done: whoever asked no longer waited for it, and only what tightens is done then; look at "
                "what is in force, and ask again"
            )
