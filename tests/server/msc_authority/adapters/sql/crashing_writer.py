"""A process that records facts and commits policies as fast as it can, says what was acknowledged, and never ends."""

from __future__ import annotations

import sys
import threading
from dataclasses import replace
from itertools import count

from msc_builders import a_checkpoint, a_commit, a_trade, a_verdict, an_entry, an_equity_point, at

from msc_authority.adapters.clock import SystemClock
from msc_authority.adapters.sql import SqlStore, open_store
from msc_authority.core.evidence import TradeEvidence

BATCH = 20


def main(url: str) -> None:
    """Two writers: facts on one thread, policies on the other. One line for each thing acknowledged."""
    store = open_store(url, SystemClock())
    evidence = store.journal.evidence_after(None, store.journal.end())
    first = sum(isinstance(each, TradeEvidence) for each in evidence)
    threading.Thread(target=records, args=(store, first), daemon=True).start()
    commits(store)


def records(store: SqlStore, first: int) -> None:
    """Numbers its batches on from `first`; sends the last batch of the one before again, as a sender would."""
    for start in count(max(0, first - BATCH), BATCH):
        numbers = range(start, start + BATCH)
        store.journal.record([a_trade(f"T-{n}", closed_at=at(n)) for n in numbers] + [an_equity_point(at(start))])
        say(f"facts {start + BATCH}")


def commits(store: SqlStore) -> None:
    """Each evaluation publishes, and writes the version it expects to get into the state beside it."""
    while True:
        state = store.evaluations.load()
        version = state.head.ref.version + 1
        name = f"eval-{version}"
        entry = an_entry(name, verdict=a_verdict(as_of=at(version)))
        checkpoint = a_checkpoint(at(version), payload=str(version).encode())
        commit = replace(
            a_commit(name), entry=entry, controller=checkpoint.payload, checkpoint=checkpoint, keep_as_rewind_point=True
        )
        say(f"version {store.evaluations.commit(commit, state).ref.version}")


def say(line: str) -> None:
    """One write, so that a kill cannot tear it."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
