"""The journal in memory. It means what the one on SQL means, pruning included, and is gone when it goes."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

from msc_authority.adapters.evidence_order import merged
from msc_authority.adapters.fact_keys import equity_evidence, id_conflict, id_of, too_old, trade_evidence
from msc_authority.adapters.instants import aware_utc
from msc_authority.core.evidence import EquityEvidence, Evidence, TradeColumns, TradeEvidence, columns_of
from msc_authority.core.facts import EquityPoint, Execution, Fact, Trade, happened_at
from msc_authority.ports.journal import JournalCursor, JournalledExecution, LedgerCheckpoint, RecordOutcome, RefusedFact
from msc_authority.ports.upkeep import Kept

_TRADES_AT_ONCE = 500
_V = TypeVar("_V")
_Key = tuple[type[Fact], Hashable]
KINDS: dict[Kept, type[Fact]] = {Kept.EXECUTIONS: Execution, Kept.TRADES: Trade, Kept.EQUITY: EquityPoint}
"""What of the journal is kept for a time."""


@dataclass(slots=True)
class _Rows(Generic[_V]):
    """Rows in the order of arrival. Their numbers begin at 1 and stay, whatever goes."""

    numbers: list[int] = field(default_factory=list)
    values: list[_V] = field(default_factory=list)
    keys: list[_Key] = field(default_factory=list)
    last: int = 0

    def add(self, key: _Key, value: _V) -> None:
        self.last += 1
        self.numbers.append(self.last)
        self.values.append(value)
        self.keys.append(key)

    def between(self, after: int, upto: int) -> list[_V]:
        """Those behind the one of number `after`, up to that of number `upto`."""
        return self.values[bisect_right(self.numbers, after) : bisect_right(self.numbers, upto)]

    def remove(self, keys: set[_Key]) -> None:
        rows = [row for row in zip(self.numbers, self.values, self.keys, strict=True) if row[2] not in keys]
        self.numbers = [number for number, _, _ in rows]
        self.values = [value for _, value, _ in rows]
        self.keys = [key for _, _, key in rows]


class MemoryJournal:
    """Holds the facts. Threads may share it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        """Held by whoever looks and then changes what may be gone."""
        self._facts: dict[_Key, Fact] = {}
        self._trades = _Rows[TradeEvidence]()
        self._equity = _Rows[EquityEvidence]()
        self._executions = _Rows[Execution]()
        self._newest: datetime | None = None
        self._floor: LedgerCheckpoint | None = None
        self._pruned: dict[Kept, datetime] = {}

    def record(self, facts: Sequence[Fact]) -> RecordOutcome:
        """Stores a batch in one step. A fact stored before with equal content is a duplicate; the same id with other
        content is refused with code ID_CONFLICT. The rest of the batch is stored all the same.
        """
        instants = [aware_utc(happened_at(fact)) for fact in facts]
        refused: list[RefusedFact] = []
        accepted = 0
        with self.lock:
            for index, (fact, at) in enumerate(zip(facts, instants, strict=True)):
                key = (type(fact), id_of(fact))
                if key in self._facts:
                    refused += [id_conflict(index, fact)] if self._facts[key] != fact else []
                elif (pruned := self._gone_up_to(fact)) is not None and at <= pruned:
                    refused.append(too_old(index, fact, pruned))
                else:
                    self._take(key, fact, at)
                    accepted += 1
        return RecordOutcome(accepted=accepted, duplicates=len(facts) - accepted - len(refused), refused=tuple(refused))

    def _gone_up_to(self, fact: Fact) -> datetime | None:
        if isinstance(fact, Execution):
            return self._pruned.get(Kept.EXECUTIONS)
        return self._floor.watermark if self._floor is not None else None

    def _take(self, key: _Key, fact: Fact, at: datetime) -> None:
        self._facts[key] = fact
        self._newest = at if self._newest is None else max(self._newest, at)
        match fact:
            case Trade():
                self._trades.add(key, trade_evidence(fact))
            case EquityPoint():
                self._equity.add(key, equity_evidence(fact))
            case Execution():
                self._executions.add(key, fact)

    def end(self) -> JournalCursor:
        """Returns the cursor behind all evidence that has arrived so far."""
        with self.lock:
            return JournalCursor(trades=self._trades.last, equity=self._equity.last)

    def earliest_between(self, after: JournalCursor, upto: JournalCursor) -> datetime | None:
        """Returns the smallest `at` of the evidence that arrived later than `after` and no later than `upto`."""
        with self.lock:
            trades = [row.at for row in self._trades.between(after.trades, upto.trades)]
            equity = [row.at for row in self._equity.between(after.equity, upto.equity)]
        return min(trades + equity, default=None)

    def evidence_after(self, after: datetime | None, upto: JournalCursor) -> Iterator[Evidence]:
        """Yields evidence with at > `after` (None: all) that arrived no later than `upto`, ordered by (at, id),
        equity readings after trades of the same instant.
        """
        with self.lock:
            trades = [row for row in self._trades.between(0, upto.trades) if after is None or row.at > after]
            equity = [row for row in self._equity.between(0, upto.equity) if after is None or row.at > after]
        yield from merged(iter(sorted(trades)), iter(sorted(equity)))

    def evidence_in_bulk(
        self, after: datetime | None, upto: JournalCursor, until: datetime
    ) -> Iterator[EquityEvidence | TradeColumns]:
        """Yields the same evidence, of it that with at <= `until`, for whoever takes very much of it: first equity
        readings ordered by (at, account), then trades ordered by (at, id), some hundreds at a time.
        """
        rows = [row for row in self.evidence_after(after, upto) if row.at <= until]
        yield from (row for row in rows if isinstance(row, EquityEvidence))
        trades = [row for row in rows if isinstance(row, TradeEvidence)]
        for start in range(0, len(trades), _TRADES_AT_ONCE):
            yield columns_of(trades[start : start + _TRADES_AT_ONCE])

    def newest_fact_at(self) -> datetime | None:
        """Returns the instant of the newest fact of any kind, or None."""
        with self.lock:
            return self._newest

    def floor(self) -> LedgerCheckpoint | None:
        """Returns the ledger with all evidence in it that may be gone; None: all of it is there."""
        with self.lock:
            return self._floor

    def set_floor(self, floor: LedgerCheckpoint) -> None:
        """Makes `floor` the floor. Whoever calls it has looked whether it may be."""
        with self.lock:
            self._floor = floor

    def pruned_up_to(self, kind: Kept) -> datetime | None:
        """Returns the instant up to which facts of a kind may be gone already; None: all are there."""
        with self.lock:
            return self._pruned.get(kind)

    def set_pruned(self, kind: Kept, upto: datetime) -> None:
        """Says that facts of a kind may be gone up to then. Whoever calls it has looked whether they may."""
        with self.lock:
            self._pruned[kind] = upto

    def older(self, kind: Kept, upto: datetime) -> list[Fact]:
        """Returns the facts of a kind no later than `upto`, the oldest first."""
        with self.lock:
            old = [fact for (of, _), fact in self._facts.items() if of is KINDS[kind] and happened_at(fact) <= upto]
        return sorted(old, key=happened_at)

    def remove(self, kind: Kept, facts: Sequence[Fact]) -> None:
        """Forgets facts of a kind."""
        keys: set[_Key] = {(type(fact), id_of(fact)) for fact in facts}
        with self.lock:
            for key in keys:
                del self._facts[key]
            match kind:
                case Kept.TRADES:
                    self._trades.remove(keys)
                case Kept.EQUITY:
                    self._equity.remove(keys)
                case _:
                    self._executions.remove(keys)

    def last_execution(self) -> int:
        """Returns the number of the execution report that arrived last; 0: there was none."""
        with self.lock:
            return self._executions.last

    def executions_after(self, number: int) -> list[JournalledExecution]:
        """Returns the execution reports behind that number, the earliest arrival first."""
        with self.lock:
            first = bisect_right(self._executions.numbers, number)
            rows = zip(self._executions.numbers[first:], self._executions.values[first:], strict=True)
            return [JournalledExecution(sequence=sequence, execution=execution) for sequence, execution in rows]


class MemoryExecutionLog:
    """Reads execution reports."""

    def __init__(self, journal: MemoryJournal) -> None:
        self._journal = journal

    def end(self) -> int:
        """Returns the sequence of the report that arrived last; 0: there is none."""
        return self._journal.last_execution()

    def executions_after(self, sequence: int, limit: int) -> list[JournalledExecution]:
        """Returns up to `limit` reports that arrived later than `sequence`, the earliest arrival first."""
        return self._journal.executions_after(sequence)[:limit]

    def last_sequence_before(self, at: datetime) -> int:
        """Returns the sequence just before the first report to arrive with an instant of `at` or later."""
        reports = self._journal.executions_after(0)
        since = (report.sequence - 1 for report in reports if report.execution.at >= at)
        return next(since, self._journal.last_execution())
