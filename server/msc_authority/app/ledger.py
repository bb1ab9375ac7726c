"""Brings the ledger up to date: folds what is new, and starts from further back when something came late."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile

from msc_authority.core.codec import StateMismatch
from msc_authority.core.config import DecisionConfig
from msc_authority.core.ledger import Ledger
from msc_authority.ports.evaluations import EvaluationStore
from msc_authority.ports.journal import Journal, JournalCursor, LedgerCheckpoint

VERY_MANY = 5_000
"""From so many new rows on they are folded in bulk: an evaluation of few is quicker row by row."""
_log = logging.getLogger(__name__)


class JournalPruned(Exception):
    """The ledger would have to be folded from rows of the journal that may be gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerReading:
    """The ledger with all evidence up to an instant in it, and how far the journal was read for it."""

    ledger: Ledger
    cursor: JournalCursor

    def checkpoint(self, as_of: datetime) -> LedgerCheckpoint:
        """Returns the ledger in the form it is stored in."""
        return LedgerCheckpoint(watermark=as_of, cursor=self.cursor, payload=self.ledger.encode())


class LedgerMemory:
    """The ledger of the last commit, for whoever goes on from its very bytes: decoding them takes longer than the rows.

    A ledger is folded further in place, so it can be taken once. One thread at a time.
    """

    def __init__(self) -> None:
        self._payload = b""
        self._ledger: Ledger | None = None

    def keep(self, payload: bytes, ledger: Ledger) -> None:
        """Takes over the ledger that was encoded to `payload`."""
        self._payload, self._ledger = payload, ledger

    def take(self, payload: bytes) -> Ledger | None:
        """Returns the ledger of these bytes to own, or None. What is kept is forgotten."""
        ledger, self._ledger = self._ledger, None
        return ledger if payload == self._payload else None


def read_ledger(
    *,
    checkpoint: LedgerCheckpoint | None,
    store: EvaluationStore,
    journal: Journal,
    config: DecisionConfig,
    as_of: datetime,
    memory: LedgerMemory | None = None,
) -> LedgerReading:
    """Returns the ledger as of `as_of`: always the same as folding the whole journal in the order of time.

    Reads only what is new since `checkpoint`, unless something arrived late or the clock stepped back; then it
    starts from the newest rewind point that nothing arrived late for, or from the journal's floor: nothing, as long as
    nothing was pruned. What `memory` holds, under the same `config`, need not be decoded.

    Raises:
        JournalPruned: it would have to be folded from rows that may be gone.
    """
    end, floor = journal.end(), journal.floor()
    base = _usable_base(checkpoint, floor, store, journal, end, as_of)
    try:
        ledger = _ledger_of(base, config, memory)
    except StateMismatch as mismatch:
        _log.warning("The stored ledger cannot be used (%s): folding the whole journal anew", mismatch)
        base, ledger = floor, ledger_at_floor(floor, config)
    if floor is not None and base is floor and floor.watermark > as_of:
        raise JournalPruned(
            f"the journal is whole only from {floor.watermark.isoformat()} on, and the clock says {as_of.isoformat()}: "
            "set the clock"
        )
    after = base.watermark if base else None
    if _arrived_since(base, end) >= VERY_MANY:
        ledger.fold_in_bulk(journal.evidence_in_bulk(after, end, as_of))
    else:
        new = journal.evidence_after(after, end)
        ledger.fold(takewhile(lambda evidence: evidence.at <= as_of, new))
    return LedgerReading(ledger=ledger, cursor=end)


def _arrived_since(base: LedgerCheckpoint | None, end: JournalCursor) -> int:
    since = base.cursor if base else JournalCursor()
    return end.trades - since.trades + end.equity - since.equity


def _ledger_of(base: LedgerCheckpoint | None, config: DecisionConfig, memory: LedgerMemory | None) -> Ledger:
    if base is None:
        return Ledger.empty(config)
    known = memory.take(base.payload) if memory is not None else None
    return known or Ledger.decode(base.payload, config)


def ledger_at_floor(floor: LedgerCheckpoint | None, config: DecisionConfig) -> Ledger:
    """Returns the ledger of the journal's floor; empty where nothing was pruned.

    Raises:
        JournalPruned: the floor was folded with other numbers than `config` holds.
    """
    if floor is None:
        return Ledger.empty(config)
    try:
        return Ledger.decode(floor.payload, config)
    except StateMismatch as mismatch:
        raise JournalPruned(
            f"the numbers that the ledger is folded with were changed ({mismatch}), and rows up to "
            f"{floor.watermark.isoformat()} were pruned, so that it cannot be folded anew: set the numbers back, or "
            "have what is left count alone with msc prune --start-anew"
        ) from mismatch


def _usable_base(
    checkpoint: LedgerCheckpoint | None,
    floor: LedgerCheckpoint | None,
    store: EvaluationStore,
    journal: Journal,
    end: JournalCursor,
    as_of: datetime,
) -> LedgerCheckpoint | None:
    base = checkpoint
    # Behind a base that is older than the floor, rows may be gone.
    while base is not None and (floor is None or base.watermark >= floor.watermark):
        late = journal.earliest_between(base.cursor, end)
        if base.watermark <= as_of and (late is None or base.watermark < late):
            return base
        base = store.rewind_point(as_of if late is None else min(late, as_of))
    return floor
