"""The audit log as a chain: each row names the hash of the one before it, so that what was done to it shows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum

GENESIS = "0" * 64
"""What the first row names as the hash before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """One act in the log: who did what to what, when, and the links of the chain (SHA-256, in hex).

    `detail` is JSON. `sequence` starts at 1 and has no gap.
    """

    sequence: int
    at: datetime
    actor: str
    action: str
    target: str
    detail: Mapping[str, object]
    previous_hash: str
    hash: str


@dataclass(frozen=True, slots=True, order=True)
class Anchor:
    """A row and its hash, kept elsewhere: it shows when the end of the log was cut off, or all of it written anew."""

    sequence: int
    hash: str

    def __str__(self) -> str:
        """As a person keeps it, SEQ:HASH."""
        return f"{self.sequence}:{self.hash}"

    @classmethod
    def read(cls, text: str) -> Anchor:
        """Returns the anchor that SEQ:HASH names.

        Raises:
            ValueError: it does not name one.
        """
        sequence, separator, digest = text.strip().partition(":")
        is_hash = len(digest) == len(GENESIS) and all(letter in "0123456789abcdef" for letter in digest)
        if not separator or not sequence.isascii() or not sequence.isdigit() or int(sequence) < 1 or not is_hash:
            raise ValueError("an anchor is written SEQ:HASH, as `msc audit verify` prints it")
        return cls(int(sequence), digest)


class Damage(StrEnum):
    """What was done to the log."""

    CHANGED = "changed"
    """A row does not say what it said when it was written."""
    MISSING = "missing"
    """Rows that were there are gone."""
    INSERTED = "inserted"
    """A row is there that nothing was written after, or before."""
    REORDERED = "reordered"
    """A row stands where another one stood."""
    REWRITTEN = "rewritten"
    """The chain agrees with itself, and not with an anchor: it was computed anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """The first place where the chain does not hold."""

    sequence: int
    damage: Damage
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What came of following the chain. `newest` is the anchor to keep; None where there is no row."""

    rows: int
    newest: Anchor | None
    broken: Break | None = None


def hash_of(row: AuditRow) -> str:
    """Returns the SHA-256, in hex, of the row's canonical JSON: the columns but `hash` by their names, keys sorted, no
    space, ASCII, the instant as 2026-01-31T12:00:00.000000Z. It holds the hash of the row before it.
    """
    document = {
        "sequence": row.sequence,
        "at": row.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "actor": row.actor,
        "action": row.action,
        "object": row.target,
        "detail": row.detail,
        "previous_hash": row.previous_hash,
    }
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def chained(
    last: Anchor | None, *, at: datetime, actor: str, action: str, target: str, detail: Mapping[str, object]
) -> AuditRow:
    """Returns the row that follows `last` (None: the first one) in the chain."""
    row = AuditRow(
        sequence=last.sequence + 1 if last else 1,
        at=at,
        actor=actor,
        action=action,
        target=target,
        # As it reads back: a tuple is a list then.
        detail=json.loads(json.dumps(detail, allow_nan=False)),
        previous_hash=last.hash if last else GENESIS,
        hash="",
    )
    return replace(row, hash=hash_of(row))


def verify(rows: Iterable[AuditRow], *, after: Anchor | None = None, anchors: Sequence[Anchor] = ()) -> Verification:
    """Follows the chain through `rows`, ordered by sequence, and says where it breaks first, and how.

    `after` is the row before the first of them, which is believed; None: they start with the very first. Rows before
    it are not looked at, so an anchor of one of them says nothing.
    """
    walk = _Walk(last=after, anchors={anchor.sequence: anchor for anchor in anchors})
    broken = walk.through(_with_next(rows))
    count = walk.rows
    if broken is None:
        broken = walk.cut_off(max(anchors, default=None))
    return Verification(rows=count, newest=walk.last, broken=broken)


@dataclass(slots=True, kw_only=True)
class _Walk:
    last: Anchor | None
    anchors: Mapping[int, Anchor]
    rows: int = 0
    _previous: AuditRow | None = field(default=None)

    def through(self, rows: Iterator[tuple[AuditRow, AuditRow | None]]) -> Break | None:
        for row, following in rows:
            broken = self._judge(row, following)
            if broken is not None:
                return broken
            self.rows += 1
            self.last, self._previous = Anchor(row.sequence, row.hash), row
        return None

    def cut_off(self, anchor: Anchor | None) -> Break | None:
        end = self.last.sequence if self.last else 0
        if anchor is None or anchor.sequence <= end:
            return None
        text = f"the log ends with row {end}, and row {anchor.sequence} was there: its end was cut off"
        return Break(sequence=end + 1, damage=Damage.MISSING, text=text)

    def _judge(self, row: AuditRow, following: AuditRow | None) -> Break | None:
        due = self.last.sequence + 1 if self.last else 1
        link = self.last.hash if self.last else GENESIS
        if row.sequence > due:
            gone = f"row {due} is" if row.sequence == due + 1 else f"rows {due} to {row.sequence - 1} are"
            return Break(sequence=due, damage=Damage.MISSING, text=f"{gone} gone")
        if row.sequence < due:
            text = f"row {row.sequence} was never written by the program"
            return Break(sequence=row.sequence, damage=Damage.INSERTED, text=text)
        if hash_of(row) != row.hash:
            return self._damaged(row, following, link)
        if row.previous_hash != link:
            return self._unlinked(row, following)
        anchor = self.anchors.get(row.sequence)
        if anchor is not None and anchor.hash != row.hash:
            text = f"row {row.sequence} is not the one of the anchor: the log up to it was written anew"
            return Break(sequence=row.sequence, damage=Damage.REWRITTEN, text=text)
        return None

    def _damaged(self, row: AuditRow, following: AuditRow | None, link: str) -> Break:
        place = row.sequence
        was = _place_of(row, near=place)
        if was is None:
            if following is not None and following.previous_hash == link:
                text = f"row {place} is not the program's: the row behind it was written when it was not there"
                return Break(sequence=place, damage=Damage.INSERTED, text=text)
            text = f"row {place} does not say what it said: its content does not give its hash"
            return Break(sequence=place, damage=Damage.CHANGED, text=text)
        if was < place:
            text = f"row {was} stands at {place} now: a row was put in before it"
            return Break(sequence=was, damage=Damage.INSERTED, text=text)
        if following is None or _place_of(following, near=was) == was + 1:
            text = f"row {was} stands at {place} now: rows before it are gone, and what followed was numbered anew"
            return Break(sequence=place, damage=Damage.MISSING, text=text)
        text = f"row {was} stands where row {place} stood"
        return Break(sequence=place, damage=Damage.REORDERED, text=text)

    def _unlinked(self, row: AuditRow, following: AuditRow | None) -> Break:
        # The row agrees with its own hash, and names another one before it. Either it is a forgery, or that one is.
        place, before = row.sequence, self._previous
        forged = following is not None and following.previous_hash != row.hash
        if before is None or forged:
            text = f"row {place} names another row before it than the one that is there"
            return Break(sequence=place, damage=Damage.CHANGED, text=text)
        text = f"row {before.sequence} is not the one that row {place} was written after: it was changed, hash and all"
        return Break(sequence=before.sequence, damage=Damage.CHANGED, text=text)


_LOOKED_FOR = 10_000
"""How far away a row that stands in a wrong place is looked for."""


def _place_of(row: AuditRow, near: int) -> int | None:
    """Where a row stood when it was written, by its hash; None: its content was changed, or it stood far away."""
    nearest_first = (place for far in range(_LOOKED_FOR) for place in {near + far, near - far} if place > 0)
    return next((place for place in nearest_first if hash_of(replace(row, sequence=place)) == row.hash), None)


def _with_next(rows: Iterable[AuditRow]) -> Iterator[tuple[AuditRow, AuditRow | None]]:
    waiting: AuditRow | None = None
    for row in rows:
        if waiting is not None:
            yield waiting, row
        waiting = row
    if waiting is not None:
        yield waiting, None
