"""When which revision was published here, on the monotonic clock."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from msc_authority.core.policy import PolicyRef

KEPT = 1024


class Publications:
    """The newest publications, in their order."""

    def __init__(self, head: PolicyRef, monotonic: float) -> None:
        """Starts with the head that was found at start; when that was published is not known, but not later."""
        self._refs: list[PolicyRef] = [head] if head.version else []
        self._at: list[float] = [monotonic] if head.version else []

    def note(self, ref: PolicyRef, monotonic: float) -> None:
        """Adds one; a head never goes backwards."""
        self._refs.append(ref)
        self._at.append(monotonic)
        if len(self._refs) > KEPT:
            del self._refs[0], self._at[0]

    def at(self, ref: PolicyRef) -> float | None:
        """Returns when a revision was published; None: not here, or long ago."""
        index = bisect_left(self._refs, ref)
        return self._at[index] if index < len(self._refs) and self._refs[index] == ref else None

    def newer_since(self, applied: PolicyRef | None) -> float | None:
        """Returns since when there has been a newer revision than `applied` (None: no policy); None: there is none."""
        index = 0 if applied is None else bisect_right(self._refs, applied)
        return self._at[index] if index < len(self._refs) else None
