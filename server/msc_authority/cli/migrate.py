"""`msc migrate`: the schema of the database, step by step to that of this program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from msc_authority.cli.database import DatabaseOption, named, opened, settings_of, sqlite_file, store_told, this_person
from msc_authority.cli.errors import CommandError, ExitCode, command
from msc_authority.cli.options import ConfigOption, HomeOption, JsonOption
from msc_authority.cli.output import print_json

if TYPE_CHECKING:
    from msc_authority.adapters.sql.engine import Database

Steps = list[tuple[str, str]]


@command
def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Only say whether the schema is current: exit code 1 where it is not.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list the steps that would be taken.")] = False,
    database_url: DatabaseOption = None,
    config: ConfigOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring the database to the schema of this program, in one transaction: all steps, or none.

    Authorities of the last version go on meanwhile, and can be started again, where the schema says that they work
    with it; msc migrate --dry-run says so beforehand. Make a backup first: msc backup.
    """
    url = settings_of(config, {"home": home, "database_url": database_url}).database_url
    state = _looked_at(url) if check or dry_run else _migrated(url)
    if as_json:
        print_json({"database": named(url), **_document(state, taken=not (check or dry_run))})
    else:
        typer.echo("\n".join(_lines(state, named(url), check=check, dry_run=dry_run)))
    if check and state.steps:
        raise typer.Exit(ExitCode.BAD_NEWS)


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """`oldest` is the first of our schemas whose programs work on the newest."""

    found: str | None
    head: str
    oldest: str
    newer: bool
    steps: Steps


def _looked_at(url: str) -> _State:
    file = sqlite_file(url)
    if file is not None and not file.exists():
        # Opening it would make it.
        return _state(None, newer=False)
    with opened(url, current=False) as database:
        return _state_of(database)


def _migrated(url: str) -> _State:
    with store_told():
        from msc_authority.adapters.sql.engine import Database
        from msc_authority.adapters.sql.postgres import UNHURRIED

        database = Database(url, limits=UNHURRIED)
        try:
            state = _state_of(database)
            if state.steps:
                _run(database)
        finally:
            database.close()
    return state


def _state_of(database: Database) -> _State:
    from msc_authority.adapters.sql.schema import REVISIONS, check_known, is_served, revision_of

    with database.read() as connection:
        found = revision_of(connection)
        newer = found is not None and found not in REVISIONS
        if not newer or not is_served(connection, found):
            check_known(connection, found)
    return _state(found, newer=newer)


def _state(found: str | None, *, newer: bool) -> _State:
    from msc_authority.adapters.sql.schema import HEAD_REVISION, WORKS_WITH, steps_after

    steps = [] if newer else steps_after(found)
    return _State(found=found, head=HEAD_REVISION, oldest=WORKS_WITH, newer=newer, steps=steps)


def _run(database: Database) -> None:
    from msc_authority.adapters.clock import SystemClock
    from msc_authority.adapters.sql.schema import Migrant, bring_to_head
    from msc_authority.ports.store import StoreUnavailable

    by = Migrant(actor=this_person(), now=SystemClock().now())
    try:
        bring_to_head(database, by)
    except StoreUnavailable as error:
        raise CommandError(
            str(error), advice="nothing was changed; run it again when the database answers", reason="STORE"
        ) from error


def _works_beside(state: _State) -> bool:
    return state.found is not None and state.found >= state.oldest


def _document(state: _State, *, taken: bool) -> dict[str, object]:
    return {
        "found": state.found,
        "newest": state.head,
        "current": not state.steps or taken,
        "newer_than_program": state.newer,
        "steps": [{"revision": revision, "does": does} for revision, does in state.steps],
        "taken": taken and bool(state.steps),
        "older_programs_go_on": _works_beside(state),
    }


def _lines(state: _State, where: str, *, check: bool, dry_run: bool) -> list[str]:
    if state.newer:
        return [f"{where} has schema {state.found}, newer than this program, which still works with it."]
    if not state.steps:
        return [f"{where} has schema {state.found}: it is current."]
    has = f"has schema {state.found}" if state.found else "has no schema yet"
    would = check or dry_run
    lines = [f"{where} {has}; {'to do' if would else 'done'}:"]
    lines += [f"  {revision}  {does}" for revision, does in state.steps]
    if would and state.found:
        beside = "Authorities of the last version can go on meanwhile."
        alone = "Stop all authorities first: those of the last version do not work with the new schema."
        lines.append(beside if _works_beside(state) else alone)
    return lines
