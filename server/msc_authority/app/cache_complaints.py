"""What is wrong with the cache, told once for each time that it begins, and counted."""

from __future__ import annotations

import logging
from collections import Counter

from msc_authority.app.events import EventBus, IntegrityBroken, name_of
from msc_authority.core.policy import PolicyRef
from msc_authority.ports.cache import Before, CacheError, CacheFault, Put
from msc_authority.ports.clock import Clock
from msc_authority.ports.policies import Head

_log = logging.getLogger(__name__)

NEWER_TOLD_AFTER = 3
"""Puts in a row that find a newer policy until it is told: one or two were overtaken by another authority's commit."""

_MENDED = "The cache had other things under names of ours; policy {mine} was put there anew: {mended}"
_WRONG = {
    Before.NOTHING: "The cache had lost the policy; {mine} was put back",
    Before.OLDER: "Somebody had put an older policy into the cache, {theirs}; overwritten by {mine}",
    Before.UNREADABLE: "What the cache had as the policy is not what this program wrote; overwritten by {mine}",
    Before.OUTDATED: "The cache had policy {mine} as an older version of this program writes it; written anew",
}
_NEWER = (
    "The cache has policy {theirs}, and the newest in the database is {mine}; it is left there until it expires. "
    "Another database uses the same keys (set redis_key_prefix), or a backup was restored without a new epoch"
)
_FOREIGN = "The cache has policy {theirs} of another database than {mine}, which is served; it is not taken"
_TOO_OLD = "The cache has policy {theirs}, older than {mine}, which is served; it is not taken"


class Complaints:
    """Judges what was found in the cache, and remembers what of it was told."""

    def __init__(self, events: EventBus, clock: Clock) -> None:
        """Nothing is wrong yet."""
        self._events, self._clock = events, clock
        self._put: PolicyRef | None = None
        self._newer_in_a_row = 0
        self._told = ""
        self._failing_since: float | None = None
        self._faults_told: set[CacheFault] = set()
        self.last_fault = ""
        """The newest failure, in words."""
        self.recoveries = 0
        """How often it could be used again after it could not."""
        self.faults: Counter[CacheFault] = Counter()
        """Calls that failed, by why."""
        self.found: Counter[Before] = Counter()
        """What puts found."""
        self.overwritten: Counter[Before] = Counter()
        """Puts that found what should not have been there, or nothing where something should."""
        self.not_taken = 0
        """Heads in the cache that were not believed."""
        self.integrity_errors = 0
        """How often the cache turned out to have other content under the reference of the head."""

    @property
    def failing(self) -> bool:
        """Whether the cache cannot be used now."""
        return self._failing_since is not None

    @property
    def failing_for_s(self) -> float | None:
        """For how long it has not been usable; None: it is."""
        return None if self._failing_since is None else self._clock.monotonic() - self._failing_since

    def failed(self, error: CacheError) -> None:
        """Takes note that the cache cannot be used."""
        self.faults[error.fault] += 1
        self.last_fault = str(error)
        if self._failing_since is None:
            self._failing_since = self._clock.monotonic()
        level = logging.DEBUG if error.fault in self._faults_told else logging.WARNING
        self._faults_told.add(error.fault)
        _log.log(level, "The cache cannot be used, and nothing waits for it: %s", error)

    def worked(self) -> None:
        """Takes note that it can."""
        if self._failing_since is not None:
            _log.info("The cache is used again, after %.1f s", self._clock.monotonic() - self._failing_since)
            self.recoveries += 1
        self._failing_since = None
        self._faults_told.clear()

    def expired(self) -> None:
        """Takes note that the policy is not valid any more, so that it is right if the cache has nothing."""
        self._put = None

    def judge(self, head: Head, put: Put) -> None:
        """Looks at what a put of the head found."""
        self.found[put.before] += 1
        self._newer_in_a_row = self._newer_in_a_row + 1 if put.before is Before.NEWER else 0
        wrong = _MENDED if put.mended else _WRONG[put.before] if self._is_wrong(put) else ""
        if put.kept:
            self._put = head.ref
        if wrong:
            self.overwritten[put.before] += 1
            self._tell(wrong, head.ref, put.ref, mended=", ".join(put.mended))
        elif put.before is Before.OTHER:
            self._broken(head.ref)
        elif self._newer_in_a_row >= NEWER_TOLD_AFTER:
            self._tell(_NEWER, head.ref, put.ref, level=logging.ERROR)
        elif put.kept:
            self._told = ""

    def _is_wrong(self, put: Put) -> bool:
        match put.before:
            case Before.NOTHING:
                return self._put is not None
            case Before.OLDER:
                # One older than what was put last was put back; else it is the one that the head follows.
                return self._put is not None and put.ref is not None and put.ref < self._put
            case _:
                return put.before in _WRONG

    def may_be_taken(self, found: Head, held: Head) -> bool:
        """Returns whether a head from the cache is believed while the database says nothing; tells why it is not."""
        broken = found.ref == held.ref and _etag(found) != _etag(held)
        if found.ref.epoch == held.ref.epoch and found.ref >= held.ref and not broken:
            self._told = ""
            return True
        self.not_taken += 1
        if broken:
            self._broken(held.ref)
        else:
            self._tell(_FOREIGN if found.ref.epoch != held.ref.epoch else _TOO_OLD, held.ref, found.ref)
        return False

    def _broken(self, ref: PolicyRef) -> None:
        text = f"Policy {name_of(ref)} has other content in the cache than here: two writers are at work"
        if self._told != text:
            self._told = text
            self.integrity_errors += 1
            self._events.emit(IntegrityBroken(ref=ref, text=text))

    def _tell(
        self, text: str, mine: PolicyRef, theirs: PolicyRef | None, *, mended: str = "", level: int = logging.WARNING
    ) -> None:
        said = text.format(mine=name_of(mine), theirs=name_of(theirs) if theirs else "?", mended=mended)
        _log.log(logging.DEBUG if self._told == text else level, "%s", said)
        self._told = text


def _etag(head: Head) -> str:
    return head.policy.etag if head.policy else ""
