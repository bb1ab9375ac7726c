"""What is old is let go, as far as no decision can need it any more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import takewhile

from msc_authority.app.ledger import JournalPruned, ledger_at_floor
from msc_authority.app.work import unless_stopped
from msc_authority.core.codec import StateMismatch
from msc_authority.core.config import DecisionConfig
from msc_authority.core.ledger import Ledger
from msc_authority.ports.clock import Clock
from msc_authority.ports.evaluations import EvaluationStore
from msc_authority.ports.journal import Journal, LedgerCheckpoint
from msc_authority.ports.store import StaleState
from msc_authority.ports.upkeep import Kept, PruneOrder, Retention

BATCH_ROWS = 500
"""Removed at once: other writers wait for no more than some milliseconds."""
_ATTEMPTS = 3
_EVIDENCE = (Kept.TRADES, Kept.EQUITY)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepDays:
    """For how many days each kind is kept. 0: for ever."""

    executions: int = 0
    trades: int = 0
    equity: int = 0
    evaluations: int = 0

    def of(self, kind: Kept) -> int:
        """Returns the days of a kind."""
        days: int = getattr(self, kind.value)
        return days


@dataclass(frozen=True, slots=True, kw_only=True)
class KindPlan:
    """What may go of one kind: `rows` no later than `upto` (None: nothing). `held_back` says why it is not more."""

    kind: Kept
    keep_days: int
    upto: datetime | None = None
    rows: int = 0
    held_back: str = ""


class Pruner:
    """Decides what may go, makes it safe to remove it, and removes it in batches. Blocking.

    Trades and readings of the account are what the ledger is folded from. They go only up to an instant at which the
    ledger itself is kept, as the floor of the journal; and never beyond one that an evaluation may fold on from.
    Days count back from the newest fact, so that a store at rest loses nothing.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        evaluations: EvaluationStore,
        retention: Retention,
        clock: Clock,
        config: DecisionConfig,
        keep: KeepDays,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """Takes what it works on. What takes long is given up with Stopped once `stopping` says so."""
        self._journal, self._evaluations, self._retention = journal, evaluations, retention
        self._clock, self._config, self._keep, self._stopping = clock, config, keep, stopping

    def plan(self) -> tuple[KindPlan, ...]:
        """Returns what may go now, kind by kind. Changes nothing."""
        now, newest, base = self._clock.now(), self._journal.newest_fact_at(), self._retention.earliest_base()
        since = min(now, newest) if newest is not None else None
        refused = self._refusal(base)
        return tuple(self._planned(kind, now if kind is Kept.EVALUATIONS else since, base, refused) for kind in Kept)

    def prepare(self, actor: str) -> tuple[KindPlan, ...]:
        """Makes the removal of what may go safe, and writes it down. Returns the plan; `prune_batch` carries it out.

        Raises:
            StaleState: facts of the time that was to go kept arriving. Nothing of them goes.
        """
        plans = self._with_floor(actor)
        for plan in plans:
            if plan.upto is not None and plan.rows:
                order = PruneOrder(kind=plan.kind, upto=plan.upto, rows=plan.rows)
                self._retention.allow(order, self._clock.now(), actor)
        return plans

    def prune_batch(self, kind: Kept) -> int:
        """Removes some of the rows that may go, and returns how many went; less than BATCH_ROWS: that was all."""
        return self._retention.prune(kind, BATCH_ROWS)

    def start_anew(self, actor: str) -> datetime:
        """Has only what the journal still holds count from now on, under the present numbers; returns since when.

        Raises:
            JournalPruned: nothing was pruned, so nothing is lost by folding anew.
            StaleState: something arrived meanwhile.
        """
        floor = self._journal.floor()
        if floor is None:
            raise JournalPruned("nothing was pruned: the ledger is folded anew from the whole journal by itself")
        empty = Ledger.empty(self._config).encode()
        self._retention.raise_floor(replace(floor, payload=empty, cursor=self._journal.end()), self._clock.now(), actor)
        return floor.watermark

    def _planned(self, kind: Kept, since: datetime | None, base: datetime | None, refused: str) -> KindPlan:
        days = self._keep.of(kind)
        plan = KindPlan(kind=kind, keep_days=days)
        if not days or since is None:
            return plan
        wanted, held_back = since - timedelta(days=days), ""
        if kind in _EVIDENCE:
            if refused or base is None:
                return replace(plan, held_back=refused or "nothing was evaluated yet")
            if base < wanted:
                wanted, held_back = base, f"an evaluation may have to fold on from {base.isoformat()}"
        return replace(plan, upto=wanted, rows=self._retention.count(kind, wanted), held_back=held_back)

    def _refusal(self, base: datetime | None) -> str:
        if base is None or not (self._keep.trades or self._keep.equity):
            return ""
        stored = self._evaluations.load().checkpoint
        try:
            if stored is not None:
                Ledger.decode(stored.payload, self._config)
            ledger_at_floor(self._journal.floor(), self._config)
        except StateMismatch as mismatch:
            return f"evaluations are made with other numbers than this configuration has ({mismatch})"
        except JournalPruned as pruned:
            return str(pruned)
        return ""

    def _with_floor(self, actor: str) -> tuple[KindPlan, ...]:
        for _ in range(_ATTEMPTS - 1):
            plans = self.plan()
            try:
                self._raise_floor(plans, actor)
            except StaleState:
                continue
            return plans
        plans = self.plan()
        self._raise_floor(plans, actor)
        return plans

    def _raise_floor(self, plans: tuple[KindPlan, ...], actor: str) -> None:
        going = [plan.upto for plan in plans if plan.kind in _EVIDENCE and plan.upto is not None and plan.rows]
        floor = self._journal.floor()
        if not going or (floor is not None and floor.watermark >= max(going)):
            return
        self._retention.raise_floor(self._folded_to(max(going), floor), self._clock.now(), actor)

    def _folded_to(self, upto: datetime, floor: LedgerCheckpoint | None) -> LedgerCheckpoint:
        ledger, end = ledger_at_floor(floor, self._config), self._journal.end()
        rows = self._journal.evidence_after(floor.watermark if floor else None, end)
        due = takewhile(lambda evidence: evidence.at <= upto, rows)
        ledger.fold(unless_stopped(due, self._stopping))
        return LedgerCheckpoint(watermark=upto, cursor=end, payload=ledger.encode())
