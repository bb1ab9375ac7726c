"""`msc new-epoch`: a database that was restored by other means than msc restore."""

from __future__ import annotations

from typing import Annotated

import typer

from msc_authority.cli.database import DatabaseOption, named, opened, settings_of, store_told, this_person
from msc_authority.cli.errors import command
from msc_authority.cli.options import ConfigOption, HomeOption, JsonOption
from msc_authority.cli.output import print_json


@command
def new_epoch(
    reason: Annotated[str, typer.Option("--reason", help="Why. It goes into the audit log.")],
    database_url: DatabaseOption = None,
    config: ConfigOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start a new epoch in the database, so that every client moves to what is in it, explicitly, once.

    For a database that went back in time by other means than msc restore: a snapshot of its disk, a standby that was
    behind. Clients keep what they have as long as the epoch is the same and the version lower. There is no policy in
    the new epoch before the next evaluation; history stays readable.
    """
    url = settings_of(config, {"home": home, "database_url": database_url}).database_url
    with opened(url) as database, store_told():
        from msc_authority.adapters.clock import SystemClock
        from msc_authority.adapters.sql.store import SqlStore

        store = SqlStore(database, SystemClock())
        before = store.policies.head().ref.epoch
        epoch = store.bump_epoch(this_person(), reason)
    if as_json:
        print_json({"database": named(url), "epoch": epoch, "before": before})
    else:
        typer.echo(f"Epoch of {named(url)}: {epoch} now, it was {before}.")
        typer.echo("The next evaluation publishes version 1 of it: msc evaluate.")
