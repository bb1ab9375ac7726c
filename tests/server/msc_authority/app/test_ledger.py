"""The ledger is always what folding the whole journal in the order of time gives, however the facts arrived."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msc_builders import START, ManualClock, a_commit, a_trade, an_entry, an_equity_point, at

from msc_authority.adapters.memory import MemoryJournal, MemoryStore
from msc_authority.app.ledger import LedgerMemory, LedgerReading, read_ledger
from msc_authority.core.config import DecisionConfig
from msc_authority.core.evidence import Evidence
from msc_authority.core.facts import Fact
from msc_authority.core.ledger import Ledger
from msc_authority.ports.evaluations import EvaluationStore
from msc_authority.ports.journal import JournalCursor, LedgerCheckpoint

CONFIG = DecisionConfig()


class CountingJournal(MemoryJournal):
    """Counts the rows that are read."""

    def __init__(self) -> None:
        super().__init__()
        self.read = 0

    def evidence_after(self, after: datetime | None, upto: JournalCursor) -> Iterator[Evidence]:
        for row in super().evidence_after(after, upto):
            self.read += 1
            yield row


def a_fact(number: int, minute: float) -> Fact:
    if number % 3:
        return a_trade(
            f"T-{number}",
            strategy_id=f"S{number % 2}",
            opened_at=at(minute - 1),
            closed_at=at(minute),
            net_pnl=Decimal(number % 7 - 3),
        )
    return an_equity_point(at(minute), wallet_balance=Decimal(1000 + number), unrealized_pnl=Decimal(0))


def read(
    journal: MemoryJournal,
    as_of: datetime,
    checkpoint: LedgerCheckpoint | None,
    store: EvaluationStore | None = None,
    memory: LedgerMemory | None = None,
) -> LedgerReading:
    chosen = store or MemoryStore(ManualClock()).evaluations
    return read_ledger(checkpoint=checkpoint, store=chosen, journal=journal, config=CONFIG, as_of=as_of, memory=memory)


def folded_at_once(facts: list[Fact], as_of: datetime) -> bytes:
    journal = MemoryJournal()
    journal.record(facts)
    ledger = Ledger.empty(CONFIG)
    ledger.fold(row for row in journal.evidence_after(None, journal.end()) if row.at <= as_of)
    return ledger.encode()


def test_reads_only_what_is_new() -> None:
    journal = CountingJournal()
    journal.record([a_fact(number, number) for number in range(100)])
    first = read(journal, at(100), None)
    journal.record([a_fact(number, number) for number in range(101, 105)])
    journal.read = 0

    read(journal, at(110), first.checkpoint(at(100)))

    assert journal.read == 4


def test_ledger_in_memory_is_given_once_and_only_for_its_own_bytes() -> None:
    memory, ledger = LedgerMemory(), Ledger.empty(CONFIG)

    memory.keep(b"its bytes", ledger)

    assert memory.take(b"its bytes") is ledger
    assert memory.take(b"its bytes") is None
    memory.keep(b"its bytes", ledger)
    assert memory.take(b"another's") is None
    assert memory.take(b"its bytes") is None, "whoever asked for others has moved on"


def test_late_fact_is_not_folded_into_the_ledger_in_memory() -> None:
    journal, memory = MemoryJournal(), LedgerMemory()
    journal.record([a_fact(1, 1), a_fact(2, 8)])
    first = read(journal, at(10), None)
    checkpoint = first.checkpoint(at(10))
    memory.keep(checkpoint.payload, first.ledger)
    journal.record([a_fact(4, 4)])

    second = read(journal, at(12), checkpoint, memory=memory)

    assert second.ledger is not first.ledger
    assert second.ledger.encode() == folded_at_once([a_fact(1, 1), a_fact(4, 4), a_fact(2, 8)], at(12))


def test_facts_of_the_future_wait_until_their_time_has_come() -> None:
    journal = MemoryJournal()
    facts = [a_fact(1, 1), a_fact(2, 8)]
    journal.record(facts)

    before = read(journal, at(5), None)
    after = read(journal, at(10), before.checkpoint(at(5)))

    assert before.ledger.encode() == folded_at_once(facts[:1], at(5))
    assert after.ledger.encode() == folded_at_once(facts, at(10))


def test_late_fact_without_a_rewind_point_folds_everything_anew() -> None:
    journal = MemoryJournal()
    journal.record([a_fact(1, 1), a_fact(2, 8)])
    first = read(journal, at(10), None)
    journal.record([a_fact(4, 4)])

    second = read(journal, at(12), first.checkpoint(at(10)))

    assert second.ledger.encode() == folded_at_once([a_fact(1, 1), a_fact(4, 4), a_fact(2, 8)], at(12))


def test_late_fact_starts_from_the_newest_rewind_point_before_it() -> None:
    journal, store = CountingJournal(), MemoryStore(ManualClock())
    journal.record([a_fact(number, number) for number in range(1, 50)])
    early = read(journal, at(20), None).checkpoint(at(20))
    keep(store, early)
    latest = read(journal, at(60), early).checkpoint(at(60))
    journal.record([a_fact(50, 45.5)])
    journal.read = 0

    reading = read(journal, at(60), latest, store.evaluations)

    assert journal.read == 30, "the 29 behind minute 20 and the late one"
    facts = [*(a_fact(number, number) for number in range(1, 50)), a_fact(50, 45.5)]
    assert reading.ledger.encode() == folded_at_once(facts, at(60))


def test_clock_that_stepped_back_does_not_see_the_future() -> None:
    journal = MemoryJournal()
    facts = [a_fact(1, 1), a_fact(2, 8)]
    journal.record(facts)
    ahead = read(journal, at(10), None).checkpoint(at(10))

    reading = read(journal, at(5), ahead)

    assert reading.ledger.encode() == folded_at_once(facts[:1], at(5))


def test_ledger_of_another_configuration_is_folded_anew_and_said(caplog: pytest.LogCaptureFixture) -> None:
    journal = MemoryJournal()
    journal.record([a_fact(1, 1)])
    other = replace(CONFIG, equity=replace(CONFIG.equity, starting_capital=77.0))
    stored = LedgerCheckpoint(watermark=at(5), cursor=journal.end(), payload=Ledger.empty(other).encode())

    with caplog.at_level(logging.WARNING):
        reading = read(journal, at(6), stored)

    assert reading.ledger.encode() == folded_at_once([a_fact(1, 1)], at(6))
    assert "folding the whole journal anew" in caplog.text


@settings(max_examples=60, deadline=None)
@given(
    minutes=st.lists(st.integers(0, 300), min_size=1, max_size=25, unique=True),
    cuts=st.lists(st.integers(0, 25), max_size=5),
    kept=st.lists(st.booleans(), min_size=6, max_size=6),
)
def test_order_of_arrival_does_not_matter(minutes: list[int], cuts: list[int], kept: list[bool]) -> None:
    """Facts arrive in any order, in any number of pieces; the last reading is that of the whole in order."""
    facts = [a_fact(number, minute) for number, minute in enumerate(minutes)]
    journal, store = MemoryJournal(), MemoryStore(ManualClock())
    checkpoint: LedgerCheckpoint | None = None
    bounds = sorted({0, *cuts, len(facts)})
    for round_, (begin, end) in enumerate(itertools.pairwise(bounds)):
        if begin >= len(facts):
            break
        journal.record(facts[begin:end])
        as_of = at(50 * (round_ + 1))
        checkpoint = read(journal, as_of, checkpoint, store.evaluations).checkpoint(as_of)
        if kept[round_]:
            keep(store, checkpoint)

    final = read(journal, at(400), checkpoint, store.evaluations)

    assert final.ledger.encode() == folded_at_once(facts, at(400))


def keep(store: MemoryStore, checkpoint: LedgerCheckpoint) -> None:
    """Commits an evaluation whose checkpoint is kept as a rewind point."""
    number = int((checkpoint.watermark - START) / timedelta(minutes=1))
    commit = a_commit(
        f"eval-{number}", entry=an_entry(f"eval-{number}"), checkpoint=checkpoint, keep_as_rewind_point=True
    )
    store.evaluations.commit(commit, store.evaluations.load())


def test_very_many_new_facts_are_folded_in_bulk_to_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("msc_authority.app.ledger.VERY_MANY", 20)
    journal = CountingJournal()
    facts = [a_fact(number, number) for number in range(60)]
    journal.record(facts[:30])
    first = read(journal, at(25), None)
    journal.record(facts[30:])

    second = read(journal, at(55), first.checkpoint(at(25)))

    assert first.ledger.encode() == folded_at_once(facts[:30], at(25))
    assert second.ledger.encode() == folded_at_once(facts, at(55))
