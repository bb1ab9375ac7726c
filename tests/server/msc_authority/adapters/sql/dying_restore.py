"""A process that restores over a database, and stands still when everything is written and nothing is committed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from msc_backups import LATER

from msc_authority.adapters.sql import keeping
from msc_authority.adapters.sql.archive import opened_archive
from msc_authority.adapters.sql.engine import Database
from msc_authority.adapters.sql.keeping import Wishes
from msc_authority.adapters.sql.restore import restore
from msc_authority.ports.tokens import StoredToken


def main(url: str, file: str) -> None:
    """Says that it has written everything, and waits for its end."""
    keeping._holding = stands_still  # type: ignore[assignment]  # a fault is planted
    with opened_archive(Path(file)) as backup:
        restore(Database(url), backup, now=LATER, actor="ops", replace=True, wishes=Wishes(lose_tightenings=True))


def stands_still(*_: object) -> Iterator[StoredToken]:
    """The last that is read in the transaction."""
    sys.stdout.write("written\n")
    sys.stdout.flush()
    sys.stdin.readline()
    return iter(())


if __name__ == "__main__":
    main(*sys.argv[1:])
