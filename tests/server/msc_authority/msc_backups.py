"""A store with something of everything in it, its backup, and hands laid on that."""

from __future__ import annotations

import zipfile
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from msc_builders import (
    START,
    a_checkpoint,
    a_commit,
    a_trade,
    a_transition,
    a_verdict,
    an_entry,
    an_equity_point,
    an_execution,
    at,
)

from msc_authority.adapters.sql import SqlStore
from msc_authority.adapters.sql.archive import Manifest, opened_archive
from msc_authority.adapters.sql.backup import back_up
from msc_authority.adapters.sql.engine import Database
from msc_authority.adapters.sql.keeping import Wishes
from msc_authority.adapters.sql.restore import Restored, restore
from msc_authority.adapters.sql.tables import metadata
from msc_authority.core.facts import Fact

EPOCH = int(START.timestamp())
LATER = at(60)


def fill(store: SqlStore) -> SqlStore:
    """Puts a row into every table that a life fills."""
    facts: list[Fact] = [
        a_trade(net_pnl=Decimal("53.000"), risk_at_entry=None),
        an_equity_point(wallet_balance=Decimal("100000.10")),
        an_execution(reason="ünïcode ✓", confidence=None, detail_json='{"a":[1,2.5]}'),
    ]
    assert store.journal.record(facts).refused == ()
    verdict = a_verdict(transitions=(a_transition("RANGE_002"),))
    commit = a_commit(
        entry=an_entry(verdict=verdict),
        controller=b"\x00\xffHALTED",
        checkpoint=a_checkpoint(payload=b"\x00led\xffger"),
        keep_as_rewind_point=True,
    )
    store.evaluations.commit(commit, store.evaluations.load())
    store.lease.acquire_or_renew("server-1", "host:1", 30.0)
    return store


def backed_up(url: str, file: Path) -> Manifest:
    """Takes a backup."""
    database = Database(url)
    try:
        return back_up(database, file, now=START, program="0.1")
    finally:
        database.close()


def restored(
    url: str, file: Path, *, replace: bool = False, now: datetime = LATER, wishes: Wishes | None = None
) -> Restored:
    """Restores it, an hour later."""
    database = Database(url)
    try:
        with opened_archive(file) as backup:
            return restore(database, backup, now=now, actor="ops", replace=replace, wishes=wishes or Wishes())
    finally:
        database.close()


def content_of(url: str, skip: tuple[str, ...] = ()) -> dict[str, list[tuple[object, ...]]]:
    """All rows, table by table."""
    database = Database(url)
    with database.read() as connection:
        rows = {
            table.name: sorted((tuple(row) for row in connection.execute(table.select())), key=repr)
            for table in metadata.sorted_tables
            if table.name not in skip
        }
    database.close()
    return rows


def rewritten(file: Path, name: str, change: bytes | None) -> None:
    """Puts other content into a member of a backup; None: takes it out."""
    with zipfile.ZipFile(file) as archive:
        members = {each: archive.read(each) for each in archive.namelist()}
    if change is None:
        del members[name]
    else:
        members[name] = change
    with zipfile.ZipFile(file, "w") as archive:
        for each, content in members.items():
            archive.writestr(each, content)
