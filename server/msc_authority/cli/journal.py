"""`msc journal import`: journal files into a running authority."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from msc_authority.cli.asking import check_target, told
from msc_authority.cli.credentials import credentials
from msc_authority.cli.errors import CommandError, ExitCode, command
from msc_authority.cli.loading import load_settings
from msc_authority.cli.options import DEFAULT_TARGET, HomeOption, JsonOption, TargetOption
from msc_authority.cli.output import console, fact_table, grid, print_json, text

if TYPE_CHECKING:
    from datetime import datetime

    from rich.progress import Progress

    from msc_authority.cli.journal_import import RefusedRow, Tally
    from msc_authority.rpc.record_client import RecordClient

SHOWN_REFUSED = 20
INTERRUPTED = 130

journal_app = typer.Typer(help="Work with the journal of trading.", no_args_is_help=True)


@journal_app.callback()
def _journal() -> None:
    """Work with the journal of trading."""


@journal_app.command("import")
@command
def import_files(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="CSV or JSON lines, plain or .gz.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the rows only; send nothing.")] = False,
    refused_out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all refused rows here, one JSON object a line.")
    ] = None,
    target: TargetOption = DEFAULT_TARGET,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import trades, equity readings and execution reports.

    Good rows are stored and refused ones listed. An import that was interrupted goes on where it stopped when it is
    run again; importing a file twice is harmless. Exit code 1: some rows were refused; 2: a file is unusable; 130: it
    was stopped.
    """
    check_target(target)
    with ExitStack() as stack:
        report = _Report(as_json=as_json, out=stack.enter_context(_opened(refused_out)))
        recorder = None if dry_run else stack.enter_context(_recorder(target, report))
        total = _import_all(files, target, None if dry_run else _imports_folder(home), recorder, report)
    report.finish(total, dry_run=dry_run)
    raise typer.Exit(ExitCode.BAD_NEWS if total.refused else ExitCode.OK)


class _Report:
    """What is told while importing, and at the end."""

    def __init__(self, *, as_json: bool, out: TextIO | None) -> None:
        self.as_json = as_json
        self._out = out
        self._first: list[RefusedRow] = []

    def refused(self, row: RefusedRow) -> None:
        if self._out:
            self._out.write(json.dumps(asdict(row)) + "\n")
        if self.as_json:
            print_json({"event": "refused", **asdict(row)})
        elif len(self._first) < SHOWN_REFUSED:
            self._first.append(row)

    def imported(self, path: Path, tally: Tally) -> None:
        if self.as_json:
            print_json({"event": "file", "file": str(path), **asdict(tally)})
        elif tally.resumed_after:
            self.say(f"{path}: went on behind row {tally.resumed_after}, where an earlier import had stopped")

    def interrupted(self) -> None:
        if self.as_json:
            print_json({"event": "interrupted"})
        self.say("stopped; run the same command again to go on")

    def say(self, message: str) -> None:
        """Tells a person something on the side."""
        if not self.as_json:
            typer.echo(message, err=True)

    def finish(self, total: Tally, *, dry_run: bool) -> None:
        if self.as_json:
            counts = {name: count for name, count in asdict(total).items() if name != "resumed_after"}
            print_json({"event": "summary", "dry_run": dry_run, **counts})
            return
        self._print_refused(total)
        rows = [("rows", str(total.rows)), ("refused", str(total.refused))]
        stored = [("stored", str(total.accepted)), ("stored before", str(total.duplicates))]
        console().print(fact_table([rows[0], *([] if dry_run else stored), rows[1]]))

    def _print_refused(self, total: Tally) -> None:
        if not self._first:
            return
        table = grid("file", "row", "field", "code", "reason", right=("row",))
        for row in self._first:
            table.add_row(text(Path(row.file).name), str(row.row), text(row.field), row.code, text(row.reason))
        console().print(table)
        if (more := total.refused - len(self._first)) > 0:
            typer.echo(f"and {more} more; --refused-out FILE writes all of them")


def _import_all(
    files: list[Path], target: str, folder: Path | None, recorder: RecordClient | None, report: _Report
) -> Tally:
    from msc_authority.adapters.clock import SystemClock
    from msc_authority.adapters.journal_files import FileError
    from msc_authority.cli.journal_import import Tally, check_files
    from msc_authority.rpc.remote_error import RemoteError

    now = SystemClock().now()
    total = Tally()
    try:
        check_files(files, now)
        with _progress_bar(report) as bar:
            for path in files:
                total += _import_one(path, target, folder, recorder, report, bar, now)
    except FileError as error:
        raise CommandError(str(error), code=ExitCode.USAGE, reason=error.reason) from error
    except RemoteError as error:
        raise told(error, target) from error
    except KeyboardInterrupt:
        report.interrupted()
        raise typer.Exit(INTERRUPTED) from None
    return total


def _import_one(
    path: Path,
    target: str,
    folder: Path | None,
    recorder: RecordClient | None,
    report: _Report,
    bar: Progress,
    now: datetime,
) -> Tally:
    from msc_authority.cli.journal_import import Bookmark, Import

    task = bar.add_task(path.name, total=path.stat().st_size)
    run = Import(
        path,
        recorder=recorder,
        bookmark=Bookmark(folder, path, target) if folder else None,
        on_refused=report.refused,
        on_bytes=lambda count: bar.update(task, completed=count),
    )
    tally = run.run(now)
    report.imported(path, tally)
    return tally


def _progress_bar(report: _Report) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    stderr = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=stderr,
        transient=True,
        disable=report.as_json or not stderr.is_terminal,
    )


@contextmanager
def _recorder(target: str, report: _Report) -> Iterator[RecordClient]:
    from msc_authority.rpc.record_client import RecordClient

    def on_retry(attempt: int, reason: str) -> None:
        if attempt == 1:
            report.say(f"{target} does not take the batch ({reason}); trying again")

    with RecordClient(target, credentials=credentials(), on_retry=on_retry) as client:
        yield client


@contextmanager
def _opened(path: Path | None) -> Iterator[TextIO | None]:
    if path is None:
        yield None
        return
    try:
        file = path.open("w", encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{path}: cannot be written: {error.strerror or error}", code=ExitCode.USAGE) from error
    with file:
        yield file


def _imports_folder(home: Path | None) -> Path:
    return load_settings(None, {"home": home} if home else {}).settings.home / "imports"
