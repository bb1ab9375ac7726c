"""`msc backup` and `msc restore`: everything the authority knows, in one file and back."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from msc_authority.cli.database import DatabaseOption, named, opened, settings_of, sqlite_file, store_told, this_person
from msc_authority.cli.errors import CommandError, ExitCode, command
from msc_authority.cli.options import ConfigOption, HomeOption, JsonOption
from msc_authority.cli.output import console, fact_table, instant, print_json, text
from msc_authority.cli.restored import restored_document, restored_lines

if TYPE_CHECKING:
    from msc_authority.adapters.sql.archive import Manifest
    from msc_authority.adapters.sql.engine import Database

Progress = Callable[[str, int, int], None]


@command
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it; must not be there yet.")],
    database_url: DatabaseOption = None,
    config: ConfigOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write everything in the database to one file, as of one instant, while the authority goes on.

    Changes nothing but the audit log, where it leaves a row. The file restores into SQLite and PostgreSQL alike. It
    holds all decisions, facts and hashes of tokens: only its owner may read it (mode 0600), and it is there under its
    name only when it is whole.
    """
    url = settings_of(config, {"home": home, "database_url": database_url}).database_url
    manifest = _save(url, file, quiet=as_json)
    size = file.stat().st_size
    _note(url, file, manifest)
    if as_json:
        print_json({"file": str(file.absolute()), "bytes": size, **_manifest_document(manifest)})
        return
    rows = [("file", text(f"{file} ({_size(size)})")), *_manifest_facts(manifest)]
    console().print(fact_table(rows))


def _note(url: str, file: Path, manifest: Manifest) -> None:
    from msc_authority.adapters.clock import SystemClock
    from msc_authority.adapters.sql.audit import SqlAuditLog
    from msc_authority.app.upkeep import BACKUP
    from msc_authority.ports.audit import AuditLine

    detail: dict[str, object] = {"made_at": manifest.made_at.isoformat(), "rows": manifest.rows}
    line = AuditLine(actor=this_person(), action=BACKUP, target=f"file {file.name}", detail=detail)
    try:
        with opened(url) as database:
            SqlAuditLog(database).append(SystemClock().now(), line)
    except CommandError as error:
        # As on a standby that takes no writes, or on an older schema: the backup is whole all the same.
        typer.echo(f"The backup is whole; the audit log has no row of it: {error.message}", err=True)


@command
def restore(  # noqa: PLR0917 - each is an option of the command, given by name
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What msc backup wrote.")],
    replace: Annotated[
        bool,
        typer.Option(
            "--replace", help="Restore over a database that holds something: its facts and policies are gone."
        ),
    ] = False,
    save_replaced: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Back up what is replaced to this file first.")
    ] = None,
    halt: Annotated[bool, typer.Option("--halt", help="Come up HALTED, until a person resumes.")] = False,
    revoke_all_tokens: Annotated[
        bool, typer.Option("--revoke-all-tokens", help="Take all tokens back: msc token create makes new ones.")
    ] = False,
    lose_tightenings: Annotated[
        bool,
        typer.Option(
            "--lose-tightenings",
            help="Give up halts, overrides and retirements that the replaced database has and the backup has not.",
        ),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Replace, or make a new database file, without being asked.")
    ] = False,
    database_url: DatabaseOption = None,
    config: ConfigOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fill a database from a backup, and start a new epoch in it, so that every client moves to it explicitly, once.

    Stop the authorities first. The file is compared with its manifest before anything is touched, and all is one
    transaction. Facts and policies written since the backup are lost. What a person halted, tightened, retired or
    revoked holds if the backup or the replaced database has it; what a person loosened holds only if both have it. The
    new epoch has no policy before the first evaluation, which the authority makes at its start. Look at the database
    that is named behind it: it is the one of the configuration. A file that is not there is made only if you say so.
    """
    from msc_authority.adapters.sql.archive import opened_archive
    from msc_authority.adapters.sql.keeping import Wishes

    url = settings_of(config, {"home": home, "database_url": database_url}).database_url
    with store_told(), _backup_told(), opened_archive(file) as archive:
        if not yes:
            _confirm(archive.manifest, url, replace=replace)
        if save_replaced is not None:
            _save(url, save_replaced, quiet=as_json)
        with _database(url) as database, _progress("Restoring", quiet=as_json) as progress:
            from msc_authority.adapters.clock import SystemClock
            from msc_authority.adapters.sql.restore import restore as fill

            wishes = Wishes(halt=halt, revoke_all_tokens=revoke_all_tokens, lose_tightenings=lose_tightenings)
            done = fill(
                database,
                archive,
                now=SystemClock().now(),
                actor=this_person(),
                replace=replace,
                wishes=wishes,
                progress=progress,
            )
    if as_json:
        print_json(restored_document(done, named(url)))
    else:
        typer.echo("\n".join(restored_lines(done, named(url))))


def _save(url: str, file: Path, *, quiet: bool) -> Manifest:
    from msc_authority.adapters.clock import SystemClock
    from msc_authority.adapters.sql.backup import back_up
    from msc_authority.cli.version import versions

    now, program = SystemClock().now(), versions()["version"]
    with (
        opened(url, current=False, unhurried=True) as database,
        _file_told(file),
        _progress("Backing up", quiet=quiet) as progress,
    ):
        return back_up(database, file, now=now, program=program, progress=progress)


@contextmanager
def _database(url: str) -> Iterator[Database]:
    # It may have to be made: not as `opened`, which wants one that is there.
    from msc_authority.adapters.sql.engine import Database
    from msc_authority.adapters.sql.postgres import UNHURRIED

    database = Database(url, limits=UNHURRIED)
    try:
        yield database
    finally:
        database.close()


def _confirm(manifest: Manifest, url: str, *, replace: bool) -> None:
    file = sqlite_file(url)
    if file is not None and not file.exists():
        # Where the URL of the real one was forgotten, this is the default: that one would stay empty, and unhalted.
        _ask(
            manifest,
            f"There is no {file} yet: make it, and restore into it?",
            "--yes makes it; --database-url names another",
        )
    elif replace:
        _ask(manifest, f"Replace everything in {named(url)} by this?", "add --yes to replace all the same")


def _ask(manifest: Manifest, question: str, advice: str) -> None:
    if not is_person():
        raise CommandError(f"{question} Nobody is there to be asked", advice=advice, code=ExitCode.USAGE)
    console().print(fact_table(_manifest_facts(manifest)))
    typer.confirm(question, abort=True, err=True)


def is_person() -> bool:
    """Whether somebody sits there who can be asked."""
    return sys.stdin.isatty()


@contextmanager
def _file_told(file: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        advice = "choose another name: backups are not written over"
        raise CommandError(f"{file}: is there already", advice=advice, code=ExitCode.USAGE) from None
    except OSError as error:
        raise CommandError(f"{file}: cannot be written: {error.strerror or error}", code=ExitCode.USAGE) from error


@contextmanager
def _backup_told() -> Iterator[None]:
    from msc_authority.adapters.sql.archive import BadBackup
    from msc_authority.adapters.sql.restore import NewerSchema, NotEmpty

    try:
        yield
    except BadBackup as error:
        raise CommandError(str(error), advice="nothing was changed", reason="BAD_BACKUP") from error
    except NewerSchema as error:
        raise CommandError(str(error), advice="nothing was changed", reason="NEWER_SCHEMA") from error
    except NotEmpty as error:
        raise CommandError(str(error), advice="nothing was changed", code=ExitCode.USAGE, reason="NOT_EMPTY") from error


@contextmanager
def _progress(title: str, *, quiet: bool) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    stderr = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("rows, {task.fields[table]}"),
        TimeRemainingColumn(),
    )
    off = quiet or not stderr.is_terminal
    with Progress(*columns, console=stderr, transient=True, disable=off) as bar:
        task = bar.add_task(title, total=None, table="")
        yield lambda table, done, total: bar.update(task, completed=done, total=total, table=table)


def _manifest_facts(manifest: Manifest) -> list[tuple[str, str]]:
    return [
        ("made at", instant(manifest.made_at.isoformat())),
        ("from", f"{manifest.source}, schema {manifest.schema}, msc {text(manifest.program)}"),
        ("policy", f"version {manifest.policy_version} of epoch {manifest.epoch}"),
        ("rows", str(manifest.rows)),
        ("audit anchor", manifest.audit_anchor or "none: this schema had no chain"),
    ]


def _manifest_document(manifest: Manifest) -> dict[str, object]:
    return {
        "made_at": manifest.made_at.isoformat(),
        "source": manifest.source,
        "schema": manifest.schema,
        "epoch": manifest.epoch,
        "policy_version": manifest.policy_version,
        "audit_anchor": manifest.audit_anchor or None,
        "rows": manifest.rows,
        "tables": {part.name: part.rows for part in manifest.tables},
    }


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1_000_000 else f"{count / 1e3:.1f} kB"
