"""`msc prune`: lets go of what is older than the configuration keeps it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from msc_authority.cli.database import DatabaseOption, named, opened, settings_of, store_told, this_person
from msc_authority.cli.errors import CommandError, ExitCode, command
from msc_authority.cli.options import ConfigOption, HomeOption, JsonOption
from msc_authority.cli.output import console, grid, instant, print_json, text

if TYPE_CHECKING:
    from msc_authority.adapters.sql.store import SqlStore
    from msc_authority.app.retention import KindPlan, Pruner
    from msc_authority.settings import Settings


@command
def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    start_anew: Annotated[
        bool,
        typer.Option(
            "--start-anew",
            help="Have only what the journal still holds count, under changed numbers, and forget what was pruned.",
        ),
    ] = False,
    database_url: DatabaseOption = None,
    config: ConfigOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove what is older than keep_executions_days, keep_trades_days, keep_equity_days and keep_evaluations_days.

    The authority does so by itself every day. Trades and readings of the account go only up to where the ledger that
    was folded from them is kept, and never what an evaluation may have to fold on from. Policies, evaluations that
    published one, and the audit log are kept for ever.
    """
    settings = settings_of(config, {"home": home, "database_url": database_url})
    with opened(settings.database_url) as database, store_told():
        from msc_authority.adapters.clock import SystemClock
        from msc_authority.adapters.sql.store import SqlStore

        pruner = _pruner(SqlStore(database, SystemClock()), settings)
        if start_anew:
            _started_anew(pruner, named(settings.database_url), as_json=as_json)
            return
        plans = pruner.plan() if dry_run else _pruned(pruner, quiet=as_json)
    if as_json:
        print_json(
            {"database": named(settings.database_url), "dry_run": dry_run, "kinds": [_document(plan) for plan in plans]}
        )
    else:
        _show(plans, dry_run=dry_run)
        typer.echo(f"in {named(settings.database_url)}", err=True)


def _pruner(store: SqlStore, settings: Settings) -> Pruner:
    from msc_authority.adapters.clock import SystemClock
    from msc_authority.app.retention import Pruner
    from msc_authority.compose.upkeep import keep_days

    return Pruner(
        journal=store.journal,
        evaluations=store.evaluations,
        retention=store.retention,
        clock=SystemClock(),
        config=settings.decision,
        keep=keep_days(settings),
    )


def _started_anew(pruner: Pruner, where: str, *, as_json: bool) -> None:
    from msc_authority.app.ledger import JournalPruned

    try:
        since = pruner.start_anew(this_person())
    except JournalPruned as error:
        raise CommandError(str(error), code=ExitCode.USAGE, reason="NOTHING_PRUNED") from error
    if as_json:
        print_json({"database": where, "counts_since": since.isoformat()})
    else:
        typer.echo(f"{where}: from now on, only facts later than {instant(since.isoformat())} count.")


def _pruned(pruner: Pruner, *, quiet: bool) -> Sequence[KindPlan]:
    from msc_authority.app.retention import BATCH_ROWS

    plans = pruner.prepare(this_person())
    with _progress(sum(plan.rows for plan in plans), quiet=quiet) as bar:
        for plan in plans:
            gone = BATCH_ROWS
            while gone == BATCH_ROWS:
                gone = pruner.prune_batch(plan.kind)
                bar(gone)
    return plans


@contextmanager
def _progress(total: int, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import Progress

    stderr = Console(stderr=True)
    with Progress(console=stderr, transient=True, disable=quiet or not stderr.is_terminal) as progress:
        task = progress.add_task("Pruning", total=total)
        yield lambda rows: progress.update(task, advance=rows)


def _document(plan: KindPlan) -> dict[str, object]:
    return {
        "kind": plan.kind,
        "keep_days": plan.keep_days,
        "upto": plan.upto.isoformat() if plan.upto else None,
        "rows": plan.rows,
        "held_back": plan.held_back or None,
    }


def _show(plans: Sequence[KindPlan], *, dry_run: bool) -> None:
    table = grid("kind", "kept", "would go" if dry_run else "gone", "up to", "held back", right=("would go", "gone"))
    for plan in plans:
        kept = f"{plan.keep_days} d" if plan.keep_days else "for ever"
        upto = instant(plan.upto.isoformat()) if plan.upto else ""
        table.add_row(plan.kind, kept, str(plan.rows), upto, text(plan.held_back))
    console().print(table)
