"""Two clocks that need not agree, Redis' and ours, and what a span on one of them is on the other: never too young."""

from __future__ import annotations

import math
from dataclasses import dataclass

from msc_authority.core.policy import PolicyRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """An answer of Redis: what its clock said, and our monotonic time when that had arrived."""

    redis_ms: int
    arrived: float

    def on_redis(self, monotonic: float) -> int:
        """What Redis' clock said at a monotonic time of ours, or less: its answer was on the way for a while."""
        return math.floor(self.redis_ms - (self.arrived - monotonic) * 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """When somebody read in the database that this is the head, on Redis' clock."""

    ref: PolicyRef
    etag: str
    at_ms: int


class Witness:
    """Remembers when the newest mark was made, in our time, so that it never grows younger when Redis' clock jumps."""

    def __init__(self) -> None:
        """Has seen nothing."""
        self._seen: tuple[Mark, float] | None = None

    def made_at(self, mark: Mark, *, now_ms: int, asked: float) -> float | None:
        """Returns our monotonic time at which `mark` was made, or an earlier one; None: nobody can tell.

        `now_ms` is what Redis' clock said in the answer to what was asked at `asked`.
        """
        known = self._seen[1] if self._seen is not None and self._seen[0] == mark else None
        if now_ms < mark.at_ms:
            return known
        made_at = asked - (now_ms - mark.at_ms) / 1000
        self._seen = (mark, made_at if known is None else min(known, made_at))
        return self._seen[1]
