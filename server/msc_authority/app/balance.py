"""How many watchers a replica sends to the others when it has far more than its share. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

TOLERATED_FACTOR = 1.25
TOLERATED_SURPLUS = 5
"""Nobody moves for less: a few more here than there harm nobody, and a move is not for free."""
FRACTION_AT_ONCE = 0.1
MOST_AT_ONCE = 100


def to_send_away(mine: int, others: Sequence[int]) -> int:
    """Returns how many of `mine` are to go now, where the other replicas that are alive have so many each.

    A tenth at once, so that what was counted a moment ago may be wrong without harm.
    """
    if not others:
        return 0
    share = math.ceil((mine + sum(others)) / (len(others) + 1))
    if mine <= share * TOLERATED_FACTOR + TOLERATED_SURPLUS:
        return 0
    return min(mine - share, max(1, int(mine * FRACTION_AT_ONCE)), MOST_AT_ONCE)
