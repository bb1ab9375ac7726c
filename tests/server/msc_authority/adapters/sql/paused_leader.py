"""A leader in a process of its own: has prepared a commit, is told to make it, and says what became of it."""

from __future__ import annotations

import sys

from msc_builders import a_commit, a_content, an_entry

from msc_authority.adapters.clock import SystemClock
from msc_authority.adapters.sql import open_store
from msc_authority.core.policy import RiskMode
from msc_authority.ports.store import StoreError


def main() -> None:
    """Leads for the time of argument 2 on the database of argument 1; says its term, and commits at the next line."""
    url, ttl_s = sys.argv[1], float(sys.argv[2])
    with open_store(url, SystemClock()) as store:
        term = store.lease.acquire_or_renew("old", "old:7443", ttl_s).term
        prepared = a_commit(entry=an_entry("old"), publish=a_content(RiskMode.AGGRESSIVE), term=term)
        expected = store.evaluations.load()
        say(f"term {term}")
        sys.stdin.readline()
        try:
            say(f"committed {store.evaluations.commit(prepared, expected).ref.version}")
        except StoreError as error:
            say(type(error).__name__)
        try:
            store.evaluations.record_failure(an_entry("old-failed", verdict=None, failure="late"), term)
            say("recorded")
        except StoreError as error:
            say(type(error).__name__)


def say(text: str) -> None:
    """Writes a line that is read at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
