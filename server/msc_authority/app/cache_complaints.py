"""What is wrong with the cache, told once for each time that it begins, and counted."""

from __future__ import annotations

import logging
from collections import Counter

from msc_authority.app.events import EventBus, IntegrityBroken, name_of
from msc_authority.core.policy import PolicyRef
from msc_authority.ports import Clock, Head
from msc_authority.ports_cache import Before, CacheError, CacheFault, Put

_log = logging.getLogger(__name__)

NEWER_TOLD_AFTER = 3
"""Puts in a row that found a newer policy until it is said: the first of them were overtaken by another authority."""


class Complaints:
    """Judges what was found in the cache, and remembers what of it was said."""

    def __init__(self, events: EventBus, clock: Clock) -> None:
        """Nothing is wrong yet."""
        self._events, self._clock = events, clock
        self._known: PolicyRef | None = None
        self._said = ""
        self._newer_in_a_row = 0
        self._failing_since: float | None = None
        self._faults_said: set[CacheFault] = set()
        self.faults: Counter[CacheFault] = Counter()
        """Calls that failed, by why."""
        self.found: Counter[Before] = Counter()
        """What puts found."""
        self.lost = 0
        """How often the policy that had been put was not there any more."""
        self.mended = 0
        """How often what was no policy of ours, or an older one put back by hand, was overwritten."""
        self.refused = 0
        """How often a head in the cache was not believed."""
        self.integrity_errors = 0
        """How often the cache had other content under the reference of the head."""

    @property
    def failing(self) -> bool:
        """Whether the cache cannot be used now."""
        return self._failing_since is not None

    def forget(self) -> None:
        """Takes it that nothing is expected to be there."""
        self._known = None

    def failed(self, error: CacheError) -> None:
        """Takes that the cache cannot be used."""
        self.faults[error.fault] += 1
        if self._failing_since is None:
            self._failing_since = self._clock.monotonic()
        level = logging.DEBUG if error.fault in self._faults_said else logging.WARNING
        self._faults_said.add(error.fault)
        _log.log(level, "The cache cannot be used, and nothing waits for it: %s", error)

    def worked(self) -> None:
        """Takes that it can."""
        if self._failing_since is not None:
            _log.info("The cache is used again, after %.1f s", self._clock.monotonic() - self._failing_since)
        self._failing_since = None
        self._faults_said.clear()

    def judge(self, head: Head, put: Put) -> None:
        """Looks at what a put of the head found."""
        self.found[put.before] += 1
        self._newer_in_a_row = self._newer_in_a_row + 1 if put.before is Before.NEWER else 0
        known, mine = self._known, name_of(head.ref)
        if put.kept:
            self._known = head.ref
        theirs = name_of(put.ref) if put.ref else "none"
        if put.mended:
            self.mended += 1
            self._say("The cache had other things under names of ours; written anew: %s", ", ".join(put.mended))
        elif put.before is Before.NOTHING and known is not None:
            self.lost += 1
            self._say("The cache had lost the policy; %s was put back", mine)
        elif put.before is Before.OLDER and known is not None and put.ref is not None and put.ref < known:
            self.mended += 1
            self._say("The cache had an older policy put back, %s; overwritten by %s", theirs, mine)
        elif put.before is Before.UNREADABLE:
            self.mended += 1
            self._say("What the cache had as the policy is none that this program wrote; overwritten by %s", mine)
        elif put.before is Before.OUTDATED:
            self._say("The cache had the policy as an older version of this program writes it; %s written anew", mine)
        elif put.before is Before.OTHER:
            self._broken(head.ref)
        elif put.before is Before.NEWER:
            self._newer(theirs, mine)
        else:
            self._said = ""

    def _newer(self, theirs: str, mine: str) -> None:
        if self._newer_in_a_row < NEWER_TOLD_AFTER:
            return
        self._say(
            "The cache has policy %s, and the newest in the database is %s; it is left there until it expires. Another "
            "database uses the same keys (set redis_key_prefix), or a backup was restored without a new epoch",
            theirs,
            mine,
            level=logging.ERROR,
        )

    def may_be_taken(self, found: Head, held: Head) -> bool:
        """Returns whether a head from the cache is believed while the database says nothing; says why it is not."""
        if found.ref.epoch != held.ref.epoch:
            self.refused += 1
            self._say(
                "The cache has policy %s of another database than %s served here; it is not taken",
                name_of(found.ref),
                name_of(held.ref),
            )
        elif found.ref < held.ref:
            self.refused += 1
            self._say(
                "The cache has policy %s, older than %s served here; it is not taken",
                *map(name_of, (found.ref, held.ref)),
            )
        elif found.ref == held.ref and _etag(found) != _etag(held):
            self.refused += 1
            self._broken(held.ref)
        else:
            self._said = ""
            return True
        return False

    def _broken(self, ref: PolicyRef) -> None:
        text = f"Policy {name_of(ref)} has other content in the cache than in the database: two writers are at work"
        if self._said != text:
            self._said = text
            self.integrity_errors += 1
            self._events.emit(IntegrityBroken(ref=ref, text=text))

    def _say(self, text: str, *args: object, level: int = logging.WARNING) -> None:
        _log.log(logging.DEBUG if self._said == text else level, text, *args)
        self._said = text


def _etag(head: Head) -> str:
    return head.policy.etag if head.policy else ""
