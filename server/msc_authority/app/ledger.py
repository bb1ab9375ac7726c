"""Brings the ledger up to date: folds what is new, and starts from further back when something came late."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile

from msc_authority.core.codec import StateMismatch
from msc_authority.core.config import DecisionConfig
from msc_authority.core.ledger import Ledger
from msc_authority.ports import EvaluationStore, Journal, JournalCursor, LedgerCheckpoint

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerReading:
    """The ledger with all evidence up to an instant in it, and how far the journal was read for it."""

    ledger: Ledger
    cursor: JournalCursor

    def checkpoint(self, as_of: datetime) -> LedgerCheckpoint:
        """Returns the ledger in the form it is stored in."""
        return LedgerCheckpoint(watermark=as_of, cursor=self.cursor, payload=self.ledger.encode())


def read_ledger(
    *,
    checkpoint: LedgerCheckpoint | None,
    store: EvaluationStore,
    journal: Journal,
    config: DecisionConfig,
    as_of: datetime,
) -> LedgerReading:
    """Returns the ledger as of `as_of`: always the same as folding the whole journal in the order of time.

    Reads only what is new since `checkpoint`, unless something arrived late or the clock stepped back; then it
    starts from the newest rewind point that nothing arrived late for, or from nothing.
    """
    end = journal.end()
    base = _usable_base(checkpoint, store, journal, end, as_of)
    try:
        ledger = Ledger.decode(base.payload, config) if base else Ledger.empty(config)
    except StateMismatch as mismatch:
        _log.warning("The stored ledger cannot be used (%s): folding the whole journal anew", mismatch)
        base, ledger = None, Ledger.empty(config)
    new = journal.evidence_after(base.watermark if base else None, end)
    ledger.fold(takewhile(lambda evidence: evidence.at <= as_of, new))
    return LedgerReading(ledger=ledger, cursor=end)


def _usable_base(
    checkpoint: LedgerCheckpoint | None,
    store: EvaluationStore,
    journal: Journal,
    end: JournalCursor,
    as_of: datetime,
) -> LedgerCheckpoint | None:
    base = checkpoint
    while base is not None:
        late = journal.earliest_between(base.cursor, end)
        if base.watermark <= as_of and (late is None or base.watermark < late):
            return base
        base = store.rewind_point(as_of if late is None else min(late, as_of))
    return None
