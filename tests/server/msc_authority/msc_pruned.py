"""Two hundred days of facts, evaluated and pruned; and the ledger that the whole journal gives."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from msc_builders import (
    START,
    ManualClock,
    Store,
    a_commit,
    a_trade,
    a_verdict,
    an_entry,
    an_equity_point,
    an_execution,
)

from msc_authority.adapters.memory import MemoryJournal
from msc_authority.app.ledger import LedgerReading, read_ledger
from msc_authority.app.retention import BATCH_ROWS, KeepDays, KindPlan, Pruner
from msc_authority.core.config import DecisionConfig
from msc_authority.core.facts import Fact
from msc_authority.core.ledger import Ledger
from msc_authority.ports.upkeep import Kept

CONFIG = DecisionConfig()
OTHER = replace(CONFIG, tape=replace(CONFIG.tape, length_trades=CONFIG.tape.length_trades + 1))
KEEP = KeepDays(executions=30, trades=90, equity=90, evaluations=30)
DAYS = 200


def day(number: float) -> datetime:
    """The instant so many days after START."""
    return START + timedelta(days=number)


NOW = day(DAYS)


def facts_of(number: int) -> list[Fact]:
    """What arrives on a day: a trade, a reading, a report."""
    return [
        a_trade(f"T-{number}", closed_at=day(number), opened_at=day(number - 0.1), net_pnl=Decimal(number % 7 - 3)),
        an_equity_point(day(number + 0.5), wallet_balance=Decimal(1000 + number % 11)),
        an_execution(f"E-{number}", at=day(number)),
    ]


ALL = [fact for number in range(DAYS) for fact in facts_of(number)]


def reading_of(store: Store, as_of: datetime, config: DecisionConfig = CONFIG) -> LedgerReading:
    """The ledger as an evaluation at that instant reads it."""
    return read_ledger(
        checkpoint=store.evaluations.load().checkpoint,
        store=store.evaluations,
        journal=store.journal,
        config=config,
        as_of=as_of,
    )


def evaluate(store: Store, as_of: datetime, name: str, *, publish: bool = False) -> None:
    """Makes an evaluation as of an instant, and keeps it as a rewind point."""
    entry = an_entry(name, started_at=as_of, verdict=a_verdict(as_of=as_of))
    commit = a_commit(entry=entry, checkpoint=reading_of(store, as_of).checkpoint(as_of), keep_as_rewind_point=True)
    store.evaluations.commit(commit if publish else replace(commit, publish=None), store.evaluations.load())


def pruner(store: Store, clock: ManualClock, keep: KeepDays = KEEP, config: DecisionConfig = CONFIG) -> Pruner:
    """A pruner on the store."""
    return Pruner(
        journal=store.journal,
        evaluations=store.evaluations,
        retention=store.retention,
        clock=clock,
        config=config,
        keep=keep,
    )


def prune(store: Store, clock: ManualClock, keep: KeepDays = KEEP) -> dict[Kept, KindPlan]:
    """Prunes all that may go, and says what that was."""
    its = pruner(store, clock, keep)
    plans = its.prepare("ops")
    for kind in Kept:
        while its.prune_batch(kind) == BATCH_ROWS:
            pass
    return {plan.kind: plan for plan in plans}


def whole(facts: list[Fact], as_of: datetime, config: DecisionConfig = CONFIG) -> bytes:
    """The ledger as the whole journal gives it."""
    journal = MemoryJournal()
    journal.record(facts)
    ledger = Ledger.empty(config)
    ledger.fold(row for row in journal.evidence_after(None, journal.end()) if row.at <= as_of)
    return ledger.encode()


def left(store: Store) -> tuple[int, int]:
    """Rows of evidence, and of execution reports, that are still there."""
    evidence = sum(1 for _ in store.journal.evidence_after(None, store.journal.end()))
    return evidence, len(store.executions.executions_after(0, 1000))


def lived(store: Store, clock: ManualClock) -> Store:
    """Two hundred days of facts, evaluated now, with a rewind point of yesterday."""
    store.journal.record(ALL)
    for number, as_of in enumerate((NOW - timedelta(days=1), NOW)):
        evaluate(store, as_of, f"recent-{number}")
    clock.instant = NOW
    return store
